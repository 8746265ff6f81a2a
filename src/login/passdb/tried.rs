//! What the passwords of a mailbox came to together: no state of one hides the verdict about another.
//!
//! * Whatever fits opens.
//! * Whatever may have fitted, had there been time or an answer, leaves nobody able to tell.
//! * A hash that can never match is no reason not to tell, unless nothing else was compared.
//! * Where the main password does not count, it is still looked at before a guess is made of it: whoever sends the right
//!   one guesses nothing.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::{Owner, Passdb, Presented, is_there, keycloak};
use crate::auth::{Denial, MainPassword, NotAccepted, TempFail, TempFailReason, Username};
use crate::backend::records::BoundedMap;
use crate::backend::sql::{AuthSource, Mailbox};
use crate::credential::compared::Fitted;

/// Each hash that can never match is warned of once in this time.
const WARN_AGAIN: Duration = Duration::from_secs(3600);
/// About 8,000 of them; beyond that some are warned of more often.
const WARNED_BYTES: usize = 1 << 20;

/// What comparing with all app passwords that count came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tried {
    /// This row's fits.
    Fits(i64),
    /// At least one was compared, and none fits.
    Mismatch,
    /// None was compared: there is none for this service, network and time, or none that can ever match, for this reason.
    Nothing(Option<TempFail>),
}

/// What the main password is found to be, where it does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aside {
    /// It would fit, if it counted.
    Fits,
    /// It was compared and does not fit, or there is none that can be compared with.
    FitsNot,
    /// Nobody can tell.
    Unknown,
}

/// Whether a denial says that the main password does not count here, whatever it is.
#[must_use]
pub fn is_switched_off(why_not: &NotAccepted) -> bool {
    matches!(why_not, NotAccepted::Refused(denial) if denial.main_password() == MainPassword::Off)
}

/// The verdict about a password that opens nothing. `main` is why the main password does not.
#[must_use]
pub fn sum_up(main: NotAccepted, app_passwords: &Tried, aside: Aside) -> NotAccepted {
    let compared = matches!(app_passwords, Tried::Mismatch);
    let unusable = match app_passwords {
        Tried::Nothing(Some(unusable)) => Some(unusable),
        Tried::Nothing(None) | Tried::Mismatch | Tried::Fits(_) => None,
    };
    match &main {
        // The right password at a switch, or what may be that, is no guess.
        why_not if is_switched_off(why_not) && aside == Aside::FitsNot && compared => mismatch(),
        NotAccepted::CannotTell(trouble) if trouble.can_never_match() && compared => mismatch(),
        NotAccepted::Refused(Denial::PasswordMissing) if compared => mismatch(),
        NotAccepted::Refused(Denial::PasswordMissing | Denial::AppPasswordRequired) => {
            unusable.map_or(main, |unusable| unusable.clone().into())
        }
        _ => main,
    }
}

fn mismatch() -> NotAccepted {
    Denial::AppPasswordMismatch.into()
}

/// Which hashes were warned of lately.
pub(super) struct Warned(Mutex<BoundedMap<Box<str>, Instant>>);

impl Warned {
    pub(super) fn new() -> Self {
        Self(Mutex::new(BoundedMap::new(WARNED_BYTES)))
    }

    /// Whether it is time to warn of this one.
    fn is_due(&self, what: &str, now: Instant) -> bool {
        let mut warned = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lately = warned.get_mut(&Box::from(what)).is_some_and(|at| now.duration_since(*at) < WARN_AGAIN);
        if !lately {
            warned.put(what.into(), now, what.len());
        }
        !lately
    }
}

impl std::fmt::Debug for Warned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Warned(..)")
    }
}

impl Passdb {
    /// Says, once an hour for each, that a stored hash can never match. `whose` names it: `app password 7`, an address.
    pub(super) fn warn_of_unusable(&self, whose: &str, trouble: &TempFail) {
        if self.warned.is_due(whose, Instant::now()) {
            tracing::warn!(
                whose,
                reason = trouble.reason.code(),
                detail = trouble.detail,
                "a stored hash can never match, so it opens nothing; set this password anew"
            );
        }
    }

    /// Whether the main password fits, in a place where it does not count. It opens nothing by that.
    pub async fn compare_aside(
        &self,
        mailbox: &Mailbox,
        owner: &Owner,
        of_row: &Fitted,
        presented: Presented<'_>,
    ) -> Aside {
        let end = match owner {
            Owner::Person(entitled) => keycloak::check(self, entitled, presented).await.map(drop),
            Owner::Row if mailbox.authsource != Some(AuthSource::Mailcow) => return Aside::FitsNot,
            Owner::Row if !is_there(&mailbox.password, of_row) => return Aside::FitsNot,
            Owner::Row => self.verify(&mailbox.password, Some(of_row), presented).await,
        };
        match end {
            Ok(()) => Aside::Fits,
            Err(NotAccepted::Refused(_)) => Aside::FitsNot,
            Err(NotAccepted::CannotTell(trouble)) if trouble.can_never_match() => Aside::FitsNot,
            Err(NotAccepted::CannotTell(_)) => Aside::Unknown,
        }
    }

    /// The verdict about a password that opens nothing, with a warning of a main hash that can never match and did not
    /// stand in the way of it.
    pub fn conclude(
        &self,
        user: &Username,
        main: NotAccepted,
        app_passwords: &Tried,
        aside: Aside,
    ) -> NotAccepted {
        let unusable = match &main {
            NotAccepted::CannotTell(trouble) if trouble.can_never_match() => Some(trouble.clone()),
            NotAccepted::CannotTell(_) | NotAccepted::Refused(_) => None,
        };
        let verdict = sum_up(main, app_passwords, aside);
        if let (Some(trouble), NotAccepted::Refused(_)) = (unusable, &verdict) {
            self.warn_of_unusable(user.as_str(), &trouble);
        }
        verdict
    }
}

/// More app passwords than are tried at once.
pub(super) fn untried() -> TempFail {
    let detail = "the mailbox has more app passwords than [app_passwords] max_hashes";
    TempFail::new(TempFailReason::AppPasswordsUntried, detail)
}
