//! A set of keydove's own tables: looked for, and made where the server lets us.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::backend::sql::own_tables::Tables;
use crate::backend::sql::retry::{Fault, Trouble};
use crate::backend::sql::row::Cell;
use crate::backend::sql::session::{Kind, Session};

/// While some are missing, those who only read look no more often; an administrator may load them at any time.
const LOOK_PAUSE: Duration = Duration::from_secs(5);

/// What is known about the tables of a set on the server. Once all were seen nobody looks again.
pub(super) struct OwnTables {
    set: &'static Tables,
    /// Those that logins write were seen.
    seen: AtomicBool,
    /// All were seen.
    complete: AtomicBool,
    /// The server let us not create them; an administrator may.
    not_ours_to_create: AtomicBool,
    last_look: Mutex<Option<Instant>>,
}

impl OwnTables {
    pub(super) fn new(set: &'static Tables) -> Self {
        let never = || AtomicBool::new(false);
        Self {
            set,
            seen: never(),
            complete: never(),
            not_ours_to_create: never(),
            last_look: Mutex::new(None),
        }
    }

    pub(super) fn are_seen(&self) -> bool {
        self.seen.load(Ordering::Relaxed)
    }

    pub(super) fn are_complete(&self) -> bool {
        self.complete.load(Ordering::Relaxed)
    }

    /// Makes the tables where they are missing and the server lets us. Without them mailboxes are made all the same;
    /// only what is remembered in them is not.
    pub(super) async fn find(&self, session: &mut impl Session, kind: Kind) -> Result<(), Fault> {
        if self.are_complete() || !self.is_due(kind) {
            return Ok(());
        }
        self.look(session).await?;
        if self.are_complete() || self.not_ours_to_create.load(Ordering::Relaxed) {
            return Ok(());
        }
        for statement in self.set.statements() {
            match session.query(statement, Vec::new()).await {
                Ok(_) => {}
                Err(fault) if fault.trouble == Trouble::ConnectionLost => {
                    *self.last_look() = None;
                    return Err(fault);
                }
                Err(_) => self.not_ours_to_create.store(true, Ordering::Relaxed),
            }
        }
        self.look(session).await
    }

    /// Who writes wants to know now, and writes seldom.
    fn is_due(&self, kind: Kind) -> bool {
        kind.writes() || self.last_look().is_none_or(|last| last.elapsed() >= LOOK_PAUSE)
    }

    async fn look(&self, session: &mut impl Session) -> Result<(), Fault> {
        let rows = session.query(&count(self.set), Vec::new()).await?;
        if let Some([Cell::Integer(of_logins), Cell::Integer(all)]) = rows.first().map(|row| &row.0[..]) {
            let first = self.set.first.len();
            self.seen.store(usize::try_from(*of_logins) == Ok(first), Ordering::Relaxed);
            let expected = first + self.set.further.len();
            self.complete.store(usize::try_from(*all) == Ok(expected), Ordering::Relaxed);
        }
        *self.last_look() = Some(Instant::now());
        Ok(())
    }

    fn last_look(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.last_look.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts those that are there: first those that logins write, then all.
fn count(tables: &Tables) -> String {
    let quoted = |names: &[&str]| names.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ");
    let (first, all) = (quoted(tables.first), quoted(&tables.all().collect::<Vec<_>>()));
    format!(
        "SELECT COUNT(CASE WHEN table_name IN ({first}) THEN 1 END), COUNT(*) FROM information_schema.tables \
         WHERE table_schema = DATABASE() AND table_name IN ({all})"
    )
}
