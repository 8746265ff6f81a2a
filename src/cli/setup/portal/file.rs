//! keydove-portal.toml as setup writes it, and the portal's part of keydove.toml.

use std::fmt::Write;

use super::super::super::storage::Failure;
use super::super::change::{Place, State};
use super::super::configuration::quoted;
use super::super::journal::Journal;
use super::super::listener::Listener;
use super::super::service::Service;
use super::values::{SECRET, TABLE, TABLE_BEFORE, parse, value};
use super::wishes::Wishes;
use crate::config::Config;

/// What keydove-portal.toml is to be. A file that setup did not write stays as it is, if it is for this portal.
pub(super) fn text(wishes: &Wishes, now: &State, journal: &Journal) -> Result<String, Failure> {
    let State::File { text: own, .. } = now else { return Ok(whole(wishes)) };
    if journal.wrote(&Place::File(wishes.file.clone()), now) {
        return Ok(whole(wishes));
    }
    let table = parse(&wishes.file, own)?;
    let socket = wishes.socket.display().to_string();
    for (name, wanted) in [
        ("portal.public_url", &wishes.public_url),
        ("portal.daemon_socket", &socket),
        ("keycloak.issuer", &wishes.issuer),
        ("keycloak.client_id", &wishes.client_id),
    ] {
        let found = value(&table, name).map(|found| found.trim_end_matches('/').to_owned());
        // What is not said has a default, and `keydove-portal check` looks at the whole.
        if let Some(found) = found.filter(|found| found != wanted) {
            return Err(Failure::Data(format!(
                "{} is there already, and its {name} is \"{found}\", not \"{wanted}\"; setup changes nothing that you wrote: mend \
                 one of the two, or move the file away",
                wishes.file.display()
            )));
        }
    }
    Ok(own.clone())
}

fn whole(wishes: &Wishes) -> String {
    let mut text = format!(
        "# The portal's configuration, as `keydove setup --portal` wrote it. Change what you like: setup and its undo leave alone\n\
         # what you changed. docs/portal.md explains each setting; `keydove-portal check` looks at all of it.\n\n\
         [portal]\n\
         public_url = {}\n\
         listen = {}   # the proxy with TLS connects here\n\
         trusted_proxies = [{}]   # whose X-Forwarded-For counts\n\
         daemon_socket = {}\n\
         languages = [\"en\", \"de\"]\n\
         #name = \"Example\"                 # at the head of each page\n\
         #help = \"mailto:help@example.org\"   # who helps\n\n\
         [keycloak]\n\
         issuer = {}\n",
        quoted(&wishes.public_url),
        quoted(&wishes.listen.to_string()),
        list(&wishes.trusted),
        quoted(&wishes.socket.display().to_string()),
        quoted(&wishes.issuer),
    );
    let backend = wishes.backend();
    if backend != wishes.issuer {
        let _ = writeln!(
            text,
            "backend_url = {}   # the same realm, as this machine reaches it",
            quoted(&backend)
        );
    }
    let _ = writeln!(text, "client_id = {}", quoted(&wishes.client_id));
    let _ = match wishes.service {
        Service::Systemd => writeln!(text, "client_secret_credential = {}", quoted(SECRET)),
        Service::Commands { .. } => {
            let secret = wishes.file.with_file_name(SECRET);
            writeln!(text, "client_secret_file = {}", quoted(&secret.display().to_string()))
        }
    };
    let _ = writeln!(text, "administrator_role = {}", quoted(wishes.role));
    if let Some(file) = &wishes.ca_file {
        let _ = writeln!(text, "ca_file = {}", quoted(&file.display().to_string()));
    }
    let _ = write!(text, "\n[mail]\ndomains = [{}]\n", list(&wishes.domains));
    for (service, port) in [("imap", 993), ("smtp", 465)] {
        let _ = write!(text, "\n[mail.{service}]\nhost = {}\nport = {port}\n", quoted(&wishes.mail_host));
    }
    text
}

fn list(texts: &[String]) -> String {
    texts.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(", ")
}

/// Whether keydove.toml says which role of the realm administrators have.
fn names_role(text: &str) -> bool {
    let table = toml::from_str::<toml::Table>(text).unwrap_or_default();
    table.get("portal").and_then(|portal| portal.get("administrator_realm_role")).is_some()
}

/// keydove.toml with the portal's listener and its table at the end, where it lacks them.
pub(super) fn with_listener(wishes: &Wishes, listener: &Listener, now: &State) -> Result<String, Failure> {
    let path = &wishes.config;
    let State::File { text: own, .. } = now else {
        return Err(Failure::Data(format!("{} is gone", path.display())));
    };
    let there = Config::load_listeners(path)?;
    let mut text = if names_role(own) { own.clone() } else { own.replace(TABLE_BEFORE, TABLE) };
    let mut add = |part: &str| {
        let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        let _ = write!(text, "{end}\n{part}");
    };
    if there.iter().all(|one| one.path != listener.path) {
        add(&listener.text(wishes.service == Service::Systemd));
    }
    if !wishes.has_table {
        add(TABLE);
    }
    // Where the file ends in an odd way, nothing is written that cannot be read again.
    Config::parse_features(path, &text)?;
    Ok(text)
}
