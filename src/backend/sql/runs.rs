//! The log of the sync: a row for each run, which every node reads. Times are the database's.
//!
//! Nothing depends on it. Where the table is missing and keydove may not make it, nothing is logged.

use super::database::Database;
use super::error::Error;
use super::own_tables::{TableSet, TableSets};
use super::retry::Fault;
use super::row::{Parameter, Row};
use super::session::{Kind, LostCommit, Session, Work};

/// So many runs are kept.
pub const RUNS_KEPT: u32 = 100;

/// Of which the oldest is `?`th from the end.
const OLDEST_KEPT: &str = "SELECT id FROM keydove_run ORDER BY id DESC LIMIT 1 OFFSET ?";
const DELETE_OLD: &str = "DELETE FROM keydove_run WHERE id < ?";

/// A run that begins.
#[derive(Clone, Debug)]
pub struct NewRun {
    /// The machine and process that does it.
    pub node: String,
    /// What began it, in a word.
    pub started_by: &'static str,
    /// Nothing is written but this row.
    pub dry_run: bool,
}

/// How a run has ended.
#[derive(Clone, Debug)]
pub struct RunEnd {
    /// In a word of at most 16 characters.
    pub outcome: &'static str,
    /// JSON: what it has counted.
    pub report: String,
    /// JSON: what became of each person, as far as there is something to say.
    pub people: String,
}

/// A run in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunRow {
    /// Its number. Later runs have higher ones.
    pub id: i64,
    /// The machine and process that did it.
    pub node: String,
    /// What began it, in a word.
    pub started_by: String,
    /// Nothing was written.
    pub dry_run: bool,
    /// When it began, in seconds since 1970.
    pub began: i64,
    /// When it ended.
    pub ended: Option<i64>,
    /// When it was heard of last.
    pub heard: i64,
    /// How many seconds ago that was.
    pub silent: i64,
    /// How it ended, in a word; empty as long as it has not.
    pub outcome: String,
    /// JSON: what it has counted; empty as long as it has not ended.
    pub report: String,
    /// JSON: what became of each person; empty in a list of runs.
    pub people: String,
}

impl RunRow {
    /// How many seconds ago it ended, by the database's clock; of one that has not, how long ago it began.
    #[must_use]
    pub fn seconds_ago(&self) -> i64 {
        // It is heard of last when it ends.
        self.silent + if self.ended.is_some() { 0 } else { self.heard - self.began }
    }
}

impl Database {
    /// Writes that a run begins, and forgets the oldest ones. Gives its number; `None` where there is no log.
    ///
    /// # Errors
    /// The database cannot be asked, or refuses it.
    pub async fn begin_run(&self, run: NewRun) -> Result<Option<i64>, Error> {
        self.run(Begin(run)).await
    }

    /// Writes that a run goes on.
    ///
    /// # Errors
    /// As [`begin_run`](Self::begin_run).
    pub async fn note_run(&self, id: i64) -> Result<(), Error> {
        self.run(Hear(id)).await
    }

    /// Writes how a run has ended.
    ///
    /// # Errors
    /// As [`begin_run`](Self::begin_run).
    pub async fn end_run(&self, id: i64, end: RunEnd) -> Result<(), Error> {
        self.run(End { id, end }).await
    }

    /// The last runs, the newest first, without their people. `None` where there is no log.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn runs(&self, limit: u32) -> Result<Option<Vec<RunRow>>, Error> {
        self.run(List { only: None, limit }).await
    }

    /// One run, with its people.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn find_run(&self, id: i64) -> Result<Option<RunRow>, Error> {
        Ok(self.run(List { only: Some(id), limit: 1 }).await?.and_then(|mut rows| rows.pop()))
    }
}

struct Begin(NewRun);

impl Work for Begin {
    const ATTEMPT: &'static str = "beginning the log of a run";
    /// A row too many is a run that seems to be cut off.
    const KIND: Kind = Kind::Writes(LostCommit::RunAgain);
    const OUTDATES: bool = false;
    type Output = Option<i64>;

    fn needs(&self) -> TableSets {
        TableSets::of(TableSet::Runs)
    }

    async fn run<S: Session>(&self, session: &mut S) -> Result<Option<i64>, Fault> {
        if !session.has(TableSet::Runs) {
            return Ok(None);
        }
        if let Some(oldest) =
            session.query(OLDEST_KEPT, vec![i64::from(RUNS_KEPT - 2).into()]).await?.first_mut()
        {
            let oldest = oldest.read("keydove_run", "the oldest", |row| row.number(0))?;
            session.query(DELETE_OLD, vec![oldest.into()]).await?;
        }
        let now = S::DIALECT.now();
        let insert = format!(
            "INSERT INTO keydove_run (node, started_by, dry_run, began, heard, outcome, report, people) \
             VALUES (?, ?, ?, {now}, {now}, '', '', '')"
        );
        let NewRun { node, started_by, dry_run } = &self.0;
        let node: String = node.chars().take(255).collect();
        session
            .query(&insert, vec![node.as_str().into(), (*started_by).into(), i64::from(*dry_run).into()])
            .await?;
        let mut rows = session.query(S::DIALECT.last_id(), Vec::new()).await?;
        let id = rows.first_mut().map(|row| row.read("keydove_run", "the last", |row| row.number(0)));
        Ok(id.transpose()?)
    }
}

struct Hear(i64);

impl Work for Hear {
    const ATTEMPT: &'static str = "noting that a run goes on";
    const KIND: Kind = Kind::WritesOnce(LostCommit::RunAgain);
    const OUTDATES: bool = false;
    type Output = ();

    fn needs(&self) -> TableSets {
        TableSets::of(TableSet::Runs)
    }

    async fn run<S: Session>(&self, session: &mut S) -> Result<(), Fault> {
        let update = format!("UPDATE keydove_run SET heard = {} WHERE id = ?", S::DIALECT.now());
        session.query(&update, vec![self.0.into()]).await.map(drop)
    }
}

struct End {
    id: i64,
    end: RunEnd,
}

impl Work for End {
    const ATTEMPT: &'static str = "ending the log of a run";
    const KIND: Kind = Kind::WritesOnce(LostCommit::RunAgain);
    const OUTDATES: bool = false;
    type Output = ();

    fn needs(&self) -> TableSets {
        TableSets::of(TableSet::Runs)
    }

    async fn run<S: Session>(&self, session: &mut S) -> Result<(), Fault> {
        let now = S::DIALECT.now();
        let update = format!(
            "UPDATE keydove_run SET heard = {now}, ended = {now}, outcome = ?, report = ?, people = ? WHERE id = ?"
        );
        let RunEnd { outcome, report, people } = &self.end;
        let values = vec![(*outcome).into(), report.as_str().into(), people.as_str().into(), self.id.into()];
        session.query(&update, values).await.map(drop)
    }
}

struct List {
    only: Option<i64>,
    limit: u32,
}

impl Work for List {
    const ATTEMPT: &'static str = "reading the log of runs";
    const KIND: Kind = Kind::Reads;
    type Output = Option<Vec<RunRow>>;

    fn needs(&self) -> TableSets {
        TableSets::of(TableSet::Runs)
    }

    async fn run<S: Session>(&self, session: &mut S) -> Result<Self::Output, Fault> {
        if !session.has(TableSet::Runs) {
            return Ok(None);
        }
        let (people, which) = if self.only.is_some() { ("people", "WHERE id = ? ") } else { ("''", "") };
        let select = format!(
            "SELECT id, node, started_by, dry_run, began, ended, heard, {} - heard, outcome, report, {people} \
             FROM keydove_run {which}ORDER BY id DESC LIMIT ?",
            S::DIALECT.now()
        );
        let mut values: Vec<Parameter> = self.only.into_iter().map(Into::into).collect();
        values.push(i64::from(self.limit).into());
        let rows = session.query(&select, values).await?;
        let rows = rows.into_iter().map(|mut row| row.read("keydove_run", "the last", read));
        Ok(Some(rows.collect::<Result<_, _>>()?))
    }
}

fn read(row: &mut Row) -> Result<RunRow, String> {
    Ok(RunRow {
        id: row.number(0)?,
        node: row.words(1)?,
        started_by: row.words(2)?,
        dry_run: row.number(3)? != 0,
        began: row.number(4)?,
        ended: row.integer(5)?,
        heard: row.number(6)?,
        silent: row.number(7)?,
        outcome: row.words(8)?,
        report: row.words(9)?,
        people: row.words(10)?,
    })
}
