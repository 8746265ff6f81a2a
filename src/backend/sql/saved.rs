//! Rows in the form in which they outlive the process, for the cache's encrypted record file and for nothing else: what
//! has these forms shows its hashes to whoever serialises it.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::access::AccessSwitches;
use super::app_password::AppPassword;
use super::mailbox::{AuthSource, Mailbox, MailboxState};
use crate::auth::Secret;
use crate::backend::records::seconds;
use crate::credential::scheme;
use crate::settings::Network;

/// A hash of a strong scheme, or nothing.
type SavedHash = Zeroizing<String>;

/// A row of `mailbox`.
#[derive(Serialize, Deserialize)]
pub(crate) struct SavedMailbox {
    active: i64,
    kind_is_resource: bool,
    authsource: Option<String>,
    password: SavedHash,
    quota_bytes: u64,
    denied: Vec<String>,
    second_factor: bool,
}

/// A row of `app_passwd`, with what keydove keeps beside it.
#[derive(Serialize, Deserialize)]
pub(crate) struct SavedAppPassword {
    id: i64,
    password: SavedHash,
    names_itself: bool,
    access: Vec<bool>,
    /// In seconds since 1970.
    expires: Option<u64>,
    networks: Option<Vec<String>>,
}

impl Mailbox {
    /// The row as it is saved; `None` where a weak hash forbids it. A hash that nobody compares with is left out.
    #[must_use]
    pub(crate) fn save(&self) -> Option<SavedMailbox> {
        let compares = self.authsource == Some(AuthSource::Mailcow) && !self.password.is_empty();
        Some(SavedMailbox {
            active: self.active.number(),
            kind_is_resource: self.kind_is_resource,
            authsource: self.authsource.map(|source| source.name().to_owned()),
            password: if compares { scheme::strong_text(&self.password)? } else { SavedHash::default() },
            quota_bytes: self.quota_bytes,
            denied: self.access.denied(),
            second_factor: self.second_factor,
        })
    }
}

impl SavedMailbox {
    /// The row again; `None` when it has an impossible value.
    #[must_use]
    pub(crate) fn restore(self) -> Option<Mailbox> {
        Some(Mailbox {
            active: MailboxState::from_number(self.active),
            kind_is_resource: self.kind_is_resource,
            authsource: self.authsource.as_deref().map(AuthSource::parse).transpose().ok()?,
            password: Secret::from(self.password.as_str()),
            quota_bytes: self.quota_bytes,
            access: AccessSwitches::of_denied(self.denied),
            second_factor: self.second_factor,
        })
    }
}

/// The time of so many seconds since 1970.
fn restore_time(seconds: u64) -> Option<SystemTime> {
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

impl AppPassword {
    /// All rows of a mailbox as they are saved; `None` where a weak hash among them forbids it.
    #[must_use]
    pub(crate) fn save_all(rows: &[Self]) -> Option<Vec<SavedAppPassword>> {
        rows.iter().map(Self::save).collect()
    }

    fn save(&self) -> Option<SavedAppPassword> {
        let texts = |networks: &Vec<Network>| networks.iter().map(ToString::to_string).collect();
        Some(SavedAppPassword {
            id: self.id,
            password: scheme::strong_text(&self.password)?,
            names_itself: self.names_itself,
            access: self.access.to_vec(),
            expires: self.expires.map(seconds),
            networks: self.networks.as_ref().map(texts),
        })
    }

    fn restore(saved: SavedAppPassword) -> Option<Self> {
        let networks = |networks: Vec<String>| -> Option<Vec<Network>> {
            networks.iter().map(|text| Network::parse(text).ok()).collect()
        };
        Some(Self {
            id: saved.id,
            password: Secret::from(saved.password.as_str()),
            names_itself: saved.names_itself,
            access: saved.access.try_into().ok()?,
            expires: match saved.expires {
                Some(seconds) => Some(restore_time(seconds)?),
                None => None,
            },
            networks: match saved.networks {
                Some(texts) => Some(networks(texts)?),
                None => None,
            },
        })
    }

    /// The rows again; `None` when one has an impossible value.
    #[must_use]
    pub(crate) fn restore_all(rows: Vec<SavedAppPassword>) -> Option<Vec<Self>> {
        rows.into_iter().map(Self::restore).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mailbox(authsource: AuthSource, password: &str) -> Mailbox {
        Mailbox {
            active: MailboxState::ReceiveOnly,
            kind_is_resource: false,
            authsource: Some(authsource),
            password: Secret::from(password),
            quota_bytes: 5,
            access: AccessSwitches::parse(Some(r#"{"imap_access": "0"}"#)),
            second_factor: true,
        }
    }

    #[test]
    fn a_row_comes_back_as_it_was() {
        let strong = "{BLF-CRYPT}$2y$04$nai69UnPcKTgXbRUx7T6gu32Z55V0r1FNbOnfmZgRJzhshaOohINe";
        let row = mailbox(AuthSource::Mailcow, strong);
        let restored = row.save().unwrap().restore().unwrap();
        let both =
            [row, restored].map(|row| crate::backend::sql::Hosting { domain: None, mailbox: Some(row) });
        assert!(both[0].is_as_good_as(&both[1]));
    }

    #[test]
    fn a_hash_that_is_as_good_as_the_password_is_in_no_file() {
        assert!(mailbox(AuthSource::Mailcow, "{PLAIN}hunter2").save().is_none());
        // Nobody compares with this one, and it is left out.
        let saved = mailbox(AuthSource::Keycloak, "{PLAIN}hunter2").save().unwrap();
        assert!(!serde_json::to_string(&saved).unwrap().contains("hunter2"));
    }
}
