//! Ready, degraded or not ready, and why.

use std::fmt;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::time::Instant;

use super::{Operations, Phase, Watched};
use crate::auth::TempFailReason;
use crate::backend::breaker::Condition;
use crate::backend::people::LiveSource;

/// So long one stale answer makes a difference.
const STALE_COUNTS: Duration = Duration::from_secs(60);

/// Whether logins can be answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Readiness {
    /// All of them.
    Ready,
    /// Some, or with something old.
    Degraded(Vec<String>),
    /// None.
    NotReady(Vec<String>),
}

impl Readiness {
    /// Asks nobody: what the last logins met counts.
    pub(super) fn find_out(operations: &Operations, now: Instant) -> Self {
        match (operations.phase(), operations.watched.get()) {
            (Phase::Serving, Some(watched)) => Troubles::find(watched, now).judge(),
            (Phase::Stopping, _) => Self::NotReady(vec!["keydove is stopping".to_owned()]),
            (Phase::Starting | Phase::Serving, _) => Self::NotReady(vec!["keydove is starting".to_owned()]),
        }
    }
}

impl fmt::Display for Readiness {
    /// A line for each reason.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, reasons) = match self {
            Self::Ready => return f.write_str("ready\n"),
            Self::Degraded(reasons) => ("degraded", reasons),
            Self::NotReady(reasons) => ("not ready", reasons),
        };
        reasons.iter().try_for_each(|reason| writeln!(f, "{word}: {reason}"))
    }
}

/// What is wrong.
#[derive(Debug, Default)]
struct Troubles {
    /// That nobody can be answered.
    total: Vec<String>,
    partial: Vec<String>,
}

impl Troubles {
    fn find(watched: &Watched, now: Instant) -> Self {
        let mut troubles = Self::default();
        troubles.look_at_database(watched);
        troubles.look_at_keycloaks(watched);
        if watched.logins.was_stale_within(STALE_COUNTS, now.into_std()) {
            troubles.partial.push("logins are answered with what was known before".to_owned());
        }
        if watched.settings_trouble.as_ref().is_some_and(|trouble| trouble.load(Relaxed)) {
            troubles.partial.push("Keycloak's settings cannot be read from mailcow's table".to_owned());
        }
        troubles
    }

    fn look_at_database(&mut self, watched: &Watched) {
        let decision = &watched.decision;
        let failure = decision.database().questions().last_failure();
        let condition = decision.mailboxes().condition();
        let Some(sentence) = describe("the database", condition, failure) else { return };
        let is_away = condition != Condition::Closed
            || matches!(failure, Some(TempFailReason::SqlUnreachable | TempFailReason::SqlTimeout));
        let knows_nobody = !watched.outlives_outages || decision.mailboxes().counts().entries == 0;
        self.add(sentence, is_away && knows_nobody);
    }

    fn look_at_keycloaks(&mut self, watched: &Watched) {
        let people = watched.decision.people();
        let sources = people.sources().all();
        let knows_nobody = !watched.outlives_outages || people.counts().entries == 0;
        let mut sentences = Vec::new();
        for source in &sources {
            match source {
                LiveSource::Keycloak { client, .. } => {
                    let failure = client.calls().last_failure();
                    let name = format!("the Keycloak source `{}`", client.name());
                    sentences.extend(describe(&name, client.condition(), failure));
                }
                LiveSource::Unknown(trouble) => {
                    let code = trouble.reason.code();
                    sentences.push(format!("Keycloak's settings are not known ({code})"));
                }
                LiveSource::NotKeycloak => {}
            }
        }
        let all_are_away = !sources.is_empty() && sentences.len() == sources.len();
        for sentence in sentences {
            self.add(sentence, all_are_away && knows_nobody);
        }
        for source in &sources {
            if let LiveSource::Keycloak { client, .. } = source
                && client.is_attribute_hidden()
            {
                let name = client.name();
                self.partial.push(format!(
                    "the Keycloak source `{name}` shows nobody's password attribute (keycloak_attribute_hidden)"
                ));
            }
        }
    }

    fn add(&mut self, sentence: String, is_total: bool) {
        if is_total { self.total.push(sentence) } else { self.partial.push(sentence) }
    }

    fn judge(self) -> Readiness {
        match (self.total.is_empty(), self.partial.is_empty()) {
            (true, true) => Readiness::Ready,
            (true, false) => Readiness::Degraded(self.partial),
            (false, _) => Readiness::NotReady([self.total, self.partial].concat()),
        }
    }
}

/// What is wrong with a backend, if anything is.
fn describe(name: &str, condition: Condition, failure: Option<TempFailReason>) -> Option<String> {
    let code = failure.map_or("no answer", TempFailReason::code);
    match (condition, failure) {
        (Condition::Closed, None) => None,
        (Condition::Closed, Some(_)) => Some(format!("{name} could not answer the last question ({code})")),
        (Condition::HalfOpen | Condition::Open, _) => {
            Some(format!("{name} does not answer and is left alone for a while ({code})"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_a_line() {
        let reasons = ["one".to_owned(), "two".to_owned()];
        assert_eq!(Readiness::Ready.to_string(), "ready\n");
        assert_eq!(Readiness::Degraded(reasons.to_vec()).to_string(), "degraded: one\ndegraded: two\n");
        let troubles = Troubles { total: vec!["all".to_owned()], partial: reasons.to_vec() };
        assert_eq!(troubles.judge().to_string(), "not ready: all\nnot ready: one\nnot ready: two\n");
    }

    #[test]
    fn a_backend_is_told_of_while_it_fails() {
        let failure = Some(TempFailReason::KeycloakRefused);
        assert_eq!(describe("x", Condition::Closed, None), None);
        let failed = describe("x", Condition::Closed, failure).unwrap();
        assert_eq!(failed, "x could not answer the last question (keycloak_refused)");
        let alone = describe("x", Condition::Open, failure).unwrap();
        assert_eq!(alone, "x does not answer and is left alone for a while (keycloak_refused)");
    }
}
