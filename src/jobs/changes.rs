//! Forgets what other processes have changed: the nodes of one database, and the administrator's commands.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

// Tokio's clock instead of std's: tests move it.
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::backend::sql::{
    ChangeRow, Database, Error, HEARTBEAT, Invalidation, MOST_CHANGES, NodeRow, ReadAfter,
};

/// How often changes are read.
const PERIOD: Duration = Duration::from_secs(1);
/// How often there is a look whether the tables are there by now.
const NO_TABLES: Duration = Duration::from_secs(30);
/// In seconds: a row may become visible so long after the time that it bears, because its transaction took so long.
const LATE: i64 = 60;
/// In seconds: what is remembered at the start, from a file, is no older.
const BEFORE_START: i64 = 86_400;
/// So many reads after the last change the others are told that this node has followed.
const TOLD_AFTER: u8 = 2;

/// Forgets what is wrong now.
type TakeBack = Box<dyn Fn(&Invalidation) + Send + Sync>;

/// Follows the changes of one database.
pub struct ChangeFollower {
    database: Arc<Database>,
    take_back: TakeBack,
    node: String,
    /// Rows that were followed, of the last [`LATE`] seconds.
    followed: BTreeSet<(i64, i64)>,
    /// By the database's clock, when changes were read last.
    read_at: Option<i64>,
    started: i64,
    /// Reads until this node says again how far it is.
    until_told: u8,
    told: Option<Instant>,
    /// The trouble that the log tells of.
    in_trouble: bool,
}

impl ChangeFollower {
    /// Follows under this name, which no other process has. `take_back` forgets.
    #[must_use]
    pub fn new(database: Arc<Database>, take_back: TakeBack, node: String) -> Self {
        Self {
            database,
            take_back,
            node,
            followed: BTreeSet::new(),
            read_at: None,
            started: 0,
            until_told: 1,
            told: None,
            in_trouble: false,
        }
    }

    /// Follows for as long as keydove runs.
    pub async fn run(mut self, stop: CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.follow() => {}
        }
    }

    async fn follow(&mut self) {
        loop {
            let end = self.look().await;
            let pause = if matches!(end, Ok(false)) { NO_TABLES } else { PERIOD };
            self.tell(end);
            sleep(pause).await;
        }
    }

    /// Reads once. Says whether there are tables to read.
    async fn look(&mut self) -> Result<bool, Error> {
        let mut after = ReadAfter { at: self.read_at.map_or(i64::MIN, |at| at - LATE - 1), id: i64::MAX };
        let mut news = 0;
        let now = loop {
            let Some((now, rows)) = self.database.read_changes(after).await? else { return Ok(false) };
            if self.read_at.is_none() {
                (self.started, self.read_at) = (now, Some(now));
            }
            news += rows.iter().filter(|row| self.follow_one(row, now)).count();
            match rows.last() {
                Some(last) if rows.len() >= MOST_CHANGES => after = ReadAfter { at: last.at, id: last.id },
                _ => break now,
            }
        };
        self.read_at = Some(now);
        self.followed.retain(|(at, _)| *at >= now - LATE - 1);
        if news > 0 {
            self.until_told = TOLD_AFTER;
        }
        self.say_how_far(now).await?;
        Ok(true)
    }

    /// Says whether it is new.
    fn follow_one(&mut self, row: &ChangeRow, now: i64) -> bool {
        if row.at < now - BEFORE_START || !self.followed.insert((row.at, row.id)) {
            return false;
        }
        if row.node == self.node {
            return true;
        }
        (self.take_back)(&row.outdated);
        tracing::debug!(id = row.id, outdated = ?row.outdated, "a change is followed");
        true
    }

    async fn say_how_far(&mut self, now: i64) -> Result<(), Error> {
        let is_due = self.told.is_none_or(|told| told.elapsed().as_secs() >= HEARTBEAT);
        if self.until_told == 0 && !is_due {
            return Ok(());
        }
        let row = NodeRow {
            node: self.node.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started: self.started,
            read_at: now,
        };
        self.database.note_node(row).await?;
        self.until_told = self.until_told.saturating_sub(1);
        self.told = Some(Instant::now());
        Ok(())
    }

    /// Each trouble is told once.
    fn tell(&mut self, end: Result<bool, Error>) {
        let was_in_trouble = std::mem::replace(&mut self.in_trouble, end.is_err());
        match end {
            Err(error) if !was_in_trouble => {
                tracing::warn!(%error, "changes of other nodes cannot be followed");
            }
            Ok(_) if was_in_trouble => tracing::info!("changes of other nodes are followed again"),
            _ => {}
        }
    }
}
