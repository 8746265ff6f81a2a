//! What went wrong, in words for people: what happened, and who can mend it.

use keydove_words::portal::NoSession;

use crate::problem::{Problem, RefusedKind};

/// A problem as people are told of it.
#[derive(Clone, Copy, Debug)]
pub struct Told {
    /// In a few words.
    pub heading: &'static str,
    /// What happened.
    pub happened: &'static str,
    /// What to do, and who can mend it.
    pub mend: &'static str,
}

/// All of them.
#[derive(Debug)]
#[expect(missing_docs, reason = "they are named as the problems are")]
pub struct ProblemTexts {
    pub disabled: Told,
    pub session_over: Told,
    pub mail_away: Told,
    pub keycloak_away: Told,
    pub other_version: Told,
    pub attempt_gone: Told,
    pub foreign_answer: Told,
    pub keycloak_said_no: Told,
    pub misconfigured: Told,
    pub not_asked_again: Told,
    pub no_address: Told,
    pub domain_full: Told,
    pub no_such_domain: Told,
    pub address_taken: Told,
    pub no_template: Told,
    pub switched_off: Told,
    pub no_mailbox: Told,
    pub not_verified: Told,
    pub refused: Told,
    pub not_administrator: Told,
    pub cross_site: Told,
    pub too_many: Told,
    pub too_large: Told,
    pub bad_form: Told,
    pub not_found: Told,
    pub gone: Told,
    pub internal: Told,
    pub try_again: &'static str,
    pub start_again: &'static str,
    pub other_person: &'static str,
    pub code: &'static str,
}

impl ProblemTexts {
    /// What people are told.
    #[must_use]
    pub fn of(&self, problem: &Problem) -> Told {
        match problem {
            Problem::NoSession(NoSession::Disabled) => self.disabled,
            Problem::NoSession(_) | Problem::Stale { .. } => self.session_over,
            Problem::DaemonAway(_) | Problem::Unavailable(_) => self.mail_away,
            Problem::KeycloakAway(_) => self.keycloak_away,
            Problem::OtherVersion(_) => self.other_version,
            Problem::AttemptGone | Problem::CodeNotTaken => self.attempt_gone,
            Problem::ForeignAnswer(_) => self.foreign_answer,
            Problem::KeycloakSaidNo(_) => self.keycloak_said_no,
            Problem::TokenNotTaken(_) | Problem::ClientNotTaken(_) => self.misconfigured,
            Problem::NotAskedAgain => self.not_asked_again,
            Problem::NoAddress => self.no_address,
            Problem::Refused(code) => match RefusedKind::of(code) {
                RefusedKind::DomainFull => self.domain_full,
                RefusedKind::NoSuchDomain => self.no_such_domain,
                RefusedKind::AddressTaken => self.address_taken,
                RefusedKind::NoTemplate => self.no_template,
                RefusedKind::SwitchedOff => self.switched_off,
                RefusedKind::NoMailbox => self.no_mailbox,
                RefusedKind::NotVerified => self.not_verified,
                RefusedKind::Other => self.refused,
            },
            Problem::NotAdministrator => self.not_administrator,
            Problem::CrossSite => self.cross_site,
            Problem::TooMany => self.too_many,
            Problem::TooLarge => self.too_large,
            Problem::BadForm => self.bad_form,
            Problem::NotFound => self.not_found,
            Problem::NoSuchRow => self.gone,
            Problem::Internal(_) => self.internal,
        }
    }
}
