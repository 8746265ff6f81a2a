//! `keydove census`: which schemes and costs are in use, and what is odd about people.

use std::path::Path;
use std::process::ExitCode;

use super::output::say;
use super::table::table;
use super::{FAILED, fail, load_and_log};
use crate::jobs::sync::{Census, Sighting};
use crate::{daemon, observe};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments, config: &Path) -> ExitCode {
    let config = match load_and_log(config) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let end = daemon::count_once(&config);
    observe::flush();
    match end {
        Ok(census) => {
            say(&if arguments.json {
                serde_json::to_string(&census).unwrap_or_default()
            } else {
                describe(&census)
            });
            if census.complete { ExitCode::SUCCESS } else { 1.into() }
        }
        Err(error) => fail(FAILED, &error),
    }
}

fn describe(census: &Census) -> String {
    let examples = |sighting: &Sighting| {
        let all: Vec<&str> = sighting.examples.iter().map(String::as_str).collect();
        all.join(" ")
    };
    let passwords = census.passwords.iter().map(|row| {
        let kind = &row.kind;
        [
            kind.grade.name().to_owned(),
            kind.place.to_owned(),
            kind.scheme.to_owned(),
            kind.cost.clone(),
            row.sighting.count.to_string(),
            examples(&row.sighting),
        ]
    });
    let headings = ["JUDGED", "WHERE", "SCHEME", "COST", "COUNT", "FOR INSTANCE"];
    let mut lines = vec![table(headings, passwords.collect())];
    let findings = census
        .findings
        .iter()
        .map(|(code, sighting)| [(*code).to_owned(), sighting.count.to_string(), examples(sighting)]);
    if !census.findings.is_empty() {
        lines.extend([String::new(), table(["FINDING", "COUNT", "FOR INSTANCE"], findings.collect())]);
    }
    lines.push(String::new());
    for source in &census.sources {
        if let Some(trouble) = &source.trouble {
            lines.push(format!("{}: {trouble}", source.name));
        }
    }
    let whole = if census.complete { "complete" } else { "not complete" };
    lines.push(format!("{whole}: {} people, {} of them set aside", census.seen, census.set_aside));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_census_that_is_not_complete_says_so() {
        let mut census = Census { seen: 3, set_aside: 1, ..Census::default() };
        let examples = ["id-1".to_owned()].into();
        census.findings.insert("no_address", Sighting { count: 1, examples });
        let text = describe(&census);
        assert!(text.contains("no_address  1      id-1"), "{text}");
        assert!(text.ends_with("not complete: 3 people, 1 of them set aside"), "{text}");
    }
}
