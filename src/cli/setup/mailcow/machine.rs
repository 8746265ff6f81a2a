//! A mailcow that is set up: every place read and written, every phase settled.

use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::json;

use super::super::super::output::say;
use super::super::super::storage::Failure;
use super::super::apply::{Machine, Way};
use super::super::change::{Access, Phase, Place, State};
use super::super::journal::Journal;
use super::super::login::TestUser;
use super::super::mariadb::Session;
use super::super::running::{self, wait};
use super::super::service::{self, SERVICE, Service};
use super::super::{command, files, interrupt};
use super::compose::Compose;
use super::{DOVECOT, NGINX, probe, text};

/// Owner and mode of the script are the container's business.
const SCRIPT: Access = Access { mode: 0o644, uid: 0, gid: 0 };

/// This machine.
pub(super) struct Site {
    pub(super) config: PathBuf,
    pub(super) compose: Compose,
    pub(super) database: Session,
    /// Of keydove's database user, where it is made.
    pub(super) password: String,
    pub(super) service: Service,
    pub(super) goal: Option<Goal>,
    pub(super) written: Vec<Place>,
}

/// What is to be, on the way forth.
pub(super) struct Goal {
    /// The host's address in the containers' network.
    pub(super) address: String,
    /// SOGo's secret, of which keydove has a copy.
    pub(super) sogo_secret: Option<PathBuf>,
    pub(super) test_user: Option<TestUser>,
}

impl Site {
    fn has_written(&self, is_it: impl Fn(&Place) -> bool) -> bool {
        self.written.iter().any(is_it)
    }

    fn restart(&self) -> Result<(), Failure> {
        match &self.service {
            Service::Commands { start, stop } => {
                command::shell(stop)?;
                wait(|| !running::answers(&self.config));
                command::shell(start)
            }
            Service::Systemd => service::restart(),
        }
    }

    fn settle_keydove(&self, way: Way) -> Result<(), Failure> {
        if way == Way::Back {
            if self.service == Service::Systemd {
                service::forget()?;
            }
            // It was not this run that started it: it goes on by the settings of before.
            return match self.config.exists() && running::answers(&self.config) {
                // Whether it runs is asked next.
                true => self.restart().and_then(|()| running::wait_until_it_answers(&self.config)),
                false => Ok(()),
            };
        }
        let starts = |place: &Place| match place {
            Place::Unit(name) => name == SERVICE,
            place => matches!(place, Place::Program { .. }),
        };
        if !self.has_written(starts) {
            self.restart()?;
        }
        self.must_answer()
    }

    /// keydove answers at the port, also to the container that will ask, and finds nothing that stands against logins.
    pub(super) fn must_answer(&self) -> Result<(), Failure> {
        running::wait_until_it_answers(&self.config)?;
        let Some(goal) = &self.goal else { return Ok(()) };
        running::check_before_the_switch(&self.config, goal.test_user.as_ref())?;
        probe::from_container(&self.compose, &goal.address)?;
        match &goal.test_user {
            Some(test) => probe::log_in(test, &goal.address),
            None => Ok(()),
        }
    }

    fn settle_containers(&self, way: Way) -> Result<(), Failure> {
        self.compose.must_read()?;
        self.compose.up(&[NGINX, DOVECOT])?;
        if self.has_written(is_dovecots) {
            self.compose.restart(DOVECOT)?;
        }
        say("  mailcow's Dovecot is started with what was changed");
        match (way, &self.goal) {
            (Way::Forth, Some(goal)) => {
                self.must_be_at_rest(goal)?;
                probe::from_container(&self.compose, "keydove")
            }
            _ => Ok(()),
        }
    }

    /// mailcow's Dovecot makes another secret for SOGo whenever it starts, and the unit that copies it restarts keydove.
    fn must_be_at_rest(&self, goal: &Goal) -> Result<(), Failure> {
        if let (Service::Systemd, Some(from)) = (&self.service, &goal.sogo_secret) {
            let to = text::copy_of_sogo_secret(&self.config);
            let is_copied =
                || matches!((std::fs::read(from), std::fs::read(&to)), (Ok(one), Ok(other)) if one == other);
            // Whatever keeps it busy, what follows says what is wrong.
            wait(|| is_copied() && service::is_at_rest());
        }
        running::wait_until_it_answers(&self.config)
    }

    /// What `keydove check` finds; once more where it may have come in between.
    pub(super) fn check(&self) -> Result<Output, Failure> {
        let test_user = self.goal.as_ref().and_then(|goal| goal.test_user.as_ref());
        let output = running::check(&self.config, test_user, |_| ())?;
        match &self.goal {
            Some(goal) if !output.status.success() => {
                self.must_be_at_rest(goal)?;
                running::check(&self.config, test_user, |_| ())
            }
            _ => Ok(output),
        }
    }
}

fn is_dovecots(place: &Place) -> bool {
    matches!(place, Place::File(path) if path.ends_with("dovecot/extra.conf"))
}

/// What is there of a copy: whether it is up to date is for the unit to see to that makes it again.
fn read_copy(from: &Path, to: &Path) -> Result<State, Failure> {
    Ok(match files::read(to)? {
        State::Absent => State::Absent,
        _ => State::Json(json!(format!("a copy of {}", from.display()))),
    })
}

/// mailcow empties the file before it writes the secret.
fn read_whole(path: &Path) -> Result<String, Failure> {
    let mut text = Ok(String::new());
    let is_there = wait(|| {
        text = match files::read(path) {
            Ok(State::File { text, .. }) => Ok(text),
            Ok(_) => Err(Failure::Data(format!("{} is gone", path.display()))),
            Err(error) => Err(error),
        };
        !matches!(&text, Ok(text) if text.trim().is_empty())
    });
    match is_there {
        true => text,
        false => Err(Failure::Data(format!(
            "{} is empty; mailcow writes SOGo's secret into it when its Dovecot starts: docker compose restart {DOVECOT}",
            path.display()
        ))),
    }
}

impl Machine for Site {
    fn read(&mut self, place: &Place) -> Result<State, Failure> {
        match place {
            Place::Script(path) => Ok(match files::read(path)? {
                State::File { text, .. } => State::File { text, access: SCRIPT },
                other => other,
            }),
            Place::Copy { from, to, .. } => read_copy(from, to),
            Place::File(path) | Place::Folder(path) => files::read(path),
            Place::Unit(name) => service::read(name),
            Place::Program { .. } => Ok(State::Running(running::answers(&self.config))),
            Place::DatabaseUser(account) => self.database.read_user(account),
            _ => Err(Failure::System(format!("{place} is no part of a mailcow"))),
        }
    }

    fn write(&mut self, place: &Place, state: &State) -> Result<(), Failure> {
        match (place, state) {
            (Place::Copy { from, to, access }, State::Json(_)) => {
                files::write(to, &State::File { text: read_whole(from)?, access: *access })?;
            }
            (Place::File(path) | Place::Folder(path) | Place::Script(path), state) => {
                files::write(path, state)?
            }
            (Place::Copy { to, .. }, state) => files::write(to, state)?,
            (Place::Unit(name), State::Running(runs)) => service::write(name, *runs)?,
            (Place::Program { start, stop }, State::Running(runs)) => {
                command::shell(if *runs { start } else { stop })?;
                if !wait(|| running::answers(&self.config) == *runs) {
                    let (line, what) =
                        if *runs { (start, "does not answer after") } else { (stop, "goes on after") };
                    return Err(Failure::System(format!("keydove {what} `{line}`")));
                }
            }
            (Place::DatabaseUser(account), state) => {
                self.database.write_user(account, state, &self.password)?;
            }
            _ => return Err(Failure::System(format!("{place} is no part of a mailcow"))),
        }
        self.written.push(place.clone());
        Ok(())
    }

    fn client_secret(&mut self) -> Result<String, Failure> {
        Err(Failure::System("the client secret stays in mailcow's table".to_owned()))
    }

    fn settle(&mut self, phase: Phase, way: Way) -> Result<(), Failure> {
        match phase {
            Phase::Nginx => {
                self.compose.must_read()?;
                self.compose.up(&[NGINX])?;
                say("  mailcow's nginx is started with what was changed");
                Ok(())
            }
            Phase::Keydove => self.settle_keydove(way),
            Phase::Containers => self.settle_containers(way),
            _ => Ok(()),
        }
    }

    fn keep(&mut self, journal: &Journal) -> Result<(), Failure> {
        journal.write(&Journal::path(&self.config))
    }

    fn is_interrupted(&self) -> bool {
        interrupt::came()
    }

    fn say(&mut self, line: &str) {
        say(line);
    }
}
