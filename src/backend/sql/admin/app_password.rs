//! App passwords: making, listing and revoking them.

use std::collections::HashMap;

use super::mailbox::find_stored_name;
use super::obstacle::{Obstacle, Outcome};
use crate::auth::{APP_PASSWORD_BYTES, Secret, Service, Username, make_app_password};
use crate::backend::sql::error::Error;
use crate::backend::sql::invalidation::Invalidation;
use crate::backend::sql::names::{is_name_of, spellings, texts};
use crate::backend::sql::retry::Fault;
use crate::backend::sql::row::{Parameter, Row};
use crate::backend::sql::session::{Kind, LostCommit, Session, Work};
use crate::credential::scheme::{self, SALT_BYTES, Scheme};

/// Every service that an app password can open, in the order of [`INSERT`]'s columns.
const SERVICES: [Service; 6] =
    [Service::Imap, Service::Pop3, Service::Smtp, Service::Sieve, Service::Dav, Service::Eas];
/// The password comes later, because it names the row. An empty one opens nothing.
const INSERT: &str = "\
INSERT INTO app_passwd \
       (name, mailbox, domain, password, imap_access, pop3_access, smtp_access, sieve_access, dav_access, \
        eas_access, active) \
VALUES (?, ?, ?, '', ?, ?, ?, ?, ?, ?, 1)";
const SET_PASSWORD: &str = "UPDATE app_passwd SET password = ? WHERE id = ?";
/// A row of the same number may be there, which mailcow's own deletions leave behind.
const REPLACE_OWN: &str =
    "REPLACE INTO keydove_app_password (app_passwd, expires, networks) VALUES (?, ?, ?)";
const COLUMNS: &str = "\
p.mailbox, p.id, p.name, p.imap_access, p.pop3_access, p.smtp_access, p.sieve_access, p.dav_access, p.eas_access, \
p.active, CAST(p.created AS CHAR)";
/// What [`read_services`] reads.
pub(in crate::backend::sql) const SERVICE_SWITCHES: &str =
    "p.imap_access, p.pop3_access, p.smtp_access, p.sieve_access, p.dav_access, p.eas_access";
const WHERE: &str = "WHERE p.mailbox IN (?, ?) ORDER BY p.id DESC";
const LAST_USED: &str = "\
SELECT app_password, CAST(MAX(datetime) AS CHAR) FROM sasl_log \
 WHERE username IN (?, ?) AND app_password > 0 GROUP BY app_password";
const REVOKE: &str = "UPDATE app_passwd SET active = 0 WHERE id = ?";

/// An app password that is to be made.
pub struct NewAppPassword {
    /// The mailbox.
    pub user: Username,
    /// What the person calls it; at most 255 characters.
    pub name: String,
    /// The services that it opens.
    pub services: Vec<Service>,
    /// When it ends, in seconds since 1970; `None` is never.
    pub expires: Option<i64>,
    /// From where it may be used, as networks; none is from anywhere.
    pub networks: Vec<String>,
    /// What the password is made of: [`APP_PASSWORD_BYTES`] random bytes. Other lengths make none.
    pub random: Secret,
    /// Random too.
    pub salt: [u8; SALT_BYTES],
}

/// A new app password. This is the only time that it is known.
#[derive(Debug)]
pub struct MadeAppPassword {
    /// Its number in `app_passwd`.
    pub id: i64,
    /// The password itself, which is shown once and stored only as a hash.
    pub password: Secret,
}

/// A row of `app_passwd`, with keydove's own row beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppPasswordRow {
    /// Its number in `app_passwd`.
    pub id: i64,
    /// What the person calls it.
    pub name: String,
    /// The services that it opens.
    pub services: Vec<&'static str>,
    /// When it ends, in seconds since 1970.
    pub expires: Option<i64>,
    /// From where it may be used; none is from anywhere.
    pub networks: Vec<String>,
    /// When it was made, by the database's clock.
    pub created: String,
    /// When it was used last, by the database's clock.
    pub last_used: Option<String>,
    /// Whether it opens anything.
    pub active: bool,
}

/// Which app passwords are to be revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revocation {
    /// That of this number.
    Number(i64),
    /// The one active one of this name.
    Name(String),
    /// All of the mailbox.
    All,
}

pub(in crate::backend::sql) struct AddAppPassword(pub(in crate::backend::sql) NewAppPassword);

impl Work for AddAppPassword {
    const ATTEMPT: &'static str = "adding an app password";
    const KIND: Kind = Kind::Writes(LostCommit::Tell);
    const OUTDATES: bool = true;
    type Output = Outcome<MadeAppPassword>;

    fn outdates(&self, done: &Self::Output) -> Option<Invalidation> {
        done.is_ok().then(|| Invalidation::Mailbox(self.0.user.clone()))
    }

    async fn run<S: Session>(&self, session: &mut S) -> Result<Self::Output, Fault> {
        let new = &self.0;
        if !session.has_own_tables() {
            let detail = "the table `keydove_app_password` is missing, and the database user may not create it (GRANT CREATE)";
            return Err(Error::Schema { database: "MariaDB".to_owned(), detail: detail.to_owned() }.into());
        }
        let mailbox = match find_stored_name(session, &new.user).await? {
            Ok(mailbox) => mailbox,
            Err(obstacle) => return Ok(Err(obstacle)),
        };
        let domain = mailbox.rsplit_once('@').map_or("", |(_, domain)| domain);
        let mut parameters = vec![new.name.as_str().into(), mailbox.as_str().into(), domain.into()];
        parameters
            .extend(SERVICES.iter().map(|service| Parameter::Integer(new.services.contains(service).into())));
        session.query(INSERT, parameters).await?;
        let id = read_id(session).await?;
        let made = MadeAppPassword { id, password: self.make(id)? };
        let hash = hash(&made.password, &new.salt)?;
        session.query(SET_PASSWORD, vec![(&hash).into(), id.into()]).await?;
        let networks = (!new.networks.is_empty()).then(|| new.networks.join(","));
        let expires = new.expires.map_or(Parameter::Null, Parameter::Integer);
        session.query(REPLACE_OWN, vec![id.into(), expires, networks.as_deref().into()]).await?;
        Ok(Ok(made))
    }
}

impl AddAppPassword {
    fn make(&self, id: i64) -> Result<Secret, Error> {
        let random: &[u8; APP_PASSWORD_BYTES] = self.0.random.expose().try_into().map_err(|_| {
            Error::Settings(format!("an app password needs {APP_PASSWORD_BYTES} random bytes"))
        })?;
        Ok(make_app_password(id, random))
    }
}

/// A random secret of 120 bits needs no slow hash: nobody tries them all. mailcow verifies this scheme too.
fn hash(password: &Secret, salt: &[u8; SALT_BYTES]) -> Result<Secret, Error> {
    let hash = scheme::generate(Scheme::Ssha512, None, password.expose(), salt);
    hash.map(|hash| Secret::new(hash.into_bytes())).map_err(|error| Error::Settings(error.to_string()))
}

async fn read_id<S: Session>(session: &mut S) -> Result<i64, Fault> {
    let mut rows = session.query(S::DIALECT.last_id(), Vec::new()).await?;
    let row = rows.first_mut().ok_or_else(|| Error::BadRow {
        table: "app_passwd",
        key: "the new one".to_owned(),
        detail: "the database gave it no number".to_owned(),
    })?;
    Ok(row.read("app_passwd", "the new one", |row| row.number(0))?)
}

pub(super) struct ListAppPasswords(pub(super) Username);

impl Work for ListAppPasswords {
    const ATTEMPT: &'static str = "listing app passwords";
    const KIND: Kind = Kind::Reads;
    type Output = Outcome<Vec<AppPasswordRow>>;

    async fn run<S: Session>(&self, session: &mut S) -> Result<Self::Output, Fault> {
        let user = &self.0;
        let [name, unicode, ..] = spellings(user);
        let statement = "SELECT username FROM mailbox WHERE username IN (?, ?)";
        let mut is_there = false;
        for mut row in session.query(statement, texts([name.clone(), unicode.clone()])).await? {
            is_there |= is_name_of(user, &row.read("mailbox", user.as_str(), |row| row.words(0))?);
        }
        if !is_there {
            return Ok(Err(Obstacle::MailboxUnknown(user.clone())));
        }
        let mut passwords = find_all(session, user).await?;
        let mut last_used = HashMap::new();
        for mut row in session.query(LAST_USED, texts([name, unicode])).await? {
            let (id, time) = row.read("sasl_log", user.as_str(), |row| Ok((row.number(0)?, row.text(1)?)))?;
            last_used.insert(id, time);
        }
        for password in &mut passwords {
            password.last_used = last_used.remove(&password.id).flatten();
        }
        Ok(Ok(passwords))
    }
}

/// The rows of exactly this mailbox, without when they were used.
pub(in crate::backend::sql) async fn find_all<S: Session>(
    session: &mut S,
    user: &Username,
) -> Result<Vec<AppPasswordRow>, Fault> {
    let with_own = session.has_own_tables();
    let statement = match with_own {
        true => format!(
            "SELECT {COLUMNS}, k.expires, k.networks FROM app_passwd p \
             LEFT JOIN keydove_app_password k ON k.app_passwd = p.id {WHERE}"
        ),
        false => format!("SELECT {COLUMNS}, NULL, NULL FROM app_passwd p {WHERE}"),
    };
    let [name, unicode, ..] = spellings(user);
    let mut passwords = Vec::new();
    for mut row in session.query(&statement, texts([name, unicode])).await? {
        let password = row.read("app_passwd", user.as_str(), |row| {
            let is_this = is_name_of(user, &row.words(0)?);
            is_this.then(|| AppPasswordRow::read(row)).transpose()
        })?;
        passwords.extend(password);
    }
    Ok(passwords)
}

impl AppPasswordRow {
    fn read(row: &mut Row) -> Result<Self, String> {
        let services = read_services(row, 3)?;
        let networks = row.text(12)?.unwrap_or_default();
        let networks = networks.split([',', ' ']).filter(|network| !network.is_empty());
        Ok(Self {
            id: row.number(1)?,
            name: row.text(2)?.unwrap_or_default(),
            services,
            expires: row.integer(11)?,
            networks: networks.map(str::to_owned).collect(),
            created: row.text(10)?.unwrap_or_default(),
            last_used: None,
            active: row.number(9)? == 1,
        })
    }
}

/// The services that a row opens; its switches begin at this column.
pub(in crate::backend::sql) fn read_services(row: &Row, first: usize) -> Result<Vec<&'static str>, String> {
    let mut services = Vec::new();
    for (column, service) in (first..).zip(&SERVICES) {
        if row.number(column)? == 1 {
            services.push(name_of(service));
        }
    }
    Ok(services)
}

fn name_of(service: &Service) -> &'static str {
    service.access_key().and_then(|key| key.strip_suffix("_access")).unwrap_or_default()
}

pub(super) struct Revoke {
    pub(super) user: Username,
    pub(super) which: Revocation,
}

impl Work for Revoke {
    const ATTEMPT: &'static str = "revoking app passwords";
    const KIND: Kind = Kind::Writes(LostCommit::Tell);
    const OUTDATES: bool = true;
    type Output = Outcome<Vec<i64>>;

    fn outdates(&self, done: &Self::Output) -> Option<Invalidation> {
        done.is_ok().then(|| Invalidation::Mailbox(self.user.clone()))
    }

    async fn run<S: Session>(&self, session: &mut S) -> Result<Self::Output, Fault> {
        if let Err(obstacle) = find_stored_name(session, &self.user).await? {
            return Ok(Err(obstacle));
        }
        let passwords = find_all(session, &self.user).await?;
        let numbers = match self.choose(&passwords) {
            Ok(numbers) => numbers,
            Err(obstacle) => return Ok(Err(obstacle)),
        };
        for id in &numbers {
            session.query(REVOKE, vec![(*id).into()]).await?;
        }
        Ok(Ok(numbers))
    }
}

impl Revoke {
    /// The numbers of those that are on.
    fn choose(&self, passwords: &[AppPasswordRow]) -> Outcome<Vec<i64>> {
        let chosen: Vec<&AppPasswordRow> = match &self.which {
            Revocation::Number(id) => passwords.iter().filter(|password| password.id == *id).collect(),
            Revocation::Name(name) => passwords.iter().filter(|password| password.name == *name).collect(),
            Revocation::All => passwords.iter().collect(),
        };
        let unknown = |which| Obstacle::AppPasswordUnknown { user: self.user.clone(), which };
        let active: Vec<i64> =
            chosen.iter().filter(|password| password.active).map(|password| password.id).collect();
        match &self.which {
            Revocation::Number(id) if chosen.is_empty() => Err(unknown(id.to_string())),
            Revocation::Name(name) if chosen.is_empty() => Err(unknown(format!("`{name}`"))),
            Revocation::Name(name) if active.len() > 1 => {
                let numbers = active.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                Err(Obstacle::AppPasswordAmbiguous { name: name.clone(), numbers })
            }
            _ => Ok(active),
        }
    }
}
