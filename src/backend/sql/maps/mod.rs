//! What a mail server wants to know of addresses: is the domain here, is there a mailbox, where do aliases lead, who may
//! send under an address. mailcow's rules, with mailcow's tables.
//!
//! One statement each, and one more where an alias domain is involved. Postfix asks such a table for whole addresses
//! only, so what it does itself with other kinds of tables is done here: an address with an extension (`info+news@`)
//! is also looked for without it, and at last `@domain`.

mod login;
mod rows;
mod sender;

use std::time::SystemTime;

use super::database::Database;
use super::domain_name::DomainName;
use super::error::Error;
use super::retry::Fault;
use super::session::{Kind, Session, Work};
use crate::auth::Username;
use crate::backend::records::seconds;
use rows::{Address, FIND_MAILBOXES, MapRow, Part, find_rows, names_of, pick_row};

pub use login::AliasLogins;

const FIND_DOMAIN: &str = "\
SELECT 2 AS part, domain AS row_name, NULL AS value, active, backupmx AS more, NULL AS home \
  FROM domain WHERE domain IN (?, ?) \
UNION ALL \
SELECT 3, alias_domain, target_domain, active, 0, NULL FROM alias_domain WHERE alias_domain IN (?, ?)";
impl Database {
    /// Whether mail for a domain is taken here: it is on and no backup MX, or it is an alias domain that is on.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn hosts_domain(&self, domain: &DomainName) -> Result<bool, Error> {
        self.run(HostsDomain(domain.clone())).await
    }

    /// The mailbox that takes mail for an address, if it is on or receives only.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn find_receiver(&self, address: &Username) -> Result<Option<Username>, Error> {
        self.run(FindReceiver(Address::new(address))).await
    }

    /// Where mail for an address goes instead: addresses with commas between them. The address's own alias comes first,
    /// then a temporary one, then the mailbox of the same name in the domain that an alias domain stands for; at last
    /// the domain's catch-all, unless a mailbox has the address.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn find_alias(&self, address: &Username, now: SystemTime) -> Result<Option<String>, Error> {
        let now = i64::try_from(seconds(now)).unwrap_or(i64::MAX);
        self.run(FindAlias { address: Address::new(address), now }).await
    }

    /// The mailbox that a login under an address opens which is no mailbox's: through an alias domain that is on, or an
    /// alias that is on and leads to exactly one mailbox here. `None` where there is a mailbox of this name.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub(crate) async fn find_login(
        &self,
        address: &Username,
        allowed: AliasLogins,
    ) -> Result<Option<Username>, Error> {
        self.run(login::FindLogin { address: address.clone(), allowed }).await
    }

    /// Who may send under an address: logins in normal form, each once. `None` is an address that no mailbox can have,
    /// which only those may use who may use any.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn sender_owners(&self, sender: Option<&Username>) -> Result<Vec<String>, Error> {
        self.run(sender::SenderOwners(sender.map(Address::new))).await
    }
}

struct HostsDomain(DomainName);

impl Work for HostsDomain {
    const ATTEMPT: &'static str = "looking a domain up";
    const KIND: Kind = Kind::Reads;
    type Output = bool;

    async fn run<S: Session>(&self, session: &mut S) -> Result<bool, Fault> {
        let domain = self.0.as_str();
        let names = [self.0.spellings(), self.0.spellings()].concat();
        let rows = MapRow::read_all(session.query(FIND_DOMAIN, names_of(names)).await?, domain)?;
        let find = |part| pick_row(&rows, part, domain, |stored| self.0.is(stored));
        let own = find(Part::Domain)?.is_some_and(|row| row.active == 1 && row.more == 0);
        Ok(own || find(Part::AliasDomain)?.is_some_and(|row| row.active == 1))
    }
}

struct FindReceiver(Address);

impl Work for FindReceiver {
    const ATTEMPT: &'static str = "looking for a mailbox that receives";
    const KIND: Kind = Kind::Reads;
    type Output = Option<Username>;

    async fn run<S: Session>(&self, session: &mut S) -> Result<Self::Output, Fault> {
        let rows = session.query(FIND_MAILBOXES, names_of(self.0.spellings())).await?;
        let rows = MapRow::read_all(rows, self.0.whole.as_str())?;
        for (address, _) in self.0.tries() {
            if rows::receives(&rows, address)? {
                return Ok(Some(address.clone()));
            }
        }
        Ok(None)
    }
}

struct FindAlias {
    address: Address,
    /// In seconds since 1970.
    now: i64,
}

impl Work for FindAlias {
    const ATTEMPT: &'static str = "looking an alias up";
    const KIND: Kind = Kind::Reads;
    type Output = Option<String>;

    async fn run<S: Session>(&self, session: &mut S) -> Result<Self::Output, Fault> {
        let address = &self.address;
        let rows = find_rows(session, address).await?;
        let twins = find_twins(session, address, &rows).await?;
        for (tried, extension) in address.tries() {
            if let Some(goto) = self.find_goto(&rows, tried)? {
                return Ok(Some(rows::extend_all(goto, extension)));
            }
            if let Some(twin) = twins.iter().find(|twin| twin.local_part() == tried.local_part()) {
                return Ok(Some(rows::extend_all(twin.as_str(), extension)));
            }
            if rows::receives(&rows, tried)? {
                return Ok(None);
            }
        }
        let is_catch_all = |stored: &str| address.is_catch_all(stored);
        let catch_all = pick_row(&rows, Part::Alias, address.whole.as_str(), is_catch_all)?;
        let goto = catch_all.filter(|row| row.is_in_use()).map(|row| rows::extend_all(&row.value, ""));
        Ok(goto.filter(|goto| !goto.is_empty()))
    }
}

impl FindAlias {
    /// Where an alias of exactly this address leads, or else a temporary one that still holds.
    fn find_goto<'a>(&self, rows: &'a [MapRow], address: &Username) -> Result<Option<&'a str>, Error> {
        let is_it = |stored: &str| super::names::is_name_of(address, stored);
        let alias = pick_row(rows, Part::Alias, address.as_str(), is_it)?.filter(|row| row.is_in_use());
        let goto = match alias {
            Some(alias) => Some(alias),
            // There `active` is whether it lasts for ever, and the other number is its end.
            None => pick_row(rows, Part::Temporary, address.as_str(), is_it)?
                .filter(|row| row.active != 0 || row.more >= self.now),
        };
        Ok(goto.map(|row| &*row.value).filter(|goto| !goto.trim().is_empty()))
    }
}

/// The mailboxes that an address has through an alias domain: the same name in the domain that it stands for.
async fn find_twins<S: Session>(
    session: &mut S,
    address: &Address,
    rows: &[MapRow],
) -> Result<Vec<Username>, Fault> {
    let Some(target) = rows::target_of(address, rows)? else { return Ok(Vec::new()) };
    let Some(twin) = address.in_domain(&target) else { return Ok(Vec::new()) };
    let found = session.query(FIND_MAILBOXES, names_of(twin.spellings())).await?;
    let found = MapRow::read_all(found, twin.whole.as_str())?;
    let mut twins = Vec::new();
    for (name, _) in twin.tries() {
        if rows::receives(&found, name)? {
            twins.push(name.clone());
        }
    }
    Ok(twins)
}
