//! `keydove domain`: the domains that are served here, and their limits.

use std::path::Path;

use clap::Subcommand;
use serde_json::json;

use super::nodes::wait_until_followed;
use super::size::{parse_mib, show_mib, show_quota};
use super::storage::{Answer, Failure, OnOff, after_commit, document, on_off, parse_label, with_database};
use super::table::table;
use crate::backend::sql::{DomainName, DomainRow, DomainSettings};

const SIZES: &str = "A SIZE is 5GiB or 500MiB; a plain number is MiB, as in the columns of the table `domain`.\n\
     Beside mailcow make domains in mailcow itself: it also makes DKIM keys and Redis entries.";

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Add a domain. Without options: 10 mailboxes of 3GiB each, at most 100GiB together.
    Add(Named),
    /// List all domains: mailboxes used/allowed, quota given/allowed, and the other limits.
    List(List),
    /// Change a domain. What you do not name stays as it is; a limit below what is in use is refused.
    Set(Named),
}

#[derive(Debug, clap::Args)]
struct List {
    /// One JSON document instead of a table; quotas in MiB, what is given in bytes.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
#[command(after_help = SIZES)]
struct Named {
    /// The domain, such as example.org; either spelling of an international one.
    #[arg(value_parser = parse_domain)]
    domain: DomainName,
    /// How many mailboxes there may be.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(0..=DomainSettings::MOST_MAILBOXES))]
    mailboxes: Option<i64>,
    /// The largest quota of one mailbox.
    #[arg(long, value_name = "SIZE", value_parser = parse_mib)]
    max_quota: Option<i64>,
    /// The quota of all mailboxes together.
    #[arg(long, value_name = "SIZE", value_parser = parse_mib)]
    quota: Option<i64>,
    /// The quota of a new mailbox, if nothing else is given.
    #[arg(long, value_name = "SIZE", value_parser = parse_mib)]
    default_quota: Option<i64>,
    /// A note for yourself.
    #[arg(long, value_name = "TEXT", value_parser = parse_label)]
    description: Option<String>,
    /// Off: no user of the domain logs in.
    #[arg(long, value_name = "on|off")]
    active: Option<OnOff>,
}

pub(super) fn parse_domain(text: &str) -> Result<DomainName, String> {
    DomainName::parse(text).map_err(|error| error.to_string())
}

impl Named {
    fn settings(&self) -> DomainSettings {
        DomainSettings {
            description: self.description.clone(),
            mailboxes: self.mailboxes,
            default_quota_mib: self.default_quota,
            max_quota_mib: self.max_quota,
            quota_mib: self.quota,
            active: self.active.map(OnOff::is_on),
        }
    }
}

pub(super) fn run(arguments: &Arguments, config: &Path) -> Result<Answer, Failure> {
    match &arguments.command {
        Command::Add(named) => add(named, config),
        Command::List(list) => {
            let domains = with_database(config, async |database| Ok(database.domains().await?))?;
            Ok(if list.json { document(&as_json(&domains)) } else { as_table(&domains).into() })
        }
        Command::Set(named) => set(named, config),
    }
}

fn add(named: &Named, config: &Path) -> Result<Answer, Failure> {
    let (name, mut notes) = (&named.domain, Vec::new());
    let row = with_database(config, async |database| {
        database.add_domain(name, &named.settings()).await?;
        Ok(after_commit(database.domains().await, &mut notes).and_then(|domains| find(domains, name)))
    })?;
    let next = format!(
        "next: `keydove mailbox add NAME@{name}`, or `keydove template add Default` and [provisioning] in the configuration"
    );
    let text = format!("the domain {name} is added{}\n{next}", row.as_ref().map_or_else(String::new, limits));
    Ok(Answer { text, notes })
}

fn set(named: &Named, config: &Path) -> Result<Answer, Failure> {
    let (name, settings) = (&named.domain, named.settings());
    if settings == DomainSettings::default() {
        return Err(Failure::Usage("say what to change; `keydove domain set --help` lists it".to_owned()));
    }
    let mut notes = Vec::new();
    let row = with_database(config, async |database| {
        database.set_domain(name, &settings).await?;
        if settings.active.is_some() {
            notes.push(wait_until_followed(database).await);
        }
        Ok(after_commit(database.domains().await, &mut notes).and_then(|domains| find(domains, name)))
    })?;
    let text = format!("the domain {name} is changed{}", row.as_ref().map_or_else(String::new, limits));
    Ok(Answer { text, notes })
}

fn find(domains: Vec<DomainRow>, name: &DomainName) -> Option<DomainRow> {
    domains.into_iter().find(|row| DomainName::parse(&row.name).as_ref() == Ok(name))
}

fn limits(row: &DomainRow) -> String {
    format!(
        ": {}, up to {} mailboxes, {} for a new one, {} for one at most, {} for all",
        on_off(row.active),
        row.mailboxes,
        show_mib(row.default_quota_mib),
        show_mib(row.max_quota_mib),
        show_mib(row.quota_mib)
    )
}

fn as_table(domains: &[DomainRow]) -> String {
    let rows = domains.iter().map(|row| {
        let given = if row.quota_given == 0 { "0".to_owned() } else { show_quota(row.quota_given) };
        [
            row.name.clone(),
            on_off(row.active),
            format!("{}/{}", row.mailboxes_used, row.mailboxes),
            format!("{given}/{}", show_mib(row.quota_mib)),
            show_mib(row.max_quota_mib),
            show_mib(row.default_quota_mib),
            row.description.clone(),
        ]
    });
    let headings = ["domain", "active", "mailboxes", "quota", "max-quota", "default-quota", "description"];
    table(headings, rows.collect())
}

fn as_json(domains: &[DomainRow]) -> serde_json::Value {
    let rows = domains.iter().map(|row| {
        json!({
            "domain": row.name,
            "active": row.active,
            "mailboxes_used": row.mailboxes_used,
            "mailboxes": row.mailboxes,
            "quota_given_bytes": row.quota_given,
            "quota_mib": row.quota_mib,
            "max_quota_mib": row.max_quota_mib,
            "default_quota_mib": row.default_quota_mib,
            "description": row.description,
        })
    });
    rows.collect()
}
