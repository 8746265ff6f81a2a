//! `keydove portal-session`: who is signed in to the web portal.

use std::path::Path;

use clap::Subcommand;
use serde_json::json;

use super::date;
use super::mailbox::parse_user;
use super::storage::{Answer, Failure, document, with_database};
use super::table::table;
use crate::auth::Username;
use crate::backend::sql::{SessionEnd, StoredSession};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the portal sessions of a mailbox: since when, last used, from where, with which browser, and whether as an
    /// administrator.
    List(List),
    /// End all portal sessions of a mailbox. Its user may sign in again; an administrator does so with the roles that Keycloak
    /// then gives.
    End(End),
}

#[derive(Debug, clap::Args)]
struct List {
    /// The address of the mailbox.
    #[arg(value_parser = parse_user)]
    address: Username,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct End {
    /// The address of the mailbox.
    #[arg(value_parser = parse_user)]
    address: Username,
}

pub(super) fn run(arguments: &Arguments, config: &Path) -> Result<Answer, Failure> {
    match &arguments.command {
        Command::List(List { address, json }) => {
            let now = date::now();
            let sessions =
                with_database(config, async |database| Ok(database.list_sessions_of(address, now).await?))?;
            Ok(if *json { document(&as_json(&sessions)) } else { as_table(&sessions).into() })
        }
        Command::End(End { address }) => {
            let which = SessionEnd::Mailbox(address.clone());
            let ended = with_database(config, async |database| Ok(database.end_sessions(which).await?))?;
            Ok(format!("{ended} portal sessions of {address} are ended").into())
        }
    }
}

fn as_table(sessions: &[StoredSession]) -> String {
    let rows = sessions.iter().map(|session| {
        [
            date::show(session.created),
            date::show(session.used),
            session.remote.clone().unwrap_or_default(),
            session.browser.clone(),
            if session.administrator { "yes" } else { "no" }.to_owned(),
        ]
    });
    table(["since", "last used", "from", "browser", "administrator"], rows.collect())
}

fn as_json(sessions: &[StoredSession]) -> serde_json::Value {
    let rows = sessions.iter().map(|session| {
        json!({
            "created": session.created,
            "used": session.used,
            "remote": session.remote,
            "browser": session.browser,
            "administrator": session.administrator,
        })
    });
    rows.collect()
}
