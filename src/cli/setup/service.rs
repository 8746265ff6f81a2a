//! Who starts keydove: systemd with the shipped units, or two commands.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::super::storage::Failure;
use super::change::{Access, Change, Phase, Place, State};
use super::listener::Listener;
use super::{command, files};

/// The daemon's unit.
pub(super) const SERVICE: &str = "keydove.service";
/// There where systemd is process 1.
const BOOTED: &str = "/run/systemd/system";
/// Where units lie: the administrator's come first.
const UNIT_FOLDERS: [&str; 3] = ["/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];
/// What setup adds to a unit.
const DROP_IN: &str = "setup.conf";

/// Who starts keydove.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Service {
    /// systemd; sockets are its own.
    Systemd,
    /// Commands; sockets are keydove's, which runs as root for that.
    Commands {
        /// Starts it.
        start: String,
        /// Stops it.
        stop: String,
    },
}

impl Service {
    /// As the machine is, unless commands were given.
    pub(super) fn find(commands: Option<(String, String)>) -> Result<Self, Failure> {
        if let Some((start, stop)) = commands {
            return Ok(Self::Commands { start, stop });
        }
        if Path::new(BOOTED).is_dir() {
            return Ok(Self::Systemd);
        }
        Err(Failure::Usage(
            "this machine does not run systemd: give --start-command and --stop-command, which start and stop \
             `keydove serve` as root"
                .to_owned(),
        ))
    }

    /// What makes the sockets and starts the program, in this order: systemd starts no socket of a service that runs.
    pub(super) fn plan(&self, listeners: &[Listener], runs: bool) -> Result<Vec<Change>, Failure> {
        let mut changes = Vec::new();
        match self {
            Self::Commands { start, stop } => {
                let place = Place::Program { start: start.clone(), stop: stop.clone() };
                let before = State::Running(runs);
                changes.extend(Change::new(Phase::Keydove, place, before, State::Running(true)));
            }
            Self::Systemd => {
                let units: BTreeSet<&str> = listeners.iter().filter_map(|listener| listener.unit).collect();
                for unit in &units {
                    drop_in(unit, listeners, &mut changes)?;
                }
                for unit in units.into_iter().chain([SERVICE]) {
                    let before = read(unit)?;
                    let place = Place::Unit(unit.to_owned());
                    changes.extend(Change::new(Phase::Keydove, place, before, State::Running(true)));
                }
            }
        }
        Ok(changes)
    }
}

/// Whether systemd knows a unit of this name.
pub(super) fn has_unit(unit: &str) -> bool {
    find_unit(unit).is_some()
}

fn find_unit(unit: &str) -> Option<PathBuf> {
    UNIT_FOLDERS.iter().map(|folder| Path::new(folder).join(unit)).find(|path| path.is_file())
}

/// What the shipped unit does not say of its sockets.
fn drop_in(unit: &str, listeners: &[Listener], changes: &mut Vec<Change>) -> Result<(), Failure> {
    let Some(shipped) = find_unit(unit) else {
        return Err(Failure::Data(format!("systemd has no unit {unit}: install the package keydove first")));
    };
    let State::File { text: shipped, .. } = files::read(&shipped)? else { return Ok(()) };
    let wanted: Vec<&Listener> = listeners.iter().filter(|listener| listener.unit == Some(unit)).collect();
    let text = additions(&shipped, &wanted);
    let folder = PathBuf::from(format!("/etc/systemd/system/{unit}.d"));
    let (uid, gid) = files::own_ids();
    let (before, file) = (files::read(&folder)?, folder.join(DROP_IN));
    let now = files::read(&file)?;
    let Some(text) = text else {
        changes.extend(Change::new(Phase::Keydove, Place::File(file), now, State::Absent));
        return Ok(());
    };
    if before == State::Absent {
        let after = State::Folder(Access { mode: 0o755, uid, gid });
        changes.extend(Change::new(Phase::Keydove, Place::Folder(folder), before, after));
    }
    let after = State::File { text, access: Access { mode: 0o644, uid, gid } };
    changes.extend(Change::new(Phase::Keydove, Place::File(file), now, after));
    Ok(())
}

/// A drop-in that gives a unit these sockets; `None` where it has them by itself.
fn additions(shipped: &str, wanted: &[&Listener]) -> Option<String> {
    let values = |name: &str| {
        let lines = shipped.lines().filter_map(|line| line.trim().strip_prefix(name)?.strip_prefix('='));
        lines.map(|value| value.trim().to_owned()).collect::<BTreeSet<_>>()
    };
    let has = values("ListenStream");
    let paths: BTreeSet<String> = wanted.iter().map(|listener| listener.path.display().to_string()).collect();
    let needs_folder = wanted.iter().find_map(|listener| listener.folder.as_ref());
    let folder = needs_folder.filter(|_| values("ExecStartPre").is_empty());
    if has == paths && folder.is_none() {
        return None;
    }
    let mut text = "# Written by `keydove setup`; `keydove setup --undo` removes it.\n[Socket]\n".to_owned();
    if let Some(folder) = folder {
        let (parent, folder) = (folder.parent().unwrap_or(folder).display(), folder.display());
        text.push_str(&format!(
            "ExecStartPre=/usr/bin/install -d -o root -g dovenull -m 0750 {parent} {folder}\n"
        ));
    }
    if has != paths {
        text.push_str("# In place of the unit's own.\nListenStream=\n");
        paths.iter().for_each(|path| text.push_str(&format!("ListenStream={path}\n")));
    }
    Some(text)
}

/// Whether a unit is enabled and runs.
pub(super) fn read(unit: &str) -> Result<State, Failure> {
    let says = |word: &str| {
        let status = command::program("systemctl").args([word, "--quiet", unit]).status();
        status
            .map(|status| status.success())
            .map_err(|error| Failure::System(format!("cannot run systemctl: {error}")))
    };
    Ok(State::Running(says("is-enabled")? && says("is-active")?))
}

/// Starts a unit now and at each boot, or stops it for both.
pub(super) fn write(unit: &str, runs: bool) -> Result<(), Failure> {
    let systemctl =
        |arguments: &[&str]| command::output(command::program("systemctl").args(arguments)).map(drop);
    systemctl(&["daemon-reload"])?;
    match runs {
        true if unit.ends_with(".socket") && is_active(SERVICE) => {
            // Logins wait at the other sockets until `settle` starts it again.
            systemctl(&["stop", SERVICE])?;
            systemctl(&["enable", unit])?;
            systemctl(&["restart", unit])
        }
        true => systemctl(&["enable", "--now", unit]),
        false => {
            let sockets = sockets_of(unit);
            systemctl(&["disable", "--now", unit])?;
            if let Some(name) = unit.strip_suffix(".path") {
                // What it has started may still run, and would write what is taken away next.
                let started = format!("{name}.service");
                systemctl(&["stop", &started])?;
                let _ = systemctl(&["reset-failed", &started]);
            }
            sockets.iter().for_each(|socket| remove_deaf(socket));
            Ok(())
        }
    }
}

/// The paths at which a unit listens; none for a service.
fn sockets_of(unit: &str) -> Vec<PathBuf> {
    let listed = command::output(command::program("systemctl").args(["show", "-P", "Listen", unit]));
    let paths =
        |text: String| text.lines().filter_map(|line| Some(line.strip_suffix(" (Stream)")?.into())).collect();
    listed.map(paths).unwrap_or_default()
}

/// Removes a socket at which nobody answers, which systemd leaves behind.
fn remove_deaf(socket: &Path) {
    let end = std::os::unix::net::UnixStream::connect(socket);
    if end.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused) {
        let _ = std::fs::remove_file(socket);
    }
}

/// Whether a unit runs.
pub(super) fn is_active(unit: &str) -> bool {
    let status = command::program("systemctl").args(["is-active", "--quiet", unit]).status();
    status.is_ok_and(|status| status.success())
}

/// Whether no unit of keydove is on its way, and none is going to be.
pub(super) fn is_at_rest() -> bool {
    let systemctl = |arguments: &[&str]| command::output(command::program("systemctl").args(arguments));
    let on_their_way =
        ["list-units", "--all", "--plain", "--no-legend", "--state=activating,deactivating,reloading"];
    let is_quiet = |said: Result<String, Failure>| said.is_ok_and(|said| !said.contains("keydove"));
    is_quiet(systemctl(&["list-jobs", "--no-legend"])) && is_quiet(systemctl(&on_their_way))
}

/// Makes changed files of units count, and starts the daemon anew if it runs or should.
pub(super) fn restart() -> Result<(), Failure> {
    let systemctl =
        |arguments: &[&str]| command::output(command::program("systemctl").args(arguments)).map(drop);
    systemctl(&["daemon-reload"])?;
    systemctl(&["restart", SERVICE])
}

/// Starts another unit anew.
pub(super) fn restart_unit(unit: &str) -> Result<(), Failure> {
    command::output(command::program("systemctl").args(["restart", unit])).map(drop)
}

/// Makes files of units that are gone forgotten.
pub(super) fn forget() -> Result<(), Failure> {
    command::output(command::program("systemctl").arg("daemon-reload")).map(drop)
}

/// What the daemon said last, for a message.
pub(super) fn last_words() -> String {
    let mut journalctl = command::program("journalctl");
    journalctl.args(["-u", SERVICE, "-n", "5", "--no-pager", "-o", "cat"]);
    command::output(&mut journalctl).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::listener::Purpose;
    use super::*;

    fn listener(path: &str, folder: Option<&str>) -> Listener {
        Listener { folder: folder.map(PathBuf::from), ..Listener::new(Purpose::Hook, path.into()) }
    }

    #[test]
    fn a_unit_that_says_all_of_it_stays_as_it_is() {
        let hook = listener("/run/keydove/hook", None);
        assert_eq!(additions("[Socket]\nListenStream=/run/keydove/hook\nBacklog=4096\n", &[&hook]), None);
        let login = listener("/run/dovecot/login/ext/auth", Some("/run/dovecot/login/ext"));
        let shipped =
            "[Socket]\nExecStartPre=/usr/bin/install -d x\nListenStream=/run/dovecot/login/ext/auth\n";
        assert_eq!(additions(shipped, &[&login]), None);
    }

    #[test]
    fn other_sockets_take_the_place_of_the_units_own() {
        let text =
            additions("[Socket]\nListenStream=/a\n#ListenStream=/b\n", &[&listener("/b", None)]).unwrap();
        assert!(text.ends_with("ListenStream=\nListenStream=/b\n"), "{text}");
        let login = listener("/x/login/ext/auth", Some("/x/login/ext"));
        let text = additions("[Socket]\nListenStream=/x/login/ext/auth\n", &[&login]).unwrap();
        assert!(text.contains("-m 0750 /x/login /x/login/ext\n") && !text.contains("ListenStream"), "{text}");
    }
}
