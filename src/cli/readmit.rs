//! `keydove mailbox adopt --all --by ATTRIBUTE`: mailboxes for people whom Keycloak took in again under new ids.

use std::path::Path;
use std::process::ExitCode;

use super::output::say;
use super::table::table;
use super::{FAILED, fail, load_and_log};
use crate::jobs::sync::Readmission;
use crate::{daemon, observe};

/// Exit code 0: everybody whose mailbox belongs to another id is readmitted, or nobody is there. 1: somebody is left, or a
/// Keycloak was not gone through.
pub(super) fn run(by: &str, dry_run: bool, json: bool, config: &Path) -> ExitCode {
    let config = match load_and_log(config) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let end = daemon::readmit_once(&config, by, dry_run);
    observe::flush();
    match end {
        Ok(readmission) => {
            say(&if json {
                serde_json::to_string(&readmission).unwrap_or_default()
            } else {
                describe(&readmission)
            });
            if readmission.is_whole() { ExitCode::SUCCESS } else { 1.into() }
        }
        Err(error) => fail(FAILED, &error),
    }
}

fn describe(readmission: &Readmission) -> String {
    let dry_run = readmission.dry_run;
    let mut lines = Vec::new();
    if !readmission.people.is_empty() {
        let rows = readmission.people.iter().map(|person| {
            let outcome = person.outcome.words(dry_run).to_owned();
            [person.address.clone(), outcome, person.old_id.clone(), person.new_id.clone()]
        });
        lines.push(table(["ADDRESS", "OUTCOME", "OLD ID", "NEW ID"], rows.collect()));
    }
    for (source, trouble) in &readmission.troubles {
        lines.push(format!("{source}: {trouble}"));
    }
    let taken =
        readmission.people.iter().filter(|person| person.outcome.words(dry_run).ends_with("readmitted"));
    let (taken, all) = (taken.count(), readmission.people.len());
    let whole = if readmission.complete { "" } else { "not complete: " };
    let dry = if dry_run { "; nothing was written" } else { "" };
    lines.push(format!("{whole}{taken} of {all} mailboxes with another owner's id{dry}"));
    if taken < all {
        lines.push(
            "who is left is given a mailbox by hand: keydove mailbox adopt ADDRESS --id NEW_ID".to_owned(),
        );
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::sync::{Readmittance, Readmitted};

    #[test]
    fn the_table_says_who_is_left_and_why() {
        let person = |address: &str, outcome| Readmitted {
            address: address.to_owned(),
            outcome,
            old_id: "1".to_owned(),
            new_id: "2".to_owned(),
        };
        let people = vec![
            person("a@example.org", Readmittance::Readmitted),
            person("b@example.org", Readmittance::MarkDiffers),
        ];
        let text = describe(&Readmission { dry_run: true, complete: true, people, troubles: Vec::new() });
        assert!(text.contains("a@example.org  would be readmitted"), "{text}");
        assert!(text.contains("1 of 2 mailboxes with another owner's id; nothing was written"), "{text}");
        assert!(text.contains("--id NEW_ID"), "{text}");
    }
}
