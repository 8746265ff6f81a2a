//! All changes that lead a mailcow to shadow mode, or on to a keydove that decides.

use std::path::{Path, PathBuf};

use super::super::super::storage::Failure;
use super::super::answers::Answers;
use super::super::change::{Access, Change, Phase, Place, State, Target};
use super::super::journal::Journal;
use super::super::mariadb::{Mariadb, Session, rights_of_daemon};
use super::super::service::{self, SERVICE, Service};
use super::super::wishes::access_of;
use super::super::{files, running};
use super::host::{Host, USUAL};
use super::overlay::{self, Element};
use super::text;
use super::{DOVECOT, Mailcow, NGINX};
use crate::config::Config;

const SCRIPT: &str = include_str!("../../../../mailcow/passwd-verify.lua");
const EXTRA: &str = include_str!("../../../../mailcow/dovecot-extra.conf");
const SOGO_PATH: &str = include_str!("../../../../mailcow/keydove-sogo.path");
const SOGO_SERVICE: &str = include_str!("../../../../mailcow/keydove-sogo.service");
const AFTER_DOCKER: &str = include_str!("../../../../mailcow/keydove-after-docker.conf");
/// The administrator's units.
const UNITS: &str = "/etc/systemd/system";
const SOGO_UNIT: &str = "keydove-sogo.path";
/// Where the container has the script.
const SCRIPT_INSIDE: &str = "/etc/dovecot/auth/passwd-verify.lua";
const SHADOW_PORT: u16 = 9082;
const OPERATIONS_PORT: u16 = 9153;

/// What is wished for.
pub(super) struct Plan<'a> {
    pub(super) config: &'a Path,
    pub(super) host: &'a Host,
    pub(super) service: &'a Service,
    pub(super) answers: &'a Answers,
    /// keydove decides; before that it is only compared.
    pub(super) decides: bool,
    /// Of keydove's database user, if it is made.
    pub(super) mariadb: Mariadb,
    /// keydove.toml as it is to be.
    text: String,
    now: State,
}

impl<'a> Plan<'a> {
    pub(super) fn new(
        (config, journal): (&'a Path, &Journal),
        (host, service): (&'a Host, &'a Service),
        answers: &'a Answers,
        mailcow: &Mailcow,
    ) -> Result<Self, Failure> {
        let (now, decides) = (files::read(config)?, mailcow.decides);
        let is_ours = journal.entries.iter().any(|entry| entry.place == Place::File(config.to_owned()));
        let text = match &now {
            State::File { text, .. } if is_ours => text.clone(),
            State::Absent => in_shadow(config, host, answers)?,
            _ => {
                return Err(Failure::Data(format!(
                    "{} is there already, and setup changes nothing that you wrote: move it away, or go on by hand as \
                     docs/mailcow.md says",
                    config.display()
                )));
            }
        };
        let text = if decides { text::deciding(config, &text)? } else { text };
        let user = value(&text, "storage.mariadb.user").unwrap_or_else(|| "keydove".to_owned());
        let mariadb = Mariadb::of_mailcow(host.sql, &host.database, &user, &mailcow.database_from)?;
        Ok(Self { config, host, service, answers, decides, mariadb, text, now })
    }

    /// All changes, in the order in which they are made.
    pub(super) fn changes(&self, database: &Session) -> Result<Vec<Change>, Failure> {
        let mut changes = self.database(database)?;
        let first = files::read(&self.host.compose_override)?;
        let before = override_text(&first);
        let port = self.port()?;
        let mut middle = before.clone();
        if !self.decides {
            middle = self.edited(&before, std::slice::from_ref(&port))?;
        }
        let middle_state = self.override_state(&first, middle.clone());
        let place = Place::File(self.host.compose_override.clone());
        changes.extend(Change::new(Phase::Nginx, place.clone(), first.clone(), middle_state.clone()));
        changes.extend(self.keydove()?);
        let mut last = self.edited(&middle, &[self.name(), self.script()])?;
        if self.decides {
            last = overlay::without(&last, &port).map_err(|why| {
                Failure::Data(format!(
                    "{}: {why}; take \"{}\" out of {} of {} yourself, and run setup again",
                    self.host.compose_override.display(),
                    port.text,
                    port.list,
                    port.service
                ))
            })?;
        }
        let last_state = self.override_state(&first, last);
        changes.extend(Change::new(Phase::Containers, place, middle_state, last_state));
        changes.extend(self.decides.then(|| self.forget_passwords()).transpose()?.flatten());
        Ok(changes)
    }

    fn edited(&self, text: &str, elements: &[Element]) -> Result<String, Failure> {
        elements.iter().try_fold(text.to_owned(), |text, element| {
            overlay::with(&text, element).map_err(|why| {
                Failure::Data(format!(
                    "{} cannot be changed safely: {why}\nadd this to it yourself, and run setup again:\n{}",
                    self.host.compose_override.display(),
                    overlay::shown(elements)
                ))
            })
        })
    }

    fn override_state(&self, first: &State, text: String) -> State {
        match first {
            State::File { access, .. } => State::File { text, access: *access },
            _ if text.is_empty() => State::Absent,
            _ => State::File { text, access: own(0o644) },
        }
    }

    /// mailcow's own login, for keydove to ask in shadow mode.
    fn port(&self) -> Result<Element, Failure> {
        let url = value(&self.text, "http_login.shadow_url").unwrap_or_default();
        let named = url.rsplit(':').next().and_then(|port| port.parse::<u16>().ok());
        let current = match &self.now {
            State::File { text, .. } => value(text, "http_login.shadow_url"),
            _ => None,
        };
        let before = current.and_then(|url| url.rsplit(':').next()?.parse::<u16>().ok());
        let port = named.or(before).or(self.answers.shadow_port).unwrap_or(SHADOW_PORT);
        Ok(Element { service: NGINX, list: "ports", text: format!("127.0.0.1:{port}:9082"), alone: None })
    }

    /// The name of this host in Dovecot's container.
    fn name(&self) -> Element {
        let text = format!("keydove:{}", self.host.own_address());
        Element { service: DOVECOT, list: "extra_hosts", text, alone: Some("keydove") }
    }

    fn script_file(&self) -> PathBuf {
        self.config.with_file_name("mailcow").join("passwd-verify.lua")
    }

    /// keydove's script in place of mailcow's.
    fn script(&self) -> Element {
        let text = format!("{}:{SCRIPT_INSIDE}", self.script_file().display());
        Element { service: DOVECOT, list: "volumes", text, alone: Some(SCRIPT_INSIDE) }
    }

    /// The database user with the rights that this configuration needs, and the file with its password.
    fn database(&self, session: &Session) -> Result<Vec<Change>, Failure> {
        let mariadb = &self.mariadb;
        let (is_mysql, has_sogo) = session.kind(&mariadb.database)?;
        let features = Config::parse_features(self.config, &self.text)?;
        let rights = rights_of_daemon(&features, is_mysql, has_sogo);
        let account = mariadb.account();
        let (before, file) = (session.read_user(&account)?, self.config.with_file_name("database-password"));
        let password = files::read(&file)?;
        let mut changes = Vec::new();
        match (&before, &password) {
            (State::Absent, _) => {
                changes.push(self.secret(Phase::Database, file, password, &mariadb.password)?)
            }
            (_, State::File { .. }) => {}
            _ => {
                return Err(Failure::Data(format!(
                    "mailcow's MariaDB has a user {account} already, whose password setup does not know: write it into {} \
                     (mode 0640, root:keydove), or let setup make another user by --mariadb-user",
                    file.display()
                )));
            }
        }
        let after = mariadb.wanted_user(&before, &rights);
        changes.extend(Change::new(Phase::Database, Place::DatabaseUser(account), before, after));
        Ok(changes)
    }

    fn secret(&self, phase: Phase, path: PathBuf, before: State, text: &str) -> Result<Change, Failure> {
        let after = State::File { text: text.to_owned(), access: access_of(self.service, 0o640)? };
        Ok(Change { phase, place: Place::File(path), before, after: Target::Secret(after) })
    }

    fn keydove(&self) -> Result<Vec<Change>, Failure> {
        let mut changes = Vec::new();
        let mut push =
            |place, before, after| changes.extend(Change::new(Phase::Keydove, place, before, after));
        let script = self.script_file();
        if let Some(folder) = script.parent() {
            // One that is there stays as it is.
            let before = files::read(folder)?;
            if before == State::Absent {
                push(Place::Folder(folder.to_owned()), before, State::Folder(own(0o755)));
            }
        }
        let before = match files::read(&script)? {
            State::File { text, .. } => State::File { text, access: SCRIPT_ACCESS },
            other => other,
        };
        let after = State::File { text: SCRIPT.to_owned(), access: SCRIPT_ACCESS };
        push(Place::Script(script), before, after);
        let redis = self.config.with_file_name("redis-password");
        let now = files::read(&redis)?;
        let is_right =
            matches!(&now, State::File { text, .. } if text.trim_end() == self.host.redis_password);
        if !is_right {
            changes.push(self.secret(Phase::Keydove, redis, now, &self.host.redis_password)?);
        }
        changes.extend(self.sogo()?);
        let access = match &self.now {
            State::File { access, .. } => *access,
            _ => own(0o644),
        };
        let after = State::File { text: self.text.clone(), access };
        let place = Place::File(self.config.to_owned());
        changes.extend(Change::new(Phase::Keydove, place, self.now.clone(), after));
        changes.extend(self.started()?);
        Ok(changes)
    }

    /// A copy of SOGo's secret, and under systemd what copies it when it changes.
    fn sogo(&self) -> Result<Vec<Change>, Failure> {
        let Some(from) = self.host.sogo_secret.clone() else { return Ok(Vec::new()) };
        let to = text::copy_of_sogo_secret(self.config);
        let shown = format!("a copy of {}", from.display());
        let before = match files::read(&to)? {
            State::Absent => State::Absent,
            _ => State::Json(shown.clone().into()),
        };
        let place = Place::Copy { from, to: to.clone(), access: access_of(self.service, 0o640)? };
        let copy = Change::new(Phase::Keydove, place, before, State::Json(shown.into()));
        let mut changes: Vec<Change> = copy.into_iter().collect();
        if *self.service == Service::Systemd {
            let folder = self.host.folder.display().to_string();
            let here = |text: &str| {
                text.replace(USUAL, &folder).replace("/etc/keydove/sogo-sso", &to.display().to_string())
            };
            for (name, text) in [(SOGO_UNIT, SOGO_PATH), ("keydove-sogo.service", SOGO_SERVICE)] {
                unit_file(Path::new(UNITS).join(name), here(text), &mut changes)?;
            }
        }
        Ok(changes)
    }

    fn started(&self) -> Result<Vec<Change>, Failure> {
        let mut changes = Vec::new();
        match self.service {
            Service::Commands { start, stop } => {
                let place = Place::Program { start: start.clone(), stop: stop.clone() };
                let before = State::Running(running::answers(self.config));
                changes.extend(Change::new(Phase::Keydove, place, before, State::Running(true)));
            }
            Service::Systemd => {
                let folder = PathBuf::from(format!("{UNITS}/{SERVICE}.d"));
                if files::read(&folder)? == State::Absent {
                    let after = State::Folder(own(0o755));
                    let place = Place::Folder(folder.clone());
                    changes.extend(Change::new(Phase::Keydove, place, State::Absent, after));
                }
                unit_file(folder.join("mailcow.conf"), AFTER_DOCKER.to_owned(), &mut changes)?;
                let watches = self.host.sogo_secret.as_ref().map(|_| SOGO_UNIT);
                for unit in watches.into_iter().chain([SERVICE]) {
                    let (before, place) = (service::read(unit)?, Place::Unit(unit.to_owned()));
                    changes.extend(Change::new(Phase::Keydove, place, before, State::Running(true)));
                }
            }
        }
        Ok(changes)
    }

    /// Dovecot's own memory of right passwords would let them in for 300 s more.
    fn forget_passwords(&self) -> Result<Option<Change>, Failure> {
        let path = self.host.folder.join("data/conf/dovecot/extra.conf");
        let before = files::read(&path)?;
        let (text, access) = match &before {
            State::File { text, access } => (text.clone(), *access),
            _ => (String::new(), own(0o644)),
        };
        let says = |line: &str| line.trim_start().starts_with("auth_cache_size");
        if text.lines().any(says) {
            return Ok(None);
        }
        let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        let after = State::File { text: format!("{text}{end}{EXTRA}"), access };
        Ok(Change::new(Phase::Containers, Place::File(path), before, after))
    }
}

/// The container has its own idea of owner and mode.
const SCRIPT_ACCESS: Access = Access { mode: 0o644, uid: 0, gid: 0 };

fn own(mode: u32) -> Access {
    let (uid, gid) = files::own_ids();
    Access { mode, uid, gid }
}

fn override_text(state: &State) -> String {
    match state {
        State::File { text, .. } => text.clone(),
        _ => String::new(),
    }
}

fn unit_file(path: PathBuf, text: String, changes: &mut Vec<Change>) -> Result<(), Failure> {
    let before = files::read(&path)?;
    let after = State::File { text, access: own(0o644) };
    changes.extend(Change::new(Phase::Keydove, Place::File(path), before, after));
    Ok(())
}

fn in_shadow(config: &Path, host: &Host, answers: &Answers) -> Result<String, Failure> {
    let folder = config.parent().unwrap_or(Path::new("/"));
    let own = text::Own {
        folder,
        sockets: answers.socket_folder.as_deref().unwrap_or(Path::new("/run/keydove")),
        database_user: answers.mariadb_user.as_deref().unwrap_or("keydove"),
        shadow_port: answers.shadow_port.unwrap_or(SHADOW_PORT),
        operations_port: answers.metrics_port.unwrap_or(OPERATIONS_PORT),
    };
    Ok(text::in_shadow(host, &own))
}

/// A text of keydove.toml, by its dotted name.
fn value(text: &str, name: &str) -> Option<String> {
    let table: toml::Value = toml::from_str(text).ok()?;
    let found = name.split('.').try_fold(&table, |value, step| value.get(step))?;
    found.as_str().map(str::to_owned)
}
