//! The files that the configuration names: can the service's user do with them what keydove will do?

use std::fs;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

use super::finding::{Finding, Findings};
use super::service::Service;
use crate::backend::sql;
use crate::config::Config;

/// What is done with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    Read,
    /// It is made where it is missing, beside others of its name.
    Write,
}

pub(super) fn look(config: &Config, path: &Path, service: Option<&Service>) -> Vec<Finding> {
    let mut findings = Findings::of("files");
    let named = named(config, path);
    let mut is_fine = true;
    for (setting, path, purpose) in &named {
        let Some(obstacle) = obstacle(path, *purpose, service) else { continue };
        is_fine = false;
        let (what, verb) = (path.display(), if *purpose == Use::Read { "read" } else { "write" });
        let name = service.and_then(|service| service.account.as_ref()).map(|account| &account.name);
        let user = name.map_or_else(|| "keydove's user".to_owned(), |name| format!("the user `{name}`"));
        findings.fault(
            format!("{setting} {what}: {user} cannot {verb} it, so the service fails: {obstacle}"),
            match purpose {
                Use::Read => format!(
                    "put it where that user can read it: install -m 0644 {what} /etc/keydove/, and name that place (a \
                     secret: install -m 0640 -g keydove)"
                ),
                Use::Write => "keep it in a folder of that user: below /var/lib/keydove with the shipped unit".to_owned(),
            },
        );
    }
    if is_fine {
        findings.fine(format!("all {} can be used: {}", named.len(), list(&named)));
    }
    findings.into_vec()
}

fn list(named: &[(&'static str, PathBuf, Use)]) -> String {
    let mut names: Vec<&str> = named.iter().map(|(setting, ..)| *setting).collect();
    names.dedup();
    names.join(", ")
}

fn named(config: &Config, path: &Path) -> Vec<(&'static str, PathBuf, Use)> {
    let mut named = vec![("configuration", path.to_owned(), Use::Read)];
    let mut add = |setting, path: Option<&PathBuf>, purpose| {
        named.extend(path.map(|path| (setting, path.clone(), purpose)));
    };
    let keycloaks = config.keycloaks.iter().map(|(_, keycloak)| keycloak);
    for keycloak in keycloaks.chain(&config.mailcow_keycloak) {
        add("client_secret_file", keycloak.client_secret_file.as_ref(), Use::Read);
        add("ca_file", keycloak.ca_file.as_ref(), Use::Read);
    }
    match &config.storage {
        sql::Config::Sqlite(file) => add("[storage.sqlite] path", Some(&file.path), Use::Write),
        sql::Config::Mariadb(server) => add("password_file", server.password_file.as_ref(), Use::Read),
    }
    add("record_file", config.cache.record_file.as_ref(), Use::Write);
    add("[master_users] file", config.master_users.as_ref().map(|masters| &masters.file), Use::Read);
    let http = &config.http_login;
    add("certificate_file", http.certificate_file.as_ref(), Use::Read);
    add("key_file", http.key_file.as_ref(), Use::Read);
    add("shadow_ca_file", http.shadow_ca_file.as_ref(), Use::Read);
    named
}

/// Why not, in words.
fn obstacle(path: &Path, purpose: Use, service: Option<&Service>) -> Option<String> {
    let whole = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let setting = service.and_then(|service| match purpose {
        Use::Read => service.unit.hides(&whole),
        Use::Write => service.unit.forbids_writing(&whole),
    });
    if let (Some(setting), Some(service)) = (setting, service) {
        return Some(format!("{setting}= of {} forbids it", service.unit.file().display()));
    }
    let closed = path.ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty());
    let is_closed = |folder: &&Path| folder.exists() && access(*folder, AccessFlags::X_OK).is_err();
    if let Some(folder) = closed.collect::<Vec<_>>().into_iter().rev().find(is_closed) {
        return Some(format!("the folder {} is closed to it", folder.display()));
    }
    match (purpose, path.exists()) {
        (Use::Read, _) => access(path, AccessFlags::R_OK).err().map(|error| error.to_string()),
        // Opened and closed, a SQLite file would lose the locks of this process: it has none here.
        (Use::Write, true) => {
            access(path, AccessFlags::R_OK | AccessFlags::W_OK).err().map(|error| error.to_string())
        }
        (Use::Write, false) => None,
    }
    .or_else(|| {
        let folder = path.parent().filter(|_| purpose == Use::Write)?;
        // Before the first start.
        if !folder.exists() && service.is_some_and(|service| service.unit.makes(folder)) {
            return None;
        }
        let rights = AccessFlags::W_OK | AccessFlags::X_OK;
        let error = access(folder, rights).err()?;
        Some(format!("nothing can be made in the folder {}: {error}", folder.display()))
    })
}
