//! What setup changed, so that it can be taken back: a file beside the configuration that only its owner may read.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::super::storage::Failure;
use super::change::{Access, Phase, Place, State};
use super::files;
use super::mailcow::Mailcow;
use super::mariadb::Server;
use super::portal::Portal;

/// Beside the configuration. Its folder is root's, so that nobody else can make an undo write what they like.
const NAME: &str = "setup-journal.json";
const OF_PORTAL: &str = "setup-portal-journal.json";
const VERSION: u32 = 1;

/// All changes that were not taken back, the oldest first.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Journal {
    version: u32,
    /// Where to find what is to be taken back.
    pub(super) facts: Facts,
    pub(super) entries: Vec<Entry>,
}

/// What an undo must know of the machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Facts {
    pub(super) server_url: String,
    pub(super) realm: String,
    pub(super) ca_file: Option<PathBuf>,
    pub(super) admin_realm: Option<String>,
    pub(super) dovecot_config: Option<PathBuf>,
    pub(super) postfix_config: Option<PathBuf>,
    /// A Postfix that asks keydove nothing, and Dovecot's own auth server about logins.
    pub(super) postfix_beside: Option<PathBuf>,
    /// The MariaDB that holds the mailboxes.
    pub(super) mariadb: Option<Server>,
    /// The mailcow beside which keydove is set up; then nothing else here is.
    pub(super) mailcow: Option<Mailcow>,
    /// The web portal, in a journal of its own.
    pub(super) portal: Option<Portal>,
    /// Whether the folder of the configuration is setup's own; the journal must lie somewhere from the first change on.
    pub(super) made_folder: bool,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) phase: Phase,
    pub(super) place: Place,
    /// What was there.
    pub(super) before: State,
    /// The [mark](State::mark) of what setup wrote. It is noted before it is written, so that an end in between is
    /// known, and again as it was found afterwards.
    pub(super) written: String,
}

/// What becomes of an entry when it is taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It still is what setup wrote: what was there comes back.
    Restore,
    /// It is what was there before.
    IsBack,
    /// Somebody changed it since: it stays.
    Keep,
}

impl Entry {
    /// What an undo does, in view of what is there now.
    pub(super) fn fate(&self, now: &State) -> Fate {
        if *now == self.before {
            Fate::IsBack
        } else if now.mark() == self.written {
            Fate::Restore
        } else if self.place == Place::StoredProfile {
            // Setup's parts are places of their own; what else is in it was never setup's.
            Fate::IsBack
        } else {
            Fate::Keep
        }
    }
}

impl Journal {
    /// An empty one.
    pub(super) fn new(facts: Facts) -> Self {
        Self { version: VERSION, facts, entries: Vec::new() }
    }

    /// Where it lies.
    pub(super) fn path(config: &Path) -> PathBuf {
        config.with_file_name(NAME)
    }

    /// Where the web portal's lies.
    pub(super) fn path_of_portal(config: &Path) -> PathBuf {
        config.with_file_name(OF_PORTAL)
    }

    /// Reads it; `None` where there is none.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, Failure> {
        let State::File { text, .. } = files::read(path)? else { return Ok(None) };
        let unreadable =
            |what: String| Failure::Data(format!("{}: it is no journal of setup's: {what}", path.display()));
        let journal: Self = serde_json::from_str(&text).map_err(|error| unreadable(error.to_string()))?;
        if journal.version != VERSION {
            return Err(unreadable(format!("version {} is another keydove's", journal.version)));
        }
        Ok(Some(journal))
    }

    /// Writes it, or removes it when there is nothing to take back.
    pub(super) fn write(&self, path: &Path) -> Result<(), Failure> {
        if self.entries.is_empty() {
            files::write(path, &State::Absent)?;
            if let (true, Some(folder)) = (self.facts.made_folder, path.parent()) {
                // One with something in it is somebody's by now.
                let _ = std::fs::remove_dir(folder);
            }
            return Ok(());
        }
        let text = serde_json::to_string_pretty(self)
            .map_err(|error| Failure::System(format!("cannot write the journal: {error}")))?;
        let (uid, gid) = files::own_ids();
        files::write(path, &State::File { text, access: Access { mode: 0o600, uid, gid } })
    }

    /// Makes its folder, where there is none.
    pub(super) fn make_folder(&mut self, path: &Path) -> Result<(), Failure> {
        let Some(folder) = path.parent().filter(|folder| !folder.exists()) else { return Ok(()) };
        let (uid, gid) = files::own_ids();
        self.facts.made_folder = true;
        files::write(folder, &State::Folder(Access { mode: 0o755, uid, gid }))
    }

    /// What is there of setup's, by the last entry of the place.
    pub(super) fn wrote(&self, place: &Place, now: &State) -> bool {
        let last = self.entries.iter().rev().find(|entry| entry.place == *place);
        last.is_some_and(|entry| entry.written == now.mark())
    }
}
