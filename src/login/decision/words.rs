//! What the steps of a decision say to an administrator. Only asked for where somebody listens.

use std::net::IpAddr;

use super::Decision;
use super::known::{KnownMailbox, state};
use super::login::{Login, Proof};
use super::trace::Sight;
use crate::auth::{AuthRequest, Denial, NotAccepted, TempFail};
use crate::backend::mailboxes::MailboxRecord;
use crate::backend::records::{Freshness, Held};
use crate::backend::sql::{AppPassword, Mailbox};
use crate::credential::scheme;
use crate::login::passdb::{AppPasswordAttempt, Owner, usable_app_passwords};
use crate::provision::Rehearsed;

impl Decision {
    pub(super) fn domain_seen(&self, login: &Login<'_>, held: &Held<MailboxRecord>) -> Sight {
        let known = self.known_mailbox(login, held);
        (format!("{}: {}", login.user.domain(), known.domain), Some(asked_database(&known)))
    }

    pub(super) fn mailbox_seen(&self, login: &Login<'_>, held: &Held<MailboxRecord>) -> Sight {
        let known = self.known_mailbox(login, held);
        let from = Some(asked_database(&known));
        (known.mailbox, from)
    }

    pub(super) fn no_mailbox_seen(
        &self,
        login: &Login<'_>,
        held: &Held<MailboxRecord>,
        makes: bool,
    ) -> Sight {
        let saw = if makes { "none; the first login makes it" } else { "none, and such a login makes none" };
        (saw.to_owned(), Some(asked_database(&self.known_mailbox(login, held))))
    }

    /// What Keycloak said about the person; and whether it is another than before.
    pub(super) fn person_seen<T>(&self, login: &Login<'_>, found: &Result<T, NotAccepted>) -> Sight {
        let now = login.now.monotonic;
        let Some(known) = self.0.passdb.people().look(&login.user, now) else {
            return ("nothing is known of them".to_owned(), None);
        };
        let from = Some(asked("Keycloak", known.age_ms, known.standing));
        match found {
            Err(NotAccepted::Refused(Denial::UserReplaced)) => {
                (format!("{known}: another person than the one whose mailbox it is"), from)
            }
            _ => (known.to_string(), from),
        }
    }

    pub(super) fn app_passwords_seen(
        &self,
        rows: Result<&[AppPassword], &TempFail>,
        attempt: &AppPasswordAttempt<'_>,
        found: &Result<i64, NotAccepted>,
    ) -> Sight {
        let rows = match rows {
            Ok(rows) => rows,
            Err(trouble) => return (trouble.to_string(), None),
        };
        let usable = usable_app_passwords(rows, attempt).count();
        let mut saw =
            format!("{} active, {usable} of them for this service, from here, and in time", rows.len());
        match (found, attempt.presented.password.given()) {
            (Ok(id), Some(_)) => saw.push_str(&format!("; app password {id} fits")),
            (Err(_), Some(_)) if usable > 0 => saw.push_str("; none fits"),
            _ => {}
        }
        for trouble in self.0.passdb.unusable_app_passwords(rows) {
            saw.push_str("; can never match: ");
            saw.push_str(&trouble.detail);
        }
        (saw, None)
    }

    fn known_mailbox(&self, login: &Login<'_>, held: &Held<MailboxRecord>) -> KnownMailbox {
        let now = login.now.monotonic;
        let standing = self.0.mailboxes.standing(&login.user, now).unwrap_or(Freshness::Fresh);
        KnownMailbox::new(&held.record, standing, held.age_ms(now))
    }
}

/// The name in normal form; as given where it has none.
pub(super) fn name(request: &AuthRequest) -> String {
    request.authcid.parse().map_or_else(
        |_| String::from_utf8_lossy(&request.authcid).into_owned(),
        |user| user.as_str().to_owned(),
    )
}

pub(super) fn no_such_password() -> Sight {
    ("no password has this form".to_owned(), None)
}

pub(super) fn guessing(admitted: &Result<(), TempFail>, remote: Option<IpAddr>) -> Sight {
    let saw = match admitted {
        Ok(()) => "nobody has to wait there",
        Err(_) => "too many guesses: who logs in waits",
    };
    (saw.to_owned(), remote.map(|remote| remote.to_string()))
}

pub(super) fn token() -> Sight {
    ("whether the realm has signed it for this name".to_owned(), None)
}

pub(super) fn nothing_remembered() -> Sight {
    ("it cannot tell, and nothing recent enough is remembered".to_owned(), None)
}

pub(super) fn asked_anew(newer: &Result<Held<MailboxRecord>, NotAccepted>) -> Sight {
    let saw = match newer {
        Ok(_) => "what was remembered does not let them in: it was asked for again".to_owned(),
        Err(why) => why.to_string(),
    };
    (saw, None)
}

pub(super) fn master_user(name: &str) -> Sight {
    (format!("the password of `{name}` counts"), None)
}

pub(super) fn counts(mailbox: &Mailbox) -> Sight {
    let switches = switches(mailbox);
    let authsource = mailbox.authsource.map_or("none", |source| source.name());
    (format!("{switches}; authsource {authsource}"), None)
}

pub(super) fn counts_in_keycloak() -> Sight {
    ("authsource keycloak".to_owned(), None)
}

/// The scheme of the stored password, and whether the given one fits.
pub(super) fn main_password<T>(
    mailbox: Option<&Mailbox>,
    owner: &Owner,
    login: &Login<'_>,
    fits: &Result<T, NotAccepted>,
) -> Sight {
    let own = mailbox.map(|mailbox| &mailbox.password).filter(|password| !password.is_empty());
    let stored = owner.person().map_or(own, |person| person.password.as_ref());
    let scheme =
        stored.map_or_else(|| "there is none".to_owned(), |stored| format!("{{{}}}", scheme::label(stored)));
    let end = match (login.proof, fits) {
        (Proof::Password(_), Ok(_)) => ", and the password given fits",
        (Proof::Password(_), Err(NotAccepted::Refused(Denial::PasswordMismatch))) => {
            ", and the password given does not fit"
        }
        (_, Err(NotAccepted::Refused(Denial::SecondFactorRequired))) => ", and a second factor is active",
        (_, Err(NotAccepted::CannotTell(_))) => ", which cannot be compared with now",
        _ => "",
    };
    let more = match owner.person().map_or(0, |person| person.password_values) {
        0 | 1 => String::new(),
        values => format!("; the attribute has {values} values, of which only the first counts"),
    };
    (format!("{scheme}{end}{more}"), None)
}

pub(super) fn named_app_password<T>(id: i64, fits: &Result<T, NotAccepted>) -> Sight {
    let end = if fits.is_ok() { "opens the mailbox" } else { "does not open the mailbox" };
    (format!("the password given names app password {id}, and {end}"), None)
}

pub(super) fn template(rehearsed: &Result<Rehearsed, NotAccepted>) -> Sight {
    let saw = match rehearsed {
        Ok(Rehearsed { template, mailbox: Some(_) }) => {
            format!("`{template}`: the database has taken the mailbox; it was taken back")
        }
        Ok(Rehearsed { template, mailbox: None }) => {
            format!("`{template}`; somebody has just made the mailbox")
        }
        Err(why) => why.to_string(),
    };
    (saw, None)
}

pub(super) fn new_mailbox(mailbox: &Mailbox) -> Sight {
    (format!("{}; {}", state(mailbox), switches(mailbox)), None)
}

fn switches(mailbox: &Mailbox) -> String {
    match mailbox.access.denied().as_slice() {
        [] => "no service is switched off".to_owned(),
        denied => format!("switched off: {}", denied.join(", ")),
    }
}

fn asked_database(known: &KnownMailbox) -> String {
    asked("database", known.age_ms, known.standing)
}

fn asked(whom: &str, age_ms: u64, standing: Freshness) -> String {
    let standing = match standing {
        Freshness::Fresh => "",
        Freshness::Stale => "; old, serves while nobody can tell",
        Freshness::Expired => "; too old to serve",
    };
    format!("{whom}, {}.{} s ago{standing}", age_ms / 1000, age_ms % 1000 / 100)
}
