//! Mailboxes that are given another backend. Their mail is not touched.

use super::{check_tables, find};
use crate::auth::Username;
use crate::backend::sql::database::Database;
use crate::backend::sql::error::Error;
use crate::backend::sql::invalidation::Invalidation;
use crate::backend::sql::listing::ListMailboxes;
use crate::backend::sql::own_tables::{TableSet, TableSets};
use crate::backend::sql::retry::Fault;
use crate::backend::sql::session::{Dialect, Kind, LostCommit, Session, Work};

/// So many mailboxes are moved in one transaction: a lock is held for milliseconds.
const PAGE: usize = 200;

/// A mailbox with its new backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MovedMailbox {
    /// Whose.
    pub user: Username,
    /// Where it was; `None` where it had no backend.
    pub from: Option<Box<str>>,
}

/// Which mailboxes are moved, where it is not single ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MoveFrom {
    /// All that a backend has.
    Backend(String),
    /// All that have none yet.
    Unplaced,
}

impl Database {
    /// Gives mailboxes another backend, all of them or none. Says of each where it was; one that is there already is not
    /// among them.
    ///
    /// # Errors
    /// The database cannot be asked; [`Error::Schema`] where keydove's tables for it are missing.
    pub async fn move_mailboxes(&self, users: &[Username], to: &str) -> Result<Vec<MovedMailbox>, Error> {
        self.run(Move { users: users.to_vec(), to: to.to_owned() }).await
    }

    /// The same for one page of all mailboxes of a backend, or of all that have none. `after` is the second value of the
    /// page before; the last page has none.
    ///
    /// # Errors
    /// As [`move_mailboxes`](Self::move_mailboxes).
    pub async fn move_page(
        &self,
        from: &MoveFrom,
        to: &str,
        after: Option<String>,
    ) -> Result<(Vec<MovedMailbox>, Option<String>), Error> {
        let after = after.unwrap_or_default();
        self.run(MovePage { from: from.clone(), to: to.to_owned(), after }).await
    }
}

struct Move {
    users: Vec<Username>,
    to: String,
}

impl Work for Move {
    const ATTEMPT: &'static str = "giving mailboxes another backend";
    /// A second run would not know any more where they were.
    const KIND: Kind = Kind::Writes(LostCommit::Tell);
    const OUTDATES: bool = true;
    type Output = Vec<MovedMailbox>;

    fn outdates(&self, moved: &Vec<MovedMailbox>) -> Option<Invalidation> {
        outdated(moved)
    }

    fn needs(&self) -> TableSets {
        TableSets::of(TableSet::Backends)
    }

    async fn run<S: Session>(&self, session: &mut S) -> Result<Vec<MovedMailbox>, Fault> {
        check_tables(session)?;
        let mut moved = Vec::new();
        for user in &self.users {
            let from = find(session, user).await?;
            if from.as_deref() != Some(&*self.to) {
                put(session, user, &self.to).await?;
                moved.push(MovedMailbox { user: user.clone(), from });
            }
        }
        Ok(moved)
    }
}

struct MovePage {
    from: MoveFrom,
    to: String,
    after: String,
}

impl Work for MovePage {
    const ATTEMPT: &'static str = Move::ATTEMPT;
    const KIND: Kind = Kind::Writes(LostCommit::Tell);
    const OUTDATES: bool = true;
    type Output = (Vec<MovedMailbox>, Option<String>);

    fn outdates(&self, (moved, _): &Self::Output) -> Option<Invalidation> {
        outdated(moved)
    }

    fn needs(&self) -> TableSets {
        TableSets::of(TableSet::Backends)
    }

    async fn run<S: Session>(&self, session: &mut S) -> Result<Self::Output, Fault> {
        check_tables(session)?;
        let (users, next) = match &self.from {
            MoveFrom::Backend(from) => self.placed_on(session, from).await?,
            MoveFrom::Unplaced => {
                let page = ListMailboxes { after: self.after.clone(), limit: PAGE }.run(session).await?;
                (page.users, page.next)
            }
        };
        let mut moved = Vec::new();
        for user in users {
            let from = find(session, &user).await?;
            let is_meant = match &self.from {
                MoveFrom::Backend(backend) => from.as_deref() == Some(backend),
                MoveFrom::Unplaced => from.is_none(),
            };
            if is_meant {
                put(session, &user, &self.to).await?;
                moved.push(MovedMailbox { user, from });
            }
        }
        Ok((moved, next))
    }
}

impl MovePage {
    async fn placed_on<S: Session>(
        &self,
        session: &mut S,
        backend: &str,
    ) -> Result<(Vec<Username>, Option<String>), Fault> {
        let statement = format!(
            "SELECT mailbox FROM keydove_placement WHERE backend = ? AND mailbox > ? ORDER BY mailbox LIMIT {PAGE}"
        );
        let mut names = Vec::new();
        for mut row in session.query(&statement, vec![backend.into(), self.after.as_str().into()]).await? {
            names.push(row.read("keydove_placement", "a page", |row| row.words(0))?);
        }
        let next = if names.len() == PAGE { names.last().cloned() } else { None };
        Ok((names.iter().filter_map(|name| Username::parse(name.as_bytes()).ok()).collect(), next))
    }
}

/// Of many at once everything is forgotten: it is one row for each page.
fn outdated(moved: &[MovedMailbox]) -> Option<Invalidation> {
    match moved {
        [] => None,
        [one] => Some(Invalidation::Mailbox(one.user.clone())),
        _ => Some(Invalidation::Everybody),
    }
}

async fn put<S: Session>(session: &mut S, user: &Username, backend: &str) -> Result<(), Fault> {
    let update = match S::DIALECT {
        Dialect::Sqlite => "ON CONFLICT (mailbox) DO UPDATE SET backend = excluded.backend",
        Dialect::Mariadb => "ON DUPLICATE KEY UPDATE backend = VALUES(backend)",
    };
    let statement = format!("INSERT INTO keydove_placement (mailbox, backend) VALUES (?, ?) {update}");
    session.query(&statement, vec![user.as_str().into(), backend.into()]).await.map(drop)
}
