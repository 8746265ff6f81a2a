//! `keydove alias`: addresses that lead to others.

use std::path::Path;

use clap::Subcommand;
use serde_json::json;

use super::domain::parse_domain;
use super::mailbox::parse_user;
use super::storage::{Answer, Failure, OnOff, document, on_off, with_database};
use super::table::table;
use crate::auth::Username;
use crate::backend::sql::{AliasAddress, AliasRow, AliasSettings, DomainName};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Add an alias. Its domain must exist here; the addresses that it leads to may be anywhere.
    Add(Named),
    /// List aliases, without the rows that mailboxes have for themselves.
    List(List),
    /// Change an alias. What you do not name stays as it is.
    Set(Named),
}

#[derive(Debug, clap::Args)]
struct Named {
    /// The address, or @example.org for every address of the domain that has no other.
    #[arg(value_parser = parse_alias)]
    address: AliasAddress,
    /// Where its mail goes: addresses separated by commas. `set` replaces all of them.
    #[arg(long, value_name = "A,B", value_delimiter = ',', value_parser = parse_user)]
    to: Vec<Username>,
    /// Off: the alias is not in use.
    #[arg(long, value_name = "on|off")]
    active: Option<OnOff>,
    /// Whether the users it leads to may send under its name. A new alias: on.
    #[arg(long, value_name = "on|off")]
    sender_allowed: Option<OnOff>,
    /// On: it takes mail from this server's own users only. A new alias: off.
    #[arg(long, value_name = "on|off", num_args = 0..=1, default_missing_value = "on")]
    internal: Option<OnOff>,
}

#[derive(Debug, clap::Args)]
struct List {
    /// Only those of this domain.
    #[arg(long, value_name = "DOMAIN", value_parser = parse_domain)]
    domain: Option<DomainName>,
    /// One JSON document instead of a table.
    #[arg(long)]
    json: bool,
}

fn parse_alias(text: &str) -> Result<AliasAddress, String> {
    AliasAddress::parse(text).map_err(|error| error.to_string())
}

impl Named {
    fn settings(&self) -> Result<AliasSettings, Failure> {
        let mut to: Vec<Username> = Vec::new();
        for address in &self.to {
            if AliasAddress::One(address.clone()) == self.address {
                return Err(Failure::Data(format!("{address} cannot lead to itself")));
            }
            if !to.contains(address) {
                to.push(address.clone());
            }
        }
        Ok(AliasSettings {
            to: (!to.is_empty()).then_some(to),
            active: self.active.map(OnOff::is_on),
            sender_allowed: self.sender_allowed.map(OnOff::is_on),
            internal: self.internal.map(OnOff::is_on),
        })
    }
}

pub(super) fn run(arguments: &Arguments, config: &Path) -> Result<Answer, Failure> {
    match &arguments.command {
        Command::Add(named) => add(named, config),
        Command::List(list) => {
            let domain = list.domain.as_ref();
            let aliases = with_database(config, async |database| Ok(database.aliases(domain).await?))?;
            Ok(if list.json { document(&as_json(&aliases)) } else { as_table(&aliases).into() })
        }
        Command::Set(named) => set(named, config),
    }
}

fn add(named: &Named, config: &Path) -> Result<Answer, Failure> {
    let (address, settings) = (&named.address, named.settings()?);
    let Some(to) = &settings.to else {
        return Err(Failure::Usage("say where its mail goes: --to ADDRESS,ADDRESS".to_owned()));
    };
    with_database(config, async |database| Ok(database.add_alias(address, &settings).await?))?;
    let to: Vec<&str> = to.iter().map(Username::as_str).collect();
    Ok(format!("the alias {address} is added; its mail goes to {}", to.join(", ")).into())
}

fn set(named: &Named, config: &Path) -> Result<Answer, Failure> {
    let (address, settings) = (&named.address, named.settings()?);
    if settings == AliasSettings::default() {
        return Err(Failure::Usage("say what to change; `keydove alias set --help` lists it".to_owned()));
    }
    with_database(config, async |database| Ok(database.set_alias(address, &settings).await?))?;
    Ok(format!("the alias {address} is changed").into())
}

fn as_table(aliases: &[AliasRow]) -> String {
    let rows = aliases.iter().map(|row| {
        let switches = [row.active, row.sender_allowed, row.internal].map(on_off);
        let [active, sender_allowed, internal] = switches;
        [row.address.clone(), active, sender_allowed, internal, row.to.join(",")]
    });
    table(["alias", "active", "sender-allowed", "internal", "to"], rows.collect())
}

fn as_json(aliases: &[AliasRow]) -> serde_json::Value {
    let rows = aliases.iter().map(|row| {
        json!({
            "address": row.address,
            "to": row.to,
            "active": row.active,
            "sender_allowed": row.sender_allowed,
            "internal": row.internal,
        })
    });
    rows.collect()
}
