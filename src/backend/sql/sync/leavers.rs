//! People who were not in Keycloak's list: counted, switched off, switched on again. Never deleted.

use crate::backend::sql::invalidation::Invalidation;
use crate::backend::sql::names::are_one;
use crate::backend::sql::retry::Fault;
use crate::backend::sql::session::{Dialect, Kind, LostCommit, Session, Work};
use crate::backend::sql::switch::{ToldSogo, switch};

/// What becomes of a leaver's mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SwitchOff {
    /// Mail comes in, nobody logs in.
    ReceiveOnly,
    /// No mail comes in, and nobody logs in.
    Disabled,
}

impl SwitchOff {
    fn number(self) -> i64 {
        match self {
            Self::ReceiveOnly => 2,
            Self::Disabled => 0,
        }
    }
}

/// Somebody of whom it is known which mailbox is theirs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// The mailbox as stored.
    pub mailbox: String,
    /// Keycloak's id of the person.
    pub keycloak_id: String,
    /// In how many complete runs they were missing, one after the other.
    pub missed_runs: i64,
    /// Whether `mailbox.active` is 1.
    pub is_on: bool,
}

pub(super) struct People {
    pub(super) source: String,
    pub(super) after: String,
    pub(super) limit: usize,
}

impl Work for People {
    const ATTEMPT: &'static str = "listing people whose mailboxes are known";
    const KIND: Kind = Kind::Reads;
    type Output = Vec<Remembered>;

    async fn run<S: Session>(&self, session: &mut S) -> Result<Vec<Remembered>, Fault> {
        let (name, mark) = match S::DIALECT {
            Dialect::Sqlite => ("p.mailbox COLLATE BINARY", "?"),
            Dialect::Mariadb => ("CAST(p.mailbox AS BINARY)", "CAST(? AS BINARY)"),
        };
        if !session.has_own_tables() {
            return Ok(Vec::new());
        }
        // Compared by their bytes here, because whoever asks takes an empty page for the last one.
        let (same_name, source) = match S::DIALECT {
            Dialect::Sqlite => ("1 = 1", "p.source = ?"),
            Dialect::Mariadb => (
                "CAST(LOWER(m.username) AS BINARY) = CAST(LOWER(p.mailbox) AS BINARY)",
                "CAST(p.source AS BINARY) = CAST(? AS BINARY)",
            ),
        };
        let statement = format!(
            "SELECT p.mailbox, p.keycloak_id, p.missed_runs, m.active \
               FROM keydove_person p INNER JOIN mailbox m ON m.username = p.mailbox AND {same_name} \
              WHERE {source} AND {name} > {mark} AND m.authsource = 'keycloak' \
                AND (m.active = 1 OR p.missed_runs > 0) ORDER BY {name} LIMIT ?"
        );
        let limit = i64::try_from(self.limit).unwrap_or(i64::MAX);
        let parameters = vec![self.source.as_str().into(), self.after.as_str().into(), limit.into()];
        let rows = session.query(&statement, parameters).await?;
        let read = |mut row: crate::backend::sql::row::Row| {
            row.read("keydove_person", "a page", |row| {
                Ok(Remembered {
                    mailbox: row.words(0)?,
                    keycloak_id: row.words(1)?,
                    missed_runs: row.number(2)?,
                    is_on: row.number(3)? == 1,
                })
            })
        };
        rows.into_iter().map(read).collect::<Result<_, _>>().map_err(Fault::from)
    }
}

pub(super) struct Note {
    pub(super) missing: Vec<String>,
    pub(super) back: Vec<String>,
}

impl Work for Note {
    const ATTEMPT: &'static str = "noting who is missing in Keycloak";
    const KIND: Kind = Kind::Writes(LostCommit::Tell);
    const OUTDATES: bool = false;
    type Output = ();

    async fn run<S: Session>(&self, session: &mut S) -> Result<(), Fault> {
        let missing = "UPDATE keydove_person SET missed_runs = missed_runs + 1, \
                       missing_since = COALESCE(missing_since, CURRENT_TIMESTAMP) WHERE mailbox = ?";
        let back = "UPDATE keydove_person SET missed_runs = 0, missing_since = NULL WHERE mailbox = ?";
        for (statement, mailboxes) in [(missing, &self.missing), (back, &self.back)] {
            for mailbox in mailboxes {
                session.query(statement, vec![mailbox.as_str().into()]).await?;
            }
        }
        Ok(())
    }
}

/// `to`: what to switch off to; `None` is on again.
pub(super) struct Switch {
    pub(super) mailbox: String,
    pub(super) to: Option<SwitchOff>,
}

impl Work for Switch {
    const ATTEMPT: &'static str = "switching the mailbox of a leaver";
    const KIND: Kind = Kind::Writes(LostCommit::Tell);
    const OUTDATES: bool = true;
    type Output = bool;

    fn outdates(&self, is_switched: &Self::Output) -> Option<Invalidation> {
        is_switched.then(|| Invalidation::of_stored(&self.mailbox))
    }

    async fn run<S: Session>(&self, session: &mut S) -> Result<bool, Fault> {
        let name = || self.mailbox.as_str().into();
        let statement =
            format!("SELECT username, active FROM mailbox WHERE username = ?{}", S::DIALECT.for_update());
        let mut rows = session.query(&statement, vec![name()]).await?;
        let Some(row) = rows.first_mut() else { return Ok(false) };
        let (stored, active) =
            row.read("mailbox", &self.mailbox, |row| Ok((row.words(0)?, row.number(1)?)))?;
        if !are_one(&self.mailbox, &stored) {
            return Ok(false);
        }
        let statement = "SELECT switched_to FROM keydove_sync WHERE mailbox = ?";
        let mut rows = session.query(statement, vec![name()]).await?;
        let ours = match rows.first_mut() {
            Some(row) => row.read("keydove_sync", &self.mailbox, |row| row.integer(0))?,
            None => None,
        };
        let (holds, wanted) = match self.to {
            Some(to) => (active == 1, to.number()),
            None => (ours == Some(active) && active != 1, 1),
        };
        if holds {
            switch(session, &stored, wanted, ToldSogo::IfGranted).await?;
        }
        let remembered = self.to.filter(|_| holds).map(SwitchOff::number);
        if remembered != ours && (holds || self.to.is_none()) {
            let update = match S::DIALECT {
                Dialect::Sqlite => "ON CONFLICT (mailbox) DO UPDATE SET switched_to = excluded.switched_to",
                Dialect::Mariadb => "ON DUPLICATE KEY UPDATE switched_to = VALUES(switched_to)",
            };
            let statement = format!("INSERT INTO keydove_sync (mailbox, switched_to) VALUES (?, ?) {update}");
            let number = remembered.map_or(crate::backend::sql::row::Parameter::Null, Into::into);
            session.query(&statement, vec![name(), number]).await?;
        }
        Ok(holds)
    }
}
