//! What went wrong. Each problem has a status, a line in the log, and words for people in [`crate::texts`].

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use keydove_words::portal::NoSession;

/// Everything that can keep a page from being shown.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// Nobody is signed in, or no longer.
    #[error("nobody is signed in: {0:?}")]
    NoSession(NoSession),
    /// keydove does not answer.
    #[error("keydove cannot be asked: {0}")]
    DaemonAway(String),
    /// keydove answers that a backend of its own does not.
    #[error("keydove could not find out: {0}")]
    Unavailable(String),
    /// keydove and the portal do not understand each other.
    #[error("keydove and the portal do not fit together: {0}")]
    OtherVersion(String),
    /// Keycloak does not answer.
    #[error("Keycloak cannot be asked: {0}")]
    KeycloakAway(String),
    /// The browser has no sign-in under way, or began it too long ago.
    #[error("there is no sign-in under way in this browser")]
    AttemptGone,
    /// The answer belongs to no sign-in of this browser.
    #[error("an answer that belongs to no sign-in of this browser: {0}")]
    ForeignAnswer(&'static str),
    /// Keycloak ends the sign-in.
    #[error("Keycloak ends the sign-in: {0}")]
    KeycloakSaidNo(String),
    /// Keycloak does not take the code: it was used before, or is too old.
    #[error("Keycloak does not take the code")]
    CodeNotTaken,
    /// Keycloak does not take the portal's client.
    #[error("{0}")]
    ClientNotTaken(String),
    /// The ID token is not taken.
    #[error("the ID token is not taken: {0}")]
    TokenNotTaken(String),
    /// Keycloak did not make the person prove who they are.
    #[error("Keycloak did not ask again who it is")]
    NotAskedAgain,
    /// The person has no mail address in Keycloak, or the client may not see it.
    #[error("the ID token has no address")]
    NoAddress,
    /// keydove refuses the person.
    #[error("keydove refuses: {0}")]
    Refused(String),
    /// The page is for administrators.
    #[error("only administrators may do that")]
    NotAdministrator,
    /// The proof of identity is too old for a change. [`crate::guard`] sends the browser to Keycloak, and the form waits.
    #[error("the proof of identity is too old")]
    Stale {
        /// Whose form waits: Keycloak's id.
        subject: String,
    },
    /// Another site sent the browser here with a form.
    #[error("a form of another site")]
    CrossSite,
    /// Too many sign-ins from one address.
    #[error("too many sign-ins from one address")]
    TooMany,
    /// More than a form needs.
    #[error("a form of more than 16 KiB")]
    TooLarge,
    /// The form is none of ours.
    #[error("a form that is none")]
    BadForm,
    /// There is no such page.
    #[error("there is no such page")]
    NotFound,
    /// What was to be changed is not there.
    #[error("there is no such row")]
    NoSuchRow,
    /// The portal itself is at fault.
    #[error("{0}")]
    Internal(String),
}

/// A problem on its way to whoever shows it.
#[derive(Clone, Debug)]
pub(crate) struct Carried(pub(crate) Arc<Problem>);

/// Why keydove refuses somebody who has proven who they are, as far as it makes a difference to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusedKind {
    /// The domain has no room.
    DomainFull,
    /// Mail of the domain is not handled here.
    NoSuchDomain,
    /// Somebody or something else has the address.
    AddressTaken,
    /// There is no template for this person.
    NoTemplate,
    /// The person, the mailbox or what it depends on is switched off.
    SwitchedOff,
    /// There is no mailbox, and none is made.
    NoMailbox,
    /// The address is not verified.
    NotVerified,
    /// Anything else.
    Other,
}

impl RefusedKind {
    /// The kind of a reason code.
    #[must_use]
    pub fn of(code: &str) -> Self {
        match code {
            "provision_max_mailbox_exceeded"
            | "provision_mailbox_quota_exceeded"
            | "provision_mailbox_quota_left_exceeded" => Self::DomainFull,
            "domain_unknown"
            | "domain_disabled"
            | "provision_domain_unknown"
            | "provision_domain_inactive"
            | "name_invalid" => Self::NoSuchDomain,
            "provision_object_exists"
            | "provision_is_alias"
            | "provision_is_spam_alias"
            | "provision_reserved_name"
            | "user_conflict"
            | "user_replaced" => Self::AddressTaken,
            "provision_template_missing"
            | "provision_no_mapping"
            | "provision_mailbox_invalid"
            | "provision_quarantine_category_invalid" => Self::NoTemplate,
            "user_disabled" | "user_locked_out" | "mailbox_disabled" | "store_disabled" | "provider_off"
            | "organization_off" | "user_gone" => Self::SwitchedOff,
            "mailbox_unknown" => Self::NoMailbox,
            "email_unverified" => Self::NotVerified,
            _ => Self::Other,
        }
    }
}

impl Problem {
    /// The status of the answer.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::NoSession(NoSession::Disabled)
            | Self::KeycloakSaidNo(_)
            | Self::NotAskedAgain
            | Self::NoAddress
            | Self::Refused(_)
            | Self::NotAdministrator
            | Self::CrossSite => StatusCode::FORBIDDEN,
            Self::Stale { .. } | Self::NoSession(_) => StatusCode::UNAUTHORIZED,
            Self::DaemonAway(_) | Self::Unavailable(_) | Self::KeycloakAway(_) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::OtherVersion(_) | Self::ClientNotTaken(_) | Self::TokenNotTaken(_) => {
                StatusCode::BAD_GATEWAY
            }
            Self::AttemptGone | Self::ForeignAnswer(_) | Self::CodeNotTaken | Self::BadForm => {
                StatusCode::BAD_REQUEST
            }
            Self::TooMany => StatusCode::TOO_MANY_REQUESTS,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NotFound | Self::NoSuchRow => StatusCode::NOT_FOUND,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Whether the same request may well succeed a little later, because nothing was done.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::DaemonAway(_) | Self::Unavailable(_) | Self::KeycloakAway(_))
    }

    /// Whether a new sign-in helps.
    #[must_use]
    pub fn wants_new_sign_in(&self) -> bool {
        matches!(
            self,
            Self::NoSession(NoSession::Unknown | NoSession::Idle | NoSession::Expired)
                | Self::AttemptGone
                | Self::ForeignAnswer(_)
                | Self::CodeNotTaken
                | Self::KeycloakSaidNo(_)
                | Self::NotAskedAgain
                | Self::NotAdministrator
        )
    }

    /// Whether another person may have more luck.
    #[must_use]
    pub fn is_about_the_person(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::NoAddress | Self::NoSession(NoSession::Disabled))
    }

    /// The reason code that administrators know, where there is one.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused(code) | Self::Unavailable(code) | Self::KeycloakSaidNo(code) => Some(code),
            _ => None,
        }
    }

    /// Writes a line, as loud as the problem is.
    pub fn log(&self, path: &str) {
        match self.status().as_u16() {
            500.. => tracing::warn!(path, "{self}"),
            _ => tracing::debug!(path, "{self}"),
        }
    }
}

impl From<getrandom::Error> for Problem {
    fn from(error: getrandom::Error) -> Self {
        Self::Internal(format!("the system has no random bytes: {error}"))
    }
}

impl From<askama::Error> for Problem {
    fn from(error: askama::Error) -> Self {
        Self::Internal(format!("a page cannot be written: {error}"))
    }
}

/// Bare; [`crate::guard`] makes a page of it.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(Carried(Arc::new(self)));
        response
    }
}

#[cfg(test)]
mod tests {
    use keydove_words::auth::{Denial, TempFailReason};

    use super::RefusedKind;

    #[test]
    fn every_code_that_is_sorted_exists() {
        let known: Vec<_> = Denial::ALL
            .into_iter()
            .map(Denial::code)
            .chain(TempFailReason::all().map(TempFailReason::code))
            .collect();
        let sorted = known.iter().filter(|code| RefusedKind::of(code) != RefusedKind::Other).count();
        // A misspelt code in the table above would be one less.
        assert_eq!(sorted, 27);
        let rules = known.iter().filter(|code| code.starts_with("provision_"));
        assert!(rules.clone().count() > 10);
        for rule in rules {
            assert_ne!(RefusedKind::of(rule), RefusedKind::Other, "{rule} needs words for people");
        }
    }
}
