//! Forgets what other processes have changed: the nodes of one database, and the administrator's commands.

mod wakeups;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::backend::sql::{
    ChangeRow, Database, Error, HEARTBEAT, Invalidation, MOST_CHANGES, NodeRow, ReadAfter,
};

pub use wakeups::{Wakeups, say};

/// How often changes are read, whether somebody wakes this node up or not.
const PERIOD: Duration = Duration::from_secs(1);
/// Whoever wakes it up makes it read no more often.
const SHORTEST: Duration = Duration::from_millis(50);
/// How often there is a look whether the tables are there by now.
const NO_TABLES: Duration = Duration::from_secs(30);
/// In seconds: a row may become visible so long after the time that it bears, because its transaction took so long.
const LATE: i64 = 60;
/// In seconds: what is remembered at the start, from a file, is no older.
const BEFORE_START: i64 = 86_400;
/// In so many seconds from the last change on the others are told how far this node is: they wait until it has read in a
/// later second than that of the change.
const TOLD_AFTER: u8 = 3;

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
    /// In so many seconds this node still says how far it is.
    until_told: u8,
    /// By the database's clock, when it said so last.
    told_at: Option<i64>,
    period: Duration,
    /// Told when there may be something to read.
    wake: Arc<Notify>,
    wakeups: Option<Wakeups>,
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
            told_at: None,
            period: PERIOD,
            wake: Arc::default(),
            wakeups: None,
            in_trouble: false,
        }
    }

    /// Reads at once when another node says that it has changed something.
    #[must_use]
    pub fn woken_by(self, wakeups: Option<Wakeups>) -> Self {
        Self { wakeups, ..self }
    }

    /// Follows for as long as keydove runs.
    pub async fn run(mut self, stop: CancellationToken) {
        let (wake, wakeups) = (Arc::clone(&self.wake), self.wakeups.take());
        let exchange = async {
            match wakeups {
                Some(wakeups) => wakeups.exchange(&wake).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.follow() => {}
            () = exchange => {}
        }
    }

    async fn follow(&mut self) {
        loop {
            let end = self.look().await;
            let pause = if matches!(end, Ok(false)) { NO_TABLES } else { self.period };
            self.tell(end);
            rest(pause, &self.wake).await;
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
        // Woken up again within a second there is nothing new to say.
        if self.told_at == Some(now) {
            return Ok(());
        }
        let is_due = self.told_at.is_none_or(|told_at| now.abs_diff(told_at) >= HEARTBEAT);
        if self.until_told == 0 && !is_due {
            return Ok(());
        }
        let row = NodeRow {
            node: self.node.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started: self.started,
            read_at: now,
        };
        match self.database.note_node(row).await {
            // Somebody writes at this moment. The next look comes soon.
            Err(Error::Timeout { limit, .. }) if limit.is_zero() => return Ok(()),
            end => end?,
        }
        self.until_told = self.until_told.saturating_sub(1);
        self.told_at = Some(now);
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

/// Until the next look: `longest`, and less where somebody wakes this node up.
async fn rest(longest: Duration, wake: &Notify) {
    let shortest = SHORTEST.min(longest);
    sleep(shortest).await;
    // Its end is the next look, as a message is.
    let _ = timeout(longest - shortest, wake.notified()).await;
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    // Tokio's clock instead of std's: the tests move it.
    use tokio::time::Instant;

    use super::*;
    use crate::backend::sql::open;

    /// What a change takes at most until it is followed, beside the time of one read.
    const BOUND: Duration = Duration::from_secs(2);

    #[tokio::test(start_paused = true)]
    async fn the_table_is_read_each_second_whatever_is_said_and_more_often_only_so_much() {
        assert!(PERIOD * 2 <= BOUND);
        let wake = Notify::new();
        let silent = Instant::now();
        rest(PERIOD, &wake).await;
        assert_eq!(silent.elapsed(), PERIOD);
        // Somebody shouts all the time.
        let shouted = Instant::now();
        for _ in 0..20 {
            wake.notify_one();
            rest(PERIOD, &wake).await;
        }
        assert_eq!(shouted.elapsed(), SHORTEST * 20);
        // And says something late.
        let late = Instant::now();
        let say = async {
            sleep(PERIOD / 2).await;
            wake.notify_one();
        };
        tokio::join!(rest(PERIOD, &wake), say);
        assert_eq!(late.elapsed(), PERIOD / 2);
    }

    #[tokio::test]
    async fn whoever_is_woken_up_follows_a_change_long_before_the_next_look() {
        let folder = std::env::temp_dir().join(format!("keydove-changes-{}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        let text = format!("[sqlite]\npath = '{}'", folder.join("db").display());
        let changed = Arc::new(Notify::new());
        let database = open(&toml::from_str(&text).unwrap(), None).await.unwrap();
        let database = database.telling(Some(Arc::clone(&changed)));
        let followed: Arc<Mutex<Vec<Invalidation>>> = Arc::default();
        let heard = Arc::clone(&followed);
        let take_back = Box::new(move |outdated: &Invalidation| heard.lock().unwrap().push(outdated.clone()));
        let jobs = Arc::new(database.for_jobs().await.unwrap());
        let mut follower = ChangeFollower::new(jobs, take_back, "reader".to_owned());
        follower.period = Duration::from_secs(3600);
        let wake = Arc::clone(&follower.wake);
        let stop = CancellationToken::new();
        let write = async {
            // Its first look is over then, and the next one would be in an hour.
            while database.nodes().await.unwrap().1.is_empty() {
                sleep(Duration::from_millis(10)).await;
            }
            database.tell_nodes("writer", Invalidation::Everybody).await.unwrap();
            // What Redis carries.
            changed.notified().await;
            wake.notify_one();
            while followed.lock().unwrap().is_empty() {
                sleep(Duration::from_millis(10)).await;
            }
            stop.cancel();
        };
        tokio::join!(follower.run(stop.clone()), write);
        assert_eq!(*followed.lock().unwrap(), [Invalidation::Everybody]);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
