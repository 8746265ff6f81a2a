//! Everything known about one finished login, and the one log line made of it.

use std::fmt;
use std::time::Duration;

use super::addresses::{self, Addresses};
use super::quote::{SentText, write_value};
use super::{LogLevel, login_lines};
use crate::auth::{Mechanism, Origin, Service, Username, Verdict};

/// The `tracing` target of login lines, for filters and for the text format.
pub(super) const TARGET: &str = "keydove::login";

/// The error text of a backend may be long; the start says what happened.
const MAX_DETAIL_BYTES: usize = 1024;

/// One finished login. Its [`Display`](fmt::Display) is the log line without time and level.
///
/// The keys and their order are stable, so that `fail2ban` filters and scripts may rely on them:
/// `login verdict reason [repeated] user [normal] service [mech] [remote] [counts_as] [source] [app_password] [master] [stale] ms [session] door [role] [detail]`.
#[derive(Clone, Debug)]
pub struct LoginRecord<'a> {
    /// The kind of listener: `auth-client` or `auth-master`.
    pub protocol: &'static str,
    /// Which server asked, where the protocol has roles.
    pub role: Option<&'static str>,
    /// The name as sent.
    pub user: SentText<'a>,
    /// Its normal form, if it has one.
    pub normal: Option<&'a Username>,
    /// What the person wanted to use.
    pub service: &'a Service,
    /// The service whose switches count, where the administrator has allowed another name for it.
    pub counts_as: Option<&'a Service>,
    /// How the password came; none for a question without a password.
    pub mechanism: Option<Mechanism>,
    /// The client's address and session.
    pub origin: &'a Origin,
    /// How it ended, and why.
    pub verdict: &'a Verdict,
    /// The same guess from the same place was told not long ago, so this one is nothing to count. It stands where no
    /// documented filter of a ban tool allows anything.
    pub repeated: bool,
    /// Something older than it should be has served, because a backend could not tell.
    pub stale: bool,
    /// From the complete request to the verdict; the failure delay comes on top.
    pub duration: Duration,
}

impl LoginRecord<'_> {
    /// Writes exactly one log line: info for a verdict, warn when we cannot tell. As text it waits for
    /// [`flush`](super::flush).
    pub fn write(&self) {
        if !login_lines::take(self, self.level()) {
            self.trace();
        }
    }

    fn level(&self) -> LogLevel {
        match self.verdict {
            Verdict::Accept(_) | Verdict::Refuse(_) => LogLevel::Info,
            Verdict::CannotTell(_) => LogLevel::Warn,
        }
    }

    /// The way of all other events.
    pub(super) fn trace(&self) {
        // The level of a `tracing` event is fixed where it is written, hence two events of one shape.
        macro_rules! event {
            ($level:ident) => {
                tracing::$level!(
                    target: TARGET,
                    verdict = self.verdict.reason().verdict(),
                    reason = self.verdict.reason().code(),
                    repeated = self.repeated.then_some(true),
                    user = self.user.as_str(),
                    normal = self.normal.map(Username::as_str),
                    service = self.service.name(),
                    counts_as = self.counts_as.map(Service::name),
                    mech = self.mechanism.map(Mechanism::name),
                    remote = addresses::remote_field(self.origin.remote),
                    source = self.source(),
                    app_password = self.app_password(),
                    master = self.master_user(),
                    stale = self.stale.then_some(true),
                    ms = self.milliseconds(),
                    session = self.session(addresses::chosen()),
                    door = self.protocol,
                    role = self.role,
                    detail = self.detail(),
                    "{self}"
                )
            };
        }
        match self.level() {
            LogLevel::Info => event!(info),
            _ => event!(warn),
        }
    }

    fn source(&self) -> Option<&'static str> {
        match self.verdict {
            Verdict::Accept(grant) => Some(grant.source.name()),
            Verdict::Refuse(_) | Verdict::CannotTell(_) => None,
        }
    }

    fn app_password(&self) -> Option<i64> {
        match self.verdict {
            Verdict::Accept(grant) => grant.source.app_password(),
            Verdict::Refuse(_) | Verdict::CannotTell(_) => None,
        }
    }

    fn master_user(&self) -> Option<&str> {
        match self.verdict {
            Verdict::Accept(grant) => grant.master_user.as_deref(),
            Verdict::Refuse(_) | Verdict::CannotTell(_) => None,
        }
    }

    fn detail(&self) -> Option<&str> {
        match self.verdict {
            Verdict::CannotTell(failure) if !failure.detail.is_empty() => Some(&failure.detail),
            _ => None,
        }
    }

    /// Dovecot makes the session id of the time, and of the client's address and port.
    fn session(&self, addresses: &Addresses) -> Option<&str> {
        self.origin.session.as_deref().filter(|_| addresses.are_full())
    }

    /// Milliseconds, to a tenth.
    #[expect(clippy::cast_precision_loss, reason = "a login that takes so long has had its deadline")]
    fn milliseconds(&self) -> f64 {
        self.tenths() as f64 / 10.0
    }

    /// Tenths of a millisecond.
    fn tenths(&self) -> u64 {
        // In 64 bits, which are divided in one step; a duration of 128 takes a hundred.
        let of_second = (u64::from(self.duration.subsec_micros()) + 50) / 100;
        self.duration.as_secs().saturating_mul(10_000).saturating_add(of_second)
    }

    /// Adds the log line without time and level. Put together by hand: a busy server writes more of these than it does
    /// anything else, and the machinery of `format!` would take a third of a known person's login.
    pub(super) fn push_to(&self, line: &mut String, addresses: &Addresses) {
        let reason = self.verdict.reason();
        line.push_str("login verdict=");
        line.push_str(reason.verdict());
        line.push_str(" reason=");
        line.push_str(reason.code());
        if self.repeated {
            line.push_str(" repeated=true");
        }
        line.push_str(" user=");
        self.user.push_to(line);
        // Quoted like the name as sent, and only where it says something new.
        if let Some(normal) = self.normal.filter(|normal| normal.as_str() != self.user.as_str()) {
            line.push_str(" normal=");
            SentText::new(normal.as_str().as_bytes()).push_to(line);
        }
        match self.service {
            Service::Other(name) => push_sent(line, " service=", name),
            known => push_own(line, " service=", Some(known.name())),
        }
        push_own(line, " mech=", self.mechanism.map(Mechanism::name));
        if let Some(remote) = self.origin.remote {
            line.push_str(" remote=");
            addresses.push(remote, line);
        }
        push_own(line, " counts_as=", self.counts_as.map(Service::name));
        push_own(line, " source=", self.source());
        if let Some(id) = self.app_password() {
            line.push_str(" app_password=");
            line.push_str(itoa::Buffer::new().format(id));
        }
        if let Some(master_user) = self.master_user() {
            push_sent(line, " master=", master_user);
        }
        if self.stale {
            line.push_str(" stale=true");
        }
        let (mut digits, tenths) = (itoa::Buffer::new(), self.tenths());
        line.push_str(" ms=");
        line.push_str(digits.format(tenths / 10));
        line.push('.');
        line.push_str(digits.format(tenths % 10));
        if let Some(session) = self.session(addresses) {
            push_sent(line, " session=", session);
        }
        push_own(line, " door=", Some(self.protocol));
        push_own(line, " role=", self.role);
        if let Some(detail) = self.detail() {
            line.push_str(" detail=");
            SentText::bounded(detail.as_bytes(), MAX_DETAIL_BYTES).push_to(line);
        }
    }
}

impl fmt::Display for LoginRecord<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = String::new();
        self.push_to(&mut line, addresses::chosen());
        f.write_str(&line)
    }
}

/// A word of ours, which needs no quotes.
fn push_own(line: &mut String, key: &str, value: Option<&str>) {
    let Some(value) = value else { return };
    line.push_str(key);
    line.push_str(value);
}

/// A word of the peer's.
fn push_sent(line: &mut String, key: &str, value: &str) {
    line.push_str(key);
    // Writing into a `String` does not fail.
    let _ = write_value(value, line);
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::auth::{Denial, Grant, Source, TempFail, TempFailReason, UserFields};
    use crate::observe::log::tests::{capture, fields};
    use crate::observe::{AddressForm, LogFormat};

    pub fn with_record<T>(user: &[u8], verdict: &Verdict, look: impl FnOnce(&LoginRecord<'_>) -> T) -> T {
        let origin = Origin {
            remote: Some("192.0.2.1".parse().unwrap()),
            session: Some("Xk3v/A+8".into()),
            ..Origin::default()
        };
        look(&LoginRecord {
            protocol: "auth-client",
            role: Some("dovecot"),
            user: SentText::new(user),
            normal: Username::parse(user).ok().as_ref(),
            service: &Service::Imap,
            counts_as: None,
            mechanism: Some(Mechanism::Plain),
            origin: &origin,
            verdict,
            repeated: false,
            stale: false,
            duration: Duration::from_micros(56_180),
        })
    }

    pub fn accepted() -> Verdict {
        let user = Username::parse(b"alice@example.org").unwrap();
        Verdict::Accept(Grant {
            user,
            master_user: None,
            source: Source::Keycloak,
            fields: UserFields::default(),
            proxied: None,
            through_webmail: false,
        })
    }

    #[test]
    fn the_keys_stand_in_their_documented_order() {
        assert_eq!(
            with_record(b"alice@example.org", &accepted(), |r| r.to_string()),
            "login verdict=accept reason=ok user=\"alice@example.org\" service=imap mech=PLAIN \
             remote=192.0.2.1 source=keycloak ms=56.2 session=Xk3v/A+8 door=auth-client role=dovecot"
        );
        let failure =
            Verdict::CannotTell(TempFail::new(TempFailReason::KeycloakReset, "read: \"reset\"\nby peer"));
        assert_eq!(
            with_record(b"Alice@Example.org", &failure, |r| r.to_string()),
            "login verdict=cannot_tell reason=keycloak_reset user=\"Alice@Example.org\" \
             normal=\"alice@example.org\" service=imap mech=PLAIN remote=192.0.2.1 ms=56.2 session=Xk3v/A+8 \
             door=auth-client role=dovecot detail=\"read: \\\"reset\\\"\\nby peer\""
        );
    }

    #[test]
    fn no_address_can_be_read_from_a_line_unless_it_shall() {
        for (form, remote) in [(AddressForm::Network, "192.0.2.0/24"), (AddressForm::Pseudonym, "addr-")] {
            let mut line = String::new();
            let addresses = Addresses::new(form).unwrap();
            with_record(b"alice@example.org", &accepted(), |record| record.push_to(&mut line, &addresses));
            assert!(line.contains(&format!(" remote={remote}")), "{line}");
            assert!(!line.contains("192.0.2.1") && !line.contains("session="), "{line}");
        }
    }

    #[test]
    fn the_app_password_is_named_by_its_number() {
        let Verdict::Accept(mut grant) = accepted() else { panic!("not accepted") };
        grant.source = Source::AppPassword(7);
        let line = with_record(b"alice@example.org", &Verdict::Accept(grant), |r| r.to_string());
        assert!(line.contains(" source=app_password app_password=7 ms="), "{line}");
    }

    #[test]
    fn a_repetition_says_so_where_no_filter_looks_for_it() {
        let refused = Verdict::Refuse(Denial::PasswordMismatch);
        let line = with_record(b"alice@example.org", &refused, |r| {
            LoginRecord { repeated: true, ..r.clone() }.to_string()
        });
        let begin = "login verdict=refuse reason=password_mismatch repeated=true user=";
        assert!(line.starts_with(begin), "{line}");
    }

    #[test]
    fn a_master_user_is_named() {
        let Verdict::Accept(grant) = accepted() else { panic!("not accepted") };
        let grant = Grant { source: Source::MasterUser, master_user: Some("ad min".into()), ..grant };
        let line = with_record(b"alice@example.org*ad min", &Verdict::Accept(grant), |r| r.to_string());
        assert!(line.contains(" source=master master=\"ad min\" ms="), "{line}");
    }

    #[test]
    fn a_forged_name_makes_neither_a_line_nor_a_field() {
        let name = b"x\" remote=203.0.113.9 verdict=accept user=\"root\nlogin verdict=accept";
        let refused = Verdict::Refuse(Denial::NameInvalid);
        let text = with_record(name, &refused, |r| capture(LogFormat::Text, LogLevel::Info, || r.write()));
        assert_eq!(text.lines().count(), 1);
        assert!(
            text.contains(
                r#"user="x\" remote=203.0.113.9 verdict=accept user=\"root\nlogin verdict=accept" "#
            )
        );
        let json = with_record(name, &refused, |r| capture(LogFormat::Json, LogLevel::Info, || r.write()));
        assert_eq!(json.lines().count(), 1);
        assert_eq!(fields(&json)["remote"], "192.0.2.1");
        assert_eq!(fields(&json)["reason"], "name_invalid");
    }

    #[test]
    fn text_has_every_fact_once() {
        let line = with_record(b"alice@example.org", &accepted(), |r| {
            capture(LogFormat::Text, LogLevel::Info, || r.write())
        });
        assert_eq!(line.matches("reason=").count(), 1, "{line}");
        assert!(line.contains("Z INFO login verdict=accept reason=ok"), "{line}");
    }

    #[test]
    fn json_carries_the_facts_as_fields_and_the_line_as_message() {
        let line = with_record(b"alice@example.org", &accepted(), |r| {
            capture(LogFormat::Json, LogLevel::Info, || r.write())
        });
        let fields = fields(&line);
        for (key, value) in [
            ("level", "INFO"),
            ("verdict", "accept"),
            ("user", "alice@example.org"),
            ("service", "imap"),
            ("mech", "PLAIN"),
            ("source", "keycloak"),
            ("role", "dovecot"),
        ] {
            assert_eq!(fields[key], value, "{line}");
        }
        assert_eq!(fields["ms"], 56.2);
        assert!(fields["message"].as_str().unwrap().starts_with("login verdict=accept"));
        assert!(fields.get("detail").is_none());
    }

    #[test]
    fn only_ignorance_is_a_warning() {
        let failure = Verdict::CannotTell(TempFail::new(TempFailReason::Deadline, ""));
        for (verdict, lines) in [(accepted(), 0), (Verdict::Refuse(Denial::UserUnknown), 0), (failure, 1)] {
            let text = with_record(b"a@example.org", &verdict, |r| {
                capture(LogFormat::Text, LogLevel::Warn, || r.write())
            });
            assert_eq!(text.lines().count(), lines, "{text}");
        }
    }
}
