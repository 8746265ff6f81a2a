//! One real person: how their logins would end, by the decision itself.
//!
//! The running daemon is asked, whose memory and counters are those that logins meet; where none can be, the decision is
//! taken here.

use std::path::Path;

use super::finding::{Finding, Findings, Level};
use crate::auth::Username;
use crate::cli::control::ask;
use crate::cli::explain::cure_of;
use crate::config::Config;
use crate::daemon::{AssembleError, explain_once};
use crate::frontend::control::{Reply, Request};
use crate::login::decision::{Explanation, StepEnd};

/// What people use, in the words of `--service`.
const SERVICES: [&str; 4] = ["imap", "smtp", "pop3", "sieve"];

/// `daemon`: the configuration of the running one, if that answers.
pub(super) fn look(user: &Username, config: &Config, daemon: Option<&Path>) -> Vec<Finding> {
    let mut findings = Findings::of("person");
    match explain(user, &SERVICES, config, daemon) {
        Ok((explanations, is_daemons)) => {
            if is_daemons {
                findings.fine(format!("{user}: the running keydove was asked"));
            }
            tell(user, &explanations, &mut findings);
        }
        Err(error) => {
            findings
                .told(Level::Fault, format!("{user}: whether they could log in was not found out: {error}"));
        }
    }
    findings.into_vec()
}

/// How logins for these services would end, and whether the running daemon said it: it does, or, where none can be asked, the decision here.
pub(super) fn explain(
    user: &Username,
    services: &[&str],
    config: &Config,
    daemon: Option<&Path>,
) -> Result<(Vec<Explanation>, bool), AssembleError> {
    match daemon.and_then(|path| ask_daemon(user, services, path)) {
        Some(explanations) => Ok((explanations, true)),
        None => explain_once(config, user, services).map(|explanations| (explanations, false)),
    }
}

/// `None` where no daemon of this version can be asked.
fn ask_daemon(user: &Username, services: &[&str], path: &Path) -> Option<Vec<Explanation>> {
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
    services.iter().copied().map(explain).collect()
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
        let cure = cure_of(reason);
        match open.is_empty() || verdict != "refuse" {
            true => findings.fault(what, cure),
            false => findings.warning(what, cure),
        }
    }
}
