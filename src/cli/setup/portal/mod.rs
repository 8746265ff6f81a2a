//! `keydove setup --portal`: the web portal's client in Keycloak, its files and its unit, and all of it back.
//!
//! keydove itself must be set up before, by whatever way. The portal has a journal of its own, so it is taken back without
//! anything else, and before anything else.

mod database;
mod file;
mod proxy;
mod realm;
mod roles;
mod site;
mod values;
mod wishes;

use std::path::{Path, PathBuf};
use std::process::Command;

use nix::unistd::User;
use serde::{Deserialize, Serialize};

use super::super::output::say;
use super::super::storage::Failure;
use super::apply::{apply, take_back};
use super::change::{Access, Change, Phase, Place, State, Target};
use super::journal::{Entry, Facts, Journal};
use super::listener::{Listener, Purpose};
use super::service::{self, Service};
use super::{
    Arguments, agreed, command, confirm_undo, files, given, interrupt, must_be_root, put_elsewhere_first,
    reactor, running, sign_in, tell_kept,
};
use crate::portal::VERSION;
use database::Account;
use roles::REALM_ROLE;
use site::Site;
use wishes::Wishes;

pub(super) use proxy::Proxy;

/// The portal's own unit, and the one of the socket at which it asks keydove.
const UNIT: &str = "keydove-portal.service";
const SOCKET_UNIT: &str = "keydove-for-portal.socket";
/// The portal's user, as its package makes it.
const USER: &str = "keydove-portal";
const PROGRAM: &str = "keydove-portal";

/// What an undo must know of the portal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Portal {
    /// keydove-portal.toml
    file: PathBuf,
    client_id: String,
    /// keydove's listener.
    socket: PathBuf,
    /// The commands that start and stop keydove, without systemd.
    commands: Option<(String, String)>,
}

/// Tells whether `keydove-portal check` finds no fault at the end.
pub(super) fn set_up(arguments: &Arguments, config: &Path) -> Result<bool, Failure> {
    must_be_root(arguments)?;
    let answers = given(arguments)?;
    let path = Journal::path_of_portal(config);
    let mut journal = Journal::read(&path)?.unwrap_or_else(|| Journal::new(Facts::default()));
    must_be_of_one_version()?;
    let mut wishes = Wishes::settle(&answers, config, journal.facts.portal.as_ref())?;
    must_be_installed(&wishes.service)?;
    if !arguments.dry_run {
        wishes.keydove_must_run()?;
    }
    let facts = Facts { made_folder: journal.facts.made_folder, ..wishes.facts(&answers) };
    let admin = sign_in(&answers, &facts)?;
    let account = Account::find(config, &answers)?;
    let mut site = Site::new(wishes.portal(), config, (Some(admin), account), reactor()?);
    wishes.issuer = site.realm()?.issuer()?;
    let changes = plan(&mut site, &wishes, &journal)?;
    say(&wishes.describe());
    if !agreed(arguments, &changes)? {
        say(&next(&wishes, site.account.as_ref()));
        return Ok(true);
    }
    if !changes.is_empty() {
        journal.facts = facts;
        journal.make_folder(&path)?;
        interrupt::watch()?;
        apply(&mut site, &changes, &mut journal)?;
    }
    let is_sound = check(&wishes)?;
    say(&match changes.is_empty() {
        true => "nothing had to be changed".to_owned(),
        false => format!(
            "done; {} says what was changed, and `keydove setup --portal --undo` takes it back",
            path.display()
        ),
    });
    say(&next(&wishes, site.account.as_ref()));
    Ok(is_sound)
}

/// Takes the portal back, and nothing else.
pub(super) fn undo(arguments: &Arguments, config: &Path) -> Result<(), Failure> {
    let path = Journal::path_of_portal(config);
    let Some(mut journal) = Journal::read(&path)? else {
        say(&format!("there is nothing to take back: {} is not there", path.display()));
        return Ok(());
    };
    must_be_root(arguments)?;
    let Some(portal) = journal.facts.portal.clone() else {
        return Err(Failure::Data(format!("{} does not say which portal it is of", path.display())));
    };
    let is_due =
        |phase| !arguments.keep_keycloak && journal.entries.iter().any(|entry: &Entry| entry.phase == phase);
    let answers = given(arguments)?;
    let admin = match is_due(Phase::Keycloak) {
        true => Some(sign_in(&answers, &journal.facts)?),
        false => None,
    };
    let account = if is_due(Phase::Database) { Account::find(config, &answers)? } else { None };
    confirm_undo(arguments, &journal)?;
    let from = match arguments.keep_keycloak {
        true => put_elsewhere_first(&mut journal),
        false => 0,
    };
    let mut site = Site::new(portal, config, (admin, account), reactor()?);
    tell_kept(&take_back(&mut site, &mut journal, from)?, &path)?;
    say(match from > 0 {
        true => "taken back, but for Keycloak and MariaDB",
        false => {
            "everything is as it was before the portal; app passwords that were made there go on (`keydove app-password list`)"
        }
    });
    Ok(())
}

/// What was set up last is taken back first, because both have changed keydove.toml.
pub(super) fn must_be_back(config: &Path) -> Result<(), Failure> {
    match Journal::path_of_portal(config).exists() {
        true => Err(Failure::Usage(
            "the web portal was set up, too, and asks this keydove: take it back first, by `keydove setup --portal --undo`"
                .to_owned(),
        )),
        false => Ok(()),
    }
}

/// All changes, in the order in which they are made.
fn plan(site: &mut Site, wishes: &Wishes, journal: &Journal) -> Result<Vec<Change>, Failure> {
    let mut changes = site.realm()?.plan_portal(wishes)?;
    let mut push = |place, before, after| changes.extend(Change::new(Phase::Keydove, place, before, after));
    if let Some(folder) = wishes.file.parent()
        && files::read(folder)? == State::Absent
    {
        push(Place::Folder(folder.to_owned()), State::Absent, State::Folder(own(0o755)));
    }
    let now = files::read(&wishes.file)?;
    let access = access_of(&now);
    let text = file::text(wishes, &now, journal)?;
    push(Place::File(wishes.file.clone()), now, State::File { text, access });
    let (now, listener) = (files::read(&wishes.config)?, listener(wishes)?);
    let access = access_of(&now);
    let text = file::with_listener(wishes, &listener, &now)?;
    let rights = site.account.as_ref().map(|account| account.plan(wishes, &text)).transpose()?;
    push(Place::File(wishes.config.clone()), now, State::File { text, access });
    changes.extend(rights.flatten());
    changes.extend(secret(site, wishes)?);
    if wishes.is_own_listener {
        changes.extend(wishes.service.plan(&[listener], running::answers(&wishes.config))?);
    }
    if wishes.service == Service::Systemd {
        let place = Place::Unit(UNIT.to_owned());
        changes.extend(Change::new(Phase::Portal, place, service::read(UNIT)?, State::Running(true)));
    }
    Ok(changes)
}

/// keydove's listener for the portal. keydove answers its socket's owner, root and its own user.
fn listener(wishes: &Wishes) -> Result<Listener, Failure> {
    let listener = Listener::new(Purpose::Portal, wishes.socket.clone()).of_unit(SOCKET_UNIT);
    let user = User::from_name(USER).map_err(|error| Failure::System(error.to_string()))?;
    Ok(listener.for_whom("0600", user.map(|_| USER), None))
}

/// The file with the client's secret, unless it holds the right one.
fn secret(site: &Site, wishes: &Wishes) -> Result<Option<Change>, Failure> {
    let path = values::secret(&wishes.file);
    let before = files::read(&path)?;
    let access = match &before {
        State::File { access, .. } if access.mode & 0o027 == 0 => *access,
        _ => own(0o600),
    };
    let (realm, place) = (site.realm()?, Place::SignInClient(wishes.client_id.clone()));
    let after = match realm.read(&place)? {
        State::Absent => Target::ClientSecret(access),
        // One that was public has no secret before it is changed.
        State::Json(client) if client["publicClient"] == true => Target::ClientSecret(access),
        _ => {
            let secret = realm.secret(&wishes.client_id)?;
            let is_right = matches!(&before, State::File { text, access: now }
                if text.trim_end_matches('\n') == secret && *now == access);
            if is_right {
                return Ok(None);
            }
            Target::Secret(State::File { text: secret, access })
        }
    };
    Ok(Some(Change { phase: Phase::Keydove, place: Place::File(path), before, after }))
}

fn own(mode: u32) -> Access {
    let (uid, gid) = files::own_ids();
    Access { mode, uid, gid }
}

fn access_of(state: &State) -> Access {
    match state {
        State::File { access, .. } => *access,
        _ => own(0o644),
    }
}

/// The portal's program: the portal and keydove work together in one version only.
fn must_be_of_one_version() -> Result<(), Failure> {
    let Ok(said) = command::output(command::program(PROGRAM).arg("--version")) else {
        return Err(not_installed("there is no program keydove-portal"));
    };
    let version = said.trim().rsplit(' ').next().unwrap_or_default();
    match version == VERSION {
        true => Ok(()),
        false => Err(Failure::Data(format!(
            "keydove-portal is {version}, and keydove {VERSION}; they work together in one version only: install both packages of \
             one version"
        ))),
    }
}

fn must_be_installed(service: &Service) -> Result<(), Failure> {
    if *service != Service::Systemd {
        return Ok(());
    }
    for unit in [SOCKET_UNIT, UNIT] {
        if !service::has_unit(unit) {
            return Err(not_installed(&format!("systemd has no unit {unit}")));
        }
    }
    match User::from_name(USER) {
        Ok(Some(_)) => Ok(()),
        _ => Err(not_installed(&format!("there is no user {USER}"))),
    }
}

fn not_installed(what: &str) -> Failure {
    Failure::Data(format!(
        "{what}: install the package keydove-portal first (`apt-get install keydove-portal`)"
    ))
}

/// Runs `keydove-portal check`, and tells whether it finds no fault.
fn check(wishes: &Wishes) -> Result<bool, Failure> {
    let mut command: Command = command::program(PROGRAM);
    command.arg("check").arg("--config").arg(&wishes.file);
    if let Some(folder) = values::secret(&wishes.file).parent() {
        // systemd hands the secret in from there.
        command.env("CREDENTIALS_DIRECTORY", folder);
    }
    let output = command.output();
    let output = output.map_err(|error| Failure::System(format!("cannot run `{PROGRAM} check`: {error}")))?;
    Ok(running::show(&output))
}

/// What a person has to do now.
fn next(wishes: &Wishes, account: Option<&Account>) -> String {
    let mut steps = Vec::new();
    if let Service::Commands { .. } = wishes.service {
        steps.push(format!(
            "Start the portal: `keydove-portal serve --config {}`, as the user {USER} or as root.",
            wishes.file.display()
        ));
    }
    if let (true, None) = (wishes.is_on_server, account) {
        steps.push(
            "Give keydove's database user the rights for the portal: `keydove grants` prints them. Then restart keydove.".to_owned(),
        );
    }
    steps.push(format!("Let {} lead to the proxy, in DNS.", wishes.host()));
    steps.push(proxy::advice(wishes));
    if wishes.has_table && !wishes.has_administrators {
        let config = wishes.config.display();
        steps.push(format!("Set `administrators = true` in [portal] of {config}, and restart keydove, to have administrators."));
    }
    if wishes.has_administrators && !wishes.asks_for_role {
        let config = wishes.config.display();
        steps.push(format!(
            "Set `administrator_realm_role = \"{REALM_ROLE}\"` in [portal] of {config}, and restart keydove: then a role that is taken \
             away counts at once."
        ));
    }
    steps.push(match wishes.administrators.as_slice() {
        [] => format!(
            "Name an administrator: `keydove setup --portal --administrator ADDRESS`, or in Keycloak under Users, Role mapping, \
             Assign role: the role {} of the client {}.",
            wishes.role, wishes.client_id
        ),
        people => format!(
            "{} may see the administrators' pages, from the next sign-in on.",
            people.join(", ")
        ),
    });
    steps.push(format!("Open {} and sign in.", wishes.public_url));
    let numbered = steps.iter().enumerate().map(|(at, step)| format!("{}. {step}", at + 1));
    format!("\nNext:\n{}", numbered.collect::<Vec<_>>().join("\n"))
}
