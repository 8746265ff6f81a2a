//! How a decision ends.

use std::fmt;

use super::{Denial, ProxiedLogin, Reason, Telling, TempFail, UserFields, Username};

/// The end of a decision.
#[derive(Clone, Debug)]
#[must_use]
pub enum Verdict {
    /// They may.
    Accept(Grant),
    /// They may not, and we are sure.
    Refuse(Denial),
    /// We do not know; they should try again. Never counted against anybody.
    CannotTell(TempFail),
}

/// Why a step of the decision did not let a login pass.
///
/// Made from a [`Denial`] or a [`TempFail`] and from nothing else: a backend's error has to become a
/// [`TempFail`] first, so no failure can end as a refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotAccepted {
    /// A definite no.
    Refused(Denial),
    /// Ignorance.
    CannotTell(TempFail),
}

impl Verdict {
    /// Which password opens the mailbox, or why none does.
    ///
    /// # Errors
    /// Why not.
    pub fn into_source(self) -> Result<Source, NotAccepted> {
        match self {
            Self::Accept(grant) => Ok(grant.source),
            Self::Refuse(denial) => Err(NotAccepted::Refused(denial)),
            Self::CannotTell(trouble) => Err(NotAccepted::CannotTell(trouble)),
        }
    }
}

impl Verdict {
    /// Why it ended so, for log and metrics.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Accept(_) => Reason::Accepted,
            Self::Refuse(denial) => Reason::Refused(*denial),
            Self::CannotTell(trouble) => Reason::CannotTell(trouble.reason),
        }
    }

    /// What whoever asked is told of it. The reason stays in the log.
    #[must_use]
    pub fn told(&self) -> Told<'_> {
        match self {
            Self::Accept(grant) => Told::Yes(grant),
            Self::Refuse(_) => Told::No,
            Self::CannotTell(trouble) => match trouble.reason.telling() {
                Telling::AtOnce | Telling::Late => Told::Later,
                Telling::AsRefusal => Told::No,
            },
        }
    }

    /// Whether it is told no sooner than a refusal. What is quicker or slower than a refusal tells a stranger who exists.
    #[must_use]
    pub fn waits(&self) -> bool {
        match self {
            Self::Accept(_) => false,
            Self::Refuse(_) => true,
            Self::CannotTell(trouble) => trouble.reason.telling() != Telling::AtOnce,
        }
    }
}

/// What a mail client hears of a verdict: one of three answers, and nothing of the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told<'a> {
    /// They may.
    Yes(&'a Grant),
    /// They may not.
    No,
    /// They should try again.
    Later,
}

impl fmt::Display for NotAccepted {
    /// The reason code; of a temporary failure with its story.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(denial) => f.write_str(denial.code()),
            Self::CannotTell(trouble) => trouble.fmt(f),
        }
    }
}

impl NotAccepted {
    /// Why, for log and metrics.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Refused(denial) => Reason::Refused(*denial),
            Self::CannotTell(trouble) => Reason::CannotTell(trouble.reason),
        }
    }

    /// What was attempted and what went wrong; a refusal has no story.
    #[must_use]
    pub fn into_story(self) -> Option<String> {
        match self {
            Self::Refused(_) => None,
            Self::CannotTell(trouble) => Some(trouble.detail),
        }
    }

    /// Whether another password of the same mailbox may still open it. A hash that nobody can use says nothing about the
    /// others; any other trouble would be theirs too.
    #[must_use]
    pub fn leaves_other_ways(&self) -> bool {
        match self {
            Self::Refused(_) => true,
            Self::CannotTell(trouble) => trouble.is_of_one_hash(),
        }
    }
}

impl From<Denial> for NotAccepted {
    fn from(denial: Denial) -> Self {
        Self::Refused(denial)
    }
}

impl From<TempFail> for NotAccepted {
    fn from(temp_fail: TempFail) -> Self {
        Self::CannotTell(temp_fail)
    }
}

impl From<Result<Grant, NotAccepted>> for Verdict {
    fn from(end: Result<Grant, NotAccepted>) -> Self {
        match end {
            Ok(grant) => Self::Accept(grant),
            Err(NotAccepted::Refused(denial)) => Self::Refuse(denial),
            Err(NotAccepted::CannotTell(temp_fail)) => Self::CannotTell(temp_fail),
        }
    }
}

/// What an accepted login is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The mailbox, in normal form.
    pub user: Username,
    /// Who opened it with a master user's password, if it was one.
    pub master_user: Option<Box<str>>,
    /// Which password or token it was.
    pub source: Source,
    /// Where the mail lives, for the mail process that redeems the login; empty where nobody wants to know.
    pub fields: UserFields,
    /// It came through the trusted webmail, so that no service's switch counted.
    pub through_webmail: bool,
    /// Where Dovecot's proxy has to pass the login on, where the mailbox lives on another machine.
    pub proxied: Option<Box<ProxiedLogin>>,
}

/// What opened the mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The attribute in Keycloak.
    Keycloak,
    /// The hash in the mailbox row (`authsource = mailcow`).
    Mailbox,
    /// The row of `app_passwd` with this id.
    AppPassword(i64),
    /// The secret by which `SOGo` logs in for people who are logged in at mailcow.
    SingleSignOn,
    /// An access token of Keycloak's.
    Token,
    /// A master user's.
    MasterUser,
}

impl Source {
    /// The name that logs use.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Keycloak => "keycloak",
            Self::Mailbox => "mailbox",
            Self::AppPassword(_) => "app_password",
            Self::SingleSignOn => "single_sign_on",
            Self::Token => "token",
            Self::MasterUser => "master",
        }
    }

    /// The row of `app_passwd`, where it was one.
    #[must_use]
    pub fn app_password(self) -> Option<i64> {
        match self {
            Self::AppPassword(id) => Some(id),
            Self::Keycloak | Self::Mailbox | Self::SingleSignOn | Self::Token | Self::MasterUser => None,
        }
    }
}
