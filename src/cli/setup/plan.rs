//! All changes that lead from what the machine is to what is wished for.

use std::path::Path;

use nix::unistd::Group;

use super::super::storage::Failure;
use super::change::{Access, Change, Phase, Place, State, Target};
use super::configuration;
use super::files;
use super::journal::Journal;
use super::listener::Listener;
use super::mariadb;
use super::service::Service;
use super::site::Site;
use super::wishes::{Store, Wishes};
use crate::config::Config;

/// All changes, in the order in which they are made.
pub(super) fn plan(site: &mut Site, wishes: &Wishes, journal: &Journal) -> Result<Vec<Change>, Failure> {
    let mut changes = site.realm()?.plan(wishes)?;
    let listeners = configuration::listeners(wishes);
    let now = files::read(&wishes.config)?;
    let text = configuration::text(wishes, &listeners, &now, journal)?;
    changes.extend(database(site, wishes, &text)?);
    changes.extend(keydove(site, wishes, &listeners, (now, text))?);
    let lmtp = wishes.postfix.as_ref().and_then(|(postfix, questions)| postfix.lmtp(questions));
    if let Some((dovecot, way)) = &wishes.dovecot {
        changes.extend(dovecot.plan(*way, (&wishes.sockets, wishes.mail.maildir()), lmtp.as_ref())?);
    }
    if let Some((postfix, questions)) = &wishes.postfix {
        changes.extend(postfix.plan(questions)?);
    }
    Ok(changes)
}

fn keydove(
    site: &Site,
    wishes: &Wishes,
    listeners: &[Listener],
    (now, text): (State, String),
) -> Result<Vec<Change>, Failure> {
    let mut changes = Vec::new();
    let (uid, gid) = files::own_ids();
    let mail_root = wishes.mail.home.split('%').next().unwrap_or_default().trim_end_matches('/');
    if wishes.dovecot.is_some() && !mail_root.is_empty() {
        let owner = Access { mode: 0o700, uid: wishes.mail.uid, gid: wishes.mail.gid };
        folder(Path::new(mail_root), owner, &mut changes)?;
    }
    if wishes.service != Service::Systemd {
        folder(&wishes.sockets, Access { mode: 0o711, uid, gid }, &mut changes)?;
        if let Store::Sqlite(file) = &wishes.store
            && let Some(parent) = file.parent()
        {
            folder(parent, Access { mode: 0o700, uid, gid }, &mut changes)?;
        }
        for ext in listeners.iter().filter_map(|listener| listener.folder.as_deref()) {
            let group = Group::from_name("dovenull").ok().flatten().map_or(gid, |group| group.gid.as_raw());
            let access = Access { mode: 0o750, uid, gid: group };
            if let Some(login) = ext.parent() {
                folder(login, access, &mut changes)?;
            }
            folder(ext, access, &mut changes)?;
        }
    }
    changes.extend(secret(site, wishes)?);
    let access = match &now {
        State::File { access, .. } => *access,
        _ => Access { mode: 0o644, uid, gid },
    };
    let place = Place::File(wishes.config.clone());
    changes.extend(Change::new(Phase::Keydove, place, now, State::File { text, access }));
    changes.extend(wishes.service.plan(listeners, site.runs())?);
    Ok(changes)
}

/// The database, its tables, and a user that may do what this configuration needs.
fn database(site: &Site, wishes: &Wishes, text: &str) -> Result<Vec<Change>, Failure> {
    let Some(mariadb) = wishes.mariadb() else { return Ok(Vec::new()) };
    let session = site.database()?;
    let (is_mysql, has_sogo) = session.kind(&mariadb.database)?;
    let rights = mariadb::rights(Config::parse_features(&wishes.config, text)?, is_mysql, has_sogo);
    let (place, before) = (Place::Database(mariadb.database.clone()), session.read(&mariadb.database)?);
    let mut changes: Vec<Change> =
        Change::new(Phase::Database, place, before, mariadb.wanted()).into_iter().collect();
    let account = mariadb.account();
    let (before, file) = (session.read_user(&account)?, wishes.password_file());
    let password = files::read(&file)?;
    match (&before, &password) {
        (State::Absent, _) => {
            let access = wishes.access(0o640)?;
            let after = Target::Secret(State::File { text: mariadb.password.clone(), access });
            changes.push(Change {
                phase: Phase::Database,
                place: Place::File(file),
                before: password,
                after,
            });
        }
        (_, State::File { .. }) => {}
        _ => {
            return Err(Failure::Data(format!(
                "MariaDB has a user {account} already, whose password setup does not know: write it into {} (mode 0640,                  root:keydove), or let setup make another user by --mariadb-user",
                file.display()
            )));
        }
    }
    let after = mariadb.wanted_user(&before, &rights);
    changes.extend(Change::new(Phase::Database, Place::DatabaseUser(account), before, after));
    Ok(changes)
}

/// Makes a folder that is not there; one that is stays as it is.
fn folder(path: &Path, access: Access, changes: &mut Vec<Change>) -> Result<(), Failure> {
    let before = files::read(path)?;
    if before == State::Absent {
        let place = Place::Folder(path.to_owned());
        changes.extend(Change::new(Phase::Keydove, place, before, State::Folder(access)));
    }
    Ok(())
}

/// The file with the client secret, unless it holds the right one.
fn secret(site: &Site, wishes: &Wishes) -> Result<Option<Change>, Failure> {
    let path = wishes.secret_file();
    let before = files::read(&path)?;
    let access = match &before {
        State::File { access, .. } if access.mode & 0o007 == 0 => *access,
        _ => wishes.access(0o640)?,
    };
    let realm = site.realm()?;
    let is_there = realm.read(&Place::Client(wishes.client_id.clone()))? != State::Absent;
    let after = match is_there {
        false => Target::ClientSecret(access),
        true => {
            let secret = realm.secret(&wishes.client_id)?;
            let is_right = matches!(&before, State::File { text, access: now }
                if text.trim_end_matches('\n') == secret && *now == access);
            if is_right {
                return Ok(None);
            }
            Target::Secret(State::File { text: secret, access })
        }
    };
    Ok(Some(Change { phase: Phase::Keydove, place: Place::File(path), before, after }))
}
