//! The command of `[kick]`: does it work for the service's user? It is run as keydove runs it, for a mailbox that
//! nobody has.

use super::finding::{Finding, Findings};
use crate::backend::kick::{Kicked, kick};
use crate::config::Config;

/// Nobody's: no domain ends so.
const NOBODY: &str = "keydove-check@keydove.invalid";

pub(super) async fn look(config: &Config) -> Vec<Finding> {
    let mut findings = Findings::of("kick");
    let Some(kick_config) = &config.kick else { return findings.into_vec() };
    let program = kick_config.command.first().map(String::as_str).unwrap_or_default();
    match kick(kick_config, NOBODY).await {
        Kicked::Done | Kicked::NobodyThere => {
            findings.fine(format!("open sessions are ended by {program}; it works, tried with {NOBODY}"));
        }
        Kicked::Failed(why) => findings.warning(
            format!("[kick] {program} fails ({why}): open sessions go on after access has ended"),
            "a program that needs root cannot work under the unit: use Dovecot's HTTP API, as docs/off-boarding.md shows",
        ),
    }
    findings.into_vec()
}
