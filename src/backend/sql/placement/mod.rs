//! Which backend a mailbox lives on: remembered in `keydove_placement`, decided once, and the same for every node.

mod moves;
mod rendezvous;
mod view;

use std::sync::Arc;

use super::database::Database;
use super::error::Error;
use super::names::is_name_of;
use super::retry::Fault;
use super::session::{Dialect, Kind, LostCommit, Session, Work};
use crate::auth::Username;
use crate::backend::sql::own_tables::{TableSet, TableSets};

pub use moves::{MoveFrom, MovedMailbox};
pub use rendezvous::Candidate;
pub use view::Placements;

/// Among which backends new mailboxes are shared out; clones are the same.
#[derive(Clone, Debug)]
pub struct Candidates(Arc<[Candidate]>);

/// Where a mailbox was put, or that there is no place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Placed {
    /// On the backend of this name: a moment ago, or before.
    On(Box<str>),
    /// Each backend is drained, or has no weight.
    NoneFree,
}

impl Candidates {
    /// All backends of the settings.
    #[must_use]
    pub fn new(all: Vec<Candidate>) -> Self {
        Self(all.into())
    }
}

impl Database {
    /// The same database, whose mailboxes live on these backends: each is given one when it is made, and
    /// [`login_facts`](Self::login_facts) tells it.
    #[must_use]
    pub fn with_candidates(mut self, candidates: Option<Candidates>) -> Self {
        self.candidates = candidates;
        self
    }

    /// Whether mailboxes live on several machines.
    #[must_use]
    pub fn has_candidates(&self) -> bool {
        self.candidates.is_some()
    }

    /// Gives a mailbox that has none a backend, and says which it has. Of nodes that do it at once one is first, and all
    /// say what that one chose.
    ///
    /// # Errors
    /// The database cannot be asked; [`Error::Schema`] where keydove's tables for it are missing.
    pub async fn place(&self, user: &Username) -> Result<Placed, Error> {
        let Some(candidates) = self.candidates.clone() else { return Ok(Placed::NoneFree) };
        self.run(Place { user: user.clone(), candidates }).await
    }
}

struct Place {
    user: Username,
    candidates: Candidates,
}

impl Work for Place {
    const ATTEMPT: &'static str = "giving a mailbox its backend";
    const KIND: Kind = Kind::Writes(LostCommit::RunAgain);
    /// A process that remembers no backend asks here.
    const OUTDATES: bool = false;
    type Output = Placed;

    fn needs(&self) -> TableSets {
        TableSets::of(TableSet::Backends)
    }

    async fn run<S: Session>(&self, session: &mut S) -> Result<Placed, Fault> {
        place(session, &self.user, &self.candidates).await
    }
}

/// The key of the table makes the decision one: whoever inserts second reads what the first one wrote.
pub(super) async fn place<S: Session>(
    session: &mut S,
    user: &Username,
    candidates: &Candidates,
) -> Result<Placed, Fault> {
    check_tables(session)?;
    let drained = drained(session).await?;
    let free = candidates.0.iter().filter(|candidate| !drained.iter().any(|name| *name == *candidate.name));
    let Some(chosen) = rendezvous::choose(user, free) else {
        let known = find(session, user).await?;
        return Ok(known.map_or(Placed::NoneFree, Placed::On));
    };
    let unless_there = match S::DIALECT {
        Dialect::Sqlite => "ON CONFLICT (mailbox) DO NOTHING",
        Dialect::Mariadb => "ON DUPLICATE KEY UPDATE mailbox = mailbox",
    };
    let insert = format!("INSERT INTO keydove_placement (mailbox, backend) VALUES (?, ?) {unless_there}");
    session.query(&insert, vec![user.as_str().into(), (&*chosen.name).into()]).await?;
    let known = find(session, user).await?;
    Ok(known.map_or(Placed::NoneFree, Placed::On))
}

/// The backend of a mailbox, read only.
pub(super) async fn read<S: Session>(session: &mut S, user: &Username) -> Result<Option<Box<str>>, Fault> {
    check_tables(session)?;
    find_with(session, user, "").await
}

/// What is committed, not what this transaction saw when it began.
async fn find<S: Session>(session: &mut S, user: &Username) -> Result<Option<Box<str>>, Fault> {
    find_with(session, user, S::DIALECT.for_update()).await
}

async fn find_with<S: Session>(
    session: &mut S,
    user: &Username,
    lock: &str,
) -> Result<Option<Box<str>>, Fault> {
    let statement = format!("SELECT mailbox, backend FROM keydove_placement WHERE mailbox = ?{lock}");
    for mut row in session.query(&statement, vec![user.as_str().into()]).await? {
        let (name, backend) =
            row.read("keydove_placement", user.as_str(), |row| Ok((row.words(0)?, row.words(1)?)))?;
        if is_name_of(user, &name) {
            return Ok(Some(backend.into()));
        }
    }
    Ok(None)
}

async fn drained<S: Session>(session: &mut S) -> Result<Vec<String>, Fault> {
    let rows = session.query("SELECT name FROM keydove_backend WHERE drained = 1", Vec::new()).await?;
    let names = rows.into_iter().map(|mut row| row.read("keydove_backend", "drained", |row| row.words(0)));
    Ok(names.collect::<Result<_, _>>()?)
}

fn check_tables<S: Session>(session: &S) -> Result<(), Fault> {
    if session.has(TableSet::Backends) { Ok(()) } else { Err(no_tables().into()) }
}

fn no_tables() -> Error {
    let detail = "the tables keydove_backend and keydove_placement are missing, and the database user may not create \
                  them: keydove grants";
    Error::Schema { database: "MariaDB".to_owned(), detail: detail.to_owned() }
}
