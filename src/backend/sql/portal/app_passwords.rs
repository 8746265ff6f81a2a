//! A person's own app passwords: made within limits, listed with where they were made and used.

use super::require_tables;
use crate::auth::Username;
use crate::backend::sql::admin::{
    AddAppPassword, AdminError, AppPasswordRow, MadeAppPassword, NewAppPassword, Outcome, find_app_passwords,
};
use crate::backend::sql::database::Database;
use crate::backend::sql::error::Error;
use crate::backend::sql::invalidation::Invalidation;
use crate::backend::sql::names::{is_name_of, spellings, texts};
use crate::backend::sql::own_tables::{TableSet, TableSets};
use crate::backend::sql::retry::Fault;
use crate::backend::sql::session::{Kind, LostCommit, Session, Work};

const HOUR: i64 = 3600;
/// Rows of app passwords that mailcow has deleted go with the next one that is made.
const DELETE_LEFT: &str = "\
DELETE FROM keydove_origin WHERE mailbox = ? AND app_passwd NOT IN (SELECT id FROM app_passwd)";
const INSERT_ORIGIN: &str =
    "REPLACE INTO keydove_origin (app_passwd, mailbox, created, remote) VALUES (?, ?, ?, ?)";
const ORIGINS: &str = "SELECT app_passwd, created, remote FROM keydove_origin WHERE mailbox = ?";

/// From where an app password was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppPasswordOrigin {
    /// How many a person may have.
    pub most: usize,
    /// How many within an hour.
    pub most_per_hour: usize,
    /// The browser's address.
    pub remote: Option<String>,
    /// Now, in seconds since 1970.
    pub now: i64,
}

/// Why no more are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TooManyAppPasswords {
    /// The person has as many as they may.
    InAll,
    /// So many were made within the hour.
    WithinAnHour,
}

/// A person's app passwords that are on, the newest first, with what is known about each.
pub type OwnAppPasswords = Vec<(AppPasswordRow, AppPasswordUse)>;

/// When and from where an app password was made and used. Times are seconds since 1970.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppPasswordUse {
    /// When it was made.
    pub created: i64,
    /// From where, where it was made in the portal.
    pub created_from: Option<String>,
    /// When it was used last, from where, and for which service.
    pub last: Option<(i64, String, String)>,
}

impl Database {
    /// Makes an app password for somebody who has not too many.
    ///
    /// # Errors
    /// The database cannot be asked; [`Error::Schema`] where keydove's own tables are missing.
    pub async fn add_own_app_password(
        &self,
        new: NewAppPassword,
        origin: AppPasswordOrigin,
    ) -> Result<Result<MadeAppPassword, TooManyAppPasswords>, AdminError> {
        let user = new.user.clone();
        self.settle(AddOwn { user, add: AddAppPassword(new), origin }).await
    }

    /// A person's app passwords that are on.
    ///
    /// # Errors
    /// As [`add_own_app_password`](Self::add_own_app_password).
    pub async fn own_app_passwords(&self, user: &Username) -> Result<OwnAppPasswords, Error> {
        self.run(ListOwn(user.clone())).await
    }
}

struct AddOwn {
    user: Username,
    add: AddAppPassword,
    origin: AppPasswordOrigin,
}

impl Work for AddOwn {
    const ATTEMPT: &'static str = AddAppPassword::ATTEMPT;
    const KIND: Kind = Kind::Writes(LostCommit::Tell);
    const OUTDATES: bool = true;
    type Output = Outcome<Result<MadeAppPassword, TooManyAppPasswords>>;

    fn outdates(&self, done: &Self::Output) -> Option<Invalidation> {
        matches!(done, Ok(Ok(_))).then(|| Invalidation::Mailbox(self.user.clone()))
    }

    fn needs(&self) -> TableSets {
        TableSets::of(TableSet::Portal)
    }

    async fn run<S: Session>(&self, session: &mut S) -> Result<Self::Output, Fault> {
        require_tables(session)?;
        let AppPasswordOrigin { most, most_per_hour, remote, now } = &self.origin;
        // Locked first, so that nobody makes two at once where one is left.
        let origins = format!("{ORIGINS}{}", S::DIALECT.for_update());
        let mut lately = 0;
        for mut row in session.query(&origins, vec![self.user.as_str().into()]).await? {
            let created = row.read("keydove_origin", self.user.as_str(), |row| row.number(1))?;
            lately += usize::from(created > now - HOUR);
        }
        if lately >= *most_per_hour {
            return Ok(Ok(Err(TooManyAppPasswords::WithinAnHour)));
        }
        let known = find_app_passwords(session, &self.user).await?;
        let on = known.iter().filter(|row| row.active && row.expires.is_none_or(|end| end > *now));
        if on.count() >= *most {
            return Ok(Ok(Err(TooManyAppPasswords::InAll)));
        }
        let made = match self.add.run(session).await? {
            Ok(made) => made,
            Err(obstacle) => return Ok(Err(obstacle)),
        };
        session.query(DELETE_LEFT, vec![self.user.as_str().into()]).await?;
        let row = vec![made.id.into(), self.user.as_str().into(), (*now).into(), remote.as_deref().into()];
        session.query(INSERT_ORIGIN, row).await?;
        Ok(Ok(Ok(made)))
    }
}

struct ListOwn(Username);

impl Work for ListOwn {
    const ATTEMPT: &'static str = "listing a person's app passwords";
    const KIND: Kind = Kind::Reads;
    type Output = OwnAppPasswords;

    fn needs(&self) -> TableSets {
        TableSets::of(TableSet::Portal)
    }

    async fn run<S: Session>(&self, session: &mut S) -> Result<OwnAppPasswords, Fault> {
        require_tables(session)?;
        let user = &self.0;
        let rows = find_app_passwords(session, user).await?.into_iter().filter(|row| row.active);
        let mut own: OwnAppPasswords = rows.map(|row| (row, AppPasswordUse::default())).collect();
        let [name, unicode, ..] = spellings(user);
        let created = S::DIALECT.seconds_of("created");
        let times = format!("SELECT mailbox, id, {created} FROM app_passwd WHERE mailbox IN (?, ?)");
        for mut row in session.query(&times, texts([name.clone(), unicode.clone()])).await? {
            let (id, at) =
                row.read("app_passwd", user.as_str(), |row| Ok((row.number(1)?, row.number(2)?)))?;
            note(&mut own, id, |known| known.created = at);
        }
        for mut row in session.query(ORIGINS, vec![user.as_str().into()]).await? {
            let (id, remote) =
                row.read("keydove_origin", user.as_str(), |row| Ok((row.number(0)?, row.text(2)?)))?;
            note(&mut own, id, |known| known.created_from = remote);
        }
        let at = S::DIALECT.seconds_of("datetime");
        let uses = format!(
            "SELECT username, app_password, {at}, real_rip, service FROM sasl_log \
             WHERE username IN (?, ?) AND app_password > 0 ORDER BY datetime DESC LIMIT 1000"
        );
        for mut row in session.query(&uses, texts([name, unicode])).await? {
            let (is_this, id, last) = row.read("sasl_log", user.as_str(), |row| {
                let is_this = is_name_of(user, &row.words(0)?);
                Ok((is_this, row.number(1)?, (row.number(2)?, row.words(3)?, row.words(4)?)))
            })?;
            if is_this {
                // The newest comes first.
                note(&mut own, id, |known| known.last = known.last.take().or(Some(last)));
            }
        }
        Ok(own)
    }
}

fn note(own: &mut OwnAppPasswords, id: i64, note: impl FnOnce(&mut AppPasswordUse)) {
    if let Some((_, known)) = own.iter_mut().find(|(row, _)| row.id == id) {
        note(known);
    }
}
