//! The pages for people: their size, their links, and that each is listed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What fits on a page that somebody reads to the end.
const README_BYTES: usize = 12 * 1024;
/// Folders whose pages are checked; the first is the root.
const FOLDERS: [&str; 5] = ["", "docs", "dovecot", "postfix", "tests"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every page, by its path from the root.
pub fn all() -> BTreeMap<PathBuf, String> {
    let files = FOLDERS.iter().flat_map(|folder| std::fs::read_dir(root().join(folder)).unwrap());
    let pages =
        files.map(|file| file.unwrap().path()).filter(|path| path.extension().is_some_and(|end| end == "md"));
    pages
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            (path.strip_prefix(root()).unwrap().to_owned(), text)
        })
        .collect()
}

/// The lines of a page that are not code.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut fenced = false;
    text.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        fenced ^= is_fence;
        !fenced && !is_fence && !line.starts_with("    ")
    })
}

/// A line without what stands between backticks.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join("`")
}

/// Where the links of a page lead.
fn links(text: &str) -> Vec<String> {
    let in_line = |line: &str| -> Vec<String> {
        let targets = line.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
        targets.map(|(target, _)| target.to_owned()).collect()
    };
    prose(text).flat_map(in_line).collect()
}

/// What a heading is called in a link, as GitHub calls it.
fn anchor(heading: &str) -> String {
    let heading = heading.to_lowercase();
    let kept = heading.chars().filter(|&c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn anchors(text: &str) -> BTreeSet<String> {
    let headings = prose(text).filter(|line| line.starts_with('#'));
    let mut found = BTreeSet::new();
    for heading in headings {
        let name = anchor(heading.trim_start_matches('#').trim());
        let free = (1..).map(|number| format!("{name}-{number}"));
        let free = [name.clone()].into_iter().chain(free).find(|name| !found.contains(name));
        found.extend(free);
    }
    found
}

#[test]
fn every_link_leads_to_a_page_and_a_heading_that_are_there() {
    let pages = all();
    assert!(pages.len() > 25, "{:?}", pages.keys());
    let mut broken = Vec::new();
    for (page, text) in &pages {
        for link in
            links(text).into_iter().filter(|link| !link.contains("://") && !link.starts_with("mailto:"))
        {
            let (file, heading) =
                link.split_once('#').map_or((link.as_str(), None), |(file, end)| (file, Some(end)));
            let path = match file {
                "" => root().join(page),
                file => root().join(page).parent().unwrap().join(file),
            };
            let leads = path.exists()
                && heading.is_none_or(|heading| {
                    std::fs::read_to_string(&path).is_ok_and(|text| anchors(&text).contains(heading))
                });
            if !leads {
                broken.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "these links lead nowhere:\n{}", broken.join("\n"));
}

/// Pages that name source files between backticks, below `src/` or the root.
const NAMING_SOURCES: [&str; 3] = ["CONTRIBUTING.md", "docs/architecture.md", "docs/threat-model.md"];

#[test]
fn every_source_file_that_a_page_names_is_there() {
    let pages = all();
    let mut named = 0;
    for page in NAMING_SOURCES {
        let code = prose(&pages[Path::new(page)]).flat_map(|line| line.split('`').skip(1).step_by(2));
        for file in code.filter(|code| code.ends_with(".rs") && code.contains('/')) {
            named += 1;
            let is_there = root().join("src").join(file).exists() || root().join(file).exists();
            assert!(is_there, "{page} names {file}, which is not there");
        }
    }
    assert!(named > 25, "only {named} files are named");
}

#[test]
fn the_readme_is_short() {
    let bytes = std::fs::metadata(root().join("README.md")).unwrap().len();
    assert!(bytes <= README_BYTES as u64, "README.md has {bytes} bytes; move a part to a page in docs/");
}

#[test]
fn the_index_lists_every_page_of_the_documentation() {
    let pages = all();
    let index = links(&pages[Path::new("docs/README.md")]);
    let listed: BTreeSet<&str> = index.iter().map(|link| link.split('#').next().unwrap()).collect();
    let pages = pages.keys().filter_map(|page| page.strip_prefix("docs").ok()?.to_str());
    let missing: Vec<_> = pages.filter(|page| *page != "README.md" && !listed.contains(page)).collect();
    assert!(missing.is_empty(), "docs/README.md does not list {missing:?}");
}

/// Words that make an administrator read a sentence twice, and what to write instead.
const HARD_WORDS: [(&str, &str); 5] = [
    ("whoever", "users who, a program that"),
    ("whomever", "the user that"),
    ("cannot tell", "temporary failure"),
    ("stands against", "prevents"),
    ("anew", "again"),
];

#[test]
fn the_pages_are_in_plain_words() {
    let mut found = Vec::new();
    let pages =
        all().into_iter().filter(|(page, _)| !page.ends_with("CHANGELOG.md") && !page.starts_with("tests"));
    for (page, text) in pages {
        for line in prose(&text).map(without_code) {
            let line = line.to_lowercase();
            let hard = HARD_WORDS.iter().filter(|(word, _)| {
                line.split(word).skip(1).any(|after| !after.starts_with(char::is_alphanumeric))
            });
            found.extend(
                hard.map(|(word, better)| format!("{}: \"{word}\" ({better}): {line}", page.display())),
            );
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn headings_have_the_names_that_github_gives_them() {
    assert_eq!(anchor("`[kick]` and `max_percent`"), "kick-and-max_percent");
    assert_eq!(anchor("Who: \"users\", 2.4"), "who-users-24");
    let twice = anchors("# One\n```\n# no heading\n```\n## One\n");
    assert_eq!(twice.into_iter().collect::<Vec<_>>(), ["one", "one-1"]);
}
