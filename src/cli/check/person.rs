//! One real person: how their logins would end, by the decision itself.
//!
//! The running daemon is asked, whose memory and counters are those that logins meet; where none can be, the decision is
//! taken here.

use std::path::Path;

use super::finding::{Finding, Findings, Level};
use crate::auth::Username;
use crate::cli::advice::advice;
use crate::cli::control::ask;
use crate::config::Config;
use crate::daemon::{AssembleError, explain_once};
use crate::decision::{Explanation, StepEnd};
use crate::frontend::control::{Reply, Request};

/// What people use, in the words of `--service`.
const SERVICES: [&str; 4] = ["imap", "smtp", "pop3", "sieve"];

/// `path` is the configuration's, by which the daemon is found.
pub(super) fn look(user: &Username, config: &Config, path: &Path) -> Vec<Finding> {
    let mut findings = Findings::of("person");
    let explanations = match ask_daemon(user, path) {
        Some(explanations) => {
            findings.fine(format!("{user}: the running keydove was asked"));
            Ok(explanations)
        }
        None => explain_here(user, config),
    };
    match explanations {
        Ok(explanations) => tell(user, &explanations, &mut findings),
        Err(error) => {
            findings
                .told(Level::Fault, format!("{user}: whether they could log in was not found out: {error}"));
        }
    }
    findings.into_vec()
}

/// `None` where no daemon of this version can be asked.
fn ask_daemon(user: &Username, path: &Path) -> Option<Vec<Explanation>> {
    let explain = |service: &str| {
        let request = Request::Explain {
            user: user.as_str().to_owned(),
            service: service.to_owned(),
            remote: None,
            password: None,
        };
        match ask(path, &request) {
            Ok(Reply::Explained(explained)) => Some(explained.explanation),
            _ => None,
        }
    };
    SERVICES.into_iter().map(explain).collect()
}

fn explain_here(user: &Username, config: &Config) -> Result<Vec<Explanation>, AssembleError> {
    explain_once(config, user, &SERVICES)
}

/// The steps of the first service, and how each ends. Who gets in nowhere is a fault; who gets in somewhere has a switch
/// that may be meant.
fn tell(user: &Username, explanations: &[Explanation], findings: &mut Findings) {
    let first = explanations.first();
    for step in first.iter().flat_map(|first| &first.steps) {
        let end = if step.end == StepEnd::Stopped { " (the login ends here)" } else { "" };
        findings.fine(format!("{user}: {}: {}{end}", step.step, step.saw));
    }
    let (open, shut): (Vec<_>, Vec<_>) =
        explanations.iter().partition(|explanation| explanation.verdict == "accept");
    for explanation in &open {
        let Explanation { service, reason, .. } = explanation;
        findings.fine(format!("{user}: {service}: the right password opens the mailbox ({reason})"));
    }
    for explanation in shut {
        let Explanation { service, verdict, reason, detail, .. } = explanation;
        let detail = detail.as_deref().map_or_else(String::new, |detail| format!(" ({detail})"));
        let end = if verdict == "refuse" { "is refused" } else { "is told to try again" };
        let what = format!("{user}: {service}: the right password {end}: {reason}{detail}");
        let cure = advice(reason).unwrap_or_default();
        match open.is_empty() || verdict != "refuse" {
            true => findings.fault(what, cure),
            false => findings.warning(what, cure),
        }
    }
}
