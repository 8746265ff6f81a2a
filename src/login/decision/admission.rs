//! Whether somebody may try at all, and what their try says of them.

use super::Decision;
use super::login::{Login, Proof, Purpose};
use super::trace::Trace;
use super::webmail::Via;
use super::words;
use crate::auth::{Grant, NotAccepted, TempFail};
use crate::login::throttle::{Attempt, Pending};

impl Decision {
    /// Where nobody has to wait, this is one look at one number. The trusted webmail brings everybody's logins, so none
    /// of it is counted.
    pub(super) fn admit(&self, login: &Login<'_>, trace: &mut Trace) -> Result<(), TempFail> {
        let remote = login.request.origin.remote;
        if login.via != Via::Client {
            return Ok(());
        }
        // Keycloak has seen who it is, and counts guesses itself: nobody's guesses by mail keep them out.
        if matches!(login.proof, Proof::Identity(_) | Proof::AssumedIdentity) {
            return Ok(());
        }
        // An administrator who names no address asks about none.
        if login.purpose == Purpose::Rehearsal && remote.is_none() {
            return Ok(());
        }
        let admitted = self.0.throttle.admit(&login.user, remote, login.now.monotonic.into_std());
        trace.step("guessing", &admitted, |admitted| words::guessing(admitted, remote));
        admitted
    }

    /// Before somebody waits for a hash or a backend: many guesses at once must not get past the limit.
    pub(super) fn enter(&self, login: &Login<'_>) -> Result<Option<Pending>, TempFail> {
        guess(login).map_or(Ok(None), |attempt| self.0.throttle.enter(&attempt))
    }

    /// Counts how it ended. "Cannot tell" says nothing of anybody.
    pub(super) fn note_end(&self, login: &Login<'_>, end: &Result<Grant, NotAccepted>) {
        if login.via != Via::Client || login.purpose == Purpose::Rehearsal {
            return;
        }
        let throttle = &self.0.throttle;
        match (end, guess(login)) {
            (Ok(_), _) => {
                let now = login.now.monotonic.into_std();
                throttle.note_accepted(&login.user, login.request.origin.remote, now);
            }
            (Err(NotAccepted::Refused(denial)), Some(attempt)) => throttle.note_refused(&attempt, *denial),
            (Err(_), _) => {}
        }
    }
}

/// What may be a guess: a password that comes from a mail client. Nobody guesses a signature, and a client that offers
/// an old token again and again is no attacker.
fn guess<'a>(login: &'a Login<'_>) -> Option<Attempt<'a>> {
    let presented = login.presented()?;
    let password = presented.password.given()?;
    (login.via == Via::Client && login.purpose != Purpose::Rehearsal).then(|| Attempt {
        user: &login.user,
        password,
        remote: presented.remote,
        now: login.now.monotonic.into_std(),
    })
}
