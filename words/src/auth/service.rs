//! What a person wants to use.

use std::collections::BTreeMap;

/// A mail service, from the `service=` (Dovecot 2.3, Postfix) or `protocol=` (Dovecot 2.4) field.
///
/// The names that Dovecot, Postfix and administrators use for one thing fold into one variant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Service {
    /// `imap`
    Imap,
    /// `pop3`
    Pop3,
    /// `smtp` (Postfix's default), `submission` (Dovecot, RFC 6409), `submissions` and `smtps` (RFC 8314)
    Smtp,
    /// `sieve` (Dovecot's managesieve-login), `managesieve`
    Sieve,
    /// `dav`: calendars and contacts
    Dav,
    /// `eas`: Exchange `ActiveSync`
    Eas,
    /// `lmtp`, `lda`: delivery, which looks users up and never logs in
    Lmtp,
    /// `doveadm`: the administrator's tool; `doveadm auth test` logs in with it
    Doveadm,
    /// `portal`: the web portal, which has no switch. No mail server can name it.
    Portal,
    /// None was named, which only mailcow's HTTP login may do (`NONE` there): no service's switch counts.
    Unnamed,
    /// Anything else, lower-cased. A login for it is refused.
    Other(Box<str>),
}

impl Service {
    /// Reads a service name; letter case does not matter.
    #[must_use]
    pub fn parse(name: &str) -> Self {
        let name = name.to_ascii_lowercase();
        match Self::find(name.as_bytes()) {
            Some((known, _)) => known,
            None => Self::Other(name.into_boxed_str()),
        }
    }

    /// The service of a name in lower case, and this name, if it is known.
    #[must_use]
    pub fn find(name: &[u8]) -> Option<(Self, &'static str)> {
        Some(match name {
            b"imap" => (Self::Imap, "imap"),
            b"pop3" => (Self::Pop3, "pop3"),
            b"smtp" => (Self::Smtp, "smtp"),
            b"submission" => (Self::Smtp, "submission"),
            b"submissions" => (Self::Smtp, "submissions"),
            b"smtps" => (Self::Smtp, "smtps"),
            b"sieve" => (Self::Sieve, "sieve"),
            b"managesieve" => (Self::Sieve, "managesieve"),
            b"dav" => (Self::Dav, "dav"),
            b"eas" => (Self::Eas, "eas"),
            b"lmtp" => (Self::Lmtp, "lmtp"),
            b"lda" => (Self::Lmtp, "lda"),
            b"doveadm" => (Self::Doveadm, "doveadm"),
            _ => return None,
        })
    }

    /// The one name that logs and metrics use.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Imap => "imap",
            Self::Pop3 => "pop3",
            Self::Smtp => "smtp",
            Self::Sieve => "sieve",
            Self::Dav => "dav",
            Self::Eas => "eas",
            Self::Lmtp => "lmtp",
            Self::Doveadm => "doveadm",
            Self::Portal => "portal",
            Self::Unnamed => "none",
            Self::Other(name) => name,
        }
    }

    /// The mailbox attribute and the `app_passwd` column that switch this service on and off.
    ///
    /// `None` for what has no switch: delivery, administration and unknown names.
    #[must_use]
    pub fn access_key(&self) -> Option<&'static str> {
        match self {
            Self::Imap => Some("imap_access"),
            Self::Pop3 => Some("pop3_access"),
            Self::Smtp => Some("smtp_access"),
            Self::Sieve => Some("sieve_access"),
            Self::Dav => Some("dav_access"),
            Self::Eas => Some("eas_access"),
            Self::Lmtp | Self::Doveadm | Self::Portal | Self::Unnamed | Self::Other(_) => None,
        }
    }
}

/// Further names of services, which the administrator allows: each counts as a service that has switches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceNames(BTreeMap<Box<str>, Service>);

/// Why a further name of a service cannot be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadServiceName {
    /// Empty, longer than 64 bytes, or with a blank or a control character.
    #[error("this is no name of a service")]
    NotAName,
    /// keydove knows this service, and it counts as itself.
    #[error("keydove knows this service, and it counts as itself")]
    Known,
    /// Another spelling of it was given already; letter case does not matter.
    #[error("this service stands here twice")]
    Twice,
    /// What it is to count as is no service with switches.
    #[error("this is no service that has switches")]
    NoTarget,
}

impl BadServiceName {
    /// What to do about it.
    #[must_use]
    pub fn advice(self) -> &'static str {
        match self {
            Self::NotAName => "write it as the program sends it: at most 64 bytes, without blanks",
            Self::Known => "take this line out; a mailbox's switches are set with keydove mailbox set",
            Self::Twice => "letter case does not matter: take one of the lines out",
            Self::NoTarget => "take one of \"imap\", \"pop3\", \"smtp\", \"sieve\", \"dav\", \"eas\"",
        }
    }
}

impl ServiceNames {
    /// `sasl_log` and the log hold longer ones, but no program has one.
    const MAX_BYTES: usize = 64;

    /// Allows a name, which counts as the service `target` from now on.
    ///
    /// # Errors
    /// See [`BadServiceName`].
    pub fn allow(&mut self, name: &str, target: &str) -> Result<(), BadServiceName> {
        let is_odd = |c: char| c.is_control() || c.is_whitespace();
        if name.is_empty() || name.len() > Self::MAX_BYTES || name.contains(is_odd) {
            return Err(BadServiceName::NotAName);
        }
        let Service::Other(name) = Service::parse(name) else { return Err(BadServiceName::Known) };
        let target = Service::parse(target);
        if target.access_key().is_none() {
            return Err(BadServiceName::NoTarget);
        }
        self.0.insert(name, target).map_or(Ok(()), |_| Err(BadServiceName::Twice))
    }

    /// Puts what a name counts as in its place.
    pub fn resolve(&self, service: &mut Service) {
        if let Service::Other(name) = service
            && let Some(target) = self.0.get(name)
        {
            *service = target.clone();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{BadServiceName, Service, ServiceNames};

    #[test]
    fn an_allowed_name_counts_as_its_service_in_any_letter_case() {
        let mut names = ServiceNames::default();
        names.allow("XMPP", "imap").unwrap();
        names.allow("radicale", "Dav").unwrap();
        let resolved = |name: &str| {
            let mut service = Service::parse(name);
            names.resolve(&mut service);
            service
        };
        assert_eq!(resolved("xmpp"), Service::Imap);
        assert_eq!(resolved("Xmpp"), Service::Imap);
        assert_eq!(resolved("radicale"), Service::Dav);
        assert_eq!(resolved("pop3"), Service::Pop3);
        assert_eq!(resolved("jabber"), Service::Other("jabber".into()));
    }

    #[test]
    fn a_name_that_cannot_be_allowed_is_none() {
        let mut names = ServiceNames::default();
        names.allow("xmpp", "imap").unwrap();
        for (name, target, why) in [
            ("", "imap", BadServiceName::NotAName),
            ("a b", "imap", BadServiceName::NotAName),
            ("a\tb", "imap", BadServiceName::NotAName),
            (&*"x".repeat(65), "imap", BadServiceName::NotAName),
            ("IMAP", "pop3", BadServiceName::Known),
            ("doveadm", "imap", BadServiceName::Known),
            ("Xmpp", "pop3", BadServiceName::Twice),
            ("jabber", "xmpp", BadServiceName::NoTarget),
            ("jabber", "lmtp", BadServiceName::NoTarget),
            ("jabber", "doveadm", BadServiceName::NoTarget),
            ("jabber", "", BadServiceName::NoTarget),
        ] {
            assert_eq!(names.allow(name, target), Err(why), "{name:?} {target:?}");
        }
    }

    #[test]
    fn the_names_of_one_service_fold_into_one() {
        for name in ["smtp", "SMTP", "submission", "submissions", "smtps"] {
            assert_eq!(Service::parse(name), Service::Smtp, "{name}");
        }
        for name in ["sieve", "managesieve", "ManageSieve"] {
            assert_eq!(Service::parse(name), Service::Sieve, "{name}");
        }
        for name in ["imap", "pop3", "smtp", "submission", "sieve", "dav", "eas", "lmtp", "lda", "doveadm"] {
            assert_eq!(Service::find(name.as_bytes()), Some((Service::parse(name), name)));
        }
        assert_eq!(Service::parse("Xmpp"), Service::Other("xmpp".into()));
    }
}
