//! The code of a folder, as house tests read it.

use std::path::{Path, PathBuf};

/// Every Rust file below a folder, in order: its path, and its code without its tests. Files of tests are left out.
pub fn below(folder: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    sources(Path::new(folder), &mut found);
    found
}

fn sources(folder: &Path, found: &mut Vec<(String, String)>) {
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs")
            && !path.to_str().unwrap().ends_with("_tests.rs")
        {
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap().to_owned();
            found.push((path.display().to_string(), code));
        }
    }
}
