//! What the rows mean: a domain that is hosted here, a mailbox and its state.

use super::access::AccessSwitches;
use super::error::Error;
use super::names::{is_domain_of, is_name_of, pick};
use super::row::Row;
use crate::auth::{Secret, Username};

/// Bytes of a mebibyte, in which a template and a domain count.
pub(super) const MIB: i64 = 1_048_576;

/// What is known here about one address.
#[derive(Debug)]
pub struct Hosting {
    /// The row of the address's domain; `None` when the domain is not hosted here.
    pub domain: Option<Domain>,
    /// The row of exactly this address.
    pub mailbox: Option<Mailbox>,
}

/// A row of `domain`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Domain {
    /// Whether it is switched on.
    pub active: bool,
}

/// A row of `mailbox`, with what `tfa` says about it.
#[derive(Debug)]
pub struct Mailbox {
    /// Whether it may log in, receive only, or neither.
    pub active: MailboxState,
    /// A room, a group or a thing, which nobody logs in to.
    pub kind_is_resource: bool,
    /// Who verifies the main password; `None` (NULL) is nobody.
    pub authsource: Option<AuthSource>,
    /// The hash that belongs to [`AuthSource::Mailcow`]; may be empty.
    pub password: Secret,
    /// In bytes; 0 is unlimited.
    pub quota_bytes: u64,
    /// The services that are switched off.
    pub access: AccessSwitches,
    /// A second factor is active.
    pub second_factor: bool,
}

/// `mailbox.active`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailboxState {
    /// 0, and every number that mailcow does not write: no login, no delivery.
    Off,
    /// 1
    On,
    /// 2: mail is accepted, nobody logs in.
    ReceiveOnly,
}

/// `mailbox.authsource`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthSource {
    /// The hash in the row.
    Mailcow,
    /// Keycloak.
    Keycloak,
    /// An LDAP server, which keydove does not ask.
    Ldap,
    /// An `OpenID` Connect provider without an admin interface.
    GenericOidc,
}

/// A part of the list of mailboxes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// In the binary order of the stored names.
    pub users: Vec<Username>,
    /// Where the next page starts; `None` after the last.
    pub next: Option<String>,
}

impl Hosting {
    /// Whether every login ends the same with either.
    #[must_use]
    pub fn is_as_good_as(&self, other: &Self) -> bool {
        let same_mailbox = match (&self.mailbox, &other.mailbox) {
            (Some(one), Some(other)) => one.is_as_good_as(other),
            (one, other) => one.is_none() && other.is_none(),
        };
        same_mailbox && self.domain == other.domain
    }

    /// Keeps the rows that are about exactly this user, whatever the database's collation thinks equal.
    pub(super) fn assemble(user: &Username, rows: Vec<Found>) -> Result<Self, Error> {
        let (mut domains, mut mailboxes, mut second_factor) = (Vec::new(), Vec::new(), false);
        for row in rows {
            match row {
                Found::Domain { name, active } if is_domain_of(user, &name) => {
                    domains.push((name, Domain { active: active == 1 }));
                }
                Found::Mailbox(row) if is_name_of(user, &row.username) => {
                    mailboxes.push((row.username.clone(), row));
                }
                Found::SecondFactor { name } => second_factor |= is_name_of(user, &name),
                Found::Domain { .. } | Found::Mailbox(_) => {}
            }
        }
        let domain = pick("domain", user.domain(), domains)?;
        let mailbox = pick("mailbox", user.as_str(), mailboxes)?;
        let mailbox = mailbox.map(|row| Mailbox::judge(user, row, second_factor)).transpose()?;
        Ok(Self { domain, mailbox })
    }
}

impl Mailbox {
    fn is_as_good_as(&self, other: &Self) -> bool {
        let rights = |row: &Self| (row.active, row.kind_is_resource, row.authsource, row.second_factor);
        rights(self) == rights(other)
            && self.access == other.access
            && self.password.matches(other.password.expose())
    }

    pub(super) fn judge(user: &Username, row: StoredMailbox, second_factor: bool) -> Result<Self, Error> {
        let bad_row = |detail| Error::BadRow { table: "mailbox", key: user.as_str().to_owned(), detail };
        let authsource = row.authsource.as_deref().map(AuthSource::parse).transpose().map_err(bad_row)?;
        let quota_bytes =
            u64::try_from(row.quota).map_err(|_| bad_row(format!("`quota` is negative: {}", row.quota)))?;
        Ok(Self {
            active: MailboxState::from_number(row.active),
            kind_is_resource: is_resource(&row.kind),
            authsource,
            password: row.password,
            quota_bytes,
            access: AccessSwitches::parse(row.attributes.as_deref()),
            second_factor,
        })
    }
}

impl MailboxState {
    /// The number in the column.
    #[must_use]
    pub fn number(self) -> i64 {
        match self {
            Self::Off => 0,
            Self::On => 1,
            Self::ReceiveOnly => 2,
        }
    }

    pub(super) fn from_number(active: i64) -> Self {
        match active {
            1 => Self::On,
            2 => Self::ReceiveOnly,
            _ => Self::Off,
        }
    }
}

impl AuthSource {
    /// The word in the column.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Mailcow => "mailcow",
            Self::Keycloak => "keycloak",
            Self::Ldap => "ldap",
            Self::GenericOidc => "generic-oidc",
        }
    }

    pub(super) fn parse(text: &str) -> Result<Self, String> {
        match text {
            "mailcow" => Ok(Self::Mailcow),
            "keycloak" => Ok(Self::Keycloak),
            "ldap" => Ok(Self::Ldap),
            "generic-oidc" => Ok(Self::GenericOidc),
            _ => Err(format!("`authsource` is none that keydove knows: `{}`", text.escape_debug())),
        }
    }
}

/// One row of a statement that asks for a domain, a mailbox and its second factors: the first column is which of them it
/// is, and what is no column of its table is NULL.
pub(super) enum Found {
    Domain { name: String, active: i64 },
    Mailbox(StoredMailbox),
    SecondFactor { name: String },
}

/// A row of `mailbox`, not yet judged.
pub(super) struct StoredMailbox {
    pub(super) username: String,
    pub(super) active: i64,
    pub(super) kind: String,
    pub(super) authsource: Option<String>,
    pub(super) password: Secret,
    pub(super) quota: i64,
    pub(super) attributes: Option<String>,
}

impl Found {
    /// Reads a row; `asked` names it where it cannot name itself.
    pub(super) fn read(mut row: Row, asked: &str) -> Result<Self, Error> {
        let part = row.integer(0).ok().flatten();
        let table = match part {
            Some(1) => "domain",
            Some(2) => "mailbox",
            _ => "tfa",
        };
        row.read(table, asked, |row| {
            let (name, active) = (required(row.text(1)?, "name")?, required(row.integer(2)?, "active")?);
            Ok(match part {
                Some(1) => Self::Domain { name, active },
                Some(2) => Self::Mailbox(StoredMailbox::read(row, name, active)?),
                _ => Self::SecondFactor { name },
            })
        })
    }
}

impl StoredMailbox {
    fn read(row: &mut Row, username: String, active: i64) -> Result<Self, String> {
        Ok(Self {
            username,
            active,
            kind: row.text(3)?.unwrap_or_default(),
            authsource: row.text(4)?,
            quota: required(row.integer(5)?, "quota")?,
            attributes: row.text(6)?,
            password: Secret::new(row.bytes(7)?.unwrap_or_default()),
        })
    }
}

fn required<T>(cell: Option<T>, column: &str) -> Result<T, String> {
    cell.ok_or_else(|| format!("`{column}` is NULL"))
}

/// A row of the list of mailboxes.
pub(super) struct Listed {
    username: String,
    kind: String,
}

impl Listed {
    pub(super) fn read(mut row: Row, after: &str) -> Result<Self, Error> {
        row.read("mailbox", &format!("somewhere after {after}"), |row| {
            Ok(Self { username: required(row.text(0)?, "username")?, kind: row.text(1)?.unwrap_or_default() })
        })
    }
}

impl Page {
    pub(super) fn assemble(rows: Vec<Listed>, limit: usize) -> Self {
        let next = (rows.len() >= limit).then(|| rows.last().map(|row| row.username.clone())).flatten();
        let users = rows
            .iter()
            .filter(|row| !is_resource(&row.kind))
            .filter_map(|row| Username::parse(row.username.as_bytes()).ok());
        Self { users: users.collect(), next }
    }
}

/// mailcow: `kind NOT REGEXP 'location|thing|group'`, under a collation that ignores case.
pub(super) fn is_resource(kind: &str) -> bool {
    let kind = kind.to_ascii_lowercase();
    ["location", "thing", "group"].iter().any(|resource| kind.contains(resource))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> Username {
        Username::parse(name.as_bytes()).unwrap()
    }

    fn row(username: &str, quota: i64) -> StoredMailbox {
        StoredMailbox {
            username: username.to_owned(),
            active: 1,
            kind: String::new(),
            authsource: Some("keycloak".to_owned()),
            password: Secret::from(""),
            quota,
            attributes: None,
        }
    }

    fn quota_of(name: &str, rows: Vec<Found>) -> Option<u64> {
        Hosting::assemble(&user(name), rows).unwrap().mailbox.map(|mailbox| mailbox.quota_bytes)
    }

    #[test]
    fn a_row_that_only_a_collation_finds_equal_does_not_count() {
        for stored in ["muller@example.org", "mÜller@example.org", "müller@example.net", "müller"] {
            assert_eq!(
                quota_of("müller@example.org", vec![Found::Mailbox(row(stored, 1))]),
                None,
                "{stored}"
            );
        }
        let factor = Found::SecondFactor { name: "muller@example.org".to_owned() };
        let rows = vec![Found::Mailbox(row("müller@example.org", 1)), factor];
        assert!(
            !Hosting::assemble(&user("müller@example.org"), rows).unwrap().mailbox.unwrap().second_factor
        );
        let domain = Found::Domain { name: "munchen.example".to_owned(), active: 1 };
        assert_eq!(Hosting::assemble(&user("a@münchen.example"), vec![domain]).unwrap().domain, None);
    }

    #[test]
    fn other_spellings_of_the_same_name_count() {
        for stored in ["Alice@Example.ORG", "alice@example.org", "alice@example.org "] {
            assert_eq!(
                quota_of("alice@example.org", vec![Found::Mailbox(row(stored, 1))]),
                Some(1),
                "{stored}"
            );
        }
        let domain = Found::Domain { name: "MÜNCHEN.example".to_owned(), active: 1 };
        let hosting = Hosting::assemble(&user("a@münchen.example"), vec![domain]).unwrap();
        assert_eq!(hosting.domain, Some(Domain { active: true }));
    }

    #[test]
    fn of_several_rows_the_exact_one_counts() {
        let rows = |names: &[&str]| {
            names.iter().zip(1..).map(|(name, quota)| Found::Mailbox(row(name, quota))).collect::<Vec<_>>()
        };
        let asked = "alice@example.org";
        assert_eq!(quota_of(asked, rows(&["ALICE@example.org", asked, "Alice@example.org"])), Some(2));
        let undecided = Hosting::assemble(&user(asked), rows(&["ALICE@example.org", "Alice@example.org"]));
        assert!(matches!(undecided, Err(Error::BadRow { table: "mailbox", .. })));
    }

    #[test]
    fn an_impossible_value_is_no_answer() {
        let mut foreign = row("alice@example.org", 0);
        foreign.authsource = Some("saml".to_owned());
        for bad in [foreign, row("alice@example.org", -1)] {
            let result = Hosting::assemble(&user("alice@example.org"), vec![Found::Mailbox(bad)]);
            assert!(matches!(result, Err(Error::BadRow { .. })));
        }
    }

    #[test]
    fn only_1_is_on_and_2_receives() {
        let states = [-1, 0, 1, 2, 3].map(MailboxState::from_number);
        use MailboxState::{Off, On, ReceiveOnly};
        assert_eq!(states, [Off, Off, On, ReceiveOnly, Off]);
    }

    #[test]
    fn rooms_groups_and_things_are_resources() {
        assert!(["location", "Group", "thing", "a thing"].into_iter().all(is_resource));
        assert!(!is_resource("") && !is_resource("person"));
    }
}
