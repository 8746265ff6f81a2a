//! Who may send under an address.

use super::rows::{Address, MapRow, Part, addresses, names_of, pick_row, receives, target_of};
use crate::auth::Username;
use crate::backend::sql::error::Error;
use crate::backend::sql::names::is_name_of;
use crate::backend::sql::retry::Fault;
use crate::backend::sql::session::{Kind, Session, Work};

const FIND_ALIASES: &str = "\
SELECT 1 AS part, address AS row_name, goto AS value, active, sender_allowed AS more, domain AS home \
  FROM alias WHERE address IN (?, ?, ?, ?, ?, ?) \
UNION ALL \
SELECT 2, domain, NULL, active, 0, NULL FROM domain WHERE domain IN (?, ?) \
UNION ALL \
SELECT 3, alias_domain, target_domain, active, 0, NULL FROM alias_domain WHERE alias_domain IN (?, ?)";
/// The names of the address, then those that it has where an alias domain stands for another.
const FIND_ACL: &str = "\
SELECT 6 AS part, send_as AS row_name, logged_in_as AS value, 1 AS active, 0 AS more, NULL AS home \
  FROM sender_acl WHERE send_as IN ('*', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
UNION ALL \
SELECT 4, username, NULL, active, 0, NULL FROM mailbox WHERE username IN (?, ?, ?, ?)";
const FIND_ANYBODYS: &str = "\
SELECT 6 AS part, send_as AS row_name, logged_in_as AS value, 1 AS active, 0 AS more, NULL AS home \
  FROM sender_acl WHERE send_as = '*'";

/// The logins that have an address: what its alias leads to, whoever it was given to, and its mailbox through an alias
/// domain.
pub(super) struct SenderOwners(pub(super) Option<Address>);

impl Work for SenderOwners {
    const ATTEMPT: &'static str = "looking for the owners of a sender address";
    const KIND: Kind = Kind::Reads;
    type Output = Vec<String>;

    async fn run<S: Session>(&self, session: &mut S) -> Result<Self::Output, Fault> {
        let Some(address) = &self.0 else {
            let rows = MapRow::read_all(session.query(FIND_ANYBODYS, Vec::new()).await?, "*")?;
            return Ok(owners(given_to(&rows, &[])));
        };
        let names = [address.spellings(), address.catch_alls(), address.domains(), address.domains()];
        let rows = session.query(FIND_ALIASES, names_of(names.concat())).await?;
        let rows = MapRow::read_all(rows, address.whole.as_str())?;
        let twin = target_of(address, &rows)?.and_then(|target| address.in_domain(&target));
        let other = twin.as_ref().unwrap_or(address);
        let names = [
            address.spellings(),
            address.catch_alls(),
            other.spellings(),
            other.catch_alls(),
            twin.as_ref().map_or_else(|| vec![String::new(); 4], Address::spellings),
        ];
        let more = session.query(FIND_ACL, names_of(names.concat())).await?;
        let more = MapRow::read_all(more, address.whole.as_str())?;
        let mut found = of_alias(&rows, address)?;
        found.extend(given_to(&more, &[address, other]));
        for (name, _) in twin.iter().flat_map(Address::tries) {
            if receives(&more, name)? {
                found.push(name.to_string());
            }
        }
        Ok(owners(found))
    }
}

/// What the address's alias leads to, or else the domain's catch-all, as far as they may be sent under and the domain
/// is on.
fn of_alias(rows: &[MapRow], address: &Address) -> Result<Vec<String>, Error> {
    let domain = address.whole.domain();
    let is_on = |part| -> Result<bool, Error> {
        let row = pick_row(rows, part, domain, |stored| address.is_in(stored))?;
        Ok(row.is_some_and(|row| row.active == 1))
    };
    if !is_on(Part::Domain)? && !is_on(Part::AliasDomain)? {
        return Ok(Vec::new());
    }
    let counts = |row: &&MapRow| row.is_in_use() && row.more == 1 && address.is_in(&row.home);
    let mut alias = None;
    for (name, _) in address.tries() {
        let row = pick_row(rows, Part::Alias, name.as_str(), |stored| is_name_of(name, stored))?;
        alias = alias.or(row.filter(counts));
    }
    if alias.is_none() {
        alias = pick_row(rows, Part::Alias, domain, |stored| address.is_catch_all(stored))?.filter(counts);
    }
    Ok(alias.map(|row| addresses(&row.value).map(str::to_owned).collect()).unwrap_or_default())
}

/// Whoever was given one of these addresses, their domain, or every address.
fn given_to(rows: &[MapRow], given: &[&Address]) -> Vec<String> {
    let is_meant = |stored: &str| {
        stored.trim_matches(' ') == "*"
            || given.iter().any(|address| {
                address.is_catch_all(stored) || address.tries().any(|(name, _)| is_name_of(name, stored))
            })
    };
    let meant = rows.iter().filter(|row| row.is_of(Part::Acl) && is_meant(row.name()));
    meant.map(|row| row.value.clone()).collect()
}

/// The logins among these, in normal form, each once. What is no login owns nothing.
fn owners(found: Vec<String>) -> Vec<String> {
    let mut logins: Vec<String> = Vec::new();
    for login in found.iter().filter_map(|name| Username::parse(name.as_bytes()).ok()) {
        if !logins.iter().any(|known| *known == *login.as_str()) {
            logins.push(login.to_string());
        }
    }
    logins
}
