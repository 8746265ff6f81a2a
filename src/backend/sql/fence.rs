//! Writes of a process that has a lease: each one makes sure, in its own transaction, that the lease is still its own.
//!
//! A process may be stopped for minutes and go on in the middle of a statement. Its name is like no other's and is in the
//! lease's row; whoever takes the lease over writes another name there. Locking that row, a write either comes before
//! the takeover or finds the other name and changes nothing.

use super::error::Error;
use super::invalidation::Invalidation;
use super::retry::Fault;
use super::session::{Kind, Session, Work};

/// A lease and who has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fence {
    /// The lease's name.
    pub(super) lease: &'static str,
    /// The process.
    pub(super) holder: String,
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
    const OF_PORTAL: bool = W::OF_PORTAL;
    const OF_CHANGES: bool = W::OF_CHANGES;
    type Output = W::Output;

    fn outdates(&self, output: &Self::Output) -> Option<Invalidation> {
        self.work.outdates(output)
    }

    fn needs_backend_tables(&self) -> bool {
        self.work.needs_backend_tables()
    }

    async fn run<S: Session>(&self, session: &mut S) -> Result<Self::Output, Fault> {
        let Fence { lease, holder } = &self.fence;
        let statement = format!("SELECT holder FROM keydove_lease WHERE name = ?{}", S::DIALECT.for_update());
        let mut rows = session.query(&statement, vec![(*lease).into()]).await?;
        let read = rows.first_mut().map(|row| row.read("keydove_lease", lease, |row| row.words(0)));
        let by = read.transpose()?.unwrap_or_default();
        if by != *holder {
            return Err(Error::LeaseLost { attempt: W::ATTEMPT, lease, by }.into());
        }
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

        assert!(matches!(database.take_lease(&first).await.unwrap(), LeaseEnd::Taken { .. }));
        let of_first = database.fenced("sync", "first").await.unwrap();
        of_first.remember_person(&user, "1", "s").await.unwrap();
        assert!(matches!(database.take_lease(&second).await.unwrap(), LeaseEnd::Taken { .. }));
        let end = of_first.adopt_person(&user, "2", "s").await;
        assert!(matches!(&end, Err(Error::LeaseLost { by, .. }) if by == "second"), "{end:?}");
        assert_eq!(database.person_of(&user).await.unwrap().unwrap().keycloak_id, "1");
        // Reading needs no lease.
        assert!(of_first.person_of(&user).await.unwrap().is_some());
        assert!(!of_first.keep_lease(&first).await.unwrap());
        let of_second = database.fenced("sync", "second").await.unwrap();
        of_second.adopt_person(&user, "2", "s").await.unwrap();
        assert_eq!(database.person_of(&user).await.unwrap().unwrap().keycloak_id, "2");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
