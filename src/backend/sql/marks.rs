//! What stays the same about the owner of a mailbox when Keycloak gives them a new id: a value of an attribute, such as
//! `LDAP_ID`, which the directory behind Keycloak gives.

use super::database::Database;
use super::error::Error;
use super::invalidation::Invalidation;
use super::names::{is_name_of, spellings};
use super::retry::Fault;
use super::row::Parameter;
use super::session::{Dialect, Kind, LostCommit, Session, Work};
use crate::auth::Username;

/// The longest attribute or value that is kept, in bytes; what is longer is no mark.
const LONGEST: usize = 255;

const FIND: &str = "\
SELECT p.mailbox, p.keycloak_id, p.source, m.attribute, m.value \
  FROM keydove_person p LEFT JOIN keydove_mark m ON m.mailbox = p.mailbox WHERE p.mailbox IN (?, ?)";

const FIND_WITHOUT_MARKS: &str = "\
SELECT mailbox, keycloak_id, source, NULL, NULL FROM keydove_person WHERE mailbox IN (?, ?)";

/// A value of an attribute that is one person's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The attribute's name, 1 to 255 bytes; letter case counts.
    pub attribute: String,
    /// Its value, 1 to 255 bytes.
    pub value: String,
}

/// Who has a mailbox, as far as it is remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarkedOwner {
    /// Keycloak's id of the person.
    pub keycloak_id: String,
    /// Which Keycloak; empty where there is only one.
    pub source: String,
    /// What stays when the id changes, if it is known.
    pub mark: Option<Mark>,
}

impl Mark {
    /// `None` where it cannot be kept: empty, or longer than 255 bytes.
    #[must_use]
    pub fn new(attribute: &str, value: &str) -> Option<Self> {
        let fits = |text: &str| (1..=LONGEST).contains(&text.len());
        (fits(attribute) && fits(value))
            .then(|| Self { attribute: attribute.to_owned(), value: value.to_owned() })
    }
}

impl Database {
    /// Who has a mailbox; `None` where nobody is remembered.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn marked_owner(&self, user: &Username) -> Result<Option<MarkedOwner>, Error> {
        self.run(FindOwner(user.clone())).await
    }

    /// Remembers the mark of the person who has a mailbox; of nobody else. Writes only what is not known yet.
    ///
    /// # Errors
    /// The database cannot be asked; [`Error::Schema`] where keydove's own tables are missing.
    pub async fn note_mark(&self, user: &Username, keycloak_id: &str, mark: &Mark) -> Result<(), Error> {
        match self.marked_owner(user).await? {
            Some(owner) if owner.keycloak_id == keycloak_id && owner.mark.as_ref() != Some(mark) => {}
            _ => return Ok(()),
        }
        self.run(Note { user: user.clone(), keycloak_id: keycloak_id.to_owned(), mark: mark.clone() }).await
    }

    /// Gives a mailbox to the same person under a new id, unless its owner or the mark has changed since. Says whether
    /// it was given.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn readmit(
        &self,
        user: &Username,
        before: &MarkedOwner,
        keycloak_id: &str,
        source: &str,
    ) -> Result<bool, Error> {
        let (keycloak_id, source) = (keycloak_id.to_owned(), source.to_owned());
        self.run(Readmit { user: user.clone(), before: before.clone(), keycloak_id, source }).await
    }
}

struct FindOwner(Username);

/// The stored name, and who it is.
async fn find<S: Session>(session: &mut S, user: &Username) -> Result<Option<(String, MarkedOwner)>, Fault> {
    if !session.has_own_tables() {
        return Ok(None);
    }
    let find = if session.has_marks() { FIND } else { FIND_WITHOUT_MARKS };
    let [name, unicode, ..] = spellings(user);
    let names = vec![Parameter::from(name.as_str()), Parameter::from(unicode.as_str())];
    for mut row in session.query(find, names).await? {
        let (stored, owner) = row.read("keydove_person", user.as_str(), |row| {
            let stored = row.words(0)?;
            let (keycloak_id, source) = (row.words(1)?, row.words(2)?);
            let mark = match (row.text(3)?, row.text(4)?) {
                (Some(attribute), Some(value)) => Some(Mark { attribute, value }),
                _ => None,
            };
            Ok((stored, MarkedOwner { keycloak_id, source, mark }))
        })?;
        if is_name_of(user, &stored) {
            return Ok(Some((stored, owner)));
        }
    }
    Ok(None)
}

impl Work for FindOwner {
    const ATTEMPT: &'static str = "looking up whose a mailbox is, and by which mark";
    const KIND: Kind = Kind::Reads;
    type Output = Option<MarkedOwner>;

    async fn run<S: Session>(&self, session: &mut S) -> Result<Self::Output, Fault> {
        Ok(find(session, &self.0).await?.map(|(_, owner)| owner))
    }
}

struct Note {
    user: Username,
    keycloak_id: String,
    mark: Mark,
}

impl Work for Note {
    const ATTEMPT: &'static str = "remembering a person's mark";
    const KIND: Kind = Kind::Writes(LostCommit::RunAgain);
    const OUTDATES: bool = false;
    type Output = ();

    async fn run<S: Session>(&self, session: &mut S) -> Result<(), Fault> {
        if !session.has_marks() {
            let detail = "the table `keydove_mark` is missing, and the database user may not create it";
            return Err(Error::Schema { database: "MariaDB".to_owned(), detail: detail.to_owned() }.into());
        }
        let Some((stored, owner)) = find(session, &self.user).await? else { return Ok(()) };
        if owner.keycloak_id != self.keycloak_id {
            return Ok(());
        }
        let update = match S::DIALECT {
            Dialect::Sqlite => {
                "ON CONFLICT (mailbox) DO UPDATE SET attribute = excluded.attribute, value = excluded.value"
            }
            Dialect::Mariadb => {
                "ON DUPLICATE KEY UPDATE attribute = VALUES(attribute), value = VALUES(value)"
            }
        };
        let statement =
            format!("INSERT INTO keydove_mark (mailbox, attribute, value) VALUES (?, ?, ?) {update}");
        let values = [stored.as_str(), &self.mark.attribute, &self.mark.value].map(Parameter::from);
        session.query(&statement, values.to_vec()).await.map(drop)
    }
}

struct Readmit {
    user: Username,
    before: MarkedOwner,
    keycloak_id: String,
    source: String,
}

impl Work for Readmit {
    const ATTEMPT: &'static str = "giving a mailbox to its owner's new id";
    const KIND: Kind = Kind::Writes(LostCommit::Tell);
    const OUTDATES: bool = true;
    type Output = bool;

    fn outdates(&self, is_given: &Self::Output) -> Option<Invalidation> {
        is_given.then(|| Invalidation::Mailbox(self.user.clone()))
    }

    async fn run<S: Session>(&self, session: &mut S) -> Result<bool, Fault> {
        let Some((stored, owner)) = find(session, &self.user).await? else { return Ok(false) };
        if owner != self.before {
            return Ok(false);
        }
        let statement = "UPDATE keydove_person SET keycloak_id = ?, source = ?, missed_runs = 0, \
                         missing_since = NULL WHERE mailbox = ?";
        let values = [self.keycloak_id.as_str(), &self.source, &stored].map(Parameter::from);
        session.query(statement, values.to_vec()).await?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_kept_is_no_mark() {
        assert_eq!(Mark::new("LDAP_ID", ""), None);
        assert_eq!(Mark::new("", "7"), None);
        assert_eq!(Mark::new("LDAP_ID", &"7".repeat(256)), None);
        assert_eq!(Mark::new("LDAP_ID", "7").map(|mark| mark.value).as_deref(), Some("7"));
    }
}
