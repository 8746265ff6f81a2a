//! What users are to be told of their app passwords, and that they were told: a mark for each mail, written before the mail
//! is sent.

use super::require_tables;
use crate::auth::Username;
use crate::backend::sql::admin::{SERVICE_SWITCHES, read_services};
use crate::backend::sql::database::Database;
use crate::backend::sql::error::Error;
use crate::backend::sql::own_tables::{TableSet, TableSets};
use crate::backend::sql::retry::Fault;
use crate::backend::sql::row::{Parameter, Row};
use crate::backend::sql::session::{Kind, LostCommit, Session, Work};

/// How many are found at once.
const BATCH: u32 = 100;
/// Numbers below the newest that are looked at again: a transaction with a smaller one may end later.
const OVERLAP: i64 = 1000;
/// Who makes one that ends within a week is told of its end by the first mail, in seconds.
const SHORT: i64 = 8 * 86_400;
const FORGET: &str = "DELETE FROM keydove_notice WHERE app_passwd NOT IN (SELECT id FROM app_passwd)";
const FIND: &str = "SELECT attempts, retry FROM keydove_notice WHERE app_passwd = ? AND occasion = ?";
const INSERT: &str =
    "INSERT INTO keydove_notice (app_passwd, occasion, attempts, retry) VALUES (?, ?, 1, NULL)";
const TAKE: &str =
    "UPDATE keydove_notice SET attempts = attempts + 1, retry = NULL WHERE app_passwd = ? AND occasion = ?";
const RELEASE: &str = "UPDATE keydove_notice SET retry = ? WHERE app_passwd = ? AND occasion = ?";
const TABLES: &str = "FROM app_passwd p LEFT JOIN keydove_app_password k ON k.app_passwd = p.id \
     LEFT JOIN keydove_origin o ON o.app_passwd = p.id";

/// Of what a user is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// An app password was made.
    Made,
    /// One ends soon.
    Ends,
}

impl Occasion {
    /// In rows and log lines.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Made => "made",
            Self::Ends => "ends",
        }
    }
}

/// Something that a user is to be told. Times are seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The number of the app password.
    pub id: i64,
    /// Whose it is.
    pub user: Username,
    /// What it is about.
    pub occasion: Occasion,
    /// What its user calls it.
    pub name: String,
    /// What it opens.
    pub services: Vec<&'static str>,
    /// When it was made.
    pub created: i64,
    /// The address of the browser that made it, where that is known.
    pub from: Option<String>,
    /// When it ends.
    pub expires: Option<i64>,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NoticesFound {
    /// What is to be told.
    pub notices: Vec<Notice>,
    /// The newest app password that was looked at.
    pub newest: i64,
}

/// Which notices are due. Times are seconds since 1970.
#[derive(Clone, Copy, Debug)]
pub struct NoticesDue {
    /// The newest app password that was looked at before; 0 looks at all.
    pub after: i64,
    /// Those that were made before are no news.
    pub made_since: i64,
    /// Which ends are told; `None` does not look for any.
    pub ending_until: Option<i64>,
    /// Now.
    pub now: i64,
}

impl Database {
    /// What users are to be told, 100 of each kind at the most. Rows of mailboxes with impossible names are left out.
    ///
    /// # Errors
    /// The database cannot be asked; [`Error::Schema`] where the table is missing.
    pub async fn due_notices(&self, due: NoticesDue) -> Result<NoticesFound, Error> {
        self.run(Due(due)).await
    }

    /// Takes a notice: nobody else gets it. `false` if somebody else has it.
    ///
    /// # Errors
    /// As [`due_notices`](Self::due_notices). Whoever may have been given it is told of an error, and sends nothing.
    pub async fn claim_notice(&self, id: i64, occasion: Occasion, now: i64) -> Result<bool, Error> {
        self.run(Claim { id, occasion, now }).await
    }

    /// Gives a notice back that was taken once: it is due once more, from then on. `false` if it was taken twice.
    ///
    /// # Errors
    /// As [`due_notices`](Self::due_notices).
    pub async fn release_notice(&self, id: i64, occasion: Occasion, retry: i64) -> Result<bool, Error> {
        self.run(Release { id, occasion, retry }).await
    }

    /// Forgets notices of app passwords that are gone, whose numbers a server may give again.
    ///
    /// # Errors
    /// As [`due_notices`](Self::due_notices).
    pub async fn forget_notices(&self) -> Result<(), Error> {
        self.run(Forget).await
    }
}

struct Due(NoticesDue);

impl Work for Due {
    const ATTEMPT: &'static str = "looking for what users are to be told";
    const KIND: Kind = Kind::Reads;
    type Output = NoticesFound;

    fn needs(&self) -> TableSets {
        TableSets::of(TableSet::Portal)
    }

    async fn run<S: Session>(&self, session: &mut S) -> Result<NoticesFound, Fault> {
        require_tables(session)?;
        let NoticesDue { after, made_since, ending_until, now } = self.0;
        let mut rows = session.query("SELECT MAX(id) FROM app_passwd", Vec::new()).await?;
        let newest = rows.first_mut().map(|row| row.read("app_passwd", "the newest", |row| row.integer(0)));
        let newest = newest.transpose()?.flatten().unwrap_or_default();
        let created = S::DIALECT.seconds_of("p.created");
        let columns = format!("p.id, p.mailbox, p.name, {created}, o.remote, k.expires, {SERVICE_SWITCHES}");
        let mut found = NoticesFound { notices: Vec::new(), newest };
        let made = format!(
            "SELECT {columns} {TABLES} LEFT JOIN keydove_notice n ON n.app_passwd = p.id AND n.occasion = 'made' \
              WHERE p.id > ? AND {created} > ? AND (n.app_passwd IS NULL OR NOT n.retry > ?) ORDER BY p.id LIMIT {BATCH}"
        );
        let parameters = vec![(after - OVERLAP).into(), made_since.into(), now.into()];
        let rows = session.query(&made, parameters).await?;
        let is_whole = rows.len() < BATCH as usize;
        for row in rows {
            found.notices.extend(read(row, Occasion::Made)?);
        }
        if !is_whole {
            // The others are looked for behind these.
            found.newest = found.notices.last().map_or(after, |notice| notice.id);
        }
        let Some(until) = ending_until else { return Ok(found) };
        let ends = format!(
            "SELECT {columns} {TABLES} LEFT JOIN keydove_notice n ON n.app_passwd = p.id AND n.occasion = 'ends' \
              WHERE k.expires > ? AND NOT k.expires > ? AND k.expires > {created} + {SHORT} AND p.active = 1 \
                AND (n.app_passwd IS NULL OR NOT n.retry > ?) ORDER BY p.id LIMIT {BATCH}"
        );
        for row in session.query(&ends, vec![now.into(), until.into(), now.into()]).await? {
            found.notices.extend(read(row, Occasion::Ends)?);
        }
        Ok(found)
    }
}

fn read(mut row: Row, occasion: Occasion) -> Result<Option<Notice>, Error> {
    row.read("app_passwd", "a notice", |row| {
        let Ok(user) = Username::parse(row.words(1)?.as_bytes()) else { return Ok(None) };
        Ok(Some(Notice {
            id: row.number(0)?,
            user,
            occasion,
            name: row.text(2)?.unwrap_or_default(),
            created: row.number(3)?,
            from: row.text(4)?,
            expires: row.integer(5)?,
            services: read_services(row, 6)?,
        }))
    })
}

struct Claim {
    id: i64,
    occasion: Occasion,
    now: i64,
}

/// The row of a notice, locked: how often it was taken, and when it is due again.
async fn lock<S: Session>(
    session: &mut S,
    id: i64,
    occasion: Occasion,
) -> Result<Option<(i64, Option<i64>)>, Fault> {
    let statement = format!("{FIND}{}", S::DIALECT.for_update());
    let mut rows = session.query(&statement, key(id, occasion)).await?;
    let read = |row: &mut Row| Ok((row.number(0)?, row.integer(1)?));
    Ok(rows.first_mut().map(|row| row.read("keydove_notice", "a notice", read)).transpose()?)
}

fn key(id: i64, occasion: Occasion) -> Vec<Parameter> {
    vec![id.into(), occasion.name().into()]
}

impl Work for Claim {
    const ATTEMPT: &'static str = "taking a mail to a user";
    const KIND: Kind = Kind::Writes(LostCommit::Tell);
    const OUTDATES: bool = false;
    type Output = bool;

    fn needs(&self) -> TableSets {
        TableSets::of(TableSet::Portal)
    }

    async fn run<S: Session>(&self, session: &mut S) -> Result<bool, Fault> {
        require_tables(session)?;
        let statement = match lock(session, self.id, self.occasion).await? {
            None => INSERT,
            Some((_, Some(retry))) if retry <= self.now => TAKE,
            Some(_) => return Ok(false),
        };
        session.query(statement, key(self.id, self.occasion)).await?;
        Ok(true)
    }
}

struct Release {
    id: i64,
    occasion: Occasion,
    retry: i64,
}

impl Work for Release {
    const ATTEMPT: &'static str = "giving a mail to a user back";
    const KIND: Kind = Kind::Writes(LostCommit::Tell);
    const OUTDATES: bool = false;
    type Output = bool;

    fn needs(&self) -> TableSets {
        TableSets::of(TableSet::Portal)
    }

    async fn run<S: Session>(&self, session: &mut S) -> Result<bool, Fault> {
        require_tables(session)?;
        match lock(session, self.id, self.occasion).await? {
            Some((1, None)) => {}
            _ => return Ok(false),
        }
        let mut parameters = vec![self.retry.into()];
        parameters.extend(key(self.id, self.occasion));
        session.query(RELEASE, parameters).await?;
        Ok(true)
    }
}

struct Forget;

impl Work for Forget {
    const ATTEMPT: &'static str = "forgetting mails about app passwords that are gone";
    const KIND: Kind = Kind::WritesOnce(LostCommit::RunAgain);
    type Output = ();

    fn needs(&self) -> TableSets {
        TableSets::of(TableSet::Portal)
    }

    async fn run<S: Session>(&self, session: &mut S) -> Result<(), Fault> {
        require_tables(session)?;
        session.query(FORGET, Vec::new()).await.map(drop)
    }
}
