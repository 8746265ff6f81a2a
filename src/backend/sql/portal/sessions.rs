//! Who is signed in to the portal: one row for each browser.

use super::require_tables;
use crate::auth::Username;
use crate::backend::sql::database::Database;
use crate::backend::sql::error::Error;
use crate::backend::sql::own_tables::{TableSet, TableSets};
use crate::backend::sql::retry::Fault;
use crate::backend::sql::row::{Parameter, Row};
use crate::backend::sql::session::{Kind, LostCommit, Session, Work};

const COLUMNS: &str = "id, session, mailbox, issuer, subject, auth_time, administrator, remote, browser, created, used, ends, sid";
const INSERT: &str = "\
INSERT INTO keydove_session \
       (session, mailbox, issuer, subject, sid, auth_time, administrator, remote, browser, created, used, ends) \
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
const DELETE_ENDED: &str = "DELETE FROM keydove_session WHERE NOT ends > ?";
const DELETE_ONE: &str = "DELETE FROM keydove_session WHERE session = ?";
const DELETE_BY_NUMBER: &str = "DELETE FROM keydove_session WHERE id = ?";
const TOUCH: &str = "UPDATE keydove_session SET used = ? WHERE id = ? AND used < ?";

/// A session that begins.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// SHA-256 of the cookie's value, in lower-case hexadecimal.
    pub session: String,
    /// That of the same browser which ends with it.
    pub replaces: Option<String>,
    /// The mailbox.
    pub user: Username,
    /// Which Keycloak.
    pub issuer: String,
    /// The person's id there.
    pub subject: String,
    /// Keycloak's session.
    pub sid: Option<String>,
    /// When they proved who they are. Times are seconds since 1970.
    pub auth_time: i64,
    /// Whether they have the administrators' role.
    pub administrator: bool,
    /// The browser's address.
    pub remote: Option<String>,
    /// What the browser is.
    pub browser: String,
    /// Now.
    pub created: i64,
    /// When it ends at the latest.
    pub ends: i64,
}

/// A row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSession {
    /// Its number.
    pub id: i64,
    /// SHA-256 of the cookie's value.
    pub session: String,
    /// The mailbox, in normal form.
    pub mailbox: String,
    /// Which Keycloak.
    pub issuer: String,
    /// The person's id there.
    pub subject: String,
    /// When they proved who they are.
    pub auth_time: i64,
    /// Whether they have the administrators' role.
    pub administrator: bool,
    /// The browser's address.
    pub remote: Option<String>,
    /// What the browser is.
    pub browser: String,
    /// Since when.
    pub created: i64,
    /// Last used.
    pub used: i64,
    /// When it ends at the latest.
    pub ends: i64,
    /// Keycloak's session.
    pub sid: Option<String>,
}

/// Which sessions are to end.
#[derive(Clone, Debug)]
pub enum SessionEnd {
    /// That of this cookie.
    One(String),
    /// That of this number, if it is this person's.
    Number {
        /// Its number.
        id: i64,
        /// Which Keycloak.
        issuer: String,
        /// The person's id there.
        subject: String,
    },
    /// All of a person.
    Person {
        /// Which Keycloak.
        issuer: String,
        /// The person's id there.
        subject: String,
    },
    /// All of a mailbox, whoever began them.
    Mailbox(Username),
    /// All of one session of Keycloak's.
    Keycloak {
        /// Which Keycloak.
        issuer: String,
        /// Its session.
        sid: String,
    },
}

impl Database {
    /// Begins a session, and removes those that are over.
    ///
    /// # Errors
    /// The database cannot be asked; [`Error::Schema`] where the portal's tables are missing.
    pub async fn begin_session(&self, new: NewSession) -> Result<(), Error> {
        self.run(Begin(new)).await
    }

    /// The session of a cookie, ended or not.
    ///
    /// # Errors
    /// As [`begin_session`](Self::begin_session).
    pub async fn find_session(&self, session: &str) -> Result<Option<StoredSession>, Error> {
        self.run(Find(session.to_owned())).await
    }

    /// Notes that a session was used. `now` is in seconds since 1970.
    ///
    /// # Errors
    /// As [`begin_session`](Self::begin_session).
    pub async fn touch_session(&self, id: i64, now: i64) -> Result<(), Error> {
        self.run(Touch { id, now }).await
    }

    /// All sessions of a person that have not ended by `now`, the newest first.
    ///
    /// # Errors
    /// As [`begin_session`](Self::begin_session).
    pub async fn list_sessions(
        &self,
        issuer: &str,
        subject: &str,
        now: i64,
    ) -> Result<Vec<StoredSession>, Error> {
        self.run(List { issuer: issuer.to_owned(), subject: subject.to_owned(), now }).await
    }

    /// All sessions of a mailbox that have not ended by `now`, the newest first.
    ///
    /// # Errors
    /// As [`begin_session`](Self::begin_session).
    pub async fn list_sessions_of(&self, user: &Username, now: i64) -> Result<Vec<StoredSession>, Error> {
        self.run(ListOf { user: user.clone(), now }).await
    }

    /// Ends sessions; says how many there were.
    ///
    /// # Errors
    /// As [`begin_session`](Self::begin_session).
    pub async fn end_sessions(&self, which: SessionEnd) -> Result<u64, Error> {
        self.run(End(which)).await
    }
}

struct Begin(NewSession);

impl Work for Begin {
    const ATTEMPT: &'static str = "beginning a session of the portal";
    // A second run would find its own row there; the browser signs in again.
    const KIND: Kind = Kind::Writes(LostCommit::Tell);
    const OUTDATES: bool = false;
    type Output = ();

    fn needs(&self) -> TableSets {
        TableSets::of(TableSet::Portal)
    }

    async fn run<S: Session>(&self, session: &mut S) -> Result<(), Fault> {
        require_tables(session)?;
        let new = &self.0;
        session.query(DELETE_ENDED, vec![new.created.into()]).await?;
        if let Some(replaced) = &new.replaces {
            session.query(DELETE_ONE, vec![replaced.as_str().into()]).await?;
        }
        let parameters = vec![
            new.session.as_str().into(),
            new.user.as_str().into(),
            new.issuer.as_str().into(),
            new.subject.as_str().into(),
            new.sid.as_deref().into(),
            new.auth_time.into(),
            Parameter::Integer(new.administrator.into()),
            new.remote.as_deref().into(),
            new.browser.as_str().into(),
            new.created.into(),
            new.created.into(),
            new.ends.into(),
        ];
        session.query(INSERT, parameters).await.map(drop)
    }
}

struct Find(String);

impl Work for Find {
    const ATTEMPT: &'static str = "looking for a session of the portal";
    const KIND: Kind = Kind::Reads;
    type Output = Option<StoredSession>;

    fn needs(&self) -> TableSets {
        TableSets::of(TableSet::Portal)
    }

    async fn run<S: Session>(&self, session: &mut S) -> Result<Self::Output, Fault> {
        require_tables(session)?;
        let statement = format!("SELECT {COLUMNS} FROM keydove_session WHERE session = ?");
        let rows = session.query(&statement, vec![self.0.as_str().into()]).await?;
        let found = read_all(rows)?.into_iter().find(|row| row.session == self.0);
        Ok(found)
    }
}

struct Touch {
    id: i64,
    now: i64,
}

impl Work for Touch {
    const ATTEMPT: &'static str = "noting that a session of the portal was used";
    const KIND: Kind = Kind::WritesOnce(LostCommit::RunAgain);
    type Output = ();

    fn needs(&self) -> TableSets {
        TableSets::of(TableSet::Portal)
    }

    async fn run<S: Session>(&self, session: &mut S) -> Result<(), Fault> {
        require_tables(session)?;
        session.query(TOUCH, vec![self.now.into(), self.id.into(), self.now.into()]).await.map(drop)
    }
}

struct List {
    issuer: String,
    subject: String,
    now: i64,
}

impl Work for List {
    const ATTEMPT: &'static str = "listing sessions of the portal";
    const KIND: Kind = Kind::Reads;
    type Output = Vec<StoredSession>;

    fn needs(&self) -> TableSets {
        TableSets::of(TableSet::Portal)
    }

    async fn run<S: Session>(&self, session: &mut S) -> Result<Self::Output, Fault> {
        require_tables(session)?;
        let statement = format!(
            "SELECT {COLUMNS} FROM keydove_session WHERE subject = ? AND ends > ? ORDER BY id DESC LIMIT 200"
        );
        let rows = session.query(&statement, vec![self.subject.as_str().into(), self.now.into()]).await?;
        let mut found = read_all(rows)?;
        found.retain(|row| row.subject == self.subject && row.issuer == self.issuer);
        Ok(found)
    }
}

struct ListOf {
    user: Username,
    now: i64,
}

impl Work for ListOf {
    const ATTEMPT: &'static str = "listing a mailbox's sessions of the portal";
    const KIND: Kind = Kind::Reads;
    type Output = Vec<StoredSession>;

    fn needs(&self) -> TableSets {
        TableSets::of(TableSet::Portal)
    }

    async fn run<S: Session>(&self, session: &mut S) -> Result<Self::Output, Fault> {
        require_tables(session)?;
        let statement = format!(
            "SELECT {COLUMNS} FROM keydove_session WHERE mailbox = ? AND ends > ? ORDER BY id DESC LIMIT 200"
        );
        let rows = session.query(&statement, vec![self.user.as_str().into(), self.now.into()]).await?;
        let mut found = read_all(rows)?;
        found.retain(|row| row.mailbox == self.user.as_str());
        Ok(found)
    }
}

struct End(SessionEnd);

impl Work for End {
    const ATTEMPT: &'static str = "ending sessions of the portal";
    const KIND: Kind = Kind::Writes(LostCommit::RunAgain);
    const OUTDATES: bool = false;
    type Output = u64;

    fn needs(&self) -> TableSets {
        TableSets::of(TableSet::Portal)
    }

    async fn run<S: Session>(&self, session: &mut S) -> Result<u64, Fault> {
        require_tables(session)?;
        let (condition, value): (&str, Parameter) = match &self.0 {
            SessionEnd::One(cookie) => ("session = ?", cookie.as_str().into()),
            SessionEnd::Number { id, .. } => ("id = ?", (*id).into()),
            SessionEnd::Person { subject, .. } => ("subject = ?", subject.as_str().into()),
            SessionEnd::Mailbox(user) => ("mailbox = ?", user.as_str().into()),
            SessionEnd::Keycloak { sid, .. } => ("sid = ?", sid.as_str().into()),
        };
        let statement =
            format!("SELECT {COLUMNS} FROM keydove_session WHERE {condition}{}", S::DIALECT.for_update());
        let rows = read_all(session.query(&statement, vec![value]).await?)?;
        let mut ended = 0;
        for row in rows.iter().filter(|row| self.0.means(row)) {
            session.query(DELETE_BY_NUMBER, vec![row.id.into()]).await?;
            ended += 1;
        }
        Ok(ended)
    }
}

impl SessionEnd {
    /// Beside what the statement has compared.
    fn means(&self, row: &StoredSession) -> bool {
        match self {
            Self::One(cookie) => row.session == *cookie,
            Self::Number { issuer, subject, .. } | Self::Person { issuer, subject } => {
                row.issuer == *issuer && row.subject == *subject
            }
            Self::Mailbox(user) => row.mailbox == user.as_str(),
            Self::Keycloak { issuer, sid } => row.issuer == *issuer && row.sid.as_ref() == Some(sid),
        }
    }
}

fn read_all(rows: Vec<Row>) -> Result<Vec<StoredSession>, Error> {
    rows.into_iter().map(|mut row| row.read("keydove_session", "a session", StoredSession::read)).collect()
}

impl StoredSession {
    fn read(row: &mut Row) -> Result<Self, String> {
        Ok(Self {
            id: row.number(0)?,
            session: row.words(1)?,
            mailbox: row.words(2)?,
            issuer: row.words(3)?,
            subject: row.words(4)?,
            auth_time: row.number(5)?,
            administrator: row.number(6)? == 1,
            remote: row.text(7)?,
            browser: row.words(8)?,
            created: row.number(9)?,
            used: row.number(10)?,
            ends: row.number(11)?,
            sid: row.text(12)?,
        })
    }
}
