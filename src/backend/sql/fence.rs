//! Writes of a process that has a lease: each one makes sure, in its own transaction, that the lease is still its own.
//!
//! A process may be stopped for minutes and go on in the middle of a statement. Whoever takes the lease meanwhile raises the
//! lease's number. A write locks the lease's rows: it comes before the takeover, or finds a higher number and
//! changes nothing.
//!
//! In a Galera cluster a lock is seen by its own server only. What the servers compare when a transaction commits are
//! the rows that it has *written*, and a row that gets the values it has is not written. So each write counts itself
//! in the row that a takeover changes: of two at one time on two servers one gets a deadlock, tries again, and finds
//! the number of the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::error::Error;
use super::invalidation::Invalidation;
use super::own_tables::{TableSet, TableSets};
use super::retry::Fault;
use super::session::{Dialect, Kind, Session, Work};

/// Both rows, locked. An older keydove takes a lease without raising its number, so the holder is compared too.
const FIND: &str = "SELECT l.holder, f.number FROM keydove_lease l LEFT JOIN keydove_fence f ON f.name = l.name WHERE l.name = ?";
/// Where the server has no table for numbers: keydove may not make it.
const FIND_HOLDER: &str = "SELECT holder, 0 FROM keydove_lease WHERE name = ?";
const COUNT: &str = "UPDATE keydove_fence SET writes = writes + 1 WHERE name = ?";

/// A lease and who has it.
#[derive(Clone, Debug)]
pub(super) struct Fence {
    /// The lease's name.
    lease: &'static str,
    /// The process.
    holder: String,
    /// With which it took the lease.
    number: i64,
    is_lost: Arc<AtomicBool>,
}

impl Fence {
    pub(super) fn new(lease: &'static str, holder: &str, number: i64) -> Self {
        Self { lease, holder: holder.to_owned(), number, is_lost: Arc::default() }
    }

    pub(super) fn note_lost(&self) {
        self.is_lost.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_lost(&self) -> bool {
        self.is_lost.load(Ordering::Relaxed)
    }

    /// Fails unless the lease is still this one.
    async fn hold<S: Session>(&self, session: &mut S, attempt: &'static str) -> Result<(), Fault> {
        let Self { lease, holder, number: own, .. } = self;
        let has_numbers = session.has(TableSet::Leases);
        let find = if has_numbers { FIND } else { FIND_HOLDER };
        let statement = format!("{find}{}", S::DIALECT.for_update());
        let mut rows = session.query(&statement, vec![(*lease).into()]).await?;
        let read = rows.first_mut().map(|row| {
            row.read("keydove_lease", lease, |row| Ok((row.words(0)?, row.integer(1)?.unwrap_or_default())))
        });
        let (by, number) = read.transpose()?.unwrap_or_default();
        if by != *holder || number != *own {
            return Err(Error::LeaseLost { attempt, lease, own: *own, by, number }.into());
        }
        if has_numbers && S::DIALECT == Dialect::Mariadb {
            session.query(COUNT, vec![(*lease).into()]).await?;
        }
        Ok(())
    }
}

/// A work behind a fence.
pub(super) struct Fenced<W> {
    pub(super) fence: Fence,
    pub(super) work: W,
}

impl<W: Work> Work for Fenced<W> {
    const ATTEMPT: &'static str = W::ATTEMPT;
    /// With the lease's row it is more than one statement.
    const KIND: Kind = match W::KIND {
        Kind::WritesOnce(lost) => Kind::Writes(lost),
        kind => kind,
    };
    const WAITS: bool = W::WAITS;
    const OUTDATES: bool = W::OUTDATES;
    type Output = W::Output;

    fn outdates(&self, output: &Self::Output) -> Option<Invalidation> {
        self.work.outdates(output)
    }

    fn needs(&self) -> TableSets {
        self.work.needs().and(TableSet::Leases)
    }

    async fn run<S: Session>(&self, session: &mut S) -> Result<Self::Output, Fault> {
        self.fence.hold(session, W::ATTEMPT).await?;
        self.work.run(session).await
    }
}

#[cfg(test)]
mod tests {
    use crate::auth::Username;
    use crate::backend::sql::{Config, Error, LeaseEnd, LeaseWish, open};

    #[tokio::test]
    async fn who_has_lost_the_lease_writes_nothing_more() {
        let folder = std::env::temp_dir().join(format!("keydove-fence-{}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        let text = format!("[sqlite]\npath = '{}'", folder.join("db").display());
        let config: Config = toml::from_str(&text).unwrap();
        let database = open(&config, None).await.unwrap();
        // It ends at once, as that of a process which was stopped has.
        let wish = |holder: &str| LeaseWish { name: "sync", holder: holder.to_owned(), seconds: 0, gap: 0 };
        let (first, second) = (wish("first"), wish("second"));
        let user = Username::parse(b"alice@example.org").unwrap();

        let take = async |wish| match database.take_lease(wish).await.unwrap() {
            LeaseEnd::Taken { number, .. } => number,
            end => unreachable!("{end:?}"),
        };
        assert_eq!(take(&first).await, 1);
        let of_first = database.fenced("sync", "first", 1).await.unwrap();
        of_first.remember_person(&user, "1", "s").await.unwrap();
        assert_eq!(take(&second).await, 2);
        assert!(!of_first.has_lost_lease());
        let end = of_first.adopt_person(&user, "2", "s").await;
        assert!(
            matches!(&end, Err(Error::LeaseLost { by, own: 1, number: 2, .. }) if by == "second"),
            "{end:?}"
        );
        assert!(of_first.has_lost_lease());
        assert_eq!(database.person_of(&user).await.unwrap().unwrap().keycloak_id, "1");
        // Reading needs no lease.
        assert!(of_first.person_of(&user).await.unwrap().is_some());
        assert!(!of_first.keep_lease(&first).await.unwrap());
        let of_second = database.fenced("sync", "second", 2).await.unwrap();
        of_second.adopt_person(&user, "2", "s").await.unwrap();
        assert_eq!(database.person_of(&user).await.unwrap().unwrap().keycloak_id, "2");
        // Its own name helps nobody who took the lease before.
        assert_eq!(take(&first).await, 3);
        assert!(!of_first.keep_lease(&first).await.unwrap());
        let end = of_first.adopt_person(&user, "1", "s").await.unwrap_err().to_string();
        assert!(
            end.contains("lost the lease `sync` (number 1): first has taken it since (number 3)"),
            "{end}"
        );
        std::fs::remove_dir_all(folder).unwrap();
    }
}
