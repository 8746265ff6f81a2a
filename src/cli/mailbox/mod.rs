//! `keydove mailbox`: make one, change one, list them, give one to another person.

mod adopt;

use std::path::Path;
use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};
use serde_json::json;

use crate::auth::{ProvisionRefusal, Secret, Service, Username};
use crate::backend::sql::{
    AuthSource, Database, DomainName, MailboxRow, MailboxSettings, MailboxState, Obstacle, StoredTemplate,
};
use crate::cli::input::Input;
use crate::cli::nodes::wait_until_followed;
use crate::cli::size::{parse_mib, show_quota, show_used};
use crate::cli::storage::{Answer, Failure, after_commit, document, parse_label, report, with_database};
use crate::cli::table::table;
use crate::cli::{domain::parse_domain, hash::parse_scheme};
use crate::credential::scheme;
use crate::credential::scheme::Scheme;
use crate::provision::{Identity, NewMailbox, Template, TemplateText};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Create a mailbox, with the rows that a first login creates.
    ///
    /// The password stays in Keycloak, unless you say `--source mailcow`: then the command asks for it, or reads it from the
    /// first line of standard input.
    Add(Add),
    /// List mailboxes: state, quota, what is used, services.
    List(List),
    /// Change a mailbox. What you do not name stays as it is. keydove never deletes a mailbox: switch it off.
    Set(Box<Set>),
    /// Give a mailbox to another Keycloak id, after a login was refused with `user_replaced`.
    ///
    /// Without --id it shows the owner. The log line of the refused login names the new id. With --all, after Keycloak gave
    /// users new ids, each mailbox goes to the user with the mark that keydove noted for its owner, such as `LDAP_ID`, and
    /// to nobody else; docs/ldap.md explains it. Exit code 1: a mailbox is left, or not all users were seen.
    Adopt(adopt::Adopt),
}

#[derive(Debug, clap::Args)]
struct Add {
    /// The address.
    #[arg(value_parser = parse_user)]
    address: Username,
    /// The user's name.
    #[arg(long, value_name = "TEXT", default_value = "", value_parser = parse_label)]
    name: String,
    /// 5GiB or 500MiB; a plain number is MiB; 0 is unlimited. Without it: the template's, or the domain's default.
    #[arg(long, value_name = "SIZE", value_parser = parse_mib)]
    quota: Option<i64>,
    /// Take services, rights, tags and quota from this template (`keydove template list`).
    #[arg(long, value_name = "NAME")]
    template: Option<String>,
    /// Who verifies the main password: Keycloak, or the row itself.
    #[arg(long, value_name = "WHO", default_value = "keycloak")]
    source: Source,
    /// With `--source mailcow`: the scheme of the hash.
    #[arg(long, value_name = "NAME", default_value = "BLF-CRYPT", value_parser = parse_scheme)]
    scheme: Scheme,
}

#[derive(Debug, clap::Args)]
struct List {
    /// Only those of this domain.
    #[arg(long, value_name = "DOMAIN", value_parser = parse_domain)]
    domain: Option<DomainName>,
    /// One JSON document instead of a table; sizes in bytes.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct Set {
    /// The address.
    #[arg(value_parser = parse_user)]
    address: Username,
    /// on; off: no login and no mail; receive-only: it receives mail, nobody logs in.
    #[arg(long, value_name = "STATE")]
    active: Option<State>,
    /// Switch a service on: imap, pop3, smtp, sieve, dav, eas. May be repeated.
    #[arg(long, value_name = "SERVICE", value_delimiter = ',', value_parser = parse_service)]
    allow: Vec<Service>,
    /// Switch a service off. May be repeated.
    #[arg(long, value_name = "SERVICE", value_delimiter = ',', value_parser = parse_service)]
    deny: Vec<Service>,
    /// 5GiB or 500MiB; a plain number is MiB; 0 is unlimited.
    #[arg(long, value_name = "SIZE", value_parser = parse_mib)]
    quota: Option<i64>,
    /// The user's name.
    #[arg(long, value_name = "TEXT", value_parser = parse_label)]
    name: Option<String>,
    /// Who verifies the main password. The password in the row is kept in either case.
    #[arg(long, value_name = "WHO")]
    source: Option<Source>,
    /// Set the password in the row: asked for, or the first line of standard input. It counts with source mailcow only.
    #[arg(long)]
    password: bool,
    /// With --password: the scheme of the hash.
    #[arg(long, value_name = "NAME", default_value = "BLF-CRYPT", value_parser = parse_scheme, requires = "password")]
    scheme: Scheme,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Source {
    Keycloak,
    Mailcow,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum State {
    On,
    Off,
    ReceiveOnly,
}

pub(super) fn parse_user(text: &str) -> Result<Username, String> {
    Username::parse(text.as_bytes()).map_err(|error| error.to_string())
}

/// A service that has a switch.
pub(super) fn parse_service(text: &str) -> Result<Service, String> {
    let service = Service::parse(text);
    match service.access_key() {
        Some(_) => Ok(service),
        None => Err(format!("`{text}` is none of imap, pop3, smtp, sieve, dav, eas")),
    }
}

pub(super) fn run(arguments: &Arguments, config: &Path) -> ExitCode {
    match &arguments.command {
        Command::Adopt(arguments) => adopt::run(arguments, config),
        Command::Add(arguments) => report(add(arguments, config)),
        Command::List(arguments) => report(list(arguments, config)),
        Command::Set(arguments) => report(set(arguments, config)),
    }
}

fn list(arguments: &List, config: &Path) -> Result<Answer, Failure> {
    let domain = arguments.domain.as_ref();
    let mailboxes = with_database(config, async |database| Ok(database.mailboxes(domain).await?))?;
    Ok(if arguments.json { document(&as_json(&mailboxes)) } else { as_table(&mailboxes).into() })
}

fn add(arguments: &Add, config: &Path) -> Result<Answer, Failure> {
    let user = &arguments.address;
    let password = match arguments.source {
        Source::Mailcow => Some(ask_password(arguments.scheme)?),
        Source::Keycloak => None,
    };
    let mut notes = Vec::new();
    let remembered = with_database(config, async |database| {
        let mailbox = plan(arguments, database).await?;
        database.add_mailbox(&mailbox.rows, password).await?;
        Ok(after_commit(database.person_of(user).await, &mut notes).flatten())
    })?;
    let mut lines = vec![format!("the mailbox {user} is added")];
    lines.push(match arguments.source {
        Source::Mailcow => "its password is the one that you gave".to_owned(),
        Source::Keycloak => {
            format!("the person of this address in Keycloak can log in; next: doveadm user {user}")
        }
    });
    if let Some(person) = remembered {
        lines.push(format!(
            "the address belonged to the person with the Keycloak id {}; for another one: `keydove mailbox adopt {user}`",
            person.keycloak_id
        ));
    }
    Ok(Answer { text: lines.join("\n"), notes })
}

/// The rows that provisioning makes, without an owner, whom the first login will tell.
async fn plan(arguments: &Add, database: &Database) -> Result<NewMailbox, Failure> {
    let user = &arguments.address;
    let seeded =
        || StoredTemplate { name: "Default".to_owned(), attributes: TemplateText::seeded().to_string() };
    let (stored, name) = match &arguments.template {
        Some(name) => (database.templates().await?, name.as_str()),
        None => (vec![seeded()], "Default"),
    };
    let refused = |refusal| Obstacle::MailboxRefused { user: user.clone(), refusal };
    let template = Template::find(&stored, name).map_err(|refusal| match refusal {
        ProvisionRefusal::TemplateMissing => Obstacle::TemplateUnknown(name.to_owned()),
        refusal => refused(refusal),
    })?;
    let person = Identity {
        user: user.clone(),
        keycloak_id: String::new(),
        source: String::new(),
        template: None,
        mark: None,
        first_name: arguments.name.clone(),
        last_name: String::new(),
    };
    let mut mailbox = NewMailbox::plan(&person, &template).map_err(refused)?;
    mailbox.rows.owner = None;
    if arguments.quota.is_some() || arguments.template.is_none() {
        let domain = DomainName::of(user);
        let default = database.default_quota_mib(&domain).await?;
        let default = default.ok_or_else(|| Obstacle::DomainUnknown(domain.to_string()))?;
        mailbox.rows.quota_mib = arguments.quota.unwrap_or(default);
    }
    Ok(mailbox)
}

fn set(arguments: &Set, config: &Path) -> Result<Answer, Failure> {
    let user = &arguments.address;
    if let Some(service) = arguments.allow.iter().find(|service| arguments.deny.contains(service)) {
        return Err(Failure::Usage(format!("`{}` is both allowed and denied", service.name())));
    }
    let switch = |services: &[Service], on: bool| -> Vec<_> {
        services.iter().filter_map(Service::access_key).map(|key| (key, on)).collect()
    };
    let access = [switch(&arguments.allow, true), switch(&arguments.deny, false)].concat();
    let nothing = arguments.active.is_none() && arguments.quota.is_none() && arguments.name.is_none();
    if nothing && access.is_empty() && arguments.source.is_none() && !arguments.password {
        return Err(Failure::Usage("say what to change; `keydove mailbox set --help` lists it".to_owned()));
    }
    let password = arguments.password.then(|| ask_password(arguments.scheme)).transpose()?;
    let settings = MailboxSettings {
        name: arguments.name.clone(),
        active: arguments.active.map(State::number),
        quota_mib: arguments.quota,
        access,
        source: arguments.source.map(Source::authsource),
        password,
    };
    let (mut notes, takes_away) = (Vec::new(), settings.active.is_some() || settings.source.is_some());
    let row = with_database(config, async |database| {
        database.set_mailbox(user, settings).await?;
        if takes_away {
            notes.push(wait_until_followed(database).await);
        }
        let mailboxes = after_commit(database.mailboxes(Some(&DomainName::of(user))).await, &mut notes);
        let mut mailboxes = mailboxes.into_iter().flatten();
        Ok(mailboxes.find(|row| parse_user(&row.address).as_ref() == Ok(user)))
    })?;
    let mut answer = Answer { text: format!("the mailbox {user} is changed"), notes };
    if let Some(row) = row {
        answer.text.push('\n');
        answer.text.push_str(&as_table(std::slice::from_ref(&row)));
        if arguments.password && row.source != AuthSource::Mailcow.name() {
            answer.notes.push(format!(
                "note: {} verifies the main password of this mailbox; the new one counts after --source mailcow",
                row.source
            ));
        }
    }
    Ok(answer)
}

/// Asks for a password and hashes it.
fn ask_password(scheme: Scheme) -> Result<Secret, Failure> {
    let password = Input::standard().ask_new()?;
    let mut salt = [0; scheme::SALT_BYTES];
    getrandom::fill(&mut salt)?;
    let hash = scheme::generate(scheme, None, password.expose(), &salt)?;
    Ok(Secret::new(hash.into_bytes()))
}

impl Source {
    fn authsource(self) -> AuthSource {
        match self {
            Self::Keycloak => AuthSource::Keycloak,
            Self::Mailcow => AuthSource::Mailcow,
        }
    }
}

impl State {
    fn number(self) -> MailboxState {
        match self {
            Self::On => MailboxState::On,
            Self::Off => MailboxState::Off,
            Self::ReceiveOnly => MailboxState::ReceiveOnly,
        }
    }
}

const SERVICES: [Service; 6] =
    [Service::Imap, Service::Pop3, Service::Smtp, Service::Sieve, Service::Dav, Service::Eas];

fn state_of(row: &MailboxRow) -> &'static str {
    match row.active {
        MailboxState::On => "on",
        MailboxState::Off => "off",
        MailboxState::ReceiveOnly => "receive-only",
    }
}

fn services_of(row: &MailboxRow) -> Vec<&str> {
    SERVICES.iter().filter(|service| row.access.allows(service)).map(Service::name).collect()
}

fn as_table(mailboxes: &[MailboxRow]) -> String {
    let rows = mailboxes.iter().map(|row| {
        [
            row.address.clone(),
            row.name.clone(),
            state_of(row).to_owned(),
            row.source.clone(),
            show_quota(row.quota),
            show_used(row.used),
            services_of(row).join(","),
        ]
    });
    table(["mailbox", "name", "active", "source", "quota", "used", "services"], rows.collect())
}

fn as_json(mailboxes: &[MailboxRow]) -> serde_json::Value {
    let rows = mailboxes.iter().map(|row| {
        json!({
            "address": row.address,
            "name": row.name,
            "active": state_of(row),
            "source": row.source,
            "quota_bytes": row.quota,
            "used_bytes": row.used,
            "services": services_of(row),
        })
    });
    rows.collect()
}
