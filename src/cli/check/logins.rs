//! Logins tried: of a few people who have a mailbox, and the first one of somebody in each domain. It is the decision
//! itself that says how they end, and what a first login would make is taken back.

use std::path::Path;

use super::Checked;
use super::finding::{Finding, Findings};
use super::person;
use crate::auth::{NotAccepted, ProvisionRefusal, Reason, TempFailReason, Username};
use crate::backend::sql::Database;
use crate::cli::explain::cure_of;
use crate::daemon::{AssembleError, FirstLogin, rehearse_once};

/// So many mailboxes are looked at, and more as long as none of them can be logged in to.
const SAMPLE: usize = 5;
const MOST: usize = 25;
/// So many reasons are told.
const TOLD: usize = 5;
/// So many domains.
const MOST_DOMAINS: usize = 50;

/// What the database says that could log in.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    pub(super) mailboxes: Vec<Username>,
    pub(super) domains: Vec<String>,
}

pub(super) async fn find_candidates(database: &Database) -> Candidates {
    // Trouble with the database is told where it was met first.
    let mailboxes = database.sample_mailboxes(MOST).await.unwrap_or_default();
    let mut domains = database.active_domains().await.unwrap_or_default();
    domains.truncate(MOST_DOMAINS);
    Candidates { mailboxes, domains }
}

/// `daemon`: the configuration of the running one, if that answers.
pub(super) fn look(checked: &Checked<'_>, candidates: &Candidates, daemon: Option<&Path>) -> Vec<Finding> {
    let mut findings = Findings::of("logins");
    look_at_mailboxes(checked, candidates, daemon, &mut findings);
    if checked.makes_mailboxes {
        look_at_first_logins(checked, candidates, &mut findings);
    } else if candidates.mailboxes.is_empty() {
        findings.fault(
            "no mailbox can be logged in to: there is none that is on, and first logins make none",
            "keydove mailbox add ADDRESS, or [provisioning] enabled = true",
        );
    }
    findings.into_vec()
}

fn look_at_mailboxes(
    checked: &Checked<'_>,
    candidates: &Candidates,
    daemon: Option<&Path>,
    findings: &mut Findings,
) {
    let (mut open, mut refused) = (Vec::new(), Vec::new());
    let mut troubled = Vec::new();
    let mut looked = 0;
    for user in &candidates.mailboxes {
        if looked >= SAMPLE && !open.is_empty() {
            break;
        }
        looked += 1;
        match person::explain(user, &["imap"], checked.config, daemon) {
            Ok((explanations, _)) => {
                let Some(explanation) = explanations.into_iter().next() else { continue };
                let name = user.to_string();
                match &*explanation.verdict {
                    "accept" => open.push(name),
                    "refuse" => refused.push((name, explanation.reason)),
                    _ => troubled.push((name, explanation.reason, explanation.detail)),
                }
            }
            Err(error) => {
                let what = format!("whether {user} could log in was not found out: {error}");
                return findings.fault(what, "");
            }
        }
    }
    for (name, reason, detail) in troubled {
        let detail = detail.map_or_else(String::new, |detail| format!(" ({detail})"));
        let what = format!("{name}: imap: the right password is told to try again: {reason}{detail}");
        let cure = cure_of(&reason);
        // With somebody else it works, so the trouble is theirs.
        match open.is_empty() {
            true => findings.fault(what, cure),
            false => findings.warning(what, cure),
        }
    }
    if let Some(name) = open.first() {
        let open = open.len();
        findings.fine(format!("of {looked} mailboxes looked at, {open} can be logged in to, {name} for one"));
    } else if !refused.is_empty() {
        let list: Vec<String> =
            refused.iter().take(TOLD).map(|(name, reason)| format!("{name} ({reason})")).collect();
        let cure = refused.first().map_or("", |(_, reason)| cure_of(reason));
        findings.fault(
            format!(
                "none of {looked} mailboxes looked at can be logged in to over IMAP: {}",
                list.join(", ")
            ),
            cure,
        );
    }
}

fn look_at_first_logins(checked: &Checked<'_>, candidates: &Candidates, findings: &mut Findings) {
    let mapped: Vec<String> = checked.mapping.pairs().map(|(value, _)| value.to_owned()).collect();
    let ends = match rehearse_once(checked.config, &candidates.domains, &mapped) {
        Ok(ends) => ends,
        Err(error) => return tell_trouble(&error, findings),
    };
    for FirstLogin { domain, value, end } in ends {
        let who = match &value {
            Some(value) => format!("a first login in {domain} with the template value `{value}`"),
            None => format!("a first login in {domain}"),
        };
        match end {
            Ok(template) => findings.fine(format!("{who} makes a mailbox from the template `{template}`")),
            Err(NotAccepted::CannotTell(trouble)) => {
                let reason = Reason::CannotTell(trouble.reason);
                let what = format!("{who} fails: {trouble}");
                // Who has none of the values that are mapped may be meant to get no mailbox.
                let no_mapping = TempFailReason::Provisioning(ProvisionRefusal::NoMapping);
                match trouble.reason == no_mapping && !mapped.is_empty() {
                    true => findings.warning(what, reason.cure()),
                    false => findings.fault(what, reason.cure()),
                }
            }
            Err(NotAccepted::Refused(denial)) => {
                let reason = Reason::Refused(denial);
                findings.fault(format!("{who} is refused: {}", reason.code()), reason.cure());
            }
        }
    }
}

fn tell_trouble(error: &AssembleError, findings: &mut Findings) {
    findings.fault(format!("first logins were not tried: {error}"), "");
}
