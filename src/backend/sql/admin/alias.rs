//! Aliases: addresses that lead to others, and whole domains that do.

use std::fmt;

use super::domain;
use super::obstacle::{Obstacle, Outcome};
use crate::auth::{InvalidName, Username};
use crate::backend::sql::domain_name::DomainName;
use crate::backend::sql::invalidation::Invalidation;
use crate::backend::sql::names::{Presence, are_one, look, spellings, texts};
use crate::backend::sql::retry::Fault;
use crate::backend::sql::row::{Parameter, Row};
use crate::backend::sql::session::{Kind, LostCommit, Session, Work};

const COLUMNS: &str = "address, goto, active, sender_allowed, internal";
const INSERT: &str = "\
INSERT INTO alias (address, goto, domain, active, sender_allowed, internal) VALUES (?, ?, ?, ?, ?, ?)";

/// What an alias stands for: one address, or `@domain` for every address of a domain that has no other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AliasAddress {
    /// `info@example.org`
    One(Username),
    /// `@example.org`
    CatchAll(DomainName),
}

impl AliasAddress {
    /// Reads an address in any spelling.
    ///
    /// # Errors
    /// What is neither an address nor `@` and a domain.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        match text.trim_matches(' ').strip_prefix('@') {
            Some(domain) => DomainName::parse(domain).map(Self::CatchAll),
            None => Username::parse(text.as_bytes()).map(Self::One),
        }
    }

    /// Who may log in under an alias is remembered under the alias.
    fn outdated(&self) -> Invalidation {
        match self {
            Self::One(user) => Invalidation::Mailbox(user.clone()),
            Self::CatchAll(domain) => Invalidation::Domain(domain.to_string()),
        }
    }

    fn domain(&self) -> DomainName {
        match self {
            Self::One(user) => DomainName::of(user),
            Self::CatchAll(domain) => domain.clone(),
        }
    }

    fn spellings(&self) -> [String; 2] {
        match self {
            Self::One(user) => {
                let [name, unicode, ..] = spellings(user);
                [name, unicode]
            }
            Self::CatchAll(domain) => domain.spellings().map(|domain| format!("@{domain}")),
        }
    }

    fn is(&self, stored: &str) -> bool {
        Self::parse(stored).is_ok_and(|stored| stored == *self)
    }
}

impl fmt::Display for AliasAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(user) => user.fmt(f),
            Self::CatchAll(domain) => write!(f, "@{domain}"),
        }
    }
}

/// What is to be written; `None` leaves it alone, or gives a new alias mailcow's default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AliasSettings {
    /// Where its mail goes; never empty.
    pub to: Option<Vec<Username>>,
    /// Default: on.
    pub active: Option<bool>,
    /// Whether those it leads to may send under its name. Default: yes.
    pub sender_allowed: Option<bool>,
    /// Whether it takes mail from this server's people only. Default: no.
    pub internal: Option<bool>,
}

/// A row of `alias`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AliasRow {
    /// As stored.
    pub address: String,
    /// As stored, cut at the commas.
    pub to: Vec<String>,
    /// Whether it is in use.
    pub active: bool,
    /// Whether those it leads to may send under its name.
    pub sender_allowed: bool,
    /// Whether it takes mail from this server's people only.
    pub internal: bool,
}

impl AliasRow {
    fn read(row: &mut Row) -> Result<Self, String> {
        let to = row.words(1)?;
        let to = to.split(',').map(|address| address.trim().to_owned()).filter(|address| !address.is_empty());
        Ok(Self {
            address: row.words(0)?,
            to: to.collect(),
            active: row.number(2)? != 0,
            sender_allowed: row.number(3)? == 1,
            internal: row.number(4)? == 1,
        })
    }

    /// The row that each mailbox has for itself.
    fn is_mailboxes_own(&self) -> bool {
        matches!(self.to.as_slice(), [only] if are_one(only, &self.address))
    }
}

async fn find<S: Session>(session: &mut S, address: &AliasAddress) -> Result<Option<AliasRow>, Fault> {
    let statement = format!("SELECT {COLUMNS} FROM alias WHERE address IN (?, ?){}", S::DIALECT.for_update());
    for mut row in session.query(&statement, texts(address.spellings())).await? {
        let row = row.read("alias", &address.to_string(), AliasRow::read)?;
        if address.is(&row.address) {
            return Ok(Some(row));
        }
    }
    Ok(None)
}

pub(super) struct AddAlias {
    pub(super) address: AliasAddress,
    pub(super) settings: AliasSettings,
}

impl Work for AddAlias {
    const ATTEMPT: &'static str = "adding an alias";
    const KIND: Kind = Kind::Writes(LostCommit::Tell);
    const OUTDATES: bool = true;
    type Output = Outcome<()>;

    fn outdates(&self, done: &Self::Output) -> Option<Invalidation> {
        done.is_ok().then(|| self.address.outdated())
    }

    async fn run<S: Session>(&self, session: &mut S) -> Result<Outcome<()>, Fault> {
        let (address, settings) = (&self.address, &self.settings);
        // The domain is locked first, as in creating a mailbox, so that the two cannot make one address twice.
        let Some(domain) = domain::find(session, &address.domain()).await? else {
            return Ok(Err(Obstacle::DomainUnknown(address.domain().to_string())));
        };
        let is_it = |stored: &str| address.is(stored);
        let mut find = async |place| look(session, place, address.spellings(), is_it).await;
        if let Presence::There(_) = find(("mailbox", "username")).await? {
            return Ok(Err(Obstacle::AliasIsMailbox(address.to_string())));
        }
        match find(("alias", "address")).await? {
            Presence::There(_) => return Ok(Err(Obstacle::AliasExists(address.to_string()))),
            Presence::Taken(stored) => {
                return Ok(Err(Obstacle::AliasLooksAlike { address: address.to_string(), stored }));
            }
            Presence::Free => {}
        }
        if let Presence::There(_) = find(("spamalias", "address")).await? {
            return Ok(Err(Obstacle::AliasIsTemporary(address.to_string())));
        }
        let switch = |setting: Option<bool>, default| Parameter::Integer(setting.unwrap_or(default).into());
        let parameters = vec![
            Parameter::Text(address.to_string()),
            goto(settings.to.as_deref().unwrap_or_default()),
            domain.name.as_str().into(),
            switch(settings.active, true),
            switch(settings.sender_allowed, true),
            switch(settings.internal, false),
        ];
        session.query(INSERT, parameters).await?;
        Ok(Ok(()))
    }
}

fn goto(addresses: &[Username]) -> Parameter {
    Parameter::Text(addresses.iter().map(Username::as_str).collect::<Vec<_>>().join(","))
}

pub(super) struct SetAlias {
    pub(super) address: AliasAddress,
    pub(super) settings: AliasSettings,
}

impl Work for SetAlias {
    const ATTEMPT: &'static str = "changing an alias";
    const KIND: Kind = Kind::Writes(LostCommit::RunAgain);
    const OUTDATES: bool = true;
    type Output = Outcome<()>;

    fn outdates(&self, done: &Self::Output) -> Option<Invalidation> {
        done.is_ok().then(|| self.address.outdated())
    }

    async fn run<S: Session>(&self, session: &mut S) -> Result<Outcome<()>, Fault> {
        let (address, settings) = (&self.address, &self.settings);
        let Some(now) = find(session, address).await? else {
            return Ok(Err(Obstacle::AliasUnknown(address.to_string())));
        };
        if now.is_mailboxes_own() {
            return Ok(Err(Obstacle::AliasIsMailbox(address.to_string())));
        }
        let switch = |setting: Option<bool>| setting.map(|on| Parameter::Integer(on.into()));
        let columns = [
            ("goto", settings.to.as_deref().map(goto)),
            ("active", switch(settings.active)),
            ("sender_allowed", switch(settings.sender_allowed)),
            ("internal", switch(settings.internal)),
        ];
        let (mut sets, mut parameters) = (Vec::new(), Vec::new());
        for (column, value) in columns {
            if let Some(value) = value {
                sets.push(format!("{column} = ?"));
                parameters.push(value);
            }
        }
        if !sets.is_empty() {
            parameters.push(now.address.as_str().into());
            let statement = format!("UPDATE alias SET {} WHERE address = ?", sets.join(", "));
            session.query(&statement, parameters).await?;
        }
        Ok(Ok(()))
    }
}

pub(super) struct Aliases(pub(super) Option<DomainName>);

impl Work for Aliases {
    const ATTEMPT: &'static str = "listing aliases";
    const KIND: Kind = Kind::Reads;
    type Output = Vec<AliasRow>;

    async fn run<S: Session>(&self, session: &mut S) -> Result<Self::Output, Fault> {
        let mut statement = format!("SELECT {COLUMNS} FROM alias WHERE HEX(address) <> HEX(goto)");
        let mut parameters = Vec::new();
        if let Some(domain) = &self.0 {
            statement.push_str(" AND domain IN (?, ?)");
            parameters = texts(domain.spellings());
        }
        let mut aliases = Vec::new();
        for mut row in session.query(&statement, parameters).await? {
            let alias = row.read("alias", "", AliasRow::read)?;
            let stored_domain = alias.address.rsplit_once('@').map_or("", |(_, domain)| domain);
            let wanted = self.0.as_ref().is_none_or(|domain| domain.is(stored_domain));
            if wanted && !alias.is_mailboxes_own() {
                aliases.push(alias);
            }
        }
        aliases.sort_by(|one, other| one.address.cmp(&other.address));
        Ok(aliases)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_catch_all_is_no_address_and_has_both_spellings() {
        let all = AliasAddress::parse("@MÜNCHEN.example").unwrap();
        assert_eq!(all.to_string(), "@xn--mnchen-3ya.example");
        assert_eq!(all.spellings(), ["@xn--mnchen-3ya.example", "@münchen.example"]);
        assert!(all.is("@münchen.example") && !all.is("a@münchen.example") && !all.is("@munchen.example"));
        let one = AliasAddress::parse("Info@Example.org").unwrap();
        assert_eq!((one.to_string().as_str(), one.is("INFO@example.org")), ("info@example.org", true));
        for wrong in ["@", "info", "@@example.org", "a@b@example.org", ""] {
            assert!(AliasAddress::parse(wrong).is_err(), "{wrong}");
        }
    }
}
