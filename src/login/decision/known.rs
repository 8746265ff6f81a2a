//! What is remembered about addresses, for an administrator: shown without its secrets, and forgotten.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::Decision;
use crate::auth::{UserMask, Username};
use crate::backend::mailboxes::MailboxRecord;
use crate::backend::people::KnownPerson;
use crate::backend::records::{Freshness, RecordCounts};
use crate::backend::sql::{Mailbox, MailboxState};
use crate::credential::scheme;

/// What is remembered about an address.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// In normal form.
    pub user: String,
    /// What the database said.
    pub mailbox: Option<KnownMailbox>,
    /// What Keycloak said.
    pub person: Option<KnownPerson>,
}

/// What the database said about an address.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownMailbox {
    /// How many milliseconds ago it was asked.
    pub age_ms: u64,
    /// What this is still good for.
    pub standing: Freshness,
    /// `on`, `off` or `unknown` (not hosted here).
    pub domain: String,
    /// `on`, `off`, `receive-only`, `resource` or `none`.
    pub mailbox: String,
    /// Who verifies the main password.
    pub authsource: Option<String>,
    /// The scheme of the mailbox's own password, if it has one.
    pub scheme: Option<String>,
    /// The switches that are off, such as `pop3_access`.
    pub denied: Vec<String>,
    /// How many app passwords are active.
    pub app_passwords: usize,
    /// Whose mailbox it was when keydove saw it last.
    pub keycloak_id: Option<String>,
}

/// What the caches have done so far.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheCounts {
    /// Of Keycloak's answers.
    pub people: RecordCounts,
    /// Of the database's.
    pub mailboxes: RecordCounts,
}

/// How much was forgotten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forgotten {
    /// Of Keycloak's answers.
    pub people: usize,
    /// Of the database's.
    pub mailboxes: usize,
    /// Of comparisons of a password with a hash.
    pub comparisons: usize,
}

impl std::ops::Add for Forgotten {
    type Output = Self;

    fn add(self, more: Self) -> Self {
        Self {
            people: self.people + more.people,
            mailboxes: self.mailboxes + more.mailboxes,
            comparisons: self.comparisons + more.comparisons,
        }
    }
}

impl Decision {
    /// What is remembered about an address. Asks nobody.
    #[must_use]
    pub fn known(&self, user: &Username, now: Instant) -> Known {
        let mailboxes = &self.0.mailboxes;
        let mailbox = mailboxes.look(user).zip(mailboxes.standing(user, now));
        Known {
            user: user.as_str().to_owned(),
            mailbox: mailbox
                .map(|(held, standing)| KnownMailbox::new(&held.record, standing, held.age_ms(now))),
            person: self.0.passdb.people().look(user, now),
        }
    }

    /// Forgets an address: its next login asks Keycloak and the database.
    pub fn forget(&self, user: &Username) -> Forgotten {
        let hashes = self.0.mailboxes.stored_passwords(user);
        let (person, comparisons) = self.0.passdb.forget(user, &hashes);
        let mailboxes = usize::from(self.0.mailboxes.forget(user));
        Forgotten { people: usize::from(person), mailboxes, comparisons }
    }

    /// Forgets whoever has this id in Keycloak, whatever their address is.
    pub fn forget_keycloak_id(&self, id: &str) -> Forgotten {
        let people = self.0.passdb.people().forget_ids(&[id.to_owned()].into());
        Forgotten { people, mailboxes: 0, comparisons: 0 }
    }

    /// Forgets every address that one of these masks means; without a mask, everything.
    pub fn forget_matching(&self, masks: &[UserMask]) -> Forgotten {
        if masks.is_empty() {
            return self.flush();
        }
        let mut users: HashSet<Username> =
            masks.iter().filter_map(|mask| Username::parse(mask.as_name()?).ok()).collect();
        let wildcards: Vec<_> = masks.iter().filter(|mask| mask.as_name().is_none()).collect();
        if !wildcards.is_empty() {
            let known = self.0.passdb.people().names().into_iter().chain(self.0.mailboxes.names());
            let is_meant =
                |user: &Username| wildcards.iter().any(|mask| mask.matches(user.as_str().as_bytes()));
            users.extend(known.filter(is_meant));
        }
        users.iter().fold(Forgotten::default(), |sum, user| sum + self.forget(user))
    }

    /// Forgets everything.
    pub fn flush(&self) -> Forgotten {
        let (people, comparisons) = self.0.passdb.flush();
        Forgotten { people, mailboxes: self.0.mailboxes.flush(), comparisons }
    }

    /// What the caches have done so far.
    #[must_use]
    pub fn counts(&self) -> CacheCounts {
        CacheCounts { people: self.0.passdb.people().counts(), mailboxes: self.0.mailboxes.counts() }
    }
}

impl KnownMailbox {
    pub(super) fn new(record: &MailboxRecord, standing: Freshness, age_ms: u64) -> Self {
        let domain = match record.hosting.domain {
            None => "unknown",
            Some(domain) if domain.active => "on",
            Some(_) => "off",
        };
        let mailbox = record.hosting.mailbox.as_ref();
        Self {
            age_ms,
            standing,
            domain: domain.to_owned(),
            mailbox: mailbox.map_or("none", state).to_owned(),
            authsource: mailbox.and_then(|mailbox| mailbox.authsource).map(|source| source.name().to_owned()),
            scheme: mailbox
                .filter(|mailbox| !mailbox.password.is_empty())
                .map(|mailbox| scheme::label(&mailbox.password).to_owned()),
            denied: mailbox.map(|mailbox| mailbox.access.denied()).unwrap_or_default(),
            app_passwords: record.app_passwords().map_or(0, |rows| rows.len()),
            keycloak_id: record.owner_id.as_deref().map(str::to_owned),
        }
    }
}

pub(super) fn state(mailbox: &Mailbox) -> &'static str {
    match mailbox.active {
        _ if mailbox.kind_is_resource => "resource",
        MailboxState::On => "on",
        MailboxState::Off => "off",
        MailboxState::ReceiveOnly => "receive-only",
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::backend::mailboxes::Mailboxes;
    use crate::backend::people::{People, Sources};
    use crate::backend::records::{Config, Spawner};
    use crate::backend::sql::AliasLogins;
    use crate::credential::compared::{Comparisons, Verified};
    use crate::credential::hashing::Hasher;
    use crate::jobs::bookkeeping::Bookkeeper;
    use crate::login::decision::{DecisionParts, Webmail};
    use crate::login::passdb::Passdb;
    use crate::login::throttle::Throttle;
    use crate::login::userdb::Userdb;
    use crate::provision::Provisioner;

    const NAMES: [&str; 4] = ["alice@example.org", "alf@example.org", "bob@example.org", "alice@example.com"];

    fn spawner() -> Spawner {
        #[expect(clippy::disallowed_methods, reason = "tests start tasks")]
        Arc::new(|task| drop(tokio::spawn(task)))
    }

    /// It remembers of each of [`NAMES`] that the database has no such mailbox.
    async fn decision(folder: &std::path::Path) -> Decision {
        let config = format!("[sqlite]\npath = '{}'", folder.join("mail.db").display());
        let database =
            Arc::new(crate::backend::sql::open(&toml::from_str(&config).unwrap(), None).await.unwrap());
        let cache = Config::default();
        let people = People::new(Sources::new(Vec::new()), cache.people(), spawner());
        let hasher = Hasher::start(&crate::credential::hashing::Config::default()).unwrap();
        let comparisons = Comparisons::new(Verified::new().unwrap());
        let mailboxes =
            Mailboxes::new(Arc::clone(&database), cache.mailboxes(), spawner(), AliasLogins::default());
        for name in NAMES {
            mailboxes.find(&Username::parse(name.as_bytes()).unwrap()).await.unwrap();
        }
        Decision::new(DecisionParts {
            database,
            mailboxes,
            passdb: Passdb::new(people, hasher, comparisons, Default::default()),
            userdb: Userdb::new(&Default::default()),
            provisioner: Arc::new(Provisioner::new(&Default::default())),
            webmail: Webmail::new(&Default::default(), None),
            throttle: Throttle::disabled(),
            mail_hosts: None,
            kicker: None,
            bookkeeper: Bookkeeper::disabled(),
        })
    }

    /// Forgets these, says how many were, and who is left.
    async fn left(masks: &[&str]) -> (usize, Vec<&'static str>) {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("keydove-known-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir(&folder).unwrap();
        let decision = decision(&folder).await;
        std::fs::remove_dir_all(folder).unwrap();
        let masks: Vec<_> = masks.iter().map(|mask| UserMask::new(mask.as_bytes())).collect();
        let forgotten = decision.forget_matching(&masks);
        assert_eq!((forgotten.people, forgotten.comparisons), (0, 0));
        let names = decision.0.mailboxes.names();
        let is_left = |name: &&str| names.iter().any(|left| left.as_str() == *name);
        (forgotten.mailboxes, NAMES.into_iter().filter(is_left).collect())
    }

    #[tokio::test]
    async fn a_mask_forgets_whom_it_means_and_nobody_else() {
        let [alice, alf, bob, other] = NAMES;
        assert_eq!(left(&[alice]).await, (1, vec![alf, bob, other]));
        assert_eq!(left(&["ALICE@Example.ORG"]).await, (1, vec![alf, bob, other]));
        assert_eq!(left(&["*@example.org"]).await, (3, vec![other]));
        assert_eq!(left(&["al?@example.org", bob]).await, (2, vec![alice, other]));
        assert_eq!(left(&["ghost@example.org", "*@example.net", "no name"]).await, (0, NAMES.to_vec()));
    }

    #[tokio::test]
    async fn who_is_meant_twice_is_counted_once() {
        let [alice, _, bob, other] = NAMES;
        assert_eq!(left(&["al*@example.org", "*f@example.org"]).await, (2, vec![bob, other]));
        assert_eq!(left(&[alice, "*"]).await, (4, vec![]));
    }

    #[tokio::test]
    async fn without_a_mask_everybody_is_forgotten() {
        assert_eq!(left(&[]).await, (4, vec![]));
    }
}
