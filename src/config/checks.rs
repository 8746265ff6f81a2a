//! Checks between sections; each section checks itself. All faults are reported, not just the first.

mod listeners;
mod sources;
mod warnings;

use self::listeners::check_listeners;
use self::sources::{check_keycloaks, check_mailcow};
use super::{ListenerProtocol, Tables, find_group, find_user, secrets};
use crate::backend::sql;
use crate::settings::SettingFault;

pub(super) use warnings::find_warnings;

/// Every setting that cannot be, by the way to it from the top of the file.
pub(super) fn find_faults(file: &Tables) -> Vec<SettingFault> {
    let mut faults = Vec::new();
    for (table, section) in file.sections() {
        faults.extend(section.faults().into_iter().map(|fault| fault.under(table)));
    }
    faults.extend(secrets::given_twice(file));
    check_listeners(file, &mut faults);
    check_keycloaks(file, &mut faults);
    check_mailcow(file, &mut faults);
    check_userdb(file, &mut faults);
    check_cache(file, &mut faults);
    check_throttle(file, &mut faults);
    check_http_login(file, &mut faults);
    check_backends(file, &mut faults);
    faults
}

fn check_userdb(file: &Tables, faults: &mut Vec<SettingFault>) {
    let master = file.listeners.iter().position(|listener| listener.protocol == ListenerProtocol::AuthMaster);
    if let (Some(index), None) = (master, &file.userdb.home) {
        faults.push(SettingFault::at(
            &["listener", &index.to_string(), "door"],
            "an auth-master listener needs to know where mail lives",
            "add [userdb] with uid, gid and home",
        ));
    }
    let numbers = [
        ("uid", &file.userdb.uid, find_user as fn(&str) -> Option<u32>),
        ("gid", &file.userdb.gid, find_group),
    ];
    for (key, value, find) in numbers {
        let Some(name) = value else { continue };
        let number = find(name);
        if number.is_none() {
            faults.push(SettingFault::at(
                &["userdb", key],
                "this machine knows no such name",
                "write the number as it is on the machine of the mail files; Dovecot takes no names here",
            ));
        }
        if number == Some(0) {
            faults.push(SettingFault::at(
                &["userdb", key],
                "mail must not belong to root",
                "Dovecot refuses root; use the user that owns the mail files, such as vmail",
            ));
        }
    }
}

fn check_cache(file: &Tables, faults: &mut Vec<SettingFault>) {
    let Some(path) = &file.cache.record_file else { return };
    let mut complain = |key: &str, sentence: &str, advice: &str| {
        faults.push(SettingFault::at(&["cache", key], sentence, advice));
    };
    if let sql::Config::Sqlite(sqlite) = &file.storage
        && sqlite.path == *path
    {
        complain(
            "record_file",
            "the record file would take the place of the database, which has the same path",
            "/var/lib/keydove/records is a good one",
        );
    }
    let has_secret = matches!(file.storage, sql::Config::Mariadb(_)) || file.own_keycloaks().next().is_some();
    if !has_secret {
        complain(
            "record_file",
            "there is no secret to encrypt the record file with",
            "it takes Keycloak's client secret or the database password, and there is neither: take this line out",
        );
    }
}

fn check_throttle(file: &Tables, faults: &mut Vec<SettingFault>) {
    if file.throttle.shared && file.redis.is_none() {
        let advice = "add [redis], or take this line out: then each node counts for itself";
        let keys = ["throttle", "shared"];
        faults.push(SettingFault::at(&keys, "there is no [redis] to share through", advice));
    }
}

fn check_backends(file: &Tables, faults: &mut Vec<SettingFault>) {
    let backends = &file.mail_hosts;
    for (index, backend) in backends.iter().enumerate() {
        if backends[..index].iter().any(|other| other.name == backend.name) {
            faults.push(SettingFault::at(
                &["backend", &index.to_string(), "name"],
                "another [[backend]] has this name",
                "mailboxes are remembered by it: give each machine a name of its own",
            ));
        }
    }
    let Some(this) = &file.backends.this else { return };
    if !backends.iter().any(|backend| backend.name == *this) {
        faults.push(SettingFault::at(
            &["backends", "this"],
            "no [[backend]] has this name",
            "write the name of this machine's [[backend]], or take this line out where it is a proxy only",
        ));
    }
}

fn check_http_login(file: &Tables, faults: &mut Vec<SettingFault>) {
    let has_socket = file.listeners.iter().any(|listener| listener.protocol == ListenerProtocol::HttpLogin);
    if file.http_login.listen.is_none() && !has_socket && file.http_login.is_meant() {
        faults.push(SettingFault::at(
            &["http_login"],
            "nobody could ask over HTTP: there is no port",
            "set listen, such as \"127.0.0.1:9082\", or add a [[listener]] with door = \"http-login\"",
        ));
    }
}
