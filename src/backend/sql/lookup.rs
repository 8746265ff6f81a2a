//! What a login asks, and the questions without a password: an address, everything about it, a list of all.
//!
//! Databases compare names more loosely than keydove does, so every row is compared again: [`Hosting::assemble`].

use std::sync::LazyLock;

use super::app_password::{self, AppPassword, AppPasswords};
use super::database::Database;
use super::error::Error;
use super::listing::ListMailboxes;
use super::mailbox::{Found, Hosting, Page};
use super::names::{is_name_of, pick, spellings, texts};
use super::own_tables::{TableSet, TableSets};
use super::person::{OwnerDigest, PersonOf};
use super::placement;
use super::retry::{Fault, Trouble};
use super::row::{Parameter, Row};
use super::session::{Kind, Session, Work};
use crate::auth::Username;

/// Three reads in one statement, hence of one moment: the domain, the mailbox, its active second factors.
///
/// Each takes two spellings of the name: the domain as A-labels, and as U-labels. No text is compared with a
/// derived column, which would fail where the connection's collation is not the table's.
const FIND_MAILBOX: &str = "\
SELECT 1 AS part, domain AS row_name, active, NULL AS kind, NULL AS authsource, NULL AS quota, \
       NULL AS attributes, NULL AS password \
  FROM domain WHERE domain IN (?, ?) \
UNION ALL \
SELECT 2, username, active, kind, authsource, quota, attributes, password \
  FROM mailbox WHERE username IN (?, ?) \
UNION ALL \
SELECT 3, username, active, NULL, NULL, NULL, NULL, NULL \
  FROM tfa WHERE username IN (?, ?) AND active = 1";

/// Which of keydove's own tables there are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum OwnTables {
    None,
    /// All but the marks.
    First,
    All,
}

/// As [`FIND_MAILBOX`], with the app passwords, when each was used last, the owner and the owner's mark. Without keydove's
/// own tables there are no limits of app passwords, and no owner.
///
/// Few columns, because each costs something in each row: one holds what fits it of each table.
fn find_all(own_tables: OwnTables, with_backend: bool) -> String {
    let with_own_tables = own_tables >= OwnTables::First;
    let switches = app_password::switches(with_own_tables);
    let backend = match with_backend {
        true => {
            " UNION ALL \
             SELECT 8, mailbox, NULL, NULL, backend, NULL, NULL, NULL, NULL \
             FROM keydove_placement WHERE mailbox IN (?, ?)"
        }
        false => "",
    };
    let (networks, expires, limits_of, owner) = match with_own_tables {
        true => (
            "k.networks",
            "k.expires",
            "LEFT JOIN keydove_app_password k ON k.app_passwd = p.id ",
            "UNION ALL \
             SELECT 6, mailbox, NULL, template_name, keycloak_id, NULL, NULL, template_fingerprint, NULL \
             FROM keydove_person WHERE mailbox IN (?, ?) ",
        ),
        false => ("NULL", "NULL", "", ""),
    };
    let mark = match own_tables {
        OwnTables::All => {
            "UNION ALL \
             SELECT 7, mailbox, NULL, attribute, NULL, NULL, NULL, value, NULL \
             FROM keydove_mark WHERE mailbox IN (?, ?)"
        }
        OwnTables::None | OwnTables::First => "",
    };
    format!(
        "SELECT 1 AS part, domain AS row_name, active, NULL AS kind, NULL AS authsource, NULL AS quota, \
                NULL AS attributes, NULL AS password, NULL AS expires \
           FROM domain WHERE domain IN (?, ?) \
         UNION ALL \
         SELECT 2, username, active, kind, authsource, quota, attributes, password, NULL \
           FROM mailbox WHERE username IN (?, ?) \
         UNION ALL \
         SELECT 3, username, active, NULL, NULL, NULL, NULL, NULL, NULL \
           FROM tfa WHERE username IN (?, ?) AND active = 1 \
         UNION ALL \
         SELECT 4, p.mailbox, {switches}, {networks}, NULL, p.id, NULL, p.password, {expires} \
           FROM app_passwd p {limits_of}WHERE p.mailbox IN (?, ?) AND p.active = 1 \
         UNION ALL \
         SELECT 5, NULL, NULL, CAST(MAX(datetime) AS CHAR), NULL, app_password, NULL, NULL, NULL \
           FROM sasl_log WHERE username IN (?, ?) GROUP BY app_password \
         {owner}{mark}{backend}"
    )
}

static FIND_ALL: LazyLock<String> = LazyLock::new(|| find_all(OwnTables::All, false));
static FIND_ALL_WITH_BACKEND: LazyLock<String> = LazyLock::new(|| find_all(OwnTables::All, true));
static FIND_ALL_WITHOUT_MARKS: LazyLock<String> = LazyLock::new(|| find_all(OwnTables::First, false));
static FIND_ALL_OF_MAILCOW: LazyLock<String> = LazyLock::new(|| find_all(OwnTables::None, false));

/// Of which table a row of these statements is: the number in its first column.
const APP_PASSWORD: i64 = 4;
const LAST_USE: i64 = 5;
const OWNER: i64 = 6;
const MARK: i64 = 7;
const BACKEND: i64 = 8;
/// Where a row of `app_passwd` has what.
const OF_APP_PASSWORD: app_password::Columns =
    app_password::Columns { switches: 2, networks: 3, id: 5, password: 7, expires: 8 };
/// Where a row of `sasl_log` has the number of the app password and the time.
const USED: (usize, usize) = (5, 3);
const KEYCLOAK_ID: usize = 4;
const BACKEND_NAME: usize = 4;
/// Where a row of `keydove_person` has the template and its fingerprint, and one of `keydove_mark` the attribute and its
/// value.
const PAIR: (usize, usize) = (3, 7);

/// Everything that a login needs to know of an address.
#[derive(Debug)]
pub struct LoginFacts {
    /// The domain and the mailbox.
    pub hosting: Hosting,
    /// The active ones, the last used first, then the newest; none where there is no mailbox. [`Error::Schema`]: the
    /// database user may not read them, which stops no main password.
    pub app_passwords: Result<Vec<AppPassword>, Error>,
    /// Keycloak's id of whoever had the mailbox when keydove saw it last, as far as that is remembered, and what else is.
    pub owner: Option<(String, OwnerDigest)>,
    /// The backend that the mailbox lives on, where it has one; `None` without [backends](Database::with_candidates).
    pub backend: Result<Option<String>, Error>,
}

impl Database {
    /// Verifies that the database is reachable and has every table and column that logins ask for.
    ///
    /// # Errors
    /// [`Error::Schema`] names what is missing or not granted; else as any question.
    pub async fn check(&self) -> Result<(), Error> {
        self.run(CheckTables).await
    }

    /// What is known here about an address: its domain, its mailbox, or neither. One statement.
    ///
    /// # Errors
    /// The database cannot be asked, or a row that matters has an impossible value. Never a refusal.
    pub async fn find_mailbox(&self, user: &Username) -> Result<Hosting, Error> {
        self.run(FindMailbox(user.clone())).await
    }

    /// What is known here about an address, with its app passwords and its owner. One statement, unless the database
    /// user lacks a right to a part of it: then each part is asked for by itself.
    ///
    /// # Errors
    /// As [`find_mailbox`](Self::find_mailbox).
    pub async fn login_facts(&self, user: &Username) -> Result<LoginFacts, Error> {
        self.run(FindLoginFacts { user: user.clone(), with_backend: self.candidates.is_some() }).await
    }

    /// One page of the mailboxes that receive mail (`active` 1 or 2, resources excepted), in the binary order of
    /// the stored names, as Dovecot's iteration wants them.
    ///
    /// `after` is the [`Page::next`] of the page before; `limit` is the number of rows to read, at least 1.
    /// Names that no login can have are left out, so a page may be short or empty and yet have a next one.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn list_mailboxes(&self, after: Option<&str>, limit: usize) -> Result<Page, Error> {
        self.run(ListMailboxes { after: after.unwrap_or_default().to_owned(), limit: limit.max(1) }).await
    }
}

/// For each table, both spellings of the name by which it is asked.
fn names_for(user: &Username, tables_by_address: usize) -> Vec<Parameter> {
    let [name, unicode, domain, unicode_domain] = spellings(user);
    let mut names = texts([domain, unicode_domain]);
    for _ in 0..tables_by_address {
        names.extend(texts([name.clone(), unicode.clone()]));
    }
    names
}

struct FindMailbox(Username);

impl Work for FindMailbox {
    const ATTEMPT: &'static str = "looking a mailbox up";
    const KIND: Kind = Kind::Reads;
    type Output = Hosting;

    async fn run<S: Session>(&self, session: &mut S) -> Result<Hosting, Fault> {
        let rows = session.query(FIND_MAILBOX, names_for(&self.0, 2)).await?;
        let found =
            rows.into_iter().map(|row| Found::read(row, self.0.as_str())).collect::<Result<_, _>>()?;
        Ok(Hosting::assemble(&self.0, found)?)
    }
}

struct FindLoginFacts {
    user: Username,
    with_backend: bool,
}

impl Work for FindLoginFacts {
    const ATTEMPT: &'static str = "looking up what a login needs";
    const KIND: Kind = Kind::Reads;
    type Output = LoginFacts;

    fn needs(&self) -> TableSets {
        TableSets::of_if(self.with_backend, TableSet::Backends)
    }

    async fn run<S: Session>(&self, session: &mut S) -> Result<LoginFacts, Fault> {
        let with_backend = self.with_backend && session.has(TableSet::Backends);
        let (statement, tables) = match (session.has_own_tables(), session.has_marks()) {
            (true, true) if with_backend => (&*FIND_ALL_WITH_BACKEND, 7),
            (true, true) => (&*FIND_ALL, 6),
            (true, false) => (&*FIND_ALL_WITHOUT_MARKS, 5),
            (false, _) => (&*FIND_ALL_OF_MAILCOW, 4),
        };
        match session.query(statement, names_for(&self.user, tables)).await {
            Ok(rows) if tables == 7 || !self.with_backend => Ok(self.assemble(rows)?),
            Ok(rows) => {
                let backend = self.ask_for_backend(session).await?;
                Ok(LoginFacts { backend, ..self.assemble(rows)? })
            }
            // Tables of different collations cannot be read by one statement, nor can one that is closed to us.
            Err(Fault { trouble: Trouble::DoesNotFit | Trouble::Refused, .. }) => {
                self.ask_apart(session).await
            }
            Err(fault) => Err(fault),
        }
    }
}

impl FindLoginFacts {
    fn assemble(&self, rows: Vec<Row>) -> Result<LoginFacts, Error> {
        let user = &self.user;
        let (mut found, mut app_passwords, mut last_uses) = (vec![], vec![], vec![]);
        let (mut owners, mut marks, mut backend) = (vec![], vec![], None);
        for mut row in rows {
            match row.integer(0) {
                Ok(Some(APP_PASSWORD)) => {
                    app_passwords.extend(row.read("app_passwd", user.as_str(), |row| {
                        Ok(match is_name_of(user, &row.words(1)?) {
                            true => Some(AppPassword::read(row, &OF_APP_PASSWORD)?),
                            false => None,
                        })
                    })?)
                }
                Ok(Some(LAST_USE)) => last_uses.push(row.read("sasl_log", user.as_str(), |row| {
                    Ok((row.integer(USED.0)?.unwrap_or_default(), row.text(USED.1)?))
                })?),
                Ok(Some(OWNER)) => owners.push(row.read("keydove_person", user.as_str(), |row| {
                    Ok((
                        row.words(1)?,
                        (row.words(KEYCLOAK_ID)?, row.text(PAIR.0)?.zip(row.text(PAIR.1)?), None),
                    ))
                })?),
                Ok(Some(MARK)) => marks.push(row.read("keydove_mark", user.as_str(), |row| {
                    Ok((row.words(1)?, (row.words(PAIR.0)?, row.words(PAIR.1)?)))
                })?),
                Ok(Some(BACKEND)) => {
                    let (name, on) = row.read("keydove_placement", user.as_str(), |row| {
                        Ok((row.words(1)?, row.words(BACKEND_NAME)?))
                    })?;
                    backend = is_name_of(user, &name).then_some(on).or(backend);
                }
                _ => found.push(Found::read(row, user.as_str())?),
            }
        }
        let hosting = Hosting::assemble(user, found)?;
        if hosting.mailbox.is_none() {
            return Ok(LoginFacts::without_mailbox(hosting));
        }
        app_password::sort(&mut app_passwords, &last_uses);
        owners.retain(|(name, _)| is_name_of(user, name));
        // The mark stands by the name that the owner's row has, as it is stored.
        owners.iter_mut().for_each(|(name, (_, _, mark))| {
            *mark = marks.iter().find(|(marked, _)| marked == name).map(|(_, mark)| mark.clone());
        });
        let owner = pick("keydove_person", user.as_str(), owners)?.map(|(keycloak_id, template, mark)| {
            (keycloak_id, OwnerDigest::new(pair(template.as_ref()), pair(mark.as_ref())))
        });
        Ok(LoginFacts { hosting, app_passwords: Ok(app_passwords), owner, backend: Ok(backend) })
    }

    /// A table that may not be read stops only what needs it.
    async fn ask_apart<S: Session>(&self, session: &mut S) -> Result<LoginFacts, Fault> {
        let user = &self.user;
        let hosting = FindMailbox(user.clone()).run(session).await?;
        if hosting.mailbox.is_none() {
            return Ok(LoginFacts::without_mailbox(hosting));
        }
        let app_passwords = match AppPasswords(user.clone()).run(session).await {
            Ok(found) => Ok(found),
            Err(Fault { error: error @ Error::Schema { .. }, .. }) => Err(error),
            Err(fault) => return Err(fault),
        };
        let owner = PersonOf(user.clone()).run(session).await?.map(|owner| {
            let digest = owner.digest();
            (owner.keycloak_id, digest)
        });
        let backend = match self.with_backend {
            true => self.ask_for_backend(session).await?,
            false => Ok(None),
        };
        Ok(LoginFacts { hosting, app_passwords, owner, backend })
    }

    async fn ask_for_backend<S: Session>(
        &self,
        session: &mut S,
    ) -> Result<Result<Option<String>, Error>, Fault> {
        match placement::read(session, &self.user).await {
            Ok(found) => Ok(Ok(found.map(String::from))),
            Err(Fault { error: error @ Error::Schema { .. }, .. }) => Ok(Err(error)),
            Err(fault) => Err(fault),
        }
    }
}

impl LoginFacts {
    fn without_mailbox(hosting: Hosting) -> Self {
        Self { hosting, app_passwords: Ok(Vec::new()), owner: None, backend: Ok(None) }
    }
}

fn pair(texts: Option<&(String, String)>) -> Option<(&str, &str)> {
    texts.map(|(one, other)| (&**one, &**other))
}

/// Executed, not only prepared: a statement that this connection prepared before would not be prepared again.
struct CheckTables;

impl Work for CheckTables {
    const ATTEMPT: &'static str = "checking the tables";
    const KIND: Kind = Kind::Reads;
    type Output = ();

    async fn run<S: Session>(&self, session: &mut S) -> Result<(), Fault> {
        session.query(FIND_MAILBOX, texts([const { String::new() }; 6])).await?;
        ListMailboxes { after: String::new(), limit: 1 }.run(session).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_the_question_has_the_same_columns() {
        for (statement, tables) in [
            (find_all(OwnTables::All, true), 8),
            (find_all(OwnTables::All, false), 7),
            (find_all(OwnTables::First, false), 6),
            (find_all(OwnTables::None, false), 5),
            (FIND_MAILBOX.to_owned(), 3),
        ] {
            let columns = |part: &str| {
                // A comma inside of brackets is none between columns, and no column here has one.
                part.split(" FROM ").next().unwrap_or_default().matches(',').count() + 1
            };
            let parts: Vec<usize> = statement.split("UNION ALL").map(columns).collect();
            assert_eq!(parts.len(), tables);
            assert!(parts.iter().all(|count| *count == parts[0]), "{parts:?}");
            assert_eq!(statement.matches('?').count(), tables * 2);
        }
    }
}
