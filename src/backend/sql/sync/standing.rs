//! What is known of many addresses at once, and the name that a mailbox has.

use std::collections::HashMap;

use crate::auth::{Username, normalise_domain};
use crate::backend::sql::mailbox::is_resource;
use crate::backend::sql::marks::Mark;
use crate::backend::sql::names::{are_one, spellings};
use crate::backend::sql::person::StoredPerson;
use crate::backend::sql::retry::Fault;
use crate::backend::sql::row::{Parameter, Row};
use crate::backend::sql::session::{Dialect, Kind, LostCommit, Session, Work};
use crate::backend::sql::sogo;

/// What is known of one address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Whether its domain is switched on; `None` when the domain is not hosted here.
    pub domain: Option<bool>,
    /// The row of exactly this address.
    pub mailbox: Option<StandingMailbox>,
    /// Who had it last.
    pub person: Option<StoredPerson>,
    /// The name that Keycloak had last.
    pub source_name: Option<String>,
    /// What stays the same about that person when Keycloak gives them a new id.
    pub mark: Option<Mark>,
    /// What the sync has switched `active` off to.
    pub switched_to: Option<i64>,
}

/// A row of `mailbox`, as far as the sync looks at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StandingMailbox {
    /// As stored, for statements.
    pub stored: String,
    /// The person's name; empty when it is NULL.
    pub name: String,
    /// A room, a group or a thing.
    pub is_resource: bool,
    /// Who verifies the main password is Keycloak.
    pub is_keycloaks: bool,
    /// 0 off, 1 on, 2 receives only.
    pub active: i64,
}

pub(super) struct Standings(pub(super) Vec<Username>);

impl Work for Standings {
    const ATTEMPT: &'static str = "looking up what is known of a page of people";
    const KIND: Kind = Kind::Reads;
    type Output = Vec<Standing>;

    async fn run<S: Session>(&self, session: &mut S) -> Result<Vec<Standing>, Fault> {
        let mut found = vec![Standing::default(); self.0.len()];
        if self.0.is_empty() {
            return Ok(found);
        }
        let places: HashMap<&Username, usize> = self.0.iter().zip(0..).collect();
        let place = |stored: &str| {
            let user = Username::parse(stored.as_bytes()).ok()?;
            places.get(&user).copied()
        };
        let (mut names, mut domains) = (Vec::new(), Vec::new());
        for user in &self.0 {
            let [name, unicode, domain, unicode_domain] = spellings(user);
            names.extend([name, unicode]);
            domains.extend([domain, unicode_domain]);
        }
        for list in [&mut names, &mut domains] {
            list.sort_unstable();
            list.dedup();
        }
        let states = domain_states(session, domains).await?;
        for (user, standing) in self.0.iter().zip(&mut found) {
            standing.domain = states.get(user.domain()).copied();
        }
        let columns = "username, name, kind, authsource, active FROM mailbox WHERE username";
        for mut row in session.query(&select_in(columns, &names), texts(&names)).await? {
            let mailbox = row.read("mailbox", "a page", StandingMailbox::read)?;
            if let Some(place) = place(&mailbox.stored) {
                found[place].mailbox = Some(mailbox);
            }
        }
        if session.has_own_tables() {
            let columns = "mailbox, keycloak_id, source, template_name, template_fingerprint, template_attributes \
                           FROM keydove_person WHERE mailbox";
            for mut row in session.query(&select_in(columns, &names), texts(&names)).await? {
                let (stored, person) = row.read("keydove_person", "a page", StoredPerson::read)?;
                if let Some(place) = place(&stored) {
                    found[place].person = Some(person);
                }
            }
        }
        if session.has_marks() {
            let columns = "mailbox, attribute, value FROM keydove_mark WHERE mailbox";
            for mut row in session.query(&select_in(columns, &names), texts(&names)).await? {
                let read = |row: &mut Row| {
                    Ok((row.words(0)?, Mark { attribute: row.words(1)?, value: row.words(2)? }))
                };
                let (stored, mark) = row.read("keydove_mark", "a page", read)?;
                if let Some(place) = place(&stored) {
                    found[place].mark = Some(mark);
                }
            }
        }
        // A dry run needs none of keydove's own tables.
        if session.has_own_tables() {
            let columns = "mailbox, source_name, switched_to FROM keydove_sync WHERE mailbox";
            for mut row in session.query(&select_in(columns, &names), texts(&names)).await? {
                let (stored, name, switched_to) = row.read("keydove_sync", "a page", |row| {
                    Ok((row.words(0)?, row.text(1)?, row.integer(2)?))
                })?;
                if let Some(place) = place(&stored) {
                    (found[place].source_name, found[place].switched_to) = (name, switched_to);
                }
            }
        }
        Ok(found)
    }
}

async fn domain_states<S: Session>(
    session: &mut S,
    domains: Vec<String>,
) -> Result<HashMap<String, bool>, Fault> {
    let mut states = HashMap::new();
    let statement = select_in("domain, active FROM domain WHERE domain", &domains);
    for mut row in session.query(&statement, texts(&domains)).await? {
        let (name, active) = row.read("domain", "a page", |row| Ok((row.words(0)?, row.number(1)? == 1)))?;
        if let Ok(name) = normalise_domain(&name) {
            states.insert(name, active);
        }
    }
    Ok(states)
}

fn select_in(columns: &str, values: &[String]) -> String {
    let marks = vec!["?"; values.len()].join(", ");
    format!("SELECT {columns} IN ({marks})")
}

fn texts(values: &[String]) -> Vec<Parameter> {
    values.iter().map(|text| Parameter::from(text.as_str())).collect()
}

impl StandingMailbox {
    fn read(row: &mut Row) -> Result<Self, String> {
        Ok(Self {
            stored: row.words(0)?,
            name: row.text(1)?.unwrap_or_default(),
            is_resource: is_resource(&row.text(2)?.unwrap_or_default()),
            is_keycloaks: row.text(3)?.as_deref() == Some("keycloak"),
            active: row.number(4)?,
        })
    }
}

pub(super) struct MailboxOf(pub(super) String);

impl Work for MailboxOf {
    const ATTEMPT: &'static str = "looking up whether a person has another mailbox";
    const KIND: Kind = Kind::Reads;
    type Output = Option<String>;

    async fn run<S: Session>(&self, session: &mut S) -> Result<Option<String>, Fault> {
        if !session.has_own_tables() {
            return Ok(None);
        }
        let statement = "SELECT p.mailbox, p.keycloak_id, m.username FROM keydove_person p \
                         INNER JOIN mailbox m ON m.username = p.mailbox WHERE p.keycloak_id = ? ORDER BY p.mailbox";
        for mut row in session.query(statement, vec![self.0.as_str().into()]).await? {
            let (mailbox, id, stored) =
                row.read("keydove_person", &self.0, |row| Ok((row.words(0)?, row.words(1)?, row.words(2)?)))?;
            // Ids of a user store may be names, which differ by a letter's accent or case.
            if id == self.0 && are_one(&mailbox, &stored) {
                return Ok(Some(mailbox));
            }
        }
        Ok(None)
    }
}

/// What the ids of people begin with that name their user store.
pub(super) struct StoresOf(pub(super) String);

impl Work for StoresOf {
    const ATTEMPT: &'static str = "looking up from which user stores people are";
    const KIND: Kind = Kind::Reads;
    type Output = Vec<String>;

    async fn run<S: Session>(&self, session: &mut S) -> Result<Vec<String>, Fault> {
        if !session.has_own_tables() {
            return Ok(Vec::new());
        }
        // `f:`, a UUID and a colon.
        let statement = "SELECT DISTINCT SUBSTR(p.keycloak_id, 1, 39) FROM keydove_person p \
                         INNER JOIN mailbox m ON m.username = p.mailbox \
                         WHERE p.source = ? AND p.keycloak_id LIKE 'f:%' AND m.authsource = 'keycloak' \
                           AND m.active = 1";
        let rows = session.query(statement, vec![self.0.as_str().into()]).await?;
        let read = |mut row: Row| row.read("keydove_person", "a store", |row| row.words(0));
        rows.into_iter().map(read).collect::<Result<_, _>>().map_err(Fault::from)
    }
}

pub(in crate::backend::sql) struct FollowName {
    pub(in crate::backend::sql) mailbox: String,
    pub(in crate::backend::sql) name: String,
    pub(in crate::backend::sql) write: bool,
}

impl Work for FollowName {
    const ATTEMPT: &'static str = "writing the name of a person";
    const KIND: Kind = Kind::Writes(LostCommit::RunAgain);
    const OUTDATES: bool = false;
    type Output = ();

    async fn run<S: Session>(&self, session: &mut S) -> Result<(), Fault> {
        let both = || vec![self.name.as_str().into(), self.mailbox.as_str().into()];
        if self.write {
            session.query("UPDATE mailbox SET name = ? WHERE username = ?", both()).await?;
            if let Ok(user) = Username::parse(self.mailbox.as_bytes()) {
                sogo::tell_if_granted(session, &user).await?;
            }
        }
        let update = match S::DIALECT {
            Dialect::Sqlite => "ON CONFLICT (mailbox) DO UPDATE SET source_name = excluded.source_name",
            Dialect::Mariadb => "ON DUPLICATE KEY UPDATE source_name = VALUES(source_name)",
        };
        let statement = format!("INSERT INTO keydove_sync (source_name, mailbox) VALUES (?, ?) {update}");
        session.query(&statement, both()).await.map(drop)
    }
}
