//! Rows that nobody needs any more, found and deleted a few hundred at a time.
//!
//! Nothing of mailcow's is deleted but old rows of the login history, and those only where that is wanted.

use super::database::Database;
use super::error::Error;
use super::own_tables::{TableSet, TableSets};
use super::retry::Fault;
use super::session::{Dialect, Kind, LostCommit, Session, Work};
use crate::auth::Username;
use crate::backend::sql::names::{is_name_of, spellings, texts};

/// So many rows are looked at in one transaction: a lock is held for milliseconds, and what a server logs of it stays
/// small.
const BATCH: i64 = 500;

/// In `missed_runs`: the mailbox itself is gone, and `missing_since` says since when that is known. The sync counts
/// upwards from 0.
const NO_MAILBOX: i64 = -1;

/// Rows of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leftover {
    /// Expiry and networks of app passwords that were deleted. A server may give their numbers to new ones.
    AppPasswords,
    /// What the sync noted about mailboxes that were deleted.
    SyncNotes,
    /// Who had mailboxes that were deleted so many seconds ago, as far as is known.
    People {
        /// How long that is remembered.
        seconds: i64,
    },
    /// By what people are known again whose owner is not remembered any more: each says nothing without the other.
    Marks,
    /// Where mailboxes lived that were deleted; with backends only.
    Placements,
    /// Logins so many seconds ago.
    Logins {
        /// How long they are kept.
        seconds: i64,
    },
}

/// What one batch came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Swept {
    /// Rows that were deleted, or that would have been.
    pub(crate) removed: u64,
    /// Where the next batch begins; `None` after the last one.
    pub(crate) next: Option<String>,
}

impl Leftover {
    /// The table they are in.
    #[must_use]
    pub fn table(self) -> &'static str {
        match self {
            Self::AppPasswords => "keydove_app_password",
            Self::SyncNotes => "keydove_sync",
            Self::People { .. } => "keydove_person",
            Self::Marks => "keydove_mark",
            Self::Placements => "keydove_placement",
            Self::Logins { .. } => "sasl_log",
        }
    }
}

impl Database {
    /// Deletes one batch; `after` is the [`Swept::next`] of the one before. `dry`: only counts. Of a MariaDB without
    /// keydove's own tables there is nothing to delete in them.
    ///
    /// A lock that somebody else has on a SQLite file is not waited for.
    ///
    /// # Errors
    /// The database cannot be asked. Nothing of the batch was deleted then. [`Error::Schema`]: a table is missing, or its
    /// rows may not be deleted.
    pub(crate) async fn sweep(
        &self,
        what: Leftover,
        after: Option<String>,
        dry: bool,
    ) -> Result<Swept, Error> {
        self.run(Sweep { what, after: after.unwrap_or_default(), dry }).await
    }
}

struct Sweep {
    what: Leftover,
    after: String,
    dry: bool,
}

impl Work for Sweep {
    const ATTEMPT: &'static str = "deleting rows that nobody needs";
    const KIND: Kind = Kind::Writes(LostCommit::Tell);
    const WAITS: bool = false;
    const OUTDATES: bool = false;
    type Output = Swept;

    fn needs(&self) -> TableSets {
        TableSets::of_if(self.what == Leftover::Placements, TableSet::Backends)
    }

    async fn run<S: Session>(&self, session: &mut S) -> Result<Swept, Fault> {
        match self.what {
            Leftover::Logins { seconds } => self.sweep_logins(session, seconds).await,
            _ if !session.has_own_tables() => Ok(Swept::default()),
            Leftover::AppPasswords => self.sweep_app_passwords(session).await,
            Leftover::SyncNotes => self.sweep_mailboxes(session, i64::MAX).await,
            Leftover::Placements if !session.has(TableSet::Backends) => Ok(Swept::default()),
            Leftover::Placements => self.sweep_mailboxes(session, i64::MAX).await,
            Leftover::Marks if !session.has_marks() => Ok(Swept::default()),
            Leftover::Marks => self.sweep_marks(session).await,
            Leftover::People { seconds } => self.sweep_mailboxes(session, seconds).await,
        }
    }
}

impl Sweep {
    async fn sweep_app_passwords<S: Session>(&self, session: &mut S) -> Result<Swept, Fault> {
        let is_gone = "NOT EXISTS (SELECT 1 FROM app_passwd a WHERE a.id = keydove_app_password.app_passwd)";
        let statement = format!(
            "SELECT app_passwd FROM keydove_app_password WHERE app_passwd > ? AND {is_gone} \
              ORDER BY app_passwd LIMIT {BATCH}"
        );
        let after = self.after.parse().unwrap_or(i64::MIN);
        let mut numbers = Vec::new();
        for mut row in session.query(&statement, vec![i64::into(after)]).await? {
            numbers.push(row.read("keydove_app_password", "a page", |row| row.number(0))?);
        }
        // Each by its key: a condition alone would lock every row that it looks at.
        let delete = format!("DELETE FROM keydove_app_password WHERE app_passwd = ? AND {is_gone}");
        for number in numbers.iter().filter(|_| !self.dry) {
            session.query(&delete, vec![(*number).into()]).await?;
        }
        let next = numbers.last().filter(|_| is_whole(numbers.len())).map(i64::to_string);
        Ok(Swept { removed: numbers.len() as u64, next })
    }

    /// A mark is written under the name that its owner's row has, so the database's own comparison finds that.
    async fn sweep_marks<S: Session>(&self, session: &mut S) -> Result<Swept, Fault> {
        let is_alone = "NOT EXISTS (SELECT 1 FROM keydove_person p WHERE p.mailbox = keydove_mark.mailbox)";
        let (name, mark) = byte_order(S::DIALECT);
        let statement = format!(
            "SELECT mailbox FROM keydove_mark WHERE {name} > {mark} AND {is_alone} ORDER BY {name} LIMIT {BATCH}"
        );
        let mut names = Vec::new();
        for mut row in session.query(&statement, vec![self.after.as_str().into()]).await? {
            names.push(row.read("keydove_mark", "a page", |row| row.words(0))?);
        }
        let delete = format!("DELETE FROM keydove_mark WHERE mailbox = ? AND {is_alone}");
        for name in names.iter().filter(|_| !self.dry) {
            session.query(&delete, vec![name.as_str().into()]).await?;
        }
        let removed = names.len() as u64;
        Ok(Swept { removed, next: names.pop().filter(|_| is_whole(names.len() + 1)) })
    }

    /// Rows of mailboxes that are not there. That a name is not found by the database is no proof: a stored domain may be
    /// in Unicode, where the row has the A-labels.
    async fn sweep_mailboxes<S: Session>(&self, session: &mut S, seconds: i64) -> Result<Swept, Fault> {
        let table = self.what.table();
        let (name, mark) = byte_order(S::DIALECT);
        let (state, is_known) = match self.what {
            Leftover::People { .. } => {
                let long_gone = format!("COALESCE(missing_since < {}, 0)", ago(S::DIALECT, seconds));
                (format!("missed_runs, {long_gone}"), format!(" OR missed_runs = {NO_MAILBOX}"))
            }
            // As long as it is remembered whose the mailbox was, it may come back to its mail.
            Leftover::Placements => {
                let unless_known =
                    "NOT EXISTS (SELECT 1 FROM keydove_person p WHERE p.mailbox = keydove_placement.mailbox)";
                ("0, 1".to_owned(), format!(") AND ({unless_known}"))
            }
            _ => ("0, 1".to_owned(), String::new()),
        };
        let statement = format!(
            "SELECT mailbox, {state} FROM {table} WHERE {name} > {mark} AND \
               (NOT EXISTS (SELECT 1 FROM mailbox m WHERE m.username = {table}.mailbox){is_known}) \
              ORDER BY {name} LIMIT {BATCH}"
        );
        let mut rows = Vec::new();
        for mut row in session.query(&statement, vec![self.after.as_str().into()]).await? {
            rows.push(
                row.read(table, "a page", |row| Ok((row.words(0)?, row.number(1)?, row.number(2)? == 1)))?,
            );
        }
        let mut swept = Swept::default();
        for (mailbox, missed_runs, is_due) in &rows {
            swept.removed += u64::from(self.judge(session, mailbox, *missed_runs, *is_due).await?);
        }
        swept.next = rows.pop().filter(|_| is_whole(rows.len() + 1)).map(|(mailbox, ..)| mailbox);
        Ok(swept)
    }

    /// Deletes one row, or notes when its mailbox was missed first. Says whether it was deleted.
    async fn judge<S: Session>(
        &self,
        session: &mut S,
        mailbox: &str,
        missed_runs: i64,
        is_due: bool,
    ) -> Result<bool, Fault> {
        let is_there = has_mailbox(session, mailbox).await?;
        let is_marked = missed_runs == NO_MAILBOX;
        let people = matches!(self.what, Leftover::People { .. });
        let table = self.what.table();
        let statement = match (is_there, people, is_marked) {
            (true, true, true) => {
                "UPDATE keydove_person SET missed_runs = 0, missing_since = NULL WHERE mailbox = ?".to_owned()
            }
            (true, ..) => return Ok(false),
            (false, true, false) => format!(
                "UPDATE keydove_person SET missed_runs = {NO_MAILBOX}, missing_since = CURRENT_TIMESTAMP WHERE mailbox = ?"
            ),
            (false, ..) if is_due => format!("DELETE FROM {table} WHERE mailbox = ?"),
            (false, ..) => return Ok(false),
        };
        if !self.dry {
            session.query(&statement, vec![mailbox.into()]).await?;
        }
        Ok(!is_there && (is_marked || !people))
    }

    async fn sweep_logins<S: Session>(&self, session: &mut S, seconds: i64) -> Result<Swept, Fault> {
        let is_old = format!("datetime < {}", ago(S::DIALECT, seconds));
        let batch = match self.dry {
            true => format!("SELECT COUNT(*) FROM sasl_log WHERE {is_old}"),
            false => {
                format!("SELECT COUNT(*) FROM (SELECT 1 FROM sasl_log WHERE {is_old} LIMIT {BATCH}) AS batch")
            }
        };
        let mut rows = session.query(&batch, Vec::new()).await?;
        let Some(row) = rows.first_mut() else { return Ok(Swept::default()) };
        let removed =
            u64::try_from(row.read("sasl_log", "their number", |row| row.number(0))?).unwrap_or_default();
        if self.dry || removed == 0 {
            return Ok(Swept { removed, next: None });
        }
        let delete = match S::DIALECT {
            Dialect::Sqlite => format!(
                "DELETE FROM sasl_log WHERE rowid IN \
                   (SELECT rowid FROM sasl_log WHERE {is_old} ORDER BY datetime LIMIT {BATCH})"
            ),
            Dialect::Mariadb => {
                format!("DELETE FROM sasl_log WHERE {is_old} ORDER BY datetime LIMIT {BATCH}")
            }
        };
        session.query(&delete, Vec::new()).await?;
        let next = is_whole(usize::try_from(removed).unwrap_or(usize::MAX)).then(String::new);
        Ok(Swept { removed, next })
    }
}

/// Whether there is a mailbox of this name, however its domain is spelt.
async fn has_mailbox<S: Session>(session: &mut S, mailbox: &str) -> Result<bool, Fault> {
    let statement = "SELECT username FROM mailbox WHERE username IN (?, ?)";
    let user = Username::parse(mailbox.as_bytes()).ok();
    let names = match &user {
        Some(user) => {
            let [name, unicode, ..] = spellings(user);
            [name, unicode]
        }
        None => [mailbox.to_owned(), mailbox.to_owned()],
    };
    for mut row in session.query(statement, texts(names)).await? {
        let name = row.read("mailbox", mailbox, |row| row.words(0))?;
        // What no login can have is compared as loosely as the database does.
        if user.as_ref().is_none_or(|user| is_name_of(user, &name)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The column `mailbox` and a parameter, in an order that no collation makes: pages begin behind a name.
fn byte_order(dialect: Dialect) -> (&'static str, &'static str) {
    match dialect {
        Dialect::Sqlite => ("mailbox COLLATE BINARY", "?"),
        Dialect::Mariadb => ("CAST(mailbox AS BINARY)", "CAST(? AS BINARY)"),
    }
}

fn is_whole(rows: usize) -> bool {
    rows as i64 >= BATCH
}

/// So many seconds ago, by the database's clock.
fn ago(dialect: Dialect, seconds: i64) -> String {
    match dialect {
        Dialect::Sqlite => format!("datetime('now', '-{seconds} seconds')"),
        Dialect::Mariadb => format!("NOW() - INTERVAL {seconds} SECOND"),
    }
}
