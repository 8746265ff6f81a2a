//! `keydove housekeeping`: one run by hand.

use std::path::Path;
use std::process::ExitCode;

use super::output::{say, say_error};
use super::storage::explain;
use super::table::table;
use super::{BUSY, FAILED, fail, load_and_log};
use crate::daemon::{HousekeepingError, keep_house_once};
use crate::jobs::housekeeping::{End, Report};
use crate::observe;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Delete nothing; only count the rows.
    #[arg(long)]
    dry_run: bool,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments, config: &Path) -> ExitCode {
    let config = match load_and_log(config) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let end = keep_house_once(&config, arguments.dry_run);
    observe::flush();
    match end {
        Ok(End::Ran(report)) => {
            say(&if arguments.json {
                serde_json::to_string(&report).unwrap_or_default()
            } else {
                describe(&report)
            });
            ExitCode::SUCCESS
        }
        Ok(End::Held { by }) => {
            say_error(&format!(
                "keydove: another process ({by}) does it just now; there is nothing to do here"
            ));
            BUSY.into()
        }
        Ok(End::NotDue { .. }) => ExitCode::SUCCESS,
        Err(HousekeepingError::Database(error)) => {
            say_error(&format!("keydove: {}", explain(&error)));
            FAILED.into()
        }
        Err(error) => fail(FAILED, &error),
    }
}

fn describe(report: &Report) -> String {
    let heading = if report.dry_run { "WOULD BE DELETED" } else { "DELETED" };
    let rows = report.removed.iter().map(|removed| [removed.table.to_owned(), removed.rows.to_string()]);
    table(["TABLE", heading], rows.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::housekeeping::Removed;

    #[test]
    fn a_dry_run_says_that_it_is_one() {
        let removed = vec![Removed { table: "sasl_log", rows: 3 }];
        let text = describe(&Report { dry_run: true, removed: removed.clone() });
        assert!(text.starts_with("TABLE     WOULD BE DELETED"), "{text}");
        assert!(text.contains("sasl_log  3"), "{text}");
        assert!(describe(&Report { dry_run: false, removed }).contains("DELETED"));
    }
}
