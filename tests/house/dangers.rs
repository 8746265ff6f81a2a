//! What no source file may do: delete mailboxes, and let a wall clock decide what is remembered.

use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn no_statement_deletes_mailboxes() {
    let mut folders = vec![source("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap().to_ascii_uppercase();
            let deletes = ["DELETE FROM MAILBOX", "TRUNCATE TABLE", "DROP TABLE MAILBOX"];
            assert!(
                !deletes.iter().any(|words| text.contains(words)),
                "{} deletes mailboxes",
                path.display()
            );
        }
    }
}

#[test]
fn caches_read_no_wall_clock() {
    for file in [
        "backend/records/bounded",
        "backend/records/cache",
        "credential/compared/comparisons",
        "credential/compared/verified",
    ] {
        let path = source(&format!("src/{file}.rs"));
        assert!(!fs::read_to_string(&path).unwrap().contains("SystemTime"), "{}", path.display());
    }
}

fn source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
