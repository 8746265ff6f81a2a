//! The running daemon: does it have the configuration and the secrets that were just read, and do the backends answer
//! it with those that it has?

use std::path::Path;

use super::finding::{Finding, Findings, Level};
use crate::cli::control::ask;
use crate::cli::storage::Failure;
use crate::config::Config;
use crate::frontend::control::{REFUSAL, Reply, Request};

const RESTART: &str = "systemctl restart keydove";

/// `finds_fault`: whether the same backends did not answer here either, which is told already.
///
/// Says whether it can be asked how logins end.
pub(super) fn look(config: &Config, path: &Path, finds_fault: bool) -> (Vec<Finding>, bool) {
    let mut findings = Findings::of("running");
    let mut key = [0; 16];
    if let Err(error) = getrandom::fill(&mut key) {
        findings.told(Level::Warning, format!("the running keydove was not asked: {error}"));
        return (findings.into_vec(), false);
    }
    let differences = match ask(path, &Request::Compare { with: config.in_use.tag(key) }) {
        Ok(Reply::Differs(differences)) => differences,
        Err(Failure::NoControl) => {
            findings.fine(
                "whether the running keydove has this configuration was not found out: there is no listener with door = \
                 \"control\"",
            );
            return (findings.into_vec(), false);
        }
        // That nobody serves is told of the sockets.
        Err(error) => {
            findings.fine(format!("no running keydove was asked: {error}"));
            return (findings.into_vec(), false);
        }
        Ok(Reply::Error(error)) if error == REFUSAL => {
            findings.fine(format!("no running keydove was asked: {error}"));
            return (findings.into_vec(), false);
        }
        Ok(_) => {
            findings.warning("the running keydove is of another version than this command", RESTART);
            return (findings.into_vec(), true);
        }
    };
    let changed = differences.join(", ");
    let troubles = match ask(path, &Request::Probe) {
        Ok(Reply::Probed(troubles)) => troubles,
        Ok(_) => vec!["it had no time to ask Keycloak and the database".to_owned()],
        Err(error) => vec![error.to_string()],
    };
    match (differences.is_empty(), troubles.is_empty()) {
        (true, true) => findings.fine("the running keydove has this configuration and these secrets"),
        (false, true) => {
            findings.warning(format!("the running keydove was started before this change: {changed}"), RESTART);
        }
        (false, false) => findings.fault(
            format!(
                "the running keydove was started before this change: {changed}; with what it has, {}",
                troubles.join("; ")
            ),
            RESTART,
        ),
        (true, false) if finds_fault => findings.fine("the running keydove has this configuration and these secrets"),
        (true, false) => findings.fault(
            format!("the running keydove does not reach what this command reaches: {}", troubles.join("; ")),
            "look at IPAddressDeny=, PrivateNetwork= and RestrictAddressFamilies= of its unit; then systemctl restart \
             keydove",
        ),
    }
    (findings.into_vec(), true)
}
