//! The rights of keydove's database user, where setup has made that user.

use std::path::Path;

use super::super::super::storage::Failure;
use super::super::answers::Answers;
use super::super::change::{Change, Phase, Place};
use super::super::journal::Journal;
use super::super::mariadb::{Mariadb, Server, Session, rights, rights_of_daemon};
use super::wishes::Wishes;
use crate::backend::sql;
use crate::config::Config;

/// keydove's user on MariaDB, as an administrator sees it.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) session: Session,
    mariadb: Mariadb,
    /// Beside mailcow the commands have no rights of their own.
    is_mailcows: bool,
}

impl Account {
    /// The one that a run of setup before this has made; `None` where the mailboxes are in a file, or somebody else made it.
    pub(super) fn find(config: &Path, answers: &Answers) -> Result<Option<Self>, Failure> {
        let Some(journal) = Journal::read(&Journal::path(config))? else { return Ok(None) };
        let name = journal.entries.iter().find_map(|entry| match &entry.place {
            Place::DatabaseUser(account) => Some(account),
            _ => None,
        });
        let (storage, _) = Config::load_features(config)?;
        let (Some(name), sql::Config::Mariadb(storage)) = (name, storage) else { return Ok(None) };
        let (session, server) = match (&journal.facts.mailcow, &journal.facts.mariadb) {
            (Some(mailcow), _) => {
                let (host, port) = (String::new(), 0);
                (mailcow.database(), Server { socket: None, host, port, admin: "root".to_owned() })
            }
            (None, Some(server)) => {
                let admin = answers.mariadb_admin.clone().unwrap_or_else(|| server.admin.clone());
                let server = Server { admin, ..server.clone() };
                (Session::open(&server, answers)?, server)
            }
            (None, None) => return Ok(None),
        };
        let is_mailcows = journal.facts.mailcow.is_some();
        Ok(Some(Self { session, mariadb: Mariadb::known(server, &storage.database, name)?, is_mailcows }))
    }

    /// What it must be given so that keydove can do what this configuration says.
    pub(super) fn plan(&self, wishes: &Wishes, text: &str) -> Result<Option<Change>, Failure> {
        let (is_mysql, has_sogo) = self.session.kind(&self.mariadb.database)?;
        let features = Config::parse_features(&wishes.config, text)?;
        let rights = match self.is_mailcows {
            true => rights_of_daemon(&features, is_mysql, has_sogo),
            false => rights(features, is_mysql, has_sogo),
        };
        let name = self.mariadb.account();
        let before = self.session.read_user(&name)?;
        let after = self.mariadb.wanted_user(&before, &rights);
        Ok(Change::new(Phase::Database, Place::DatabaseUser(name), before, after))
    }
}
