//! The configuration with which the stage starts keydove.

use std::fmt::Write;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::{Listener, MAIL_ID, Settings, Storage};
use crate::{Failure, Result, Stage, attempt, mariadb, names};

/// The sockets that `docs/install.md` lists.
pub(super) fn listeners(settings: &Settings) -> Vec<Listener> {
    let postfix = Listener {
        door: "auth-client",
        role: "postfix",
        path: settings.sasl_socket.clone(),
        mode: 0o660,
        owner: "postfix",
        group: "postfix",
    };
    let mut listeners = dovecot_listeners(&settings.dovecot_base);
    listeners.push(postfix);
    listeners
}

pub(super) fn dovecot_listeners(base: &Path) -> Vec<Listener> {
    let dovecot = |door, name: &str, mode, group| {
        let path = base.join(name);
        Listener { door, role: "dovecot", path, mode, owner: "root", group }
    };
    vec![
        dovecot("auth-client", "login/ext/auth", 0o660, "dovenull"),
        dovecot("auth-client", "auth-client", 0o600, "root"),
        dovecot("auth-master", "auth-master", 0o600, "root"),
        dovecot("auth-master", "auth-userdb", 0o600, "root"),
    ]
}

pub(super) fn write_listeners(listeners: &[Listener]) -> Result<String> {
    let mut text = String::new();
    for Listener { door, role, path, mode, owner, group } in listeners {
        // A role says how a login's answer is worded; the master protocol has one wording.
        let role = if *door == "auth-client" { format!("role = \"{role}\"\n") } else { String::new() };
        let path = path.display();
        let written = write!(
            text,
            "[[listener]]\ndoor = \"{door}\"\n{role}path = \"{path}\"\nmode = \"0{mode:o}\"\n\
             owner = \"{owner}\"\ngroup = \"{group}\"\n\n"
        );
        written.map_err(|error| Failure(error.to_string()))?;
    }
    Ok(text)
}

/// Each wait is as long as keydove lets it be, because a machine that does much else is none of the faults that are
/// tried; a case about a wait sets it with [`with`].
pub(super) fn configuration(stage: &Stage, settings: &Settings, listeners: &[Listener]) -> Result<String> {
    let text = write_listeners(listeners)?;
    let secret = secret_file(stage, "client_secret", "s3cret")?;
    let storage = match &settings.storage {
        Storage::Sqlite(path) => {
            format!("[storage.sqlite]\npath = \"{}\"\nbusy_timeout = \"8s\"", path.display())
        }
        Storage::MariaDb(socket) => {
            let password = secret_file(stage, "database_password", mariadb::PASSWORD)?;
            format!(
                "[storage.mariadb]\nsocket = \"{}\"\nuser = \"{}\"\npassword_file = \"{}\"\ndatabase = \"{}\"\n\
                 timeout = \"8s\"\nconnect_timeout = \"8s\"",
                socket.display(),
                mariadb::USER,
                password.display(),
                names::DATABASE
            )
        }
    };
    let text = format!(
        "{text}[keycloak]
server_url = \"{url}\"
realm = \"{realm}\"
client_id = \"mailcow\"
client_secret_file = \"{secret}\"
connect_timeout = \"8s\"
request_timeout = \"8s\"

{storage}

[userdb]
uid = \"{MAIL_ID}\"
gid = \"{MAIL_ID}\"
home = \"{mail}/%d/%n\"
mail = \"maildir:~/Maildir\"
mail_driver = \"maildir\"
mail_path = \"~/Maildir\"

[cache]
max_staleness = \"0\"
mailbox_staleness = \"0\"
stale_limit = \"0\"
refetch_pause = \"0\"

[login]
deadline = \"9s\"
failure_delay = \"{delay}\"

[throttle]
enabled = false
",
        url = settings.keycloak_url,
        realm = names::REALM,
        secret = secret.display(),
        mail = stage.path("mail").display(),
        delay = settings.failure_delay,
    );
    Ok(if settings.remembers { remembering(&text) } else { text })
}

/// The configuration with another value of a setting: of the first that is called so. Without one keydove does not start,
/// and says why.
pub fn with(text: &str, key: &str, value: &str) -> String {
    let beginning = format!("{key} = ");
    match text.lines().find(|line| line.starts_with(&beginning)) {
        Some(own) => text.replacen(own, &format!("{beginning}\"{value}\""), 1),
        None => format!("{key} is not set in\n{text}"),
    }
}

/// The configuration with the caches as they are by default; the stage's own keydove remembers nothing, so that what a
/// case changes counts at once.
pub fn remembering(text: &str) -> String {
    let (before, rest) = text.split_once("[cache]").unwrap_or((text, ""));
    let after = rest.split_once("\n[").map_or(String::new(), |(_, after)| format!("[{after}"));
    format!("{before}{after}")
}

pub(super) fn secret_file(stage: &Stage, name: &str, secret: &str) -> Result<PathBuf> {
    let path = stage.write(&format!("keydove/{name}"), secret)?;
    attempt("change mode of", &path, fs::set_permissions(&path, Permissions::from_mode(0o600)))?;
    Ok(path)
}
