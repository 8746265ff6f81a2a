//! What a person wants to use.

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
            Self::Lmtp | Self::Doveadm | Self::Unnamed | Self::Other(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Service;

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
