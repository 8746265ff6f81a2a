//! What the database says about an address, remembered for a while.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::auth::{Secret, TempFail, TempFailReason, Username};
use crate::backend::breaker::{Breaker, Condition};
use crate::backend::records::{
    Fetch, Freshness, Held, Lifetimes, Record, RecordCounts, RecordSource, Records, Seldom, Spawner,
};
use crate::backend::sql::{
    AliasLogins, AppPassword, Database, Domain, Hosting, LoginFacts, OwnerDigest, SavedAppPassword,
    SavedMailbox,
};
use crate::credential::compared::Fitted;

/// About what a row takes beside its hash.
const ROW_BYTES: usize = 200;

/// Everything that a login needs to know from the database.
#[derive(Debug)]
pub(crate) struct MailboxRecord {
    /// The domain and the mailbox.
    pub(crate) hosting: Hosting,
    /// What few have.
    more: Seldom<More>,
    /// Keycloak's id of whoever had the mailbox when keydove saw it last.
    pub(crate) owner_id: Option<Box<str>>,
    /// What else is remembered of them; `None` where the record comes out of a file.
    pub(crate) owner_digest: Option<OwnerDigest>,
    /// Beside the hash of the row.
    pub(crate) fitted: Fitted,
}

/// Behind the methods of [`MailboxRecord`] of the same names.
#[derive(Debug)]
struct More {
    app_passwords: Result<Box<[AppPassword]>, TempFail>,
    backend: Result<Option<Box<str>>, TempFail>,
    alias_of: Option<Username>,
}

impl More {
    /// Neither app passwords nor a backend, and no alias.
    fn is_usual(&self) -> bool {
        matches!(self, Self { app_passwords: Ok(rows), backend: Ok(None), alias_of: None } if rows.is_empty())
    }
}

/// The mailboxes of the database; clones are the same mailboxes.
#[derive(Clone, Debug)]
pub struct Mailboxes {
    records: Records<MailboxRecord>,
    breaker: Arc<Breaker>,
    alias_logins: AliasLogins,
}

impl Mailboxes {
    /// Remembers what this database says, where some names may open the mailbox of another.
    #[must_use]
    pub fn new(
        database: Arc<Database>,
        lifetimes: Lifetimes,
        spawner: Spawner,
        alias_logins: AliasLogins,
    ) -> Self {
        let breaker = Arc::new(Breaker::default());
        let (asked, watched) = (Arc::clone(&breaker), Arc::clone(&breaker));
        let source = RecordSource {
            fetcher: Arc::new(move |user| {
                fetch(Arc::clone(&database), Arc::clone(&asked), user, alias_logins)
            }),
            troubled: Arc::new(move |_| watched.is_troubled()),
            watch: None,
        };
        Self { records: Records::new(lifetimes, spawner, source), breaker, alias_logins }
    }

    /// Whether any name may open the mailbox of another.
    pub(crate) fn know_aliases(&self) -> bool {
        self.alias_logins.any()
    }

    pub(crate) async fn find(&self, user: &Username) -> Result<Held<MailboxRecord>, TempFail> {
        self.records.get(user).await
    }

    /// The same without waiting, if what is known is fresh.
    pub(crate) fn peek(&self, user: &Username, now: Instant) -> Option<Held<MailboxRecord>> {
        self.records.peek(user, now)
    }

    pub(crate) async fn find_newer(
        &self,
        user: &Username,
        since: Instant,
        until: Instant,
    ) -> Result<Held<MailboxRecord>, TempFail> {
        self.records.get_newer(user, since, until).await
    }

    pub(crate) fn look(&self, user: &Username) -> Option<Held<MailboxRecord>> {
        self.records.look(user)
    }

    pub(crate) fn standing(&self, user: &Username, now: Instant) -> Option<Freshness> {
        self.records.standing(user, now)
    }

    /// What is worth a file that outlives the process, the last used first: mailboxes whose hashes are strong, and none
    /// that is not there.
    #[must_use]
    pub fn save(&self) -> Vec<(Username, Instant, SavedMailboxRecord)> {
        let save = |(user, held): (Username, Held<MailboxRecord>)| {
            let hosting = &held.record.hosting;
            let saved = SavedMailboxRecord {
                domain_active: hosting.domain.map(|domain| domain.active),
                mailbox: hosting.mailbox.as_ref()?.save()?,
                app_passwords: match held.record.app_passwords() {
                    Ok(rows) => Some(AppPassword::save_all(rows)?),
                    Err(_) => None,
                },
                owner_id: held.record.owner_id.clone(),
                backend: held.record.backend().ok()?.map(Into::into),
            };
            Some((user, held.asked, saved))
        };
        self.records.all().into_iter().filter_map(save).collect()
    }

    /// All addresses about which something is known, in no order.
    pub(crate) fn names(&self) -> Vec<Username> {
        self.records.names()
    }

    /// Begins to put back what a file has kept: each with when it was asked. Says of each whether it is of use.
    pub fn restoring(&self) -> impl Fn(Username, SavedMailboxRecord, Instant) -> bool + use<> {
        let records = self.records.restoring();
        move |user, saved, asked| {
            let Some(record) = saved.restore() else { return false };
            records.put(user, record, asked);
            true
        }
    }

    /// Another number than before whenever something that was known may no longer be so.
    #[must_use]
    pub fn withdrawals(&self) -> u64 {
        self.records.withdrawals()
    }

    /// The hashes that are known of a mailbox, its app passwords' too.
    pub(crate) fn stored_passwords(&self, user: &Username) -> Vec<Secret> {
        let Some(held) = self.records.look(user) else { return Vec::new() };
        let own = held.record.hosting.mailbox.iter().map(|mailbox| &mailbox.password);
        let app_passwords = held.record.app_passwords().into_iter().flatten().map(|row| &row.password);
        own.chain(app_passwords).map(Secret::duplicate).collect()
    }

    /// What is known may be wrong from now on.
    pub fn forget(&self, user: &Username) -> bool {
        self.records.forget(user)
    }

    /// Forgets everything; says how many mailboxes that were.
    pub fn flush(&self) -> usize {
        self.records.flush()
    }

    /// What has happened so far.
    #[must_use]
    pub fn counts(&self) -> RecordCounts {
        self.records.counts()
    }

    /// How things stand with the database.
    #[must_use]
    pub fn condition(&self) -> Condition {
        self.breaker.condition()
    }
}

/// A record in the form in which it outlives the process, for the encrypted record file and for nothing else.
#[derive(Serialize, Deserialize)]
pub struct SavedMailboxRecord {
    domain_active: Option<bool>,
    mailbox: SavedMailbox,
    /// `None` where the database user may not read them.
    app_passwords: Option<Vec<SavedAppPassword>>,
    owner_id: Option<Box<str>>,
    #[serde(default)]
    backend: Option<Box<str>>,
}

impl SavedMailboxRecord {
    fn restore(self) -> Option<MailboxRecord> {
        let domain = self.domain_active.map(|active| Domain { active });
        let app_passwords = match self.app_passwords {
            Some(rows) => Ok(AppPassword::restore_all(rows)?.into()),
            None => {
                let detail = "app passwords could not be read before";
                Err(TempFail::new(TempFailReason::SqlError, detail))
            }
        };
        let more = More { app_passwords, backend: Ok(self.backend), alias_of: None };
        Some(MailboxRecord {
            hosting: Hosting { domain, mailbox: Some(self.mailbox.restore()?) },
            more: Seldom::new(more, More::is_usual),
            owner_id: self.owner_id,
            owner_digest: None,
            fitted: Fitted::default(),
        })
    }
}

impl MailboxRecord {
    /// The machine that the mailbox lives on; `None` where it has none yet, and where there are not several.
    pub(crate) fn backend(&self) -> Result<Option<&str>, &TempFail> {
        match self.more.get().map(|more| &more.backend) {
            Some(Ok(backend)) => Ok(backend.as_deref()),
            Some(Err(trouble)) => Err(trouble),
            None => Ok(None),
        }
    }

    /// Whose mailbox a login under this name opens, where it is an alias.
    pub(crate) fn alias_of(&self) -> Option<&Username> {
        self.more.get().and_then(|more| more.alias_of.as_ref())
    }

    /// Empty where there is no mailbox. A database user who may not read them leaves the main password as it is; only
    /// whoever needs an app password is told that nobody can tell.
    pub(crate) fn app_passwords(&self) -> Result<&[AppPassword], &TempFail> {
        match self.more.get().map(|more| &more.app_passwords) {
            Some(Ok(rows)) => Ok(rows),
            Some(Err(trouble)) => Err(trouble),
            None => Ok(&[]),
        }
    }
}

impl Record for MailboxRecord {
    fn bytes(&self) -> usize {
        let passwords = self.hosting.mailbox.iter().map(|mailbox| mailbox.password.len());
        let app_passwords = self.app_passwords().into_iter().flatten().map(|row| row.password.len());
        let hashes: usize = passwords.chain(app_passwords).map(|bytes| bytes + ROW_BYTES).sum();
        size_of::<Self>() + self.more.get().map_or(0, size_of_val) + hashes
    }

    fn is_absence(&self) -> bool {
        self.hosting.mailbox.is_none() && self.alias_of().is_none()
    }

    fn inherit(&self, older: &Self) {
        if let (Some(mailbox), Some(before)) = (&self.hosting.mailbox, &older.hosting.mailbox)
            && mailbox.password.matches(before.password.expose())
        {
            self.fitted.inherit(&older.fitted);
        }
    }

    fn outdates(&self, older: &Self) -> bool {
        let is_still_there = |old: &AppPassword| match self.app_passwords() {
            Ok(rows) => rows.iter().any(|row| row.is_as_good_as(old)),
            Err(_) => false,
        };
        !self.hosting.is_as_good_as(&older.hosting)
            || self.owner_id != older.owner_id
            || self.alias_of() != older.alias_of()
            || self.backend() != older.backend()
            || !older.app_passwords().into_iter().flatten().all(is_still_there)
    }
}

/// One question, and one more for an address without a mailbox where aliases open some.
fn fetch(
    database: Arc<Database>,
    breaker: Arc<Breaker>,
    user: Username,
    alias_logins: AliasLogins,
) -> Fetch<MailboxRecord> {
    Box::pin(async move {
        let permit = breaker.admit(Instant::now())?;
        let end = ask(&database, &user, alias_logins).await;
        breaker.report(permit, &end, Instant::now());
        end
    })
}

async fn ask(
    database: &Database,
    user: &Username,
    alias_logins: AliasLogins,
) -> Result<MailboxRecord, TempFail> {
    let facts = database.login_facts(user).await.map_err(|error| error.temp_fail())?;
    let LoginFacts { hosting, app_passwords, owner, backend } = facts;
    let mut alias_of = None;
    let may_be_alias = hosting.mailbox.is_none() && hosting.domain.is_none_or(|domain| domain.active);
    if may_be_alias && alias_logins.any() {
        let found = database.find_login(user, alias_logins).await.map_err(|error| error.temp_fail())?;
        alias_of = found;
    }
    let more = More {
        app_passwords: app_passwords.map(Into::into).map_err(|error| error.temp_fail()),
        backend: backend.map(|backend| backend.map(Into::into)).map_err(|error| error.temp_fail()),
        alias_of,
    };
    let (owner_id, owner_digest) = owner.map(|(id, digest)| (id.into(), digest)).unzip();
    let (more, fitted) = (Seldom::new(more, More::is_usual), Fitted::default());
    Ok(MailboxRecord { hosting, more, owner_id, owner_digest, fitted })
}

#[cfg(test)]
mod tests {
    use super::MailboxRecord;

    #[test]
    fn a_million_records_stay_small() {
        assert!(size_of::<MailboxRecord>() <= 104, "{} bytes", size_of::<MailboxRecord>());
    }
}
