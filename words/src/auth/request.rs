//! What a frontend asks the decision.

use std::borrow::Cow;
use std::net::IpAddr;

use super::{Secret, SentName, Service};

/// One person asks for one service with one credential.
///
/// Names and credential are the bytes the peer sent: the decision's first step judges them, so that every
/// refusal has one log line, a malformed name included.
#[derive(Debug)]
pub struct AuthRequest {
    /// Who proves who they are.
    pub authcid: SentName,
    /// As whom they want to act; empty when they act as themselves.
    pub authzid: Vec<u8>,
    /// By what they prove it.
    pub credential: Credential,
    /// What they want to use.
    pub service: Service,
    /// The service's name as sent, for mailcow's login history.
    pub service_name: Cow<'static, str>,
    /// How the credential travelled; `None` where no SASL was spoken.
    pub mechanism: Option<Mechanism>,
    /// The client's address and session, as the peer tells them.
    pub origin: Origin,
    /// Whether somebody will want to know where the mail lives. Postfix never does.
    pub wants_fields: bool,
}

impl AuthRequest {
    /// The service by the name that the peer gave, where that is a name that the administrator allows and another
    /// service counts in its place.
    #[must_use]
    pub fn named_service(&self) -> Option<Service> {
        // A known name in lower case is a text of ours.
        let Cow::Owned(name) = &self.service_name else { return None };
        match (&self.service, Service::parse(name)) {
            (Service::Other(_) | Service::Unnamed, _) => None,
            (_, named @ Service::Other(_)) => Some(named),
            _ => None,
        }
    }
}

/// What a person presents.
#[derive(Debug)]
pub enum Credential {
    /// A password: never trimmed, never re-encoded.
    Password(Secret),
    /// An OAuth 2.0 access token (RFC 6750). May be empty: a client may ask that way which tokens are wanted.
    Token(Secret),
    /// Keycloak's word, which the web portal has verified. No mail client can send it.
    Identity(ProvenIdentity),
}

/// Whom somebody has proven to be, to Keycloak itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvenIdentity {
    /// Which realm says so: its `iss`.
    pub issuer: String,
    /// The person's id there.
    pub subject: String,
}

impl Credential {
    /// The password, if it is one.
    #[must_use]
    pub fn password(&self) -> Option<&Secret> {
        match self {
            Self::Password(password) => Some(password),
            Self::Token(_) | Self::Identity(_) => None,
        }
    }
}

/// Dovecot asks where a person's mail lives, with no password.
#[derive(Clone, Debug)]
pub struct UserRequest {
    /// The name as sent.
    pub user: Vec<u8>,
    /// Who asks: `lmtp`, `doveadm`, `imap` …
    pub service: Service,
    /// What they want to know.
    pub lookup: UserLookup,
}

/// What a question without a password is about, in Dovecot's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserLookup {
    /// Where the mail lies on this machine.
    Userdb,
    /// Whether the user exists, and on which machine the mailbox lives.
    Passdb,
}

/// The SASL mechanism of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// RFC 4616
    Plain,
    /// draft-murchison-sasl-login-00, the two prompts of old clients
    Login,
    /// RFC 7628
    OauthBearer,
    /// Google's and Microsoft's older form of the same
    Xoauth2,
}

impl Mechanism {
    /// All that keydove knows, in the order it announces them.
    pub const ALL: [Self; 4] = [Self::Plain, Self::Login, Self::OauthBearer, Self::Xoauth2];

    /// Reads a mechanism name; letter case does not matter, because Postfix passes on what the user typed.
    #[must_use]
    pub fn parse(name: &[u8]) -> Option<Self> {
        // As nearly every program writes it.
        if name == b"PLAIN" {
            return Some(Self::Plain);
        }
        Self::ALL.into_iter().find(|mechanism| name.eq_ignore_ascii_case(mechanism.name().as_bytes()))
    }

    /// The registered name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
            Self::OauthBearer => "OAUTHBEARER",
            Self::Xoauth2 => "XOAUTH2",
        }
    }

    /// Whether it carries a token, and so is offered only where tokens are verified.
    #[must_use]
    pub fn carries_token(self) -> bool {
        match self {
            Self::Plain | Self::Login => false,
            Self::OauthBearer | Self::Xoauth2 => true,
        }
    }
}

/// Where a request came from, as the mail server tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The mail client's address; `None` when the server sent none or nonsense.
    pub remote: Option<IpAddr>,
    /// TLS, or a link that the server trusts.
    pub secured: bool,
    /// The server's session id, for finding its log lines.
    pub session: Option<Box<str>>,
}
