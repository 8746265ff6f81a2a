//! Checks between settings. All faults are reported, not just the first.

mod listeners;
mod sources;
mod warnings;

use self::listeners::check_listeners;
use self::sources::{check_keycloaks, check_mailcow};
use super::{Door, File};
use super::{find_group, find_user};
use crate::auth::{BadServiceName, DefaultDomain, ServiceNames, normalise_domain};
use crate::backend::{kick, redis, sql};
use crate::credential::hashing::MAX_LANES;
use crate::credential::token;
use crate::login::passdb;

pub(super) use warnings::find_warnings;

/// Postfix hangs up after 10 s and takes that for an outage.
const MAX_DEADLINE_SECS: u64 = 9;

const NO_DOMAIN: &str = "this is no mail domain";
const DOMAIN_ADVICE: &str = "write it as in mail addresses, without the @";

/// A fault, and the setting it is about.
#[derive(Debug)]
pub(super) struct Fault {
    /// The way to the setting; a number is an index into a list.
    pub(super) keys: Vec<String>,
    pub(super) sentence: String,
    pub(super) advice: String,
}

impl Fault {
    pub(super) fn new(keys: &[&str], sentence: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            keys: keys.iter().map(|&key| key.to_owned()).collect(),
            sentence: sentence.into(),
            advice: advice.into(),
        }
    }
}

pub(super) fn find_faults(file: &File) -> Vec<Fault> {
    let mut faults = Vec::new();
    check_listeners(file, &mut faults);
    check_keycloaks(file, &mut faults);
    check_mailcow(file, &mut faults);
    check_login(file, &mut faults);
    check_names(file, &mut faults);
    check_hashing(file, &mut faults);
    check_userdb(file, &mut faults);
    check_storage(file, &mut faults);
    check_app_passwords(file, &mut faults);
    check_oauth(file, &mut faults);
    check_master_users(file, &mut faults);
    check_sogo(file, &mut faults);
    check_bookkeeping(file, &mut faults);
    check_cache(file, &mut faults);
    check_http(file, &mut faults);
    check_throttle(file, &mut faults);
    check_sync(file, &mut faults);
    check_kick(file, &mut faults);
    check_housekeeping(file, &mut faults);
    check_http_login(file, &mut faults);
    faults
}

fn check_login(file: &File, faults: &mut Vec<Fault>) {
    let (deadline, delay) = (file.login.deadline.get(), file.login.failure_delay.get());
    if deadline.is_zero() || deadline.as_secs() > MAX_DEADLINE_SECS {
        faults.push(Fault::new(
            &["login", "deadline"],
            "the deadline must be more than 0 and less than 10s",
            "Postfix hangs up after 10s and tells its users of an outage; 5s is a good value",
        ));
    }
    if delay.as_secs() > MAX_DEADLINE_SECS {
        faults.push(Fault::new(
            &["login", "failure_delay"],
            "the failure delay must be less than 10s",
            "Postfix hangs up after 10s, so a wrong password would look like an outage; 2s is a good value",
        ));
    }
}

fn check_names(file: &File, faults: &mut Vec<Fault>) {
    let mut names = ServiceNames::default();
    for (name, target) in &file.login.services {
        let Err(why) = names.allow(name, target) else { continue };
        let (sentence, advice) = match why {
            BadServiceName::NotAName => (
                "this is no name of a service",
                "write it as the program sends it: at most 64 bytes, without blanks",
            ),
            BadServiceName::Known => (
                "keydove knows this service, and it counts as itself",
                "take this line out; a mailbox's switches are set with keydove mailbox set",
            ),
            BadServiceName::Twice => {
                ("this service stands here twice", "letter case does not matter: take one of the lines out")
            }
            BadServiceName::NoTarget => (
                "this is no service that has switches",
                "take one of \"imap\", \"pop3\", \"smtp\", \"sieve\", \"dav\", \"eas\"",
            ),
        };
        faults.push(Fault::new(&["login", "services", name], sentence, advice));
    }
    if DefaultDomain::new(file.login.default_domain.as_deref()).is_err() {
        faults.push(Fault::new(&["login", "default_domain"], NO_DOMAIN, DOMAIN_ADVICE));
    }
}

fn check_hashing(file: &File, faults: &mut Vec<Fault>) {
    if file.hashing.lanes > MAX_LANES {
        faults.push(Fault::new(
            &["hashing", "lanes"],
            format!("a core advances at most {MAX_LANES} bcrypt computations together"),
            "take this line out: keydove measures at its start how many suit this processor",
        ));
    }
    if let Some(scheme) = file.hashing.schemes.forbidden_default() {
        faults.push(Fault::new(
            &["hashing", "schemes", "default_scheme"],
            format!(
                "`{scheme}` is weak and not allowed, so no password without a label could be compared with"
            ),
            format!("add allow_weak = [\"{scheme}\"], or take this line out"),
        ));
    }
}

fn check_userdb(file: &File, faults: &mut Vec<Fault>) {
    let master = file.listeners.iter().position(|listener| listener.door == Door::AuthMaster);
    if let (Some(index), None) = (master, &file.userdb.home) {
        faults.push(Fault::new(
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
            faults.push(Fault::new(
                &["userdb", key],
                "this machine knows no such name",
                "write the number as it is on the machine of the mail files; Dovecot takes no names here",
            ));
        }
        if number == Some(0) {
            faults.push(Fault::new(
                &["userdb", key],
                "mail must not belong to root",
                "Dovecot refuses root; use the user that owns the mail files, such as vmail",
            ));
        }
    }
    for key in file.userdb.fields.keys() {
        if ["uid", "gid", "home", "mail", "mail_driver", "mail_path"].contains(&key.as_str()) {
            let advice = format!("write it as {key} directly under [userdb]");
            faults.push(Fault::new(
                &["userdb", "fields", key],
                "this field has a setting of its own",
                advice,
            ));
        }
        if key.is_empty() || key.contains(|c: char| c.is_control() || c.is_whitespace() || c == '=') {
            let advice = "use the name of a userdb field or of a Dovecot setting";
            faults.push(Fault::new(&["userdb", "fields", key], "this is no name of a field", advice));
        }
    }
}

fn check_storage(file: &File, faults: &mut Vec<Fault>) {
    let table = match &file.storage {
        sql::Config::Sqlite(_) => "sqlite",
        sql::Config::Mariadb(_) => "mariadb",
    };
    if let Err(error) = file.storage.validate() {
        let advice = format!("docs/configuration.md lists the settings of [storage.{table}]");
        faults.push(Fault::new(&["storage", table], error.to_string(), advice));
    }
}

fn check_app_passwords(file: &File, faults: &mut Vec<Fault>) {
    let settings = &file.app_passwords;
    if settings.max_hashes == 0 {
        faults.push(Fault::new(
            &["app_passwords", "max_hashes"],
            "without a hash no app password could ever be right",
            "10 is a good value",
        ));
    }
    if settings.only_domains.iter().any(|domain| normalise_domain(domain).is_err()) {
        faults.push(Fault::new(&["app_passwords", "only_domains"], NO_DOMAIN, DOMAIN_ADVICE));
    }
}

fn check_oauth(file: &File, faults: &mut Vec<Fault>) {
    let Some(Err(fault)) = file.oauth.as_ref().map(token::Config::validate) else { return };
    let keys: Vec<&str> = ["oauth"].into_iter().chain(fault.setting).collect();
    faults.push(Fault::new(&keys, fault.to_string(), fault.advice));
}

fn check_master_users(file: &File, faults: &mut Vec<Fault>) {
    let Some(config) = &file.master_users else { return };
    if config.separator.is_alphanumeric() || config.separator.is_control() || config.separator == '@' {
        faults.push(Fault::new(
            &["master_users", "separator"],
            "this character may be part of an address",
            "take one that no address has, such as \"*\"",
        ));
    }
    if let Err(error) = passdb::MasterUsers::new(config.clone()).check() {
        let advice =
            "it must exist, mode 0600, with one `name:{SCHEME}hash` a line; `keydove hash` makes hashes";
        faults.push(Fault::new(&["master_users", "file"], error.to_string(), advice));
    }
}

fn check_sogo(file: &File, faults: &mut Vec<Fault>) {
    let sogo = &file.sogo;
    let (path, credential) = (sogo.single_sign_on_file.is_some(), sogo.single_sign_on_credential.is_some());
    if path && credential {
        faults.push(Fault::new(
            &["sogo", "single_sign_on_credential"],
            "the secret of the single sign-on is given twice",
            "set single_sign_on_file or single_sign_on_credential, not both",
        ));
    }
    if (path || credential) && sogo.addresses.is_empty() {
        faults.push(Fault::new(
            &["sogo"],
            "the single sign-on is trusted from nowhere",
            "set addresses to where SOGo's logins come from, such as [\"172.22.1.248\"]",
        ));
    }
}

fn check_cache(file: &File, faults: &mut Vec<Fault>) {
    let Some(path) = &file.cache.record_file else { return };
    let mut complain = |key: &str, sentence: &str, advice: &str| {
        faults.push(Fault::new(&["cache", key], sentence, advice));
    };
    if !path.is_absolute() || path.file_name().is_none() {
        complain(
            "record_file",
            "the path of the record file must begin with / and end with a name",
            "/var/lib/keydove/records is a good one",
        );
    }
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
    if file.cache.stale_limit.get().is_zero() {
        complain(
            "record_file",
            "a record file is of no use where nothing old may serve",
            "take this line out, or set stale_limit to more than 0",
        );
    }
}

fn check_http(file: &File, faults: &mut Vec<Fault>) {
    let http = &file.http;
    let forget = (http.forget_token_file.is_some(), http.forget_token_credential.is_some());
    let policy = (http.policy_token_file.is_some(), http.policy_token_credential.is_some());
    for (name, path, (file, credential)) in
        [("forget_token", "/forget", forget), ("policy_token", "/auth-policy", policy)]
    {
        if file && credential {
            faults.push(Fault::new(
                &["http", &format!("{name}_credential")],
                format!("the token of POST {path} is given twice"),
                format!("set {name}_file or {name}_credential, not both"),
            ));
        }
        if (file || credential) && http.listen.is_none() {
            faults.push(Fault::new(
                &["http"],
                format!("there is a token for POST {path}, but no port"),
                "set listen, such as \"127.0.0.1:9153\", or take the token out",
            ));
        }
    }
}

fn check_throttle(file: &File, faults: &mut Vec<Fault>) {
    if let Err(error) = file.throttle.validate() {
        let advice = "take this line out: the default is a good value";
        faults.push(Fault::new(&["throttle", error.setting], error.to_string(), advice));
    }
    if file.throttle.shared && file.redis.is_none() {
        let advice = "add [redis], or take this line out: then each node counts for itself";
        faults.push(Fault::new(&["throttle", "shared"], "there is no [redis] to share through", advice));
    }
}

fn check_sync(file: &File, faults: &mut Vec<Fault>) {
    if let Err(bad) = file.sync.validate() {
        faults.push(Fault::new(&["sync", bad.setting], bad.sentence, bad.advice));
    }
}

fn check_kick(file: &File, faults: &mut Vec<Fault>) {
    if let Some(Err(bad)) = file.kick.as_ref().map(kick::Config::validate) {
        faults.push(Fault::new(&["kick", bad.setting], bad.sentence, bad.advice));
    }
}

fn check_housekeeping(file: &File, faults: &mut Vec<Fault>) {
    if let Err(bad) = file.housekeeping.validate() {
        faults.push(Fault::new(&["housekeeping", bad.setting], bad.sentence, bad.advice));
    }
}

fn check_http_login(file: &File, faults: &mut Vec<Fault>) {
    let has_socket = file.listeners.iter().any(|listener| listener.door == Door::HttpLogin);
    for fault in file.http_login.faults(has_socket) {
        let keys: Vec<_> = ["http_login"].into_iter().chain(fault.key).collect();
        faults.push(Fault::new(&keys, fault.sentence, fault.advice));
    }
}

fn check_bookkeeping(file: &File, faults: &mut Vec<Fault>) {
    if let Some(Err(error)) = file.redis.as_ref().map(redis::Config::validate) {
        let advice = "docs/configuration.md lists the settings of [redis]";
        faults.push(Fault::new(&["redis"], error.to_string(), advice));
    }
    if let Err(error) = file.bookkeeping.validate() {
        let advice = "60s is a good value";
        faults.push(Fault::new(&["bookkeeping", error.setting], error.to_string(), advice));
    }
}
