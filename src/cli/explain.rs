//! `keydove explain`: why can they not log in?

use std::net::IpAddr;
use std::path::Path;

use super::control::{ask, other_answer};
use super::input::Input;
use super::storage::{Answer, Failure};
use super::table::table;
use crate::auth::Reason;
use crate::frontend::control::{Reply, Request, SentPassword};
use crate::login::decision::{Explanation, StepEnd};
use crate::login::service::{Explained, PastAttempt};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The name that the user logs in with.
    address: String,
    /// The service: imap, pop3, smtp, sieve; or portal, which Keycloak signs people in to.
    #[arg(long, value_name = "SERVICE", default_value = "imap")]
    service: String,
    /// The client's address, for app passwords that are limited to networks.
    #[arg(long, value_name = "ADDRESS")]
    from: Option<IpAddr>,
    /// Try a password: the first line of standard input, or asked for on a terminal.
    #[arg(long)]
    password_stdin: bool,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments, config: &Path) -> Result<Answer, Failure> {
    let password = match arguments.password_stdin {
        true => Some(SentPassword::new(&Input::standard().ask("password")?)),
        false => None,
    };
    let has_password = password.is_some();
    let request = Request::Explain {
        user: arguments.address.clone(),
        service: arguments.service.clone(),
        remote: arguments.from,
        password,
    };
    match ask(config, &request)? {
        Reply::Explained(explained) if arguments.json => serde_json::to_string_pretty(&explained)
            .map(Answer::from)
            .map_err(|error| Failure::System(format!("cannot write JSON: {error}"))),
        Reply::Explained(explained) => Ok(show(&explained, has_password).into()),
        Reply::Error(error) => Err(Failure::System(error)),
        _ => Err(other_answer()),
    }
}

fn show(explained: &Explained, has_password: bool) -> String {
    let Explained { explanation, failures, logins } = explained;
    let mut parts = vec![show_steps(explanation), show_verdict(explanation, has_password)];
    if !failures.is_empty() {
        parts.push(show_attempts("not accepted since keydove started (UTC)", failures));
    }
    parts.push(match logins {
        Some(logins) if logins.is_empty() => "no login is in the history".to_owned(),
        Some(logins) => show_attempts("last logins (the database's time)", logins),
        None => "the login history cannot be read".to_owned(),
    });
    parts.join("\n\n")
}

fn show_steps(explanation: &Explanation) -> String {
    let rows = explanation.steps.iter().map(|step| {
        let end = match step.end {
            StepEnd::Passed => "ok",
            StepEnd::Closed => "closed",
            StepEnd::Stopped => "STOP",
        };
        [step.step.clone(), end.to_owned(), step.from.clone().unwrap_or_default(), step.saw.clone()]
    });
    let title = format!("{} for {}", explanation.user, explanation.service);
    table([title.as_str(), "", "from where", "what was seen"], rows.collect())
}

fn show_verdict(explanation: &Explanation, has_password: bool) -> String {
    let Explanation { verdict, reason, detail, .. } = explanation;
    let mut lines = vec![match (verdict.as_str(), has_password) {
        ("accept", true) => format!("accept: the password opens the mailbox ({reason})"),
        ("accept", false) => format!("accept with the right password ({reason})"),
        ("refuse", _) => format!("refuse: {reason}"),
        _ => format!("cannot tell: {reason}"),
    }];
    lines.extend(detail.clone());
    let cure = cure_of(reason);
    if !cure.is_empty() {
        lines.push(format!("-> {cure}"));
    }
    lines.join("\n")
}

/// What to do about a reason code; empty where there is nothing to do, and for words that are none.
pub(super) fn cure_of(code: &str) -> &'static str {
    Reason::of_code(code).map_or("", Reason::cure)
}

fn show_attempts(title: &str, attempts: &[PastAttempt]) -> String {
    let row = |attempt: &PastAttempt| {
        let PastAttempt { at, service, remote, verdict, reason } = attempt;
        [at.clone(), service.clone(), remote.clone().unwrap_or_default(), verdict.clone(), reason.clone()]
    };
    table([title, "service", "from", "verdict", "reason"], attempts.iter().map(row).collect())
}
