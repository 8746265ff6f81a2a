//! `keydove backend`: on which machines mailboxes live, and another one for some of them. No mail is copied.

use std::path::Path;

use clap::Subcommand;
use serde_json::json;

use super::control::{ask, other_answer};
use super::mailbox::parse_user;
use super::storage::{Answer, Failure, document, with_database};
use super::table::table;
use crate::auth::Username;
use crate::backend::kick::{self, Kicked, kick};
use crate::backend::mail_hosts::{MailHostConfig, MailHostState};
use crate::backend::sql::{Database, MoveFrom, MovedMailbox, Obstacle, Placements};
use crate::config::{Config, Tables};
use crate::frontend::control::{Reply, Request};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the backends: weight, whether drained, how many mailboxes, and whether the running daemon takes them for up.
    ///
    /// A backend that no `[[backend]]` names any more is listed as long as mailboxes live on it.
    List {
        /// One JSON document instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// Give a backend no new mailboxes, on every node. Its own mailboxes stay there.
    Drain(Named),
    /// Give a backend new mailboxes again.
    Undrain(Named),
    /// Give mailboxes another backend, and end their open sessions. It copies no mail.
    ///
    /// It is `move ADDRESS... TO`, `move --all FROM TO` or `move --unassigned TO`. The mail stays where it is: copy it with
    /// `doveadm backup` before the move and with `doveadm sync` after it, as docs/backends.md shows. It ends open sessions
    /// by the command of `[kick]`. Exit code 65: there is no such mailbox or backend, and nothing is moved.
    Move(Move),
}

#[derive(Debug, clap::Args)]
struct Named {
    /// The name of a `[[backend]]`.
    backend: String,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct Move {
    /// Addresses of mailboxes, or with --all the backend where they are; and last the backend where they go.
    #[arg(required = true, value_name = "ADDRESS|FROM|TO")]
    names: Vec<String>,
    /// All mailboxes of the backend FROM.
    #[arg(long, conflicts_with = "unassigned")]
    all: bool,
    /// All mailboxes that have no backend yet: before the first start with `[[backend]]`, when they all lie on one machine.
    #[arg(long)]
    unassigned: bool,
    /// Let open sessions go on where they are.
    #[arg(long)]
    no_kick: bool,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments, config: &Path) -> Result<Answer, Failure> {
    let tables = Config::load_tables(config)?;
    if tables.mail_hosts.is_empty() {
        return Err(Failure::Data(
            "the configuration has no [[backend]]: mailboxes live where Dovecot opens them (docs/backends.md)".to_owned(),
        ));
    }
    match &arguments.command {
        Command::List { json } => list(&tables, *json, config),
        Command::Drain(named) => set_drained(&tables, named, true, config),
        Command::Undrain(named) => set_drained(&tables, named, false, config),
        Command::Move(wanted) => move_mailboxes(&tables, wanted, config),
    }
}

/// One line of the list.
#[derive(Debug)]
struct Listed<'a> {
    name: &'a str,
    settings: Option<&'a MailHostConfig>,
    drained: bool,
    mailboxes: u64,
    state: Option<&'a MailHostState>,
}

fn list(tables: &Tables, json: bool, config: &Path) -> Result<Answer, Failure> {
    let placements = with_database(config, async |database| Ok(database.placements().await?))?;
    let (states, note) = match ask(config, &Request::Backends) {
        Ok(Reply::Backends(states)) => (states, None),
        Ok(Reply::Error(error)) => {
            (Vec::new(), Some(format!("note: the daemon did not say which are up: {error}")))
        }
        Ok(_) => return Err(other_answer()),
        Err(error) => (Vec::new(), Some(format!("note: the daemon did not say which are up: {error}"))),
    };
    let listed = listed(&tables.mail_hosts, &placements, &states);
    let mut answer = if json { document(&as_json(&listed)) } else { as_table(&listed).into() };
    answer.notes.extend(note);
    Ok(answer)
}

/// Those of the settings in their order, then those that only the database has.
fn listed<'a>(
    hosts: &'a [MailHostConfig],
    placements: &'a Placements,
    states: &'a [(String, MailHostState)],
) -> Vec<Listed<'a>> {
    let line = |name: &'a str, settings| Listed {
        name,
        settings,
        drained: placements.drained.iter().any(|drained| drained == name),
        mailboxes: placements.mailboxes.get(name).copied().unwrap_or_default(),
        state: states.iter().find(|(known, _)| known == name).map(|(_, state)| state),
    };
    let is_gone = |name: &&String| !hosts.iter().any(|host| host.name == **name);
    let gone = placements.mailboxes.keys().filter(is_gone);
    let known = hosts.iter().map(|host| line(&host.name, Some(host)));
    known.chain(gone.map(|name| line(name, None))).collect()
}

fn as_table(listed: &[Listed<'_>]) -> String {
    let rows = listed.iter().map(|one| {
        let state = match (one.state, one.settings) {
            (_, None) => "down: no [[backend]] has this name".to_owned(),
            (None, _) => "unknown".to_owned(),
            (Some(MailHostState::This), _) => "this machine".to_owned(),
            (Some(MailHostState::Up), _) => "up".to_owned(),
            (Some(MailHostState::Down(why)), _) => format!("down: {why}"),
        };
        [
            one.name.to_owned(),
            one.settings.map_or_else(String::new, |host| host.host.clone()),
            one.settings.map_or_else(String::new, |host| host.weight.to_string()),
            if one.drained { "yes" } else { "no" }.to_owned(),
            one.mailboxes.to_string(),
            state,
        ]
    });
    table(["backend", "host", "weight", "drained", "mailboxes", "state"], rows.collect())
}

fn as_json(listed: &[Listed<'_>]) -> serde_json::Value {
    let rows = listed.iter().map(|one| {
        let (state, why) = match (one.state, one.settings) {
            (_, None) => ("gone", None),
            (None, _) => ("unknown", None),
            (Some(MailHostState::This), _) => ("this", None),
            (Some(MailHostState::Up), _) => ("up", None),
            (Some(MailHostState::Down(why)), _) => ("down", Some(why)),
        };
        json!({
            "backend": one.name,
            "host": one.settings.map(|host| &host.host),
            "weight": one.settings.map(|host| host.weight),
            "drained": one.drained,
            "mailboxes": one.mailboxes,
            "state": state,
            "why": why,
        })
    });
    rows.collect()
}

fn set_drained(tables: &Tables, named: &Named, drained: bool, config: &Path) -> Result<Answer, Failure> {
    let backend = &named.backend;
    check_backend(tables, backend)?;
    let changed = with_database(config, async |database| Ok(database.set_drained(backend, drained).await?))?;
    if named.json {
        return Ok(document(&json!({ "backend": backend, "drained": drained, "changed": changed })));
    }
    Ok(match (drained, changed) {
        (true, true) => format!("the backend {backend} gets no new mailboxes; those that it has stay there"),
        (true, false) => format!("the backend {backend} is drained already"),
        (false, true) => format!("the backend {backend} gets new mailboxes again"),
        (false, false) => format!("the backend {backend} is not drained"),
    }
    .into())
}

fn check_backend(tables: &Tables, name: &str) -> Result<(), Failure> {
    if tables.mail_hosts.iter().any(|host| host.name == name) {
        return Ok(());
    }
    let known: Vec<_> = tables.mail_hosts.iter().map(|host| host.name.as_str()).collect();
    Err(Failure::Data(format!("there is no [[backend]] `{name}`; there are: {}", known.join(", "))))
}

/// What became of mailboxes that were moved.
#[derive(Debug, Default)]
struct Outcome {
    moved: Vec<MovedMailbox>,
    ended: usize,
    /// Whose sessions may go on, and why.
    not_ended: Vec<(String, String)>,
    notes: Vec<String>,
}

fn move_mailboxes(tables: &Tables, wanted: &Move, config: &Path) -> Result<Answer, Failure> {
    let Some((to, names)) = wanted.names.split_last() else {
        return Err(Failure::Usage("say which mailboxes, and last the backend".to_owned()));
    };
    check_backend(tables, to)?;
    let kick_config = tables.kick.as_ref().filter(|_| !wanted.no_kick);
    let all = match (wanted.all, wanted.unassigned, names) {
        (true, _, [from]) if from != to => Some(MoveFrom::Backend(from.clone())),
        (true, ..) => {
            return Err(Failure::Usage(
                "--all takes two backends: keydove backend move --all FROM TO".to_owned(),
            ));
        }
        (_, true, []) => Some(MoveFrom::Unplaced),
        (_, true, _) => return Err(Failure::Usage("--unassigned takes one backend: TO".to_owned())),
        (false, false, []) => {
            return Err(Failure::Usage("say which mailboxes, and last the backend".to_owned()));
        }
        (false, false, _) => None,
    };
    let users = match all {
        Some(_) => Vec::new(),
        None => names.iter().map(|name| parse_user(name).map_err(Failure::Data)).collect::<Result<_, _>>()?,
    };
    let outcome = with_database(config, async |database| {
        if database.placements().await?.drained.contains(to) {
            return Err(Failure::Data(format!(
                "the backend {to} is drained; run: keydove backend undrain {to}"
            )));
        }
        let mut outcome = Outcome::default();
        match &all {
            None => {
                check_mailboxes(database, &users).await?;
                let moved = database.move_mailboxes(&users, to).await?;
                settle(moved, kick_config, config, &mut outcome).await;
            }
            Some(from) => {
                let mut after = None;
                loop {
                    let (moved, next) = database.move_page(from, to, after).await?;
                    settle(moved, kick_config, config, &mut outcome).await;
                    after = next;
                    if after.is_none() {
                        break;
                    }
                }
            }
        }
        Ok(outcome)
    })?;
    Ok(tell(outcome, to, wanted, kick_config.is_some()))
}

async fn check_mailboxes(database: &Database, users: &[Username]) -> Result<(), Failure> {
    for user in users {
        if database.find_mailbox(user).await?.mailbox.is_none() {
            return Err(Obstacle::MailboxUnknown(user.clone()).into());
        }
    }
    Ok(())
}

/// First the daemon forgets where they were, then their sessions end: whoever comes back at once comes to the new place.
async fn settle(
    moved: Vec<MovedMailbox>,
    kick_config: Option<&kick::Config>,
    config: &Path,
    outcome: &mut Outcome,
) {
    for MovedMailbox { user, from } in moved {
        if outcome.notes.is_empty()
            && let Err(error) = ask(config, &Request::CacheForget { user: user.as_str().to_owned() })
        {
            outcome.notes.push(format!(
                "note: the daemon could not be told, and may send users to the old backend for a minute: {error}"
            ));
        }
        if let Some(kick_config) = kick_config.filter(|_| from.is_some()) {
            match kick(kick_config, user.as_str()).await {
                Kicked::Done => outcome.ended += 1,
                Kicked::NobodyThere => {}
                Kicked::Failed(why) => outcome.not_ended.push((user.as_str().to_owned(), why)),
            }
        }
        outcome.moved.push(MovedMailbox { user, from });
    }
}

fn tell(outcome: Outcome, to: &str, wanted: &Move, kicks: bool) -> Answer {
    let Outcome { moved, ended, not_ended, mut notes } = outcome;
    let had_mail = moved.iter().any(|one| one.from.is_some());
    for (user, why) in &not_ended {
        notes.push(format!("note: open sessions of {user} may go on: {why}"));
    }
    if had_mail {
        notes.push(
            "note: no mail was copied; copy it now with `doveadm sync`, as docs/backends.md shows: until then users see \
             what lies on the new backend"
                .to_owned(),
        );
        if !kicks && !wanted.no_kick {
            notes.push(
                "note: the configuration has no [kick], so open sessions go on at the old backend; end them there with \
                 `doveadm kick`"
                    .to_owned(),
            );
        }
    }
    if wanted.json {
        let rows: Vec<_> = moved
            .iter()
            .map(|one| json!({ "mailbox": one.user.as_str(), "from": one.from.as_deref() }))
            .collect();
        let not_ended: Vec<_> =
            not_ended.iter().map(|(user, why)| json!({ "mailbox": user, "why": why })).collect();
        let text = document(&json!({
            "to": to, "moved": rows, "sessions_ended": ended, "sessions_not_ended": not_ended,
        }))
        .text;
        return Answer { text, notes };
    }
    let text = match moved.len() {
        0 => format!("nothing to do: no mailbox had to be moved to {to}"),
        count => format!("moved to {to}: {count} mailboxes; sessions ended: {ended}"),
    };
    Answer { text, notes }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(name: &str) -> MailHostConfig {
        toml::from_str(&format!("name = '{name}'\nhost = '192.0.2.1'")).unwrap()
    }

    #[test]
    fn a_backend_without_settings_is_listed_as_long_as_it_has_mailboxes() {
        let hosts = [host("b1"), host("b2")];
        let placements = Placements {
            mailboxes: [("b1".to_owned(), 7), ("old".to_owned(), 2)].into(),
            drained: vec!["b2".to_owned(), "forgotten".to_owned()],
        };
        let down = MailHostState::Down("connection refused".to_owned());
        let states = [("b1".to_owned(), MailHostState::Up), ("b2".to_owned(), down)];
        let listed = listed(&hosts, &placements, &states);
        let text = as_table(&listed);
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[1], ["b1", "192.0.2.1", "1", "no", "7", "up"]);
        assert_eq!(lines[2][..5], ["b2", "192.0.2.1", "1", "yes", "0"]);
        assert_eq!(lines[3][..6], ["old", "-", "-", "no", "2", "down:"]);
        let json = as_json(&listed);
        assert_eq!((&json[1]["state"], &json[1]["why"]), (&json!("down"), &json!("connection refused")));
        assert_eq!(json[2]["state"], "gone");
    }
}
