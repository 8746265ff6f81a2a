//! A lease instead of a lock: whoever dies with it loses it.

use crate::backend::sql::own_tables::{TableSet, TableSets};
use crate::backend::sql::retry::Fault;
use crate::backend::sql::session::{Dialect, Kind, LostCommit, Session, Work};

const UPDATE: &str = "UPDATE keydove_lease SET holder = ?, expires = ? WHERE name = ?";

/// A lease that a process asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseWish {
    /// The name of the work that one process at a time does; at most 64 bytes.
    pub name: &'static str,
    /// The name of the process, like no other's; at most 255 bytes.
    pub holder: String,
    /// For how long it holds, in seconds.
    pub seconds: i64,
    /// In seconds: how long the end of the last complete run must be past; 0 is not at all.
    pub gap: i64,
}

/// Whether the lease was had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeaseEnd {
    /// It is ours.
    Taken {
        /// Seconds since 1970, by the database's clock.
        now: i64,
        /// Higher than at every time before that anybody took it; 0 where a server has no table for it.
        number: i64,
    },
    /// Another process has it.
    Held {
        /// Its name.
        by: String,
        /// For so many seconds more, unless it prolongs it.
        seconds: i64,
    },
    /// The work was done not long ago.
    NotDue {
        /// In so many seconds it is.
        seconds: i64,
    },
}

/// The row, made where it is missing, and the database's clock.
async fn find<S: Session>(session: &mut S, name: &str) -> Result<(String, i64, i64, i64), Fault> {
    let make = match S::DIALECT {
        Dialect::Sqlite => "ON CONFLICT (name) DO NOTHING",
        Dialect::Mariadb => "ON DUPLICATE KEY UPDATE name = name",
    };
    let now = S::DIALECT.now();
    let make = format!("INSERT INTO keydove_lease (name) VALUES (?) {make}");
    session.query(&make, vec![name.into()]).await?;
    let read = format!(
        "SELECT holder, expires, finished, {now} FROM keydove_lease WHERE name = ?{}",
        S::DIALECT.for_update()
    );
    let mut rows = session.query(&read, vec![name.into()]).await?;
    let Some(row) = rows.first_mut() else { return Ok((String::new(), 0, 0, 0)) };
    let read = row.read("keydove_lease", name, |row| {
        Ok((row.words(0)?, row.number(1)?, row.number(2)?, row.number(3)?))
    })?;
    Ok(read)
}

/// Counts the taking; the number only grows. Two nodes of a cluster that take a lease at one time write one row, and the
/// server lets one of them commit.
async fn raise<S: Session>(session: &mut S, name: &str) -> Result<i64, Fault> {
    if !session.has(TableSet::Leases) {
        return Ok(0);
    }
    let known = match S::DIALECT {
        Dialect::Sqlite => "ON CONFLICT (name) DO UPDATE SET",
        Dialect::Mariadb => "ON DUPLICATE KEY UPDATE",
    };
    let raise = format!("INSERT INTO keydove_fence (name, number) VALUES (?, 1) {known} number = number + 1");
    session.query(&raise, vec![name.into()]).await?;
    let read = "SELECT number FROM keydove_fence WHERE name = ?";
    let mut rows = session.query(read, vec![name.into()]).await?;
    let number = rows.first_mut().map(|row| row.read("keydove_fence", name, |row| row.number(0)));
    Ok(number.transpose()?.unwrap_or_default())
}

pub(super) struct Take(pub(super) LeaseWish);

impl Work for Take {
    const ATTEMPT: &'static str = "taking the lease that one process at a time has";
    const KIND: Kind = Kind::Writes(LostCommit::RunAgain);
    const OUTDATES: bool = false;
    type Output = LeaseEnd;

    fn needs(&self) -> TableSets {
        TableSets::of(TableSet::Leases)
    }

    async fn run<S: Session>(&self, session: &mut S) -> Result<LeaseEnd, Fault> {
        let wish = &self.0;
        let (holder, expires, finished, now) = find(session, wish.name).await?;
        if expires > now && holder != wish.holder {
            return Ok(LeaseEnd::Held { by: holder, seconds: expires - now });
        }
        // A clock that was set back must not put the next run off for ever.
        if finished <= now && now < finished + wish.gap {
            return Ok(LeaseEnd::NotDue { seconds: finished + wish.gap - now });
        }
        let parameters = vec![wish.holder.as_str().into(), (now + wish.seconds).into(), wish.name.into()];
        session.query(UPDATE, parameters).await?;
        let number = raise(session, wish.name).await?;
        Ok(LeaseEnd::Taken { now, number })
    }
}

pub(super) struct Keep(pub(super) LeaseWish);

impl Work for Keep {
    const ATTEMPT: &'static str = "prolonging the lease that one process at a time has";
    const KIND: Kind = Kind::Writes(LostCommit::RunAgain);
    const OUTDATES: bool = false;
    type Output = bool;

    async fn run<S: Session>(&self, session: &mut S) -> Result<bool, Fault> {
        let wish = &self.0;
        let (holder, _, _, now) = find(session, wish.name).await?;
        if holder != wish.holder {
            return Ok(false);
        }
        let parameters = vec![wish.holder.as_str().into(), (now + wish.seconds).into(), wish.name.into()];
        session.query(UPDATE, parameters).await?;
        Ok(true)
    }
}

pub(super) struct End {
    pub(super) wish: LeaseWish,
    pub(super) finished: bool,
}

impl Work for End {
    const ATTEMPT: &'static str = "giving the lease that one process at a time has back";
    const KIND: Kind = Kind::Writes(LostCommit::RunAgain);
    const OUTDATES: bool = false;
    type Output = bool;

    async fn run<S: Session>(&self, session: &mut S) -> Result<bool, Fault> {
        let (holder, _, finished, now) = find(session, self.wish.name).await?;
        if holder != self.wish.holder {
            return Ok(false);
        }
        let finished = if self.finished { now } else { finished };
        let statement = "UPDATE keydove_lease SET holder = '', expires = 0, finished = ? WHERE name = ?";
        session.query(statement, vec![finished.into(), self.wish.name.into()]).await?;
        Ok(true)
    }
}
