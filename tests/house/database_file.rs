//! Nothing but SQLite opens the database file: closing any other descriptor of it cancels SQLite's locks.

use super::code;

/// What opens, copies or reads a file, or hands one out.
const OPENS: [&str; 8] = [
    "File::",
    "OpenOptions",
    "fs::read",
    "fs::write",
    "fs::copy",
    "fs::hard_link",
    "Connection::open",
    "tokio::fs",
];
/// Where that is, and why it is harmless: `file`, the call, the reason.
const ALLOWED: &[(&str, &str, &str)] = &[
    (
        "src/backend/sql/sqlite/place.rs",
        "OpenOptions",
        "makes a file that is not there yet, and nothing else: create_new",
    ),
    ("src/backend/sql/sqlite/place.rs", "File::", "opens the folder, not the file"),
    ("src/backend/sql/sqlite.rs", "Connection::open", "SQLite itself"),
    ("src/backend/sql/sqlite.rs", "File::", "keydove's own type of that name"),
    ("src/backend/sql/sqlite/backup.rs", "Connection::open", "SQLite itself"),
    ("src/backend/sql/migrate.rs", "Connection::open", "in memory, in tests"),
];

#[test]
fn nothing_but_sqlite_opens_the_database_file() {
    let all = code::below("src/backend/sql");
    let mut faults = Vec::new();
    for (file, code) in &all {
        for call in OPENS {
            let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
            let is_used = lines.clone().any(|line| line.contains(call));
            let is_allowed = ALLOWED.iter().any(|(known, what, _)| known == file && *what == call);
            if is_used && !is_allowed {
                faults.push(format!("{file}: {call}"));
            }
        }
    }
    assert!(faults.is_empty(), "these may open the database file beside SQLite: {faults:#?}");
    // Who knows the path outside: they may look at it by name, and open nothing.
    let all = code::below("src");
    let known = [
        "src/cli/backup.rs",
        "src/cli/check/database.rs",
        "src/cli/check/files.rs",
        "src/cli/storage.rs",
        "src/config/checks.rs",
        "src/config/load.rs",
    ];
    let holders: Vec<_> = all
        .iter()
        .filter(|(file, code)| !file.starts_with("src/backend/sql/") && code.contains("Config::Sqlite("))
        .collect();
    for (file, code) in holders {
        assert!(
            known.contains(&file.as_str()),
            "{file} knows the path of the database file: is it opened there?"
        );
        // It reads the configuration, before there is any connection.
        if file == "src/config/load.rs" {
            continue;
        }
        let opens = ["File::open", "OpenOptions", "fs::read(", "fs::copy", "fs::write"];
        assert!(
            !opens.iter().any(|call| code.contains(call)),
            "{file} opens a file, and knows the database's path"
        );
    }
    let place = std::fs::read_to_string("src/backend/sql/sqlite/place.rs").unwrap();
    let code = place.split("#[cfg(test)]").next().unwrap();
    assert_eq!(code.matches("OpenOptions::new()").count(), code.matches(".create_new(true)").count());
    assert_eq!(code.matches("File::open(").count(), code.matches("File::open(folder_of(path))").count());
}
