//! Who may see whom. Arrows point down; modules on one row do not see each other; pure files stay pure.

use std::path::{Path, PathBuf};

/// Top to bottom. A module may use the rows below its own.
const ROWS: [&[&str]; 12] = [
    &["daemon"],
    &["config"],
    &["frontend", "operations"],
    &["decision", "sync", "housekeeping"],
    &["bookkeeping", "mailcow"],
    &["provision"],
    &["passdb", "userdb"],
    &["hashing", "throttle"],
    &["keycloak", "redis", "sql", "kick"],
    &["sasl", "scheme", "token", "observe", "cache", "breaker", "load"],
    &["settings"],
    &["auth"],
];
/// Sees everything, and is seen by nobody but the binary.
const TOP: &str = "cli";

/// Files that take bytes and give bytes: no runtime, no socket, no file, no clock, no log.
const PURE: [&str; 9] = [
    "auth",
    "settings",
    "sasl",
    "scheme",
    "token",
    "userdb",
    "frontend/dovecot",
    "frontend/hook",
    "frontend/postfix",
];
const IMPURE_WORDS: [&str; 9] = [
    "tokio",
    "tracing",
    "std::fs",
    "std::env",
    "std::process",
    "std::net::Tcp",
    "std::os::unix::net",
    "Instant::now",
    "SystemTime",
];

const MAX_LINES: usize = 600;
const EMPTY_NAMES: [&str; 6] = ["util", "utils", "common", "helper", "helpers", "misc"];

#[test]
fn modules_look_down_only() {
    let faults: Vec<String> = sources().iter().flat_map(|(file, text)| layer_faults(file, text)).collect();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn pure_files_stay_pure() {
    let faults: Vec<String> = sources().iter().flat_map(|(file, text)| purity_faults(file, text)).collect();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn files_are_small_and_their_names_say_something() {
    for (file, text) in sources() {
        let lines = text.lines().count();
        assert!(lines <= MAX_LINES, "{file} has {lines} lines");
        let named_badly = file.split(['/', '.']).any(|part| EMPTY_NAMES.contains(&part));
        assert!(!named_badly, "{file} has a name that says nothing");
    }
}

#[test]
fn every_module_has_its_row() {
    for (file, _) in sources() {
        let module = top_module(&file);
        let known = module == TOP || module == "lib.rs" || module == "bin" || row_of(module).is_some();
        assert!(known, "{file}: give `{module}` a row in tests/house/layers.rs");
    }
}

#[test]
fn a_planted_fault_is_found() {
    assert_eq!(layer_faults("sasl/plain.rs", "use crate::decision::Decision;").len(), 1);
    assert_eq!(layer_faults("sql/mod.rs", "use crate::keycloak::Client;").len(), 1);
    assert_eq!(layer_faults("sql/mod.rs", "use crate::{auth, keycloak};").len(), 1);
    assert_eq!(layer_faults("decision/mod.rs", "use crate::sql::Database;").len(), 0);
    assert_eq!(layer_faults("sasl/plain.rs", "let x = crate::cli::run();").len(), 1);
    assert_eq!(purity_faults("sasl/plain.rs", "use tokio::net::UnixStream;").len(), 1);
    assert_eq!(purity_faults("frontend/dovecot/line.rs", "let now = Instant::now();").len(), 1);
    assert_eq!(purity_faults("daemon/mod.rs", "use tokio::net::UnixStream;").len(), 0);
}

fn layer_faults(file: &str, text: &str) -> Vec<String> {
    let module = top_module(file);
    let Some(own_row) = row_of(module) else { return Vec::new() };
    let seen = used_modules(text).into_iter().filter(|used| used != module);
    let forbidden = seen.filter(|used| match row_of(used) {
        Some(row) => row <= own_row,
        None => used == TOP,
    });
    forbidden.map(|used| format!("{file}: `{module}` may not use `{used}`")).collect()
}

/// Every `crate::x`, and every `x` of a `crate::{x, y::z}`.
fn used_modules(text: &str) -> Vec<String> {
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut used = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(group) => {
                let mut depth = 1;
                let mut start = true;
                for (index, c) in group.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 1 => break,
                        '}' => depth -= 1,
                        ',' if depth == 1 => start = true,
                        c if start && !c.is_whitespace() => {
                            used.push(word(&group[index..]));
                            start = false;
                        }
                        _ => {}
                    }
                }
            }
            None => used.push(word(rest)),
        }
    }
    used
}

fn purity_faults(file: &str, text: &str) -> Vec<String> {
    let is_test = file.ends_with("tests.rs");
    if is_test || !PURE.iter().any(|folder| file.starts_with(&format!("{folder}/"))) {
        return Vec::new();
    }
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let code: String = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let words = IMPURE_WORDS.iter().filter(|word| code.contains(*word));
    words.map(|word| format!("{file}: a pure file mentions `{word}`")).collect()
}

fn row_of(module: &str) -> Option<usize> {
    ROWS.iter().position(|row| row.contains(&module))
}

fn top_module(file: &str) -> &str {
    file.split('/').next().unwrap_or(file)
}

/// Every source file, named from `src/`.
pub(super) fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root.clone()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
                files.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(files.len() > 20, "the sources were not found");
    files
}
