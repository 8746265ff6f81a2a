//! Who may see whom. Arrows point down; modules on one row do not see each other; pure files stay pure.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The rooms of the house, top to bottom. A room uses those below it. `src/lib.rs` shows the same table.
const ROOMS: [&str; 15] = [
    "cli",
    "daemon",
    "config",
    "frontend",
    "login",
    "jobs",
    "provision",
    "backend",
    "credential",
    "observe",
    "token",
    "portal",
    "diagnostics",
    "settings",
    "auth",
];

/// The rows within a room that has several, top to bottom. What stands on one row does not see each other.
const ROWS: [(&str, &[&[&str]]); 5] = [
    (
        "frontend",
        &[
            &["http_login"],
            &["connection"],
            &["control", "hook", "operations", "portal", "postfix"],
            &["dovecot"],
            &["sasl"],
        ],
    ),
    ("login", &[&["service"], &["decision"], &["passdb", "throttle", "userdb"]]),
    (
        "jobs",
        &[
            &["changes", "errands", "events", "housekeeping", "mailcow", "notices", "record_keeper"],
            &["sync"],
            &["bookkeeping"],
        ],
    ),
    (
        "backend",
        &[
            &["mail_hosts", "mailboxes", "people"],
            &["keycloak", "kick", "redis", "sql"],
            &["breaker", "records"],
        ],
    ),
    ("credential", &[&["hashing"], &["compared", "scheme"]]),
];

/// Files that take bytes and give bytes: no runtime, no socket, no file, no clock, no log.
const PURE: [&str; 10] = [
    "auth",
    "settings",
    "portal",
    "credential/scheme",
    "token",
    "login/userdb",
    "frontend/dovecot",
    "frontend/hook",
    "frontend/postfix",
    "frontend/sasl",
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

const MAX_LINES: usize = 400;
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
    let beside = sources_of(&["load/src", "portal/src", "portal/tests", "stage/src"]);
    for (file, text) in sources().into_iter().chain(beside) {
        let lines = text.lines().count();
        assert!(lines <= MAX_LINES, "{file} has {lines} lines");
        let named_badly = file.split(['/', '.']).any(|part| EMPTY_NAMES.contains(&part));
        assert!(!named_badly, "{file} has a name that says nothing");
    }
}

/// In no crate of the workspace.
#[test]
fn no_files_use_each_other_in_a_circle() {
    let crates: [(&[&str], usize); 4] =
        [(&SOURCES, 100), (&["load/src"], 1), (&["portal/src"], 20), (&["stage/src"], 20)];
    for (folders, fewest) in crates {
        let sources = sources_of(folders);
        let (arrows, circles) = circles(&sources);
        assert!(arrows > fewest, "{folders:?}: only {arrows} arrows were read");
        assert!(circles.is_empty(), "{folders:?}: these use each other in circles: {circles:?}");
    }
}

/// How many arrows there are, by the files that are named; and the files from which they lead back. What the file of a
/// whole folder hands on is its own.
fn circles(sources: &[(String, String)]) -> (usize, Vec<&str>) {
    let has_folder =
        |file: &str| sources.iter().any(|(known, _)| known.starts_with(&file.replace(".rs", "/")));
    let is_file = |file: &str| sources.iter().any(|(known, _)| known == file) && !has_folder(file);
    let mut uses = BTreeMap::<&str, Vec<String>>::new();
    for (file, text) in sources.iter().filter(|(file, _)| !file.ends_with("tests.rs")) {
        let code = text.rsplit_once("\n#[cfg(test)]\n").map_or(&**text, |(code, _)| code);
        let code: String = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        for path in used_paths(&with_whole_paths(file, &code)) {
            let longest = (1..=path.len()).rev().map(|length| format!("{}.rs", path[..length].join("/")));
            uses.entry(file)
                .or_default()
                .extend(longest.into_iter().find(|used| is_file(used) && used != file));
        }
    }
    let leads_to = |from: &str, to: &str| {
        let (mut open, mut seen) = (vec![from.to_owned()], BTreeSet::new());
        while let Some(file) = open.pop() {
            for used in uses.get(file.as_str()).into_iter().flatten() {
                if used == to {
                    return true;
                }
                if seen.insert(used.clone()) {
                    open.push(used.clone());
                }
            }
        }
        false
    };
    let circles = uses.keys().filter(|file| leads_to(file, file)).copied().collect();
    (uses.values().map(Vec::len).sum(), circles)
}

#[test]
fn every_folder_has_its_room_and_its_row() {
    for (file, _) in sources().iter().filter(|(file, _)| file != "lib.rs" && !file.starts_with("bin/")) {
        let parts = parts(file);
        assert!(ROOMS.contains(&parts[0]), "{file}: give `{}` a place in tests/house/layers.rs", parts[0]);
        let Some(rows) = rows_of(parts[0]) else { continue };
        let has_row = rows.iter().any(|row| row.contains(&parts[1]));
        // What all frontends share stands beside their folders.
        let is_shared = parts[1] == "mod" || (parts[0] == "frontend" && file.split('/').count() == 2);
        assert!(has_row || is_shared, "{file}: give `{}` a row in tests/house/layers.rs", parts[1]);
    }
}

/// Names that each component has, and that are written with their module: `sql::Config`, `redis::Error`.
const OF_EACH_COMPONENT: [&str; 12] = [
    "Client",
    "Config",
    "End",
    "Error",
    "Fields",
    "Report",
    "Request",
    "Server",
    "SetupError",
    "Verdict",
    "Watch",
    "Worker",
];

#[test]
fn no_two_public_types_have_one_name() {
    let mut homes = BTreeMap::<String, Vec<String>>::new();
    for (file, text) in sources() {
        for line in text.lines() {
            let kinds = ["pub struct ", "pub enum ", "pub trait ", "pub type "];
            let Some(rest) = kinds.iter().find_map(|kind| line.strip_prefix(kind)) else { continue };
            let name: String = rest.chars().take_while(|c| c.is_alphanumeric()).collect();
            homes.entry(name).or_default().push(file.clone());
        }
    }
    homes.retain(|name, homes| homes.len() > 1 && !OF_EACH_COMPONENT.contains(&name.as_str()));
    assert!(homes.is_empty(), "{homes:#?}");
}

#[test]
fn the_tour_shows_the_rooms_as_they_stand() {
    let tour = include_str!("../../src/lib.rs");
    let rows = tour.lines().filter_map(|line| line.strip_prefix("//! | ["));
    let shown: Vec<&str> = rows.filter_map(|row| row.trim_start_matches('`').split('`').next()).collect();
    assert_eq!(shown, ROOMS);
}

#[test]
fn a_planted_fault_is_found() {
    for (file, text, faults) in [
        ("frontend/sasl/plain.rs", "use crate::login::decision::Decision;", 0),
        ("login/decision/mod.rs", "use crate::frontend::Protocol;", 1),
        ("backend/sql/mod.rs", "use crate::backend::keycloak::Client;", 1),
        ("backend/sql/mod.rs", "use crate::backend::{keycloak, records};", 1),
        ("backend/people/mod.rs", "use crate::backend::{keycloak, records};", 0),
        ("backend/people/losses.rs", "use super::super::records::Records;", 0),
        ("backend/records/entries.rs", "use super::super::people::People;", 1),
        ("frontend/dovecot/mod.rs", "use super::hook::Hook;", 1),
        ("backend/sql/mod.rs", "use crate::{auth, login::passdb};", 1),
        ("login/decision/mod.rs", "use crate::backend::sql::Database;", 0),
        ("login/passdb/mod.rs", "use crate::login::decision::Decision;", 1),
        ("provision/mod.rs", "let x = crate::cli::run();", 1),
    ] {
        assert_eq!(layer_faults(file, text).len(), faults, "{file}: {text}");
    }
    assert_eq!(purity_faults("frontend/sasl/plain.rs", "use tokio::net::UnixStream;").len(), 1);
    assert_eq!(purity_faults("frontend/dovecot/line.rs", "let now = Instant::now();").len(), 1);
    assert_eq!(purity_faults("daemon/mod.rs", "use tokio::net::UnixStream;").len(), 0);
}

fn layer_faults(file: &str, text: &str) -> Vec<String> {
    let own = parts(file);
    let Some(own_room) = room_of(own[0]) else { return Vec::new() };
    let own_row = row_of(own[0], own[1]);
    let forbidden =
        used_modules(&with_whole_paths(file, text)).into_iter().filter(|(room, part)| match room_of(room) {
            Some(used) if used == own_room => match (own_row, row_of(room, part)) {
                (Some(own_row), Some(used)) => part != own[1] && used <= own_row,
                _ => false,
            },
            Some(used) => used < own_room,
            None => false,
        });
    forbidden.map(|(room, part)| format!("{file} may not use `{room}::{part}`")).collect()
}

/// With `crate::` in place of each `super::`.
fn with_whole_paths(file: &str, text: &str) -> String {
    let module = file.strip_suffix(".rs").unwrap_or(file);
    let module: Vec<&str> = module.strip_suffix("/mod").unwrap_or(module).split('/').collect();
    let (mut whole, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once("super::") {
        let mut depth = 1;
        rest = after;
        while let Some(after) = rest.strip_prefix("super::") {
            (depth, rest) = (depth + 1, after);
        }
        let above = &module[..module.len().saturating_sub(depth)];
        let above: String = above.iter().map(|name| format!("{name}::")).collect();
        whole += &format!("{before}crate::{above}");
    }
    whole + rest
}

/// Every `crate::x::y`: the room and the part.
fn used_modules(text: &str) -> Vec<(String, String)> {
    let of_two = |path: Vec<String>| {
        let mut path = path.into_iter();
        (path.next().unwrap_or_default(), path.next().unwrap_or_default())
    };
    used_paths(text).into_iter().map(of_two).collect()
}

/// Every path behind a `crate::`, groups in braces taken apart.
fn used_paths(text: &str) -> Vec<Vec<String>> {
    fn follow(rest: &str, before: &[String], found: &mut Vec<Vec<String>>) {
        for (name, rest) in branches(rest) {
            let path = [before, &[name]].concat();
            match rest.strip_prefix("::") {
                Some(rest) => follow(rest, &path, found),
                None => found.push(path),
            }
        }
    }
    let mut found = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        follow(&text[at + "crate::".len()..], &[], &mut found);
    }
    found
}

/// The names that a path goes on with, each with what follows it: one, or those of a group in braces.
fn branches(text: &str) -> Vec<(String, &str)> {
    let split = |text: &str| text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    let branch = |text: &'_ str| (text[..split(text)].to_owned(), split(text));
    let Some(group) = text.strip_prefix('{') else {
        let (name, end) = branch(text);
        return vec![(name, &text[end..])];
    };
    let (mut depth, mut start, mut found) = (1, true, Vec::new());
    for (index, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 1 => break,
            '}' => depth -= 1,
            ',' if depth == 1 => start = true,
            c if start && !c.is_whitespace() => {
                let (name, end) = branch(&group[index..]);
                found.push((name, &group[index + end..]));
                start = false;
            }
            _ => {}
        }
    }
    found
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

fn room_of(room: &str) -> Option<usize> {
    ROOMS.iter().position(|known| *known == room)
}

fn rows_of(room: &str) -> Option<&'static [&'static [&'static str]]> {
    ROWS.iter().find(|(known, _)| *known == room).map(|(_, rows)| *rows)
}

fn row_of(room: &str, part: &str) -> Option<usize> {
    rows_of(room)?.iter().position(|row| row.contains(&part))
}

/// The room, and the part of it, to which a file belongs.
fn parts(file: &str) -> [&str; 2] {
    let mut parts = file.strip_suffix(".rs").unwrap_or(file).split('/');
    [parts.next().unwrap_or_default(), parts.next().unwrap_or("mod")]
}

/// The folders of the sources: the daemon's, and those of the crate of words, which are its lowest rooms.
const SOURCES: [&str; 2] = ["src", "words/src"];

/// Every source file, named from its `src/`.
pub(super) fn sources() -> Vec<(String, String)> {
    sources_of(&SOURCES)
}

fn sources_of(folders: &[&str]) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for root in folders.iter().map(|folder| root.join(folder)) {
        let mut folders = vec![root.clone()];
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
    }
    assert!(!files.is_empty(), "{folders:?}: the sources were not found");
    files
}
