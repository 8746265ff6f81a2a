//! keydove.toml as setup writes it.

use std::fmt::Write;
use std::path::Path;

use super::super::storage::Failure;
use super::answers::{DovecotWay, PostfixQuestion};
use super::change::{Place, State};
use super::dovecot::Release;
use super::journal::Journal;
use super::listener::{Listener, Purpose};
use super::mariadb::Mariadb;
use super::service::Service;
use super::wishes::{Store, TEMPLATE, Wishes};
use crate::config::Config;

/// The sockets that the ways in need.
pub(super) fn listeners(wishes: &Wishes) -> Vec<Listener> {
    let folder = &wishes.sockets;
    let mut all = Vec::new();
    if let Some((dovecot, way)) = &wishes.dovecot {
        match way {
            DovecotWay::Takeover => {
                let ext = dovecot.base_dir.join("login/ext");
                let login = Listener::new(Purpose::DovecotClients, ext.join("auth"));
                let login = login.of_unit("keydove-login.socket").for_whom("0660", None, Some("dovenull"));
                all.push(Listener { folder: Some(ext), ..login });
                let master = |purpose, name: &str| {
                    let listener = Listener::new(purpose, folder.join(name));
                    listener.of_unit("keydove-master.socket")
                };
                all.push(master(Purpose::DovecotClients, "auth-client"));
                all.push(master(Purpose::Master, "auth-master"));
                all.push(master(Purpose::Master, "auth-userdb"));
            }
            DovecotWay::Lua | DovecotWay::Checkpassword => {
                let hook = Listener::new(Purpose::Hook, folder.join("hook")).of_unit("keydove-hook.socket");
                all.push(hook.for_whom("0600", Some("dovecot"), None));
            }
            DovecotWay::None => {}
        }
    }
    if let Some((postfix, questions)) = &wishes.postfix {
        for (question, purpose, name) in [
            (PostfixQuestion::Sasl, Purpose::PostfixClients, "keydove"),
            (PostfixQuestion::Maps, Purpose::Socketmap, "keydove-maps"),
            (PostfixQuestion::Policy, Purpose::Policy, "keydove-policy"),
        ] {
            if questions.contains(&question) {
                let listener = Listener::new(purpose, postfix.queue.join("private").join(name));
                let listener = listener.of_unit("keydove-postfix.socket");
                all.push(listener.for_whom("0660", Some("postfix"), Some("postfix")));
            }
        }
    }
    all.push(Listener::new(Purpose::Control, folder.join("control")));
    all
}

/// What keydove.toml is to be. A file that setup did not write keeps all that is in it, and gets what it lacks.
pub(super) fn text(
    wishes: &Wishes,
    listeners: &[Listener],
    now: &State,
    journal: &Journal,
) -> Result<String, Failure> {
    let whole = whole(wishes, listeners);
    let State::File { text: own, .. } = now else { return Ok(whole) };
    if journal.wrote(&Place::File(wishes.config.clone()), now) {
        return Ok(whole);
    }
    complete(wishes, listeners, own)
}

fn whole(wishes: &Wishes, listeners: &[Listener]) -> String {
    let has_units = wishes.service == Service::Systemd;
    let mut text = "# keydove's configuration, as `keydove setup` wrote it. Change what you like: setup and its undo leave alone what\n\
                    # you changed. `man keydove.toml` explains each setting; `keydove check` looks at all of it.\n\n"
        .to_owned();
    for listener in listeners {
        text.push_str(&listener.text(has_units));
        text.push('\n');
    }
    let _ = write!(
        text,
        "[keycloak]\nserver_url = {}\nrealm = {}\nclient_id = {}\nclient_secret_file = {}\n",
        quoted(wishes.server_url.as_str()),
        quoted(wishes.realm.as_str()),
        quoted(&wishes.client_id),
        quoted(&wishes.secret_file().display().to_string()),
    );
    if let Some(file) = &wishes.ca_file {
        let _ = writeln!(text, "ca_file = {}", quoted(&file.display().to_string()));
    }
    if wishes.events {
        text.push_str("poll_events = \"2s\"               # needs Keycloak 26.2 or later\n");
    }
    text.push_str(&match &wishes.store {
        Store::Sqlite(file) => {
            format!("\n[storage.sqlite]\npath = {}\n", quoted(&file.display().to_string()))
        }
        Store::Mariadb(mariadb) => mariadb.text(&wishes.password_file().display().to_string()),
    });
    text.push_str(&userdb(wishes));
    if wishes.make_mailboxes {
        text.push_str(
            "\n[provisioning]                     # a first login makes the mailbox\nenabled = true\n",
        );
        let _ = writeln!(text, "default_template = \"{}\"", TEMPLATE);
    }
    text
}

fn userdb(wishes: &Wishes) -> String {
    let mail = &wishes.mail;
    let (driver, path) = mail.location.split_once(':').unwrap_or(("maildir", &mail.location));
    let mut text = format!(
        "\n[userdb]                           # where mail lies; numbers, no names\nuid = \"{}\"\ngid = \"{}\"\nhome = {}\n",
        mail.uid,
        mail.gid,
        quoted(&mail.home)
    );
    let release = wishes.dovecot.as_ref().map(|(dovecot, _)| dovecot.release);
    match release {
        Some(Release::V2_4) => {
            let _ = write!(text, "mail_driver = {}\nmail_path = {}\n", quoted(driver), quoted(path));
        }
        _ => {
            let _ = writeln!(text, "mail = {}", quoted(&mail.location));
        }
    }
    let heeds_quota = wishes.dovecot.as_ref().is_some_and(|(dovecot, _)| dovecot.has_quota());
    if heeds_quota && release == Some(Release::V2_3) {
        text.push_str("\n[userdb.fields]\nquota_rule = \"*:bytes=%{quota}\"\n");
    }
    text
}

/// A file of the administrator's: another Keycloak is an error, missing sockets are added at its end.
fn complete(wishes: &Wishes, listeners: &[Listener], own: &str) -> Result<String, Failure> {
    let path = &wishes.config;
    let value: toml::Table =
        toml::from_str(own).map_err(|error| Failure::Data(format!("{}:\n{error}", path.display())))?;
    let keycloak = |name: &str| value.get("keycloak")?.get(name)?.as_str();
    for (name, wanted) in [
        ("server_url", wishes.server_url.as_str()),
        ("realm", wishes.realm.as_str()),
        ("client_id", &wishes.client_id),
    ] {
        match keycloak(name).map(|found| found.trim_end_matches('/')) {
            Some(found) if found == wanted => {}
            found => {
                return Err(Failure::Data(format!(
                    "{} is there already, and its [keycloak] {name} is {}, not \"{wanted}\"; setup changes nothing that you \
                     wrote: mend one of the two, or move the file away",
                    path.display(),
                    found.map_or_else(|| "not set".to_owned(), |found| format!("\"{found}\"")),
                )));
            }
        }
    }
    if let Store::Mariadb(mariadb) = &wishes.store {
        check_storage(mariadb, &value, path)?;
    }
    let there = Config::load_listeners(path)?;
    let has_units = wishes.service == Service::Systemd;
    let mut text = own.to_owned();
    for listener in listeners {
        let is_control = listener.purpose == Purpose::Control;
        let is_there = there.iter().any(|one| {
            one.path == listener.path
                || (is_control && one.protocol == crate::config::ListenerProtocol::Control)
        });
        if !is_there {
            let end = if text.ends_with('\n') { "" } else { "\n" };
            let _ = write!(text, "{end}\n{}", listener.text(has_units));
        }
    }
    // Whoever asks where mail lies must be told.
    if !value.contains_key("userdb") && wishes.dovecot.is_some() {
        text.push_str(&userdb(wishes));
    }
    Ok(text)
}

/// A file of the administrator's must name the database that was answered.
fn check_storage(mariadb: &Mariadb, value: &toml::Table, path: &Path) -> Result<(), Failure> {
    let found = value.get("storage").and_then(|storage| storage.get("mariadb"));
    let says = |name: &str, wanted: &str| {
        found.and_then(|found| found.get(name)?.as_str()).is_some_and(|found| found == wanted)
    };
    let server = &mariadb.server;
    let is_there = match &server.socket {
        Some(socket) => says("socket", &socket.display().to_string()),
        None => says("host", &server.host),
    };
    if is_there && says("user", &mariadb.user) && says("database", &mariadb.database) {
        return Ok(());
    }
    Err(Failure::Data(format!(
        "{} is there already, and is not for the database that --mariadb names; setup changes nothing that you wrote: let it          have\n{}or move the file away",
        path.display(),
        mariadb.text("...")
    )))
}

/// A text as TOML writes it.
pub(super) fn quoted(text: &str) -> String {
    // JSON's way of quoting is TOML's too.
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
#[path = "configuration_tests.rs"]
mod tests;
