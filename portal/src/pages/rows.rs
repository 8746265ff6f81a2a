//! Rows of lists as they are read: with words instead of numbers and codes.

use keydove_words::portal::{OwnAppPassword, SessionRow};

use crate::texts::{Language, Texts, fill};

/// A moment: for people, and for programs.
#[derive(Debug)]
pub struct Moment {
    /// As the language writes it, in UTC.
    pub shown: String,
    /// ISO 8601, for the script that shows the reader's own time.
    pub iso: String,
}

impl Moment {
    pub(super) fn new(language: Language, at: u64) -> Self {
        let time = i64::try_from(at).ok().and_then(|at| time::OffsetDateTime::from_unix_timestamp(at).ok());
        let iso = time.map(|time| {
            let (date, clock) = (time.date(), time.time());
            let day = format!("{:04}-{:02}-{:02}", date.year(), u8::from(date.month()), date.day());
            format!("{day}T{:02}:{:02}:{:02}Z", clock.hour(), clock.minute(), clock.second())
        });
        Self { shown: language.moment(at), iso: iso.unwrap_or_default() }
    }
}

/// The name of a service in a language.
pub(super) fn service<'a>(t: &'static Texts, name: &'a str) -> &'a str {
    match name {
        "imap" => t.app_passwords.imap,
        "pop3" => t.app_passwords.pop3,
        "smtp" | "submission" | "submissions" | "smtps" => t.app_passwords.smtp,
        "sieve" | "managesieve" => t.app_passwords.sieve,
        "dav" => t.app_passwords.dav,
        "eas" => t.app_passwords.eas,
        "portal" => t.lists.portal,
        other => other,
    }
}

/// An app password of the list.
#[derive(Debug)]
pub struct AppPasswordView {
    pub id: i64,
    pub name: String,
    pub services: String,
    pub networks: Option<String>,
    pub created: Moment,
    pub created_from: Option<String>,
    pub ends: Option<String>,
    pub last: Option<(Moment, String)>,
    /// What the button says to those who hear the page.
    pub revoke: String,
}

impl AppPasswordView {
    pub(super) fn new(password: OwnAppPassword, language: Language) -> Self {
        let t = language.texts();
        let words = &t.app_passwords;
        let services: Vec<_> = password.services.iter().map(|name| service(t, name)).collect();
        let last = password.last.map(|last| {
            let what = format!("{}, {}", service(t, &last.service), last.remote);
            (Moment::new(language, last.at), what)
        });
        Self {
            id: password.id,
            revoke: fill(words.revoke_named, &password.name),
            services: services.join(", "),
            networks: (!password.networks.is_empty()).then(|| password.networks.join(", ")),
            created: Moment::new(language, password.created),
            created_from: password.created_from,
            ends: password.expires.map(|at| language.day(at)),
            last,
            name: password.name,
        }
    }
}

/// A session of the list.
#[derive(Debug)]
pub struct SessionView {
    pub id: i64,
    pub is_current: bool,
    pub browser: String,
    pub began: Moment,
    pub used: Moment,
    pub remote: String,
    /// What the button says to those who hear the page.
    pub end: String,
}

impl SessionView {
    pub(super) fn new(session: SessionRow, language: Language) -> Self {
        Self {
            id: session.id,
            is_current: session.current,
            end: fill(language.texts().lists.end_named, &session.browser),
            began: Moment::new(language, session.created),
            used: Moment::new(language, session.used),
            remote: session.remote.unwrap_or_else(|| "?".to_owned()),
            browser: session.browser,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_for_programs_too() {
        let moment = Moment::new(Language::English, 1_800_000_000);
        assert_eq!(moment.iso, "2027-01-15T08:00:00Z");
        assert_eq!(Moment::new(Language::English, u64::MAX).iso, "");
    }
}
