//! `keydove app-password`: passwords for single devices and programs.

use std::io::{BufRead, IsTerminal};
use std::path::Path;

use clap::Subcommand;
use serde_json::json;

use super::date;
use super::mailbox::{parse_service, parse_user};
use super::nodes::wait_until_followed;
use super::output::say_error;
use super::storage::{Answer, Failure, document, parse_label, with_database};
use super::table::table;
use crate::auth::{APP_PASSWORD_BYTES, Secret, Service, Username};
use crate::backend::sql::{AppPasswordRow, MadeAppPassword, NewAppPassword, Revocation};
use crate::credential::scheme::SALT_BYTES;
use crate::settings::Network;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Create an app password. Standard output has the password alone, standard error its number. Nobody can show it again.
    Add(Add),
    /// List the app passwords of a mailbox, revoked ones too: number, name, services, end, networks, made, last used, state.
    List(List),
    /// Revoke app passwords. They open nothing any more; the rows stay for the history.
    Revoke(Revoke),
}

#[derive(Debug, clap::Args)]
struct Add {
    /// The address of the mailbox.
    #[arg(value_parser = parse_user)]
    user: Username,
    /// What it is for, such as "phone".
    #[arg(long, value_name = "TEXT", value_parser = parse_label)]
    name: String,
    /// What it opens: imap, pop3, smtp, sieve, dav, eas.
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = parse_service,
          default_value = "imap,pop3,smtp,sieve")]
    service: Vec<Service>,
    /// When it expires: 90d or 12h from now, or at the end of a day, 2027-01-31 (UTC). Without it: never.
    #[arg(long, value_name = "WHEN")]
    expires: Option<String>,
    /// Only from this network, such as 192.0.2.0/24 or `2001:db8::/32`; or one address. May be repeated.
    #[arg(long, value_name = "CIDR", value_delimiter = ',', value_parser = parse_network)]
    network: Vec<Network>,
}

#[derive(Debug, clap::Args)]
struct List {
    /// The address of the mailbox.
    #[arg(value_parser = parse_user)]
    user: Username,
    /// One JSON document instead of a table.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("which").required(true).args(["id", "name", "all"])))]
struct Revoke {
    /// The address of the mailbox.
    #[arg(value_parser = parse_user)]
    user: Username,
    /// The app password with this number.
    #[arg(long, value_name = "N")]
    id: Option<i64>,
    /// The app password with this name.
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// All app passwords of the mailbox.
    #[arg(long)]
    all: bool,
    /// Do not ask for confirmation. Without a terminal it does not ask in any case.
    #[arg(long)]
    yes: bool,
}

fn parse_network(text: &str) -> Result<Network, String> {
    Network::parse(text).map_err(|_| format!("`{text}` is no network such as 192.0.2.0/24"))
}

pub(super) fn run(arguments: &Arguments, config: &Path) -> Result<Answer, Failure> {
    match &arguments.command {
        Command::Add(arguments) => add(arguments, config),
        Command::List(arguments) => {
            let user = &arguments.user;
            let passwords =
                with_database(config, async |database| Ok(database.list_app_passwords(user).await?))?;
            let now = date::now();
            Ok(match arguments.json {
                true => document(&as_json(&passwords)),
                false => as_table(&passwords, now).into(),
            })
        }
        Command::Revoke(arguments) => revoke(arguments, config),
    }
}

fn add(arguments: &Add, config: &Path) -> Result<Answer, Failure> {
    let end = arguments.expires.as_deref().map(|text| date::parse_end(text, date::now()));
    let mut random = vec![0; APP_PASSWORD_BYTES];
    getrandom::fill(&mut random)?;
    let mut salt = [0; SALT_BYTES];
    getrandom::fill(&mut salt)?;
    let new = NewAppPassword {
        user: arguments.user.clone(),
        name: arguments.name.clone(),
        services: arguments.service.clone(),
        expires: end.transpose().map_err(Failure::Usage)?,
        networks: arguments.network.iter().map(ToString::to_string).collect(),
        random: Secret::new(random),
        salt,
    };
    let ends = new.expires.map_or_else(|| "never".to_owned(), date::show);
    let made: MadeAppPassword =
        with_database(config, async |database| Ok(database.add_app_password(new).await?))?;
    let services: Vec<&str> = arguments.service.iter().map(Service::name).collect();
    let note = format!(
        "app password {} of {}: {}; ends: {ends}; it is shown this once",
        made.id,
        arguments.user,
        services.join(", ")
    );
    let text = String::from_utf8_lossy(made.password.expose()).into_owned();
    Ok(Answer { text, notes: vec![note] })
}

fn revoke(arguments: &Revoke, config: &Path) -> Result<Answer, Failure> {
    let user = &arguments.user;
    let which = match (arguments.id, &arguments.name, arguments.all) {
        (Some(id), None, false) => Revocation::Number(id),
        (None, Some(name), false) => Revocation::Name(name.clone()),
        (None, None, true) => Revocation::All,
        _ => return Err(Failure::Usage("say which: one of --id, --name and --all".to_owned())),
    };
    let stdin = std::io::stdin();
    if !arguments.yes && stdin.is_terminal() && !is_confirmed(user, &which, &mut stdin.lock()) {
        return Err(Failure::Usage("nothing was revoked".to_owned()));
    }
    let (revoked, held) = with_database(config, async |database| {
        let revoked = database.revoke_app_passwords(user, &which).await?;
        let held = if revoked.is_empty() { String::new() } else { wait_until_followed(database).await };
        Ok((revoked, held))
    })?;
    let numbers: Vec<String> = revoked.iter().map(ToString::to_string).collect();
    let mut answer: Answer = match numbers.as_slice() {
        [] => return Ok(format!("no app password of {user} was on; nothing is changed").into()),
        [one] => format!("app password {one} of {user} is revoked; its row stays, for the history").into(),
        all => format!(
            "app passwords {} of {user} are revoked; their rows stay, for the history",
            all.join(", ")
        )
        .into(),
    };
    answer.notes.push(held);
    Ok(answer)
}

fn is_confirmed(user: &Username, which: &Revocation, answers: &mut impl BufRead) -> bool {
    let what = match which {
        Revocation::Number(id) => format!("app password {id}"),
        Revocation::Name(name) => format!("the app password `{}`", name.escape_debug()),
        Revocation::All => "all app passwords".to_owned(),
    };
    say_error(&format!("revoke {what} of {user}? Whoever uses it is locked out. [y/N]"));
    let mut line = String::new();
    answers.read_line(&mut line).is_ok() && matches!(line.trim(), "y" | "Y" | "yes")
}

fn as_table(passwords: &[AppPasswordRow], now: i64) -> String {
    let rows = passwords.iter().map(|row| {
        let ended = row.expires.is_some_and(|end| end <= now);
        let active = match (row.active, ended) {
            (false, _) => "revoked",
            (true, true) => "expired",
            (true, false) => "on",
        };
        [
            row.id.to_string(),
            row.name.clone(),
            row.services.join(","),
            row.expires.map_or_else(|| "never".to_owned(), date::show),
            if row.networks.is_empty() { "any".to_owned() } else { row.networks.join(",") },
            row.created.clone(),
            row.last_used.clone().unwrap_or_else(|| "never".to_owned()),
            active.to_owned(),
        ]
    });
    table(
        ["number", "name", "services", "expires", "networks", "created", "last used", "active"],
        rows.collect(),
    )
}

fn as_json(passwords: &[AppPasswordRow]) -> serde_json::Value {
    let rows = passwords.iter().map(|row| {
        json!({
            "id": row.id,
            "name": row.name,
            "services": row.services,
            "expires": row.expires,
            "networks": row.networks,
            "created": row.created,
            "last_used": row.last_used,
            "active": row.active,
        })
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_written_in_one_way() {
        for (text, network) in [
            ("192.0.2.7/24", "192.0.2.0/24"),
            ("192.0.2.7", "192.0.2.7/32"),
            ("2001:DB8::1/32", "2001:db8::/32"),
            ("::1", "::1/128"),
        ] {
            assert_eq!(parse_network(text).unwrap().to_string(), network);
        }
        for wrong in ["", "192.0.2.0/33", "192.0.2", "example.org", "192.0.2.0/24 ", "0"] {
            assert!(parse_network(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_yes_confirms() {
        let alice = Username::parse(b"alice@example.org").unwrap();
        for (answer, confirmed) in
            [("y\n", true), ("yes\n", true), ("\n", false), ("", false), ("no\n", false)]
        {
            assert_eq!(
                is_confirmed(&alice, &Revocation::All, &mut answer.as_bytes()),
                confirmed,
                "{answer:?}"
            );
        }
    }
}
