//! The machine on which the portal is set up: its places, and what makes their changes count.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::runtime::Runtime;

use super::super::super::output::say;
use super::super::super::storage::Failure;
use super::super::apply::{Machine, Way};
use super::super::change::{Phase, Place, State};
use super::super::journal::Journal;
use super::super::realm::Realm;
use super::super::running::{self, wait};
use super::super::service::{self, SERVICE, Service};
use super::super::{command, files, interrupt};
use super::{Account, Portal, UNIT, values};
use crate::backend::keycloak::Admin;
use crate::portal::{Request, VERSION};

/// How long one question to keydove may take.
const LIMIT: Duration = Duration::from_secs(2);

/// This machine.
pub(super) struct Site {
    portal: Portal,
    config: PathBuf,
    admin: Option<Admin>,
    pub(super) account: Option<Account>,
    reactor: Runtime,
    written: Vec<Place>,
}

impl Site {
    pub(super) fn new(
        portal: Portal,
        config: &Path,
        (admin, account): (Option<Admin>, Option<Account>),
        reactor: Runtime,
    ) -> Self {
        Self { portal, config: config.to_owned(), admin, account, reactor, written: Vec::new() }
    }

    /// The administrator's view of the database.
    fn database(&self) -> Result<&Account, Failure> {
        self.account.as_ref().ok_or_else(|| {
            Failure::Usage(
                "an administrator of MariaDB must sign in for this: give --mariadb-admin".to_owned(),
            )
        })
    }

    /// The administrator's view of the realm.
    pub(super) fn realm(&self) -> Result<Realm<'_>, Failure> {
        match &self.admin {
            Some(admin) => Ok(Realm { admin, reactor: &self.reactor }),
            None => Err(Failure::Usage(
                "an administrator of Keycloak must sign in for this: give --admin-user".to_owned(),
            )),
        }
    }

    fn service(&self) -> Result<Service, Failure> {
        Service::find(self.portal.commands.clone())
    }

    fn restart_keydove(&self) -> Result<(), Failure> {
        match self.service()? {
            Service::Commands { start, stop } => {
                command::shell(&stop)?;
                wait(|| !running::answers(&self.config));
                command::shell(&start)
            }
            Service::Systemd => service::restart(),
        }
    }

    fn settle_keydove(&self, way: Way) -> Result<(), Failure> {
        let is_systemd = self.service()? == Service::Systemd;
        if way == Way::Back {
            let runs = match is_systemd {
                true => {
                    service::forget()?;
                    service::is_active(SERVICE)
                }
                false => running::answers(&self.config),
            };
            if runs {
                self.restart_keydove()?;
                // One without a listener for commands cannot be asked.
                wait(|| running::answers(&self.config));
            }
        } else {
            let starts = |place: &Place| match place {
                Place::Unit(name) => name == SERVICE,
                place => matches!(place, Place::Program { .. }),
            };
            if !self.written.iter().any(starts) {
                self.restart_keydove()?;
            }
            if !wait(|| says_hello(&self.portal.socket)) {
                return Err(Failure::System(format!(
                    "keydove does not answer at {}; what it said last:\n{}",
                    self.portal.socket.display(),
                    service::last_words()
                )));
            }
            say("  keydove answers the portal");
        }
        // One that runs already has read its files before.
        let secret = values::secret(&self.portal.file);
        let is_its = |place: &Place| matches!(place, Place::File(path) if *path == self.portal.file || *path == secret);
        match is_systemd && self.written.iter().any(is_its) && service::is_active(UNIT) {
            true => service::restart_unit(UNIT),
            false => Ok(()),
        }
    }
}

/// Whether keydove answers there as it answers the portal.
fn says_hello(socket: &Path) -> bool {
    let ask = || -> std::io::Result<String> {
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(LIMIT))?;
        stream.set_write_timeout(Some(LIMIT))?;
        let mut line = serde_json::to_vec(&Request::Hello { version: VERSION.to_owned() })?;
        line.push(b'\n');
        stream.write_all(&line)?;
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.contains("\"hello\""))
}

impl Machine for Site {
    fn read(&mut self, place: &Place) -> Result<State, Failure> {
        match place {
            Place::File(path) | Place::Folder(path) => files::read(path),
            Place::Unit(name) => service::read(name),
            Place::DatabaseUser(name) => self.database()?.session.read_user(name),
            Place::Program { .. } => Ok(State::Running(running::answers(&self.config))),
            _ => self.realm()?.read(place),
        }
    }

    fn write(&mut self, place: &Place, state: &State) -> Result<(), Failure> {
        match (place, state) {
            (Place::File(path) | Place::Folder(path), state) => files::write(path, state)?,
            (Place::Unit(name), State::Running(runs)) => service::write(name, *runs)?,
            (Place::DatabaseUser(name), state) => self.database()?.session.write_user(name, state, "")?,
            (Place::Program { start, stop }, State::Running(runs)) => {
                command::shell(if *runs { start } else { stop })?;
            }
            _ => self.realm()?.write(place, state)?,
        }
        self.written.push(place.clone());
        Ok(())
    }

    fn client_secret(&mut self) -> Result<String, Failure> {
        self.realm()?.secret(&self.portal.client_id)
    }

    fn settle(&mut self, phase: Phase, way: Way) -> Result<(), Failure> {
        match phase {
            Phase::Keydove => self.settle_keydove(way),
            _ => Ok(()),
        }
    }

    fn keep(&mut self, journal: &Journal) -> Result<(), Failure> {
        journal.write(&Journal::path_of_portal(&self.config))
    }

    fn is_interrupted(&self) -> bool {
        interrupt::came()
    }

    fn undo(&self) -> &'static str {
        "keydove setup --portal --undo"
    }

    fn say(&mut self, line: &str) {
        say(line);
    }
}
