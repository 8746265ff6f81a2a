//! What Postfix asks beside logins: who may send under an address, and where mail for an address goes.

use std::net::IpAddr;

use super::{Denial, Reason, Service, TempFail, TempFailReason};

/// Somebody who is logged in wants to send a mail.
#[derive(Clone, Debug)]
pub struct SenderRequest {
    /// As whom they logged in, as the mail server tells it.
    pub login: Vec<u8>,
    /// The address in MAIL FROM, as sent; empty for a report that is not to be answered.
    pub sender: Vec<u8>,
    /// The service whose switch counts.
    pub service: Service,
    /// The client's address, if Postfix tells it.
    pub remote: Option<IpAddr>,
}

/// Whether they may send it.
#[derive(Clone, Debug)]
#[must_use]
pub enum SenderVerdict {
    /// They may.
    Pass,
    /// They were let in, and nobody can tell whether they still would be: that is no reason to stop them.
    PassUnchecked(TempFail),
    /// They would not be let in any more.
    Refuse(Denial),
    /// The address is not theirs.
    NotOwner,
    /// There were too many wrong passwords.
    Throttled,
    /// Nobody can tell whose the address is: they should try again.
    CannotTell(TempFail),
}

impl SenderVerdict {
    /// Why it ended so, for the log line.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Pass => Reason::Accepted,
            Self::Refuse(denial) => Reason::Refused(*denial),
            Self::NotOwner => Reason::NotOwner,
            Self::Throttled => Reason::CannotTell(TempFailReason::Throttled),
            Self::PassUnchecked(trouble) | Self::CannotTell(trouble) => Reason::CannotTell(trouble.reason),
        }
    }
}

/// A question of a lookup table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapRequest {
    /// Which table.
    pub map: MailMap,
    /// A domain or an address, as sent.
    pub key: Vec<u8>,
}

/// The lookup tables, by Postfix's parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailMap {
    /// `virtual_mailbox_domains`: is mail for this domain taken here?
    Domains,
    /// `virtual_mailbox_maps`: is there such a mailbox?
    Mailboxes,
    /// `virtual_alias_maps`: where does mail for this address go instead?
    Aliases,
    /// `smtpd_sender_login_maps`: who may send under this address?
    SenderLogins,
}

impl MailMap {
    /// Reads a table's name: that of the parameter, or a short one.
    #[must_use]
    pub fn parse(name: &[u8]) -> Option<Self> {
        match name {
            b"virtual_mailbox_domains" | b"domains" => Some(Self::Domains),
            b"virtual_mailbox_maps" | b"mailboxes" => Some(Self::Mailboxes),
            b"virtual_alias_maps" | b"aliases" => Some(Self::Aliases),
            b"smtpd_sender_login_maps" | b"senders" => Some(Self::SenderLogins),
            _ => None,
        }
    }

    /// The name of the parameter.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Domains => "virtual_mailbox_domains",
            Self::Mailboxes => "virtual_mailbox_maps",
            Self::Aliases => "virtual_alias_maps",
            Self::SenderLogins => "smtpd_sender_login_maps",
        }
    }
}
