//! What the crates of the workspace link.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use toml::Value;

/// What a program that only speaks to the daemon must not link: database drivers, and the HTTP and Redis clients of the
/// daemon's own backends.
const FORBIDDEN: [(&str, &[&str]); 2] = [
    ("keydove-words", &["keydove", "libsqlite3-sys", "mysql_async", "redis", "reqwest", "rusqlite", "tokio"]),
    ("keydove-portal", &["keydove", "libsqlite3-sys", "mysql_async", "redis", "rusqlite"]),
];

/// Every package of the lock file with what it depends on.
fn packages() -> BTreeMap<String, Vec<String>> {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock")).unwrap();
    let lock: toml::Table = toml::from_str(&text).unwrap();
    let mut packages = BTreeMap::<String, Vec<String>>::new();
    for package in lock["package"].as_array().unwrap() {
        let texts = |key| package.get(key).and_then(Value::as_array).into_iter().flatten();
        // "name", or "name version" where there are several.
        let first_word = |text: &str| text.split(' ').next().unwrap_or_default().to_owned();
        let needed = texts("dependencies").filter_map(Value::as_str).map(first_word);
        packages.entry(package["name"].as_str().unwrap().to_owned()).or_default().extend(needed);
    }
    packages
}

fn linked_by(package: &str) -> BTreeSet<String> {
    let packages = packages();
    let (mut open, mut seen) = (vec![package.to_owned()], BTreeSet::new());
    while let Some(package) = open.pop() {
        for needed in packages.get(&package).into_iter().flatten() {
            if seen.insert(needed.clone()) {
                open.push(needed.clone());
            }
        }
    }
    seen
}

#[test]
fn what_only_speaks_to_the_daemon_links_none_of_its_drivers() {
    assert!(linked_by("keydove").contains("rusqlite"), "the lock file was not understood");
    for (package, forbidden) in FORBIDDEN {
        let linked = linked_by(package);
        assert!(linked.contains("serde"), "{package} is not in the lock file");
        let found: Vec<_> = forbidden.iter().filter(|name| linked.contains(**name)).collect();
        assert!(found.is_empty(), "{package} links {found:?}");
    }
}
