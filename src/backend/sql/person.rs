//! keydove's own memory of who has which mailbox, and which template was applied to it.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::database::Database;
use super::error::Error;
use super::marks::Mark;
use super::names::{is_name_of, pick, spellings, texts};
use super::provision::rows::MailboxOwner;
use super::retry::Fault;
use super::row::{Parameter, Row};
use super::session::{Dialect, Kind, LostCommit, Session, Work};
use crate::auth::Username;

const FIND_PERSON: &str = "\
SELECT p.mailbox, p.keycloak_id, p.source, p.template_name, p.template_fingerprint, p.template_attributes, \
       m.attribute, m.value \
  FROM keydove_person p LEFT JOIN keydove_mark m ON m.mailbox = p.mailbox WHERE p.mailbox IN (?, ?)";
const FIND_PERSON_WITHOUT_MARK: &str = "\
SELECT mailbox, keycloak_id, source, template_name, template_fingerprint, template_attributes, NULL, NULL \
  FROM keydove_person WHERE mailbox IN (?, ?)";
const INSERT_PERSON: &str = "\
INSERT INTO keydove_person \
       (mailbox, keycloak_id, source, template_name, template_fingerprint, template_attributes) \
VALUES (?, ?, ?, ?, ?, ?)";

/// A row of `keydove_person`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPerson {
    /// Keycloak's id.
    pub keycloak_id: String,
    /// Which Keycloak; empty where there is only one.
    pub source: String,
    /// The template that was applied last.
    pub template_name: Option<String>,
    /// Its fingerprint; empty when a part of it is still due.
    pub template_fingerprint: Option<String>,
    /// Its text.
    pub template_attributes: Option<String>,
    /// What stays the same about them when Keycloak gives them a new id, if it is known.
    pub mark: Option<Mark>,
}

impl StoredPerson {
    /// The mailbox, and who has it: the columns of [`FIND_PERSON`], the mark's too.
    fn read_with_mark(row: &mut Row) -> Result<(String, Self), String> {
        let (mailbox, mut person) = Self::read(row)?;
        if let (Some(attribute), Some(value)) = (row.text(6)?, row.text(7)?) {
            person.mark = Some(Mark { attribute, value });
        }
        Ok((mailbox, person))
    }

    /// The same without the mark.
    pub(super) fn read(row: &mut Row) -> Result<(String, Self), String> {
        let person = Self {
            keycloak_id: row.words(1)?,
            source: row.words(2)?,
            template_name: row.text(3)?,
            template_fingerprint: row.text(4)?,
            template_attributes: row.text(5)?,
            mark: None,
        };
        Ok((row.words(0)?, person))
    }
}

/// What is remembered of an owner beside their id, as numbers: enough to see that nothing about them has changed.
///
/// Two texts share a number once in four billion; then a change waits until the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnerDigest {
    template: u32,
    mark: u32,
}

impl OwnerDigest {
    /// Of the template that was applied last, with its fingerprint, and of the mark.
    pub(super) fn new(template: Option<(&str, &str)>, mark: Option<(&str, &str)>) -> Self {
        Self { template: number_of(template), mark: number_of(mark) }
    }

    /// Whether this template was applied last, in the state that has this fingerprint.
    #[must_use]
    pub fn is_of_template(self, name: &str, fingerprint: &str) -> bool {
        self.template == number_of(Some((name, fingerprint)))
    }

    /// Whether this mark is remembered.
    #[must_use]
    pub fn is_of_mark(self, mark: &Mark) -> bool {
        self.mark == number_of(Some((&mark.attribute, &mark.value)))
    }
}

/// The same for the same texts as long as the process lives.
fn number_of(texts: Option<(&str, &str)>) -> u32 {
    let mut hasher = DefaultHasher::new();
    texts.hash(&mut hasher);
    hasher.finish() as u32
}

impl StoredPerson {
    /// What of it shows that nothing has changed.
    #[must_use]
    pub fn digest(&self) -> OwnerDigest {
        let template = self.template_name.as_deref().zip(self.template_fingerprint.as_deref());
        let mark = self.mark.as_ref().map(|mark| (&*mark.attribute, &*mark.value));
        OwnerDigest::new(template, mark)
    }
}

impl Database {
    /// Who had a mailbox of this address when keydove saw it last; `None` for nobody, and in MariaDB also while
    /// keydove's own tables are missing.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn person_of(&self, user: &Username) -> Result<Option<StoredPerson>, Error> {
        self.run(PersonOf(user.clone())).await
    }

    /// Remembers who has a mailbox. Does nothing where somebody is remembered already.
    ///
    /// # Errors
    /// The database cannot be asked; [`Error::Schema`] where keydove's own tables are missing.
    pub async fn remember_person(
        &self,
        user: &Username,
        keycloak_id: &str,
        source: &str,
    ) -> Result<(), Error> {
        self.run(Remember::new(user, keycloak_id, source, false)).await
    }

    /// Gives a mailbox to a person with another Keycloak id, as an administrator approved.
    ///
    /// # Errors
    /// As [`remember_person`](Self::remember_person).
    pub async fn adopt_person(&self, user: &Username, keycloak_id: &str, source: &str) -> Result<(), Error> {
        self.run(Remember::new(user, keycloak_id, source, true)).await
    }
}

/// Who has a mailbox.
pub(super) struct PersonOf(pub(super) Username);

impl Work for PersonOf {
    const ATTEMPT: &'static str = "looking up whose a mailbox is";
    const KIND: Kind = Kind::Reads;
    type Output = Option<StoredPerson>;

    async fn run<S: Session>(&self, session: &mut S) -> Result<Self::Output, Fault> {
        if !session.has_own_tables() {
            return Ok(None);
        }
        let [name, unicode, ..] = spellings(&self.0);
        let mut found = Vec::new();
        let statement = if session.has_marks() { FIND_PERSON } else { FIND_PERSON_WITHOUT_MARK };
        for mut row in session.query(statement, texts([name, unicode])).await? {
            let (name, person) = row.read("keydove_person", self.0.as_str(), StoredPerson::read_with_mark)?;
            if is_name_of(&self.0, &name) {
                found.push((name, person));
            }
        }
        Ok(pick("keydove_person", self.0.as_str(), found)?)
    }
}

/// Writes down who has a mailbox.
struct Remember {
    user: Username,
    keycloak_id: String,
    source: String,
    /// In place of whoever had it.
    adopt: bool,
}

impl Remember {
    fn new(user: &Username, keycloak_id: &str, source: &str, adopt: bool) -> Self {
        let (keycloak_id, source) = (keycloak_id.to_owned(), source.to_owned());
        Self { user: user.clone(), keycloak_id, source, adopt }
    }
}

impl Work for Remember {
    const ATTEMPT: &'static str = "remembering whose a mailbox is";
    const KIND: Kind = Kind::WritesOnce(LostCommit::RunAgain);
    type Output = ();

    async fn run<S: Session>(&self, session: &mut S) -> Result<(), Fault> {
        if !session.has_own_tables() {
            let detail = "the table `keydove_person` is missing, and the database user may not create it";
            return Err(Error::Schema { database: "MariaDB".to_owned(), detail: detail.to_owned() }.into());
        }
        let update = match (self.adopt, S::DIALECT) {
            (false, Dialect::Sqlite) => "ON CONFLICT (mailbox) DO NOTHING",
            (false, Dialect::Mariadb) => "ON DUPLICATE KEY UPDATE mailbox = mailbox",
            (true, Dialect::Sqlite) => {
                "ON CONFLICT (mailbox) DO UPDATE SET keycloak_id = excluded.keycloak_id, source = excluded.source"
            }
            (true, Dialect::Mariadb) => {
                "ON DUPLICATE KEY UPDATE keycloak_id = VALUES(keycloak_id), source = VALUES(source)"
            }
        };
        let mut parameters =
            texts([self.user.as_str().to_owned(), self.keycloak_id.clone(), self.source.clone()]);
        parameters.extend([const { Parameter::Null }; 3]);
        session.query(&format!("{INSERT_PERSON} {update}"), parameters).await.map(drop)
    }
}

impl StoredPerson {
    fn has_applied(&self, owner: &MailboxOwner) -> bool {
        let applied = (&self.template_name, &self.template_fingerprint, &self.template_attributes);
        let wanted = (&owner.template_name, &owner.template_fingerprint, &owner.template_attributes);
        applied.0.as_ref() == Some(wanted.0)
            && applied.1.as_ref() == Some(wanted.1)
            && applied.2.as_ref() == Some(wanted.2)
    }
}

/// Writes down the template that was applied, unless that is known, and who has the mailbox if nobody was
/// remembered. Without keydove's own tables nothing is remembered.
pub(super) async fn remember<S: Session>(
    session: &mut S,
    user: &Username,
    owner: &MailboxOwner,
) -> Result<(), Fault> {
    let known = PersonOf(user.clone()).run(session).await?;
    if !session.has_own_tables() || known.is_some_and(|known| known.has_applied(owner)) {
        return Ok(());
    }
    let update = match S::DIALECT {
        Dialect::Sqlite => {
            "ON CONFLICT (mailbox) DO UPDATE SET template_name = excluded.template_name, \
             template_fingerprint = excluded.template_fingerprint, \
             template_attributes = excluded.template_attributes"
        }
        Dialect::Mariadb => {
            "ON DUPLICATE KEY UPDATE template_name = VALUES(template_name), \
             template_fingerprint = VALUES(template_fingerprint), \
             template_attributes = VALUES(template_attributes)"
        }
    };
    let parameters = texts([
        user.as_str().to_owned(),
        owner.keycloak_id.clone(),
        owner.source.clone(),
        owner.template_name.clone(),
        owner.template_fingerprint.clone(),
        owner.template_attributes.clone(),
    ]);
    session.query(&format!("{INSERT_PERSON} {update}"), parameters).await.map(drop)
}
