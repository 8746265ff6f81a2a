//! Domains and mailboxes: they must be there before a mail server asks, or mail to them bounces.

use std::collections::BTreeSet;

use super::super::storage::{Failure, with_database};
use super::answers::DovecotWay;
use super::command;
use super::wishes::{TEMPLATE, Wishes};
use crate::backend::sql::DomainSettings;
use crate::config::Config;
use crate::daemon;
use crate::jobs::sync::{End, Request};
use crate::provision::TemplateText;

/// Room for everybody; an administrator who wants limits sets them with `keydove domain set`.
const MAILBOXES: i64 = 10_000;
const QUOTA_MIB: i64 = 100 << 20;
/// One run makes so many mailboxes at the most.
const IMPORT_LIMIT: u64 = 1_000_000;
/// How many mailboxes are read at once.
const PAGE: usize = 1000;
/// So many names are shown.
const SHOWN: usize = 10;

/// Makes domains, the template, and everybody's mailbox; what is there stays as it is. Says what was made.
pub(super) fn make(wishes: &Wishes) -> Result<Vec<String>, Failure> {
    let mut told = Vec::new();
    with_database(&wishes.config, async |database| {
        let there: BTreeSet<String> =
            database.domains().await?.into_iter().map(|domain| domain.name.to_lowercase()).collect();
        for domain in wishes.domains.iter().filter(|domain| !there.contains(domain.as_str())) {
            let settings = DomainSettings {
                mailboxes: Some(MAILBOXES),
                quota_mib: Some(QUOTA_MIB),
                ..DomainSettings::default()
            };
            database.add_domain(domain, &settings).await?;
            told.push(format!("the domain {} is added", domain.as_str()));
        }
        if wishes.make_mailboxes {
            let templates = database.templates().await?;
            if !templates.iter().any(|template| template.is_named(TEMPLATE)) {
                database.add_template(TEMPLATE, &TemplateText::seeded().to_string()).await?;
                told.push(format!("the template {TEMPLATE} is added"));
            }
        }
        Ok(())
    })?;
    if wishes.make_mailboxes {
        told.push(import(wishes)?);
    }
    Ok(told)
}

fn import(wishes: &Wishes) -> Result<String, Failure> {
    let mut config = Config::load(&wishes.config)?;
    config.tables.sync.import = Some(true);
    config.tables.sync.import_limit = Some(IMPORT_LIMIT);
    let end = daemon::sync_once(&config, &Request::default(), &|_, _| {});
    match end.map_err(|error| Failure::System(error.to_string()))? {
        End::Ran(report) if report.complete => {
            Ok(format!("mailboxes made for {} of {} people in Keycloak", report.created, report.seen))
        }
        End::Ran(report) => {
            let troubles = report.sources.iter().filter_map(|source| source.trouble.clone());
            Err(Failure::System(format!(
                "not everybody in Keycloak could be looked through: {}",
                troubles.collect::<Vec<_>>().join("; ")
            )))
        }
        End::Held { by, .. } => Err(Failure::System(format!("another process ({by}) does a sync just now"))),
        End::NotDue { .. } => Ok("everybody in Keycloak was gone through a moment ago".to_owned()),
    }
}

/// Whom Dovecot knows now, and keydove does not: mail to them would bounce after a takeover.
pub(super) fn check_that_nobody_is_left_behind(wishes: &Wishes) -> Result<(), Failure> {
    let Some((dovecot, DovecotWay::Takeover)) = &wishes.dovecot else { return Ok(()) };
    if wishes.leave_users_behind {
        return Ok(());
    }
    let mut doveadm = command::program("doveadm");
    // A Dovecot that cannot list its users, or does not run, knows nobody by name.
    let listed =
        command::output(doveadm.arg("-c").arg(&dovecot.config).args(["user", "*"])).unwrap_or_default();
    let known: BTreeSet<String> =
        listed.lines().map(|line| line.trim().to_lowercase()).filter(|name| name.contains('@')).collect();
    if known.is_empty() {
        return Ok(());
    }
    let served = with_database(&wishes.config, async |database| {
        let (mut served, mut next) = (BTreeSet::new(), None::<String>);
        loop {
            let page = database.list_mailboxes(next.as_deref(), PAGE).await?;
            served.extend(page.users.iter().map(|user| user.as_str().to_owned()));
            next = page.next;
            if next.is_none() {
                return Ok(served);
            }
        }
    })?;
    let missing: Vec<&str> = known.difference(&served).map(String::as_str).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let more = missing.len().saturating_sub(SHOWN);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    Err(Failure::Data(format!(
        "Dovecot knows users who have no mailbox in keydove, so mail to them would bounce: {}{rest}\nadd them (`keydove mailbox \
         add`, or give them an address in Keycloak), or leave them behind with --leave-users-behind true",
        missing[..missing.len().min(SHOWN)].join(", ")
    )))
}
