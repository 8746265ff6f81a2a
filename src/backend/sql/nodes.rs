//! The nodes of one database, and what they read that was changed.
//!
//! A server gives numbers in another order than it commits, so readers go by time and read the last minute again; a row
//! that was seen before is skipped by its number. All times are the database's, in seconds since 1970.

use std::time::Duration;

// Tokio's clock instead of std's: tests move it.
use tokio::time::{Instant, sleep};

use super::changes::insert;
use super::database::Database;
use super::error::Error;
use super::invalidation::Invalidation;
use super::own_tables::{TableSet, TableSets};
use super::retry::Fault;
use super::session::{Dialect, Kind, LostCommit, Session, Work};

/// So many changes are read at once. Whoever finds as many reads on.
pub const MOST_CHANGES: usize = 1000;
/// How long changes are kept: longer than any record is used without asking.
const KEPT: i64 = 2 * 86_400;
/// A node that has not been heard of for so long is taken for stopped. Each is heard of every [`HEARTBEAT`] seconds.
const SILENT: i64 = 90;
/// How often a node says that it follows, where nothing changes.
pub const HEARTBEAT: u64 = 30;

/// Between two looks how far the nodes are.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

const READ: &str = "SELECT id, at, kind, subject, node FROM keydove_change WHERE at > ? OR (at = ? AND id > ?) \
                    ORDER BY at, id LIMIT 1000";
const DELETE_OLD: &str = "DELETE FROM keydove_change WHERE at < ?";
const DELETE_SILENT: &str = "DELETE FROM keydove_node WHERE read_at < ?";
const NODES: &str =
    "SELECT node, version, started, read_at FROM keydove_node WHERE read_at > ? ORDER BY node";

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeRow {
    /// Its number.
    pub id: i64,
    /// When.
    pub at: i64,
    /// What is wrong now; a kind that a newer keydove wrote means everybody.
    pub outdated: Invalidation,
    /// The node that has forgotten it already; empty for nobody.
    pub node: String,
}

/// A process that follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeRow {
    /// Its name, like no other's.
    pub node: String,
    /// keydove's version there.
    pub version: String,
    /// Since when it runs.
    pub started: i64,
    /// It has followed every change until then.
    pub read_at: i64,
}

/// Whether a change holds everywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Followed {
    /// So many nodes know of it, and there are no others.
    ByAll(usize),
    /// These do not, so far.
    NotBy(Vec<String>),
    /// No node follows, or the tables are missing.
    NoNodes,
    /// The database could not be asked.
    NotKnown,
}

/// From where on changes are read: after this row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadAfter {
    /// Rows of later seconds, and
    pub at: i64,
    /// of the same second those with a higher number.
    pub id: i64,
}

impl Database {
    /// Tells every process but this node that these records are wrong.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn tell_nodes(&self, node: &str, outdated: Invalidation) -> Result<(), Error> {
        self.run(TellNodes { node: node.to_owned(), outdated }).await?;
        self.tell();
        Ok(())
    }

    /// The time, and the changes after a row, the oldest first; at most [`MOST_CHANGES`]. `None` where the tables are
    /// missing.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn read_changes(&self, after: ReadAfter) -> Result<Option<(i64, Vec<ChangeRow>)>, Error> {
        self.run(ReadChanges(after)).await
    }

    /// Says that this node has followed every change until `row.read_at`, and forgets old changes and nodes.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn note_node(&self, row: NodeRow) -> Result<(), Error> {
        self.run(NoteNode(row)).await
    }

    /// Waits until every node but `own` has followed what is committed now, no longer than `limit`.
    pub async fn wait_until_followed(&self, own: Option<&str>, limit: Duration) -> Followed {
        let since = Instant::now();
        let mut committed = None;
        loop {
            let Ok((now, mut nodes)) = self.nodes().await else { return Followed::NotKnown };
            let committed = *committed.get_or_insert(now);
            if nodes.is_empty() {
                return Followed::NoNodes;
            }
            let in_all = nodes.len();
            // The own node has forgotten before it asks. A second has to be over for all that is committed in it.
            nodes.retain(|node| node.read_at <= committed && own != Some(&*node.node));
            if nodes.is_empty() {
                return Followed::ByAll(in_all);
            }
            if since.elapsed() >= limit {
                return Followed::NotBy(nodes.into_iter().map(|node| node.node).collect());
            }
            sleep(LOOK_AGAIN).await;
        }
    }

    /// The time, and the nodes that follow, by name. Empty where the tables are missing.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn nodes(&self) -> Result<(i64, Vec<NodeRow>), Error> {
        self.run(ListNodes).await
    }
}

struct TellNodes {
    node: String,
    outdated: Invalidation,
}

impl Work for TellNodes {
    const ATTEMPT: &'static str = "telling other nodes what has changed";
    const KIND: Kind = Kind::Writes(LostCommit::RunAgain);
    const OUTDATES: bool = false;
    type Output = ();

    fn needs(&self) -> TableSets {
        TableSets::of(TableSet::Changes)
    }

    async fn run<S: Session>(&self, session: &mut S) -> Result<(), Fault> {
        match session.has(TableSet::Changes) {
            true => insert(session, &self.outdated, &self.node).await,
            false => Ok(()),
        }
    }
}

struct ReadChanges(ReadAfter);

impl Work for ReadChanges {
    const ATTEMPT: &'static str = "reading what other nodes have changed";
    const KIND: Kind = Kind::Reads;
    type Output = Option<(i64, Vec<ChangeRow>)>;

    fn needs(&self) -> TableSets {
        TableSets::of(TableSet::Changes)
    }

    async fn run<S: Session>(&self, session: &mut S) -> Result<Self::Output, Fault> {
        if !session.has(TableSet::Changes) {
            return Ok(None);
        }
        // The time first: what is committed later counts as later.
        let now = now(session).await?;
        let ReadAfter { at, id } = self.0;
        let mut changes = Vec::new();
        for mut row in session.query(READ, vec![at.into(), at.into(), id.into()]).await? {
            changes.push(row.read("keydove_change", "the last", |row| {
                let outdated = Invalidation::parse(&row.words(2)?, row.words(3)?);
                Ok(ChangeRow { id: row.number(0)?, at: row.number(1)?, outdated, node: row.words(4)? })
            })?);
        }
        Ok(Some((now, changes)))
    }
}

struct NoteNode(NodeRow);

impl Work for NoteNode {
    const ATTEMPT: &'static str = "noting that this node follows changes";
    const KIND: Kind = Kind::Writes(LostCommit::RunAgain);
    const WAITS: bool = false;
    const OUTDATES: bool = false;
    type Output = ();

    fn needs(&self) -> TableSets {
        TableSets::of(TableSet::Changes)
    }

    async fn run<S: Session>(&self, session: &mut S) -> Result<(), Fault> {
        if !session.has(TableSet::Changes) {
            return Ok(());
        }
        let NodeRow { node, version, started, read_at } = &self.0;
        let update = match S::DIALECT {
            Dialect::Sqlite => {
                "ON CONFLICT (node) DO UPDATE SET version = excluded.version, started = excluded.started, \
                 read_at = excluded.read_at"
            }
            Dialect::Mariadb => {
                "ON DUPLICATE KEY UPDATE version = VALUES(version), started = VALUES(started), \
                 read_at = VALUES(read_at)"
            }
        };
        let statement = format!(
            "INSERT INTO keydove_node (node, version, started, read_at) VALUES (?, ?, ?, ?) {update}"
        );
        let row = vec![node.as_str().into(), version.as_str().into(), (*started).into(), (*read_at).into()];
        session.query(&statement, row).await?;
        session.query(DELETE_OLD, vec![(read_at - KEPT).into()]).await?;
        session.query(DELETE_SILENT, vec![(read_at - KEPT).into()]).await.map(drop)
    }
}

struct ListNodes;

impl Work for ListNodes {
    const ATTEMPT: &'static str = "listing the nodes";
    const KIND: Kind = Kind::Reads;
    type Output = (i64, Vec<NodeRow>);

    fn needs(&self) -> TableSets {
        TableSets::of(TableSet::Changes)
    }

    async fn run<S: Session>(&self, session: &mut S) -> Result<Self::Output, Fault> {
        let now = now(session).await?;
        let mut nodes = Vec::new();
        if !session.has(TableSet::Changes) {
            return Ok((now, nodes));
        }
        for mut row in session.query(NODES, vec![(now - SILENT - 1).into()]).await? {
            nodes.push(row.read("keydove_node", "all", |row| {
                Ok(NodeRow {
                    node: row.words(0)?,
                    version: row.words(1)?,
                    started: row.number(2)?,
                    read_at: row.number(3)?,
                })
            })?);
        }
        Ok((now, nodes))
    }
}

async fn now<S: Session>(session: &mut S) -> Result<i64, Fault> {
    let mut rows = session.query(&format!("SELECT {}", S::DIALECT.now()), Vec::new()).await?;
    let row = rows.first_mut().ok_or_else(|| Error::BadRow {
        table: "keydove_change",
        key: "the time".to_owned(),
        detail: "the database told no time".to_owned(),
    })?;
    Ok(row.read("keydove_change", "the time", |row| row.number(0))?)
}
