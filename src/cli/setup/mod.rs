//! `keydove setup`: from an installed package to the first login, and back.
//!
//! The machine and its Keycloak are looked at ([`mod@plan`]), what differs from what is wished for becomes a list of
//! [changes](change), the list is shown, made with a [journal], and taken back from it ([`mod@apply`]).

mod answers;
mod apply;
mod change;
mod command;
mod configuration;
mod diff;
mod dovecot;
mod files;
mod includes;
mod interrupt;
mod journal;
mod listener;
mod login;
mod mailcow;
mod mariadb;
mod named;
mod people;
mod plan;
mod portal;
mod postfix;
mod realm;
mod running;
mod service;
mod site;
mod wanted;
mod wire;
mod wishes;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::fail;
use super::output::{say, say_error};
use super::storage::Failure;
use crate::auth::Username;
use crate::backend::keycloak::{Admin, AdminSignIn, RealmName, ServerUrl};
use answers::{Answers, agrees, password};
use apply::{apply, names, take_back};
use change::{Change, Phase, Place};
use command::{ADMIN_PASSWORD, TEST_PASSWORD};
use journal::{Entry, Facts, Journal};
use login::TestUser;
use mariadb::{Server, Session};
use plan::plan;
use site::Site;
use wishes::Wishes;

/// `keydove check` has the same.
const HAS_FAULT: u8 = 1;
const MASTER: &str = "master";

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Show every change as a difference, and make none.
    #[arg(long)]
    dry_run: bool,
    /// Make the changes without a question.
    #[arg(long)]
    yes: bool,
    /// Take back what setup changed, the last change first.
    #[arg(long, conflicts_with = "dry_run")]
    undo: bool,
    /// The web portal for a keydove that is set up: its client in Keycloak, its configuration, its service. With --undo: take
    /// the portal back, and nothing else.
    #[arg(long, conflicts_with = "decide")]
    portal: bool,
    /// Beside mailcow: from shadow mode to a keydove that decides.
    #[arg(long, conflicts_with = "undo")]
    decide: bool,
    /// With --undo: leave Keycloak and MariaDB as they are, as when nobody signs in there. A later --undo takes that back.
    #[arg(long, requires = "undo")]
    keep_keycloak: bool,
    /// With --undo: remove a database that setup made on MariaDB without a question, with all mailboxes in it.
    #[arg(long, requires = "undo")]
    drop_database: bool,
    /// Answers from a TOML file; its keys are the names of the answers with `_` for `-`.
    #[arg(long, value_name = "FILE")]
    answers: Option<PathBuf>,
    #[command(flatten)]
    given: Answers,
}

/// Exit codes: 0 done, or nothing to do; 1 done, and `keydove check` finds a fault; 64 something was not said; 65 what was
/// said cannot be; 70 something failed, and all is as it was.
pub(super) fn run(arguments: &Arguments, config: &Path) -> ExitCode {
    let end = match (arguments.portal, arguments.undo) {
        (true, true) => portal::undo(arguments, config).map(|()| true),
        (true, false) => portal::set_up(arguments, config),
        (false, true) => undo(arguments, config).map(|()| true),
        (false, false) => set_up(arguments, config),
    };
    match end {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            let check = if arguments.portal { "keydove-portal check" } else { "keydove check" };
            say_error(&format!("keydove: the changes are made, and `{check}` finds the faults above"));
            HAS_FAULT.into()
        }
        Err(failure) => fail(failure.code(), &failure),
    }
}

/// Tells whether `keydove check` finds no fault at the end.
fn set_up(arguments: &Arguments, config: &Path) -> Result<bool, Failure> {
    let given = given(arguments)?;
    if let Some(folder) = mailcow::find(&given, config)? {
        return mailcow::set_up(arguments, config, &folder);
    }
    if arguments.decide {
        return Err(Failure::Usage("--decide is for mailcow; --mailcow FOLDER says where it is".to_owned()));
    }
    must_be_root(arguments)?;
    let answers = given.complete()?;
    let wishes = Wishes::settle(&answers, config)?;
    let facts = wishes.facts(&answers);
    let path = Journal::path(config);
    let mut journal = Journal::read(&path)?.unwrap_or_else(|| Journal::new(facts.clone()));
    if journal.facts.mariadb.is_some() && answers.mariadb.is_none() && answers.database.is_none() {
        return Err(Failure::Usage(
            "the run before chose MariaDB: give --mariadb again, or --database FILE for a SQLite file"
                .to_owned(),
        ));
    }
    journal.facts = Facts {
        made_folder: journal.facts.made_folder,
        mariadb: facts.mariadb.clone().or(journal.facts.mariadb.take()),
        ..facts.clone()
    };
    let admin = sign_in(&answers, &facts)?;
    let database = facts.mariadb.as_ref().map(|server| Session::open(server, &answers)).transpose()?;
    let reactor = reactor()?;
    let mut site = Site::new(config, facts, (Some(admin), database), reactor);
    let changes = plan(&mut site, &wishes, &journal)?;
    say(&wishes.describe());
    if !agreed(arguments, &changes)? {
        return Ok(true);
    }
    let test_user = test_user(&answers)?;
    if !changes.is_empty() {
        journal.make_folder(&path)?;
    }
    interrupt::watch()?;
    site.wish(wishes, test_user);
    make(&mut site, &changes, &mut journal)?;
    let is_sound = site.check_all()?;
    say(&match changes.is_empty() {
        true => "nothing had to be changed".to_owned(),
        false => format!(
            "done; {} says what was changed, and `keydove setup --undo` takes it back",
            path.display()
        ),
    });
    Ok(is_sound)
}

/// Shows the changes, and tells whether they are to be made.
fn agreed(arguments: &Arguments, changes: &[Change]) -> Result<bool, Failure> {
    for change in changes {
        say(&change.show());
    }
    if arguments.dry_run {
        say(&format!("changes: {}; none was made", changes.len()));
        return Ok(false);
    }
    match changes.is_empty() || arguments.yes || agrees("make these changes?")? {
        true => Ok(true),
        false => {
            Err(Failure::Usage("nothing was changed; --yes makes the changes without a question".to_owned()))
        }
    }
}

fn make(site: &mut Site, changes: &[Change], journal: &mut Journal) -> Result<(), Failure> {
    // Where keydove's own part stays as it is, domains and people may be new.
    if changes.iter().all(|change| change.phase != Phase::Keydove) {
        site.serve()?;
    }
    apply(site, changes, journal)
}

fn undo(arguments: &Arguments, config: &Path) -> Result<(), Failure> {
    let path = Journal::path(config);
    let Some(mut journal) = Journal::read(&path)? else {
        say(&format!("there is nothing to take back: {} is not there", path.display()));
        return Ok(());
    };
    must_be_root(arguments)?;
    portal::must_be_back(config)?;
    if let Some(known) = journal.facts.mailcow.clone() {
        return mailcow::undo(arguments, config, (journal, &known));
    }
    let facts = journal.facts.clone();
    let is_due =
        |phase| !arguments.keep_keycloak && journal.entries.iter().any(|entry: &Entry| entry.phase == phase);
    let answers = given(arguments)?;
    let admin = match is_due(Phase::Keycloak) {
        true => Some(sign_in(&answers, &facts)?),
        false => None,
    };
    let database = match &facts.mariadb {
        Some(server) if is_due(Phase::Database) => {
            let admin = answers.mariadb_admin.clone().unwrap_or_else(|| server.admin.clone());
            Some(Session::open(&Server { admin, ..server.clone() }, &answers)?)
        }
        _ => None,
    };
    confirm_undo(arguments, &journal)?;
    let from = match arguments.keep_keycloak {
        true => put_elsewhere_first(&mut journal),
        false => {
            keep_data(arguments, &mut journal)?;
            0
        }
    };
    let mut site = Site::new(config, facts, (admin, database), reactor()?);
    tell_kept(&take_back(&mut site, &mut journal, from)?, &path)?;
    say(match arguments.keep_keycloak && from > 0 {
        true => "taken back, but for Keycloak and MariaDB",
        false => "everything is as it was before setup",
    });
    Ok(())
}

/// It is said before anything is asked.
fn must_be_root(arguments: &Arguments) -> Result<(), Failure> {
    if arguments.dry_run || nix::unistd::Uid::effective().is_root() {
        return Ok(());
    }
    Err(Failure::Usage(
        "setup writes below /etc and reloads the mail servers, so it must run as root: `sudo keydove setup`; --dry-run shows \
         what it would do"
            .to_owned(),
    ))
}

/// Whether an administrator must sign in to take it back.
fn is_elsewhere(entry: &Entry) -> bool {
    matches!(entry.place, Place::Database(_) | Place::DatabaseUser(_)) || entry.phase == Phase::Keycloak
}

/// Lists what is to be taken back, and asks whether it shall be.
fn confirm_undo(arguments: &Arguments, journal: &Journal) -> Result<(), Failure> {
    for entry in journal.entries.iter().rev() {
        say(&format!("to be taken back: {}", entry.place));
    }
    if !arguments.yes && !agrees("take these changes back?")? {
        return Err(Failure::Usage("nothing was changed; --yes takes it back without a question".to_owned()));
    }
    Ok(())
}

/// Puts that for which an administrator must sign in before the rest; says how much it is. Places of theirs and others
/// have nothing to do with each other, so they may change their order.
fn put_elsewhere_first(journal: &mut Journal) -> usize {
    journal.entries.sort_by_key(|entry| !is_elsewhere(entry));
    journal.entries.iter().take_while(|entry| is_elsewhere(entry)).count()
}

/// Whether something was not taken back, because somebody has changed it since.
fn tell_kept(kept: &[Place], journal: &Path) -> Result<(), Failure> {
    if kept.is_empty() {
        return Ok(());
    }
    Err(Failure::Data(format!(
        "these were changed since setup wrote them, and stay: {}\nset them as you want them; {} remembers what was there \
         before",
        names(kept),
        journal.display()
    )))
}

/// A database that setup made goes only if somebody says so: it holds all mailboxes by now.
fn keep_data(arguments: &Arguments, journal: &mut Journal) -> Result<(), Failure> {
    let mut kept = Vec::new();
    for entry in &journal.entries {
        let Place::Database(name) = &entry.place else { continue };
        let question = format!("remove the database {name} too, with all domains and mailboxes in it?");
        if !arguments.drop_database && (arguments.yes || !agrees(&question)?) {
            say(&format!(
                "the database {name} stays, with all domains and mailboxes in it; --drop-database removes it"
            ));
            kept.push(entry.place.clone());
        }
    }
    journal.entries.retain(|entry| !kept.contains(&entry.place));
    Ok(())
}

/// Flags, and the answers file.
fn given(arguments: &Arguments) -> Result<Answers, Failure> {
    let file = match &arguments.answers {
        Some(path) => Answers::read(path)?,
        None => Answers::default(),
    };
    Ok(arguments.given.clone().or(file))
}

fn sign_in(answers: &Answers, facts: &Facts) -> Result<Admin, Failure> {
    let data = |error: &dyn std::fmt::Display| Failure::Data(error.to_string());
    let what = "password of Keycloak's administrator";
    let user = match &answers.admin_user {
        Some(user) => user.clone(),
        None => answers::ask("an administrator of Keycloak")?.ok_or_else(|| {
            Failure::Usage("an administrator must sign in at Keycloak: give --admin-user".to_owned())
        })?,
    };
    let given = password(ADMIN_PASSWORD, answers.admin_password_file.as_deref(), what)?;
    let password = given.ok_or_else(|| {
        Failure::Usage(format!("there is no {what}: set {ADMIN_PASSWORD}, or give --admin-password-file"))
    })?;
    let realm = facts.admin_realm.clone().unwrap_or_else(|| MASTER.to_owned());
    let sign_in =
        AdminSignIn { realm: RealmName::try_from(realm).map_err(|error| data(&error))?, user, password };
    let server = ServerUrl::try_from(facts.server_url.clone()).map_err(|error| data(&error))?;
    let realm = RealmName::try_from(facts.realm.clone()).map_err(|error| data(&error))?;
    let config = realm::patient(facts.ca_file.as_deref());
    Admin::new(server, realm, sign_in, &config).map_err(|error| data(&error))
}

fn test_user(answers: &Answers) -> Result<Option<TestUser>, Failure> {
    let Some(user) = &answers.test_user else { return Ok(None) };
    let user = Username::parse(user.as_bytes())
        .map_err(|error| Failure::Data(format!("--test-user {user}: {error}")))?;
    let what = "password of the test user";
    match password(TEST_PASSWORD, answers.test_password_file.as_deref(), what)? {
        Some(password) => Ok(Some(TestUser { user, password })),
        None => Err(Failure::Usage(format!(
            "there is no {what}: set {TEST_PASSWORD}, or give --test-password-file"
        ))),
    }
}

fn reactor() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::System(format!("cannot start the reactor: {error}")))
}
