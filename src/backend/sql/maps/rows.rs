//! Rows and addresses as the lookup tables see them.

use crate::auth::Username;
use crate::backend::sql::domain_name::DomainName;
use crate::backend::sql::error::Error;
use crate::backend::sql::names::{is_name_of, pick, spellings};
use crate::backend::sql::retry::Fault;
use crate::backend::sql::row::{Parameter, Row};
use crate::backend::sql::session::Session;

pub(super) const FIND_MAILBOXES: &str = "\
SELECT 4 AS part, username AS row_name, NULL AS value, active, 0 AS more, NULL AS home \
  FROM mailbox WHERE username IN (?, ?, ?, ?)";
const FIND_ALIASES: &str = "\
SELECT 1 AS part, address AS row_name, goto AS value, active, sender_allowed AS more, domain AS home \
  FROM alias WHERE address IN (?, ?, ?, ?, ?, ?) \
UNION ALL \
SELECT 3, alias_domain, target_domain, active, 0, NULL FROM alias_domain WHERE alias_domain IN (?, ?) \
UNION ALL \
SELECT 4, username, NULL, active, 0, NULL FROM mailbox WHERE username IN (?, ?, ?, ?) \
UNION ALL \
SELECT 5, address, goto, permanent, validity, NULL FROM spamalias WHERE address IN (?, ?, ?, ?)";

/// What stands between a name and its extension: Postfix's `recipient_delimiter` is to be the same.
const DELIMITER: char = '+';

/// An address as it was asked for, and without its extension.
#[derive(Clone, Debug)]
pub(super) struct Address {
    pub(super) whole: Username,
    /// `info@example.org` and `+news` of `info+news@example.org`.
    bare: Option<(Username, String)>,
}

impl Address {
    pub(super) fn new(whole: &Username) -> Self {
        let bare = whole.local_part().find(DELIMITER).filter(|at| *at > 0).and_then(|at| {
            let (name, extension) = whole.local_part().split_at(at);
            let bare = Username::parse(format!("{name}@{}", whole.domain()).as_bytes()).ok()?;
            Some((bare, extension.to_owned()))
        });
        Self { whole: whole.clone(), bare }
    }

    /// The same name in another domain; `None` when that makes no address.
    pub(super) fn in_domain(&self, domain: &DomainName) -> Option<Self> {
        let name = format!("{}@{}", self.whole.local_part(), domain.as_str());
        Username::parse(name.as_bytes()).ok().map(|whole| Self::new(&whole))
    }

    /// The whole address, then the bare one; each with the extension that what it leads to gets.
    pub(super) fn tries(&self) -> impl Iterator<Item = (&Username, &str)> {
        let bare = self.bare.iter().map(|(bare, extension)| (bare, extension.as_str()));
        std::iter::once((&self.whole, "")).chain(bare)
    }

    /// Four spellings: two of the whole address, two of the bare one.
    pub(super) fn spellings(&self) -> Vec<String> {
        let bare = self.bare.as_ref().map_or(&self.whole, |(bare, _)| bare);
        [both(&self.whole), both(bare)].concat()
    }

    /// Two spellings of the domain.
    pub(super) fn domains(&self) -> Vec<String> {
        DomainName::of(&self.whole).spellings().to_vec()
    }

    /// Two spellings of `@domain`.
    pub(super) fn catch_alls(&self) -> Vec<String> {
        self.domains().iter().map(|domain| format!("@{domain}")).collect()
    }

    pub(super) fn is_catch_all(&self, stored: &str) -> bool {
        stored.trim_matches(' ').strip_prefix('@').is_some_and(|domain| self.is_in(domain))
    }

    pub(super) fn is_in(&self, stored_domain: &str) -> bool {
        DomainName::of(&self.whole).is(stored_domain)
    }
}

/// Of which table a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Alias = 1,
    Domain = 2,
    AliasDomain = 3,
    Mailbox = 4,
    Temporary = 5,
    Acl = 6,
}

impl Part {
    const ALL: [Self; 6] =
        [Self::Alias, Self::Domain, Self::AliasDomain, Self::Mailbox, Self::Temporary, Self::Acl];

    fn table(self) -> &'static str {
        match self {
            Self::Alias => "alias",
            Self::Domain => "domain",
            Self::AliasDomain => "alias_domain",
            Self::Mailbox => "mailbox",
            Self::Temporary => "spamalias",
            Self::Acl => "sender_acl",
        }
    }
}

/// A row of one of the tables.
#[derive(Clone, Debug)]
pub(super) struct MapRow {
    part: Part,
    name: String,
    /// Where it leads, or who it is about.
    pub(super) value: String,
    pub(super) active: i64,
    /// A further number, whose meaning depends on the table.
    pub(super) more: i64,
    /// The domain that an alias belongs to.
    pub(super) home: String,
}

impl MapRow {
    /// Reads all rows of an answer.
    pub(super) fn read_all(rows: Vec<Row>, asked: &str) -> Result<Vec<Self>, Error> {
        let read = |mut row: Row| {
            let number = row.read("alias", asked, |row| row.number(0))?;
            let part = Part::ALL.into_iter().find(|part| *part as i64 == number);
            let part = part.ok_or_else(|| Error::BadRow {
                table: "alias",
                key: asked.to_owned(),
                detail: "a row is of no table".to_owned(),
            })?;
            row.read(part.table(), asked, |row| {
                Ok(Self {
                    part,
                    name: row.words(1)?,
                    value: row.text(2)?.unwrap_or_default(),
                    active: row.number(3)?,
                    more: row.integer(4)?.unwrap_or_default(),
                    home: row.text(5)?.unwrap_or_default(),
                })
            })
        };
        rows.into_iter().map(read).collect()
    }

    /// mailcow: 1 is on, 2 is on and hidden.
    pub(super) fn is_in_use(&self) -> bool {
        matches!(self.active, 1 | 2)
    }

    pub(super) fn is_of(&self, part: Part) -> bool {
        self.part == part
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

/// The row of a table that is exactly the one that was asked for, whatever the database's collation thinks equal.
pub(super) fn pick_row<'a>(
    rows: &'a [MapRow],
    part: Part,
    wanted: &str,
    is_it: impl Fn(&str) -> bool,
) -> Result<Option<&'a MapRow>, Error> {
    let fitting = rows.iter().filter(|row| row.part == part && is_it(&row.name));
    pick(part.table(), wanted, fitting.map(|row| (row.name.clone(), row)).collect())
}

/// Whether a mailbox takes mail: it is on, or receives only.
pub(super) fn receives(rows: &[MapRow], address: &Username) -> Result<bool, Error> {
    let mailbox = pick_row(rows, Part::Mailbox, address.as_str(), |stored| is_name_of(address, stored))?;
    Ok(mailbox.is_some_and(MapRow::is_in_use))
}

/// The domain that an address's domain stands for, if it is an alias domain that is on.
pub(super) fn target_of(address: &Address, rows: &[MapRow]) -> Result<Option<DomainName>, Error> {
    let row = pick_row(rows, Part::AliasDomain, address.whole.domain(), |stored| address.is_in(stored))?;
    Ok(row.filter(|row| row.active == 1).and_then(|row| DomainName::parse(&row.value).ok()))
}

/// A list of addresses as it is stored, with an extension put before each `@`, as Postfix does with what an address
/// with an extension leads to.
pub(super) fn extend_all(goto: &str, extension: &str) -> String {
    let extend = |address: &str| match address.rsplit_once('@') {
        Some((local, domain)) => format!("{local}{extension}@{domain}"),
        None => address.to_owned(),
    };
    addresses(goto).map(extend).collect::<Vec<_>>().join(",")
}

/// The addresses of a list.
pub(super) fn addresses(goto: &str) -> impl Iterator<Item = &str> {
    let is_gap = |c: char| c == ',' || c.is_whitespace() || c.is_control();
    goto.split(is_gap).filter(|address| !address.is_empty())
}

/// All that aliases, alias domains and mailboxes say about an address.
pub(super) async fn find_rows<S: Session>(session: &mut S, address: &Address) -> Result<Vec<MapRow>, Fault> {
    let names = [
        address.spellings(),
        address.catch_alls(),
        address.domains(),
        address.spellings(),
        address.spellings(),
    ];
    let rows = session.query(FIND_ALIASES, names_of(names.concat())).await?;
    Ok(MapRow::read_all(rows, address.whole.as_str())?)
}

pub(super) fn names_of(names: impl AsRef<[String]>) -> Vec<Parameter> {
    names.as_ref().iter().map(|name| Parameter::Text(name.clone())).collect()
}

/// Both spellings of an address.
fn both(user: &Username) -> [String; 2] {
    let [name, unicode, ..] = spellings(user);
    [name, unicode]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(name: &str) -> Address {
        Address::new(&Username::parse(name.as_bytes()).unwrap())
    }

    fn tries(name: &str) -> Vec<(String, String)> {
        let address = address(name);
        address.tries().map(|(user, extension)| (user.to_string(), extension.to_owned())).collect()
    }

    #[test]
    fn an_address_is_tried_whole_and_then_without_its_extension() {
        assert_eq!(tries("a@example.org"), [("a@example.org".to_owned(), String::new())]);
        let bare = ("a@example.org".to_owned(), "+b+c".to_owned());
        assert_eq!(tries("a+b+c@example.org"), [("a+b+c@example.org".to_owned(), String::new()), bare]);
        assert_eq!(tries("+b@example.org").len(), 1);
    }

    #[test]
    fn every_statement_gets_as_many_names_as_it_asks_for() {
        for name in ["a@example.org", "a+b@münchen.example"] {
            let address = address(name);
            let counts =
                [&address.spellings(), &address.domains(), &address.catch_alls()].map(|names| names.len());
            assert_eq!(counts, [4, 2, 2]);
        }
    }

    #[test]
    fn what_an_extended_address_leads_to_is_extended() {
        assert_eq!(extend_all("a@x.example, b@y.example\n,", "+n"), "a+n@x.example,b+n@y.example");
        assert_eq!(extend_all("null@localhost", ""), "null@localhost");
        assert_eq!(extend_all(" ,\r\n", "+n"), "");
    }

    #[test]
    fn a_catch_all_is_of_its_domain_in_either_spelling() {
        let address = address("a@münchen.example");
        assert!(address.is_catch_all("@MÜNCHEN.example") && address.is_catch_all("@xn--mnchen-3ya.example"));
        assert!(!address.is_catch_all("münchen.example") && !address.is_catch_all("@munchen.example"));
    }
}
