//! `keydove mailbox adopt`: give a mailbox to another person.

use std::path::Path;
use std::process::ExitCode;

use super::parse_user;
use crate::auth::Username;
use crate::backend::sql::Obstacle;
use crate::cli::readmit;
use crate::cli::storage::{Answer, Failure, parse_label, report, with_database};
#[derive(Debug, clap::Args)]
pub(super) struct Adopt {
    /// The address.
    #[arg(value_parser = parse_user, required_unless_present = "all")]
    address: Option<Username>,
    /// All mailboxes whose owner's id Keycloak no longer has, where the mark proves that it is the same user.
    #[arg(long, requires = "by", conflicts_with_all = ["address", "id", "keycloak_source"])]
    all: bool,
    /// With --all: the attribute that stays the same when an id changes (`mark_attribute` in `[keycloak]`).
    #[arg(long, value_name = "ATTRIBUTE", requires = "all", value_parser = parse_label)]
    by: Option<String>,
    /// With --all: write nothing; show what would be done.
    #[arg(long, requires = "all")]
    dry_run: bool,
    /// With --all: print one JSON document.
    #[arg(long, requires = "all")]
    json: bool,
    /// The Keycloak id of the user who gets the mailbox.
    #[arg(long, value_name = "KEYCLOAK_ID", value_parser = parse_id)]
    id: Option<String>,
    /// Which Keycloak knows the user, if there are several. Without it: the remembered one.
    #[arg(long, value_name = "NAME", value_parser = parse_label, requires = "id")]
    keycloak_source: Option<String>,
}

pub(super) fn run(arguments: &Adopt, config: &Path) -> ExitCode {
    match &arguments.by {
        Some(by) => readmit::run(by, arguments.dry_run, arguments.json, config),
        None => report(adopt(arguments, config)),
    }
}

fn parse_id(text: &str) -> Result<String, String> {
    match parse_label(text)?.trim() {
        "" => Err("it is empty".to_owned()),
        id if id.contains(char::is_whitespace) => Err("it holds a space".to_owned()),
        id => Ok(id.to_owned()),
    }
}

fn adopt(arguments: &Adopt, config: &Path) -> Result<Answer, Failure> {
    let nobody = || Failure::Usage("name an address, or --all and --by".to_owned());
    let user = arguments.address.as_ref().ok_or_else(nobody)?;
    with_database(config, async |database| {
        let known = database.person_of(user).await?;
        if known.is_none() && database.find_mailbox(user).await?.mailbox.is_none() {
            return Err(Obstacle::MailboxUnknown(user.clone()).into());
        }
        let before = match &known {
            Some(person) => {
                format!("{user} belongs to the person with the Keycloak id {}", person.keycloak_id)
            }
            None => format!("nobody is remembered for {user}"),
        };
        let Some(id) = &arguments.id else {
            return Ok(format!(
                "{before}\nto give it to another person: keydove mailbox adopt {user} --id KEYCLOAK_ID\n\
                 the warning beside the refused login (reason=user_replaced) names the new id; Keycloak's console shows it too"
            )
            .into());
        };
        let source = arguments.keycloak_source.as_deref();
        let source = source.or(known.as_ref().map(|person| person.source.as_str())).unwrap_or_default();
        database.adopt_person(user, id, source).await?;
        Ok(format!(
            "{before}\nnow it belongs to the person with the Keycloak id {id}\n\
             next: look at its app passwords, which the person before may know: `keydove app-password list {user}`"
        )
        .into())
    })
}
