//! `keydove cache`: what the running daemon remembers.

use std::path::Path;

use clap::Subcommand;

use super::control::{ask, other_answer};
use super::storage::{Answer, Failure};
use super::table::table;
use crate::backend::keycloak::AccountState;
use crate::backend::people::KnownPerson;
use crate::backend::records::{RecordCounts, Freshness};
use crate::frontend::control::{Reply, Request};
use crate::login::decision::{Counts, Forgotten, Known, KnownMailbox};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show how much keydove remembers: entries, hits, fetches. With an address: what it remembers about the address, how old
    /// that is, and whether it still counts. It shows no hash, only the scheme.
    Show {
        /// The address.
        address: Option<String>,
        /// Print one JSON document.
        #[arg(long)]
        json: bool,
    },
    /// Forget an address: its next login asks Keycloak and the database again and hashes its password. Within seconds the record file does not know it either.
    Forget {
        /// The address.
        address: String,
        /// Print one JSON document.
        #[arg(long)]
        json: bool,
    },
    /// Forget everything. While Keycloak or the database is down, nobody can log in after that.
    Flush {
        /// Print one JSON document.
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(arguments: &Arguments, config: &Path) -> Result<Answer, Failure> {
    let (request, json) = match &arguments.command {
        Command::Show { address: None, json } => (Request::CacheCounts, *json),
        Command::Show { address: Some(user), json } => (Request::CacheShow { user: user.clone() }, *json),
        Command::Forget { address, json } => (Request::CacheForget { user: address.clone() }, *json),
        Command::Flush { json } => (Request::CacheFlush, *json),
    };
    let text = match ask(config, &request)? {
        Reply::Counts(counts) if json => to_json(&counts)?,
        Reply::Known(known) if json => to_json(&known)?,
        Reply::Counts(counts) => show_counts(&counts),
        Reply::Known(known) => show_known(&known),
        Reply::Forgotten(forgotten) if json => to_json(&forgotten)?,
        Reply::Forgotten(forgotten) => show_forgotten(&request, forgotten),
        Reply::Error(error) => return Err(Failure::Data(error)),
        _ => return Err(other_answer()),
    };
    Ok(text.into())
}

pub(super) fn to_json<T: serde::Serialize>(value: &T) -> Result<String, Failure> {
    serde_json::to_string(value).map_err(|error| Failure::System(format!("cannot write JSON: {error}")))
}

fn show_counts(counts: &Counts) -> String {
    let row = |name: &str, counts: &RecordCounts| {
        let numbers = [counts.hits, counts.misses, counts.stale, counts.fetches, counts.failures];
        let [hits, misses, stale, fetches, failures] = numbers.map(|number| number.to_string());
        let kib = counts.bytes / 1024;
        [name.to_owned(), counts.entries.to_string(), kib.to_string(), hits, misses, stale, fetches, failures]
    };
    let headings = ["cache", "entries", "KiB", "hits", "misses", "stale", "fetches", "failures"];
    table(headings, vec![row("people", &counts.people), row("mailboxes", &counts.mailboxes)])
}

fn show_known(known: &Known) -> String {
    let mut rows = Vec::new();
    match &known.mailbox {
        Some(mailbox) => rows.extend(mailbox_rows(mailbox)),
        None => rows.push(["database".to_owned(), "nothing is remembered".to_owned()]),
    }
    match &known.person {
        Some(person) => rows.extend(person_rows(person)),
        None => rows.push(["Keycloak".to_owned(), "nothing is remembered".to_owned()]),
    }
    table([known.user.as_str(), ""], rows)
}

fn mailbox_rows(known: &KnownMailbox) -> Vec<[String; 2]> {
    let denied = if known.denied.is_empty() { "none".to_owned() } else { known.denied.join(", ") };
    let rows = [
        ("database asked", asked(known.age_ms, known.standing)),
        ("domain", known.domain.clone()),
        ("mailbox", known.mailbox.clone()),
        ("authsource", known.authsource.clone().unwrap_or_else(|| "none".to_owned())),
        ("own password", scheme(known.scheme.as_deref())),
        ("switched off", denied),
        ("app passwords", known.app_passwords.to_string()),
        ("belongs to", known.keycloak_id.clone().unwrap_or_default()),
    ];
    rows.map(|(name, value)| [name.to_owned(), value]).to_vec()
}

fn person_rows(known: &KnownPerson) -> Vec<[String; 2]> {
    let mut rows =
        vec![("Keycloak asked", asked(known.age_ms, known.standing)), ("finding", known.finding.clone())];
    if known.finding == "person" {
        rows.extend([
            ("source", known.source.clone().unwrap_or_default()),
            ("Keycloak id", known.keycloak_id.clone().unwrap_or_default()),
            ("account", known.state.map_or("unknown", AccountState::words).to_owned()),
            ("demand not met", known.unmet.clone().unwrap_or_else(|| "none".to_owned())),
            ("password", scheme(known.scheme.as_deref())),
        ]);
    }
    rows.into_iter().map(|(name, value)| [name.to_owned(), value]).collect()
}

fn scheme(name: Option<&str>) -> String {
    name.map_or_else(|| "none".to_owned(), |name| format!("{{{name}}}"))
}

fn asked(age_ms: u64, standing: Freshness) -> String {
    let standing = match standing {
        Freshness::Fresh => "fresh",
        Freshness::Stale => "stale: serves while the source cannot tell",
        Freshness::Expired => "too old to serve",
    };
    format!("{}.{} s ago, {standing}", age_ms / 1000, age_ms % 1000 / 100)
}

fn show_forgotten(request: &Request, forgotten: Forgotten) -> String {
    let Forgotten { people, mailboxes, comparisons } = forgotten;
    match request {
        Request::CacheForget { user } if people + mailboxes == 0 => {
            format!("nothing was remembered about {user}")
        }
        Request::CacheForget { user } => {
            format!(
                "{user} is forgotten; the next login asks Keycloak and the database, and hashes its password"
            )
        }
        _ => format!(
            "forgotten: {people} answers of Keycloak, {mailboxes} of the database, {comparisons} compared passwords"
        ),
    }
}
