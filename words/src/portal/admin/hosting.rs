//! Mailboxes and domains: lists to search in, a page at a time.

use serde::{Deserialize, Serialize};

use super::{Audited, Effect, MailState};

/// Rows on one page.
pub const PAGE_ROWS: u32 = 50;

/// What may be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum HostingRequest {
    /// A page of the mailboxes. → [`MailboxList`]
    Mailboxes {
        /// What the address or the name contains; empty is anything.
        search: String,
        /// Only of this domain.
        domain: Option<String>,
        /// From 0.
        page: u32,
    },
    /// A page of the domains. → [`DomainList`]
    Domains {
        /// What the name or the description contains; empty is anything.
        search: String,
        /// From 0.
        page: u32,
    },
    /// One domain. → [`DomainLine`]
    Domain {
        /// In either spelling.
        domain: String,
    },
    /// Changes the limits of a domain: what differs.
    SetDomain {
        /// In either spelling.
        domain: String,
        /// `description`, `active` (0 or 1), `mailboxes`, and in MiB `default_quota`, `max_quota` and `quota`.
        values: Vec<(String, String)>,
    },
}

impl HostingRequest {
    /// What it does.
    #[must_use]
    pub fn effect(&self) -> Effect {
        match self {
            Self::Mailboxes { .. } | Self::Domains { .. } | Self::Domain { .. } => Effect::Reads,
            Self::SetDomain { domain, values } => {
                let pairs = values.iter().map(|(key, value)| format!("{key}={value}"));
                let value = pairs.collect::<Vec<_>>().join(" ");
                Effect::Changes(Audited { action: "set_domain", row: domain.clone(), value })
            }
        }
    }

    /// One of each kind.
    #[must_use]
    pub fn examples() -> Vec<Self> {
        vec![
            Self::Mailboxes { search: "ali".to_owned(), domain: Some("example.org".to_owned()), page: 0 },
            Self::Domains { search: String::new(), page: 0 },
            Self::Domain { domain: "example.org".to_owned() },
            Self::SetDomain {
                domain: "example.org".to_owned(),
                values: vec![("description".to_owned(), "ours".to_owned())],
            },
        ]
    }
}

/// A page of mailboxes, by address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailboxList {
    /// At most [`PAGE_ROWS`].
    pub rows: Vec<MailboxLine>,
    /// There is another page.
    pub more: bool,
}

/// A mailbox of the list. Sizes are in bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailboxLine {
    /// As stored.
    pub address: String,
    /// The name beside it; may be empty.
    pub name: String,
    /// Whether it may be used.
    pub state: MailState,
    /// Who verifies the main password; empty for nobody.
    pub source: String,
    /// 0 is unlimited.
    pub quota: u64,
    /// As Dovecot wrote it last.
    pub used: u64,
}

/// A page of domains, by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DomainList {
    /// At most [`PAGE_ROWS`].
    pub rows: Vec<DomainLine>,
    /// There is another page.
    pub more: bool,
}

/// A domain of the list. Sizes are in bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DomainLine {
    /// As stored.
    pub name: String,
    /// May be empty.
    pub description: String,
    /// Whether there are logins and mail.
    pub active: bool,
    /// How many mailboxes there may be.
    pub mailboxes: u64,
    /// How many there are.
    pub mailboxes_used: u64,
    /// What a new mailbox gets.
    pub default_quota: u64,
    /// The most for one mailbox.
    pub max_quota: u64,
    /// The most for all together.
    pub quota: u64,
    /// What its mailboxes have been given together.
    pub quota_given: u64,
}
