//! The sockets: do they answer, and may those who must open them?

use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use nix::unistd::geteuid;

use super::finding::{Finding, Findings};
use super::protocols;
use super::service::Account;
use crate::cli::output::say;
use crate::cli::{FAILED, fail};
use crate::config::{Config, ListenerConfig, ListenerProtocol, ListenerRole};

/// To connect to a socket.
const WRITE: u32 = 0o2;
/// To pass through a folder.
const SEARCH: u32 = 0o1;

pub(super) fn look(config: &Config) -> Vec<Finding> {
    let mut findings = Findings::of("sockets");
    for listener in &config.listeners {
        look_at(listener, &mut findings);
    }
    let ports = [
        ("[http_login] listen", config.http_login.listen, config.http_login.speaks_tls()),
        ("[http] listen", config.http.listen, false),
    ];
    for (setting, address, speaks_tls) in ports {
        let Some(address) = address else { continue };
        match protocols::try_port(address, speaks_tls) {
            Ok(()) => findings.fine(format!("{setting}: {address} answers")),
            Err(error) => findings.fault(
                format!("{setting}: {address} does not answer: {error}"),
                "systemctl restart keydove; its log says why: journalctl -u keydove",
            ),
        }
    }
    findings.into_vec()
}

fn look_at(listener: &ListenerConfig, findings: &mut Findings) {
    let path = listener.path.display();
    let start =
        "start keydove: systemctl start keydove.service; its log says why it ended: journalctl -u keydove";
    match std::fs::symlink_metadata(&listener.path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return findings.fault(format!("{path} is not there: nobody serves it"), start);
        }
        Err(error) => {
            let cure = "run keydove check as root to see the sockets";
            return findings.warning(format!("{path} cannot be looked at: {error}"), cure);
        }
        Ok(found) if !found.file_type().is_socket() => {
            return findings
                .fault(format!("{path} is no socket"), format!("move it away: mv {path} {path}.old"));
        }
        Ok(_) => {}
    }
    let stream = match protocols::connect(&listener.path) {
        Ok(stream) => stream,
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            let cure = "run keydove check as root to see the sockets";
            return findings.warning(format!("{path} may not be opened by this user"), cure);
        }
        Err(error) => {
            return findings.fault(format!("{path} is left over, nobody answers on it: {error}"), start);
        }
    };
    if let Err(silence) = protocols::speak(listener.protocol, &stream) {
        let protocol = listener.protocol.name();
        return findings.fault(
            format!("{path} takes connections, but not in the protocol {protocol}: {silence}"),
            "is keydove running, and is it the one that serves this socket? systemctl status keydove.service; journalctl \
             -u keydove",
        );
    }
    match peer_of(listener).and_then(Account::find) {
        Some(peer) => match obstacle(&peer, &listener.path) {
            None => findings.fine(format!("{path} answers, and {} may open it", peer.name)),
            Some(obstacle) => findings.fault(
                format!("{path} answers, but {} may not open it: {obstacle}", peer.name),
                "set owner, group and mode as docs/install.md lists them; for a socket of systemd in its .socket unit",
            ),
        },
        None => findings.fine(format!("{path} answers")),
    }
}

/// Who knocks there, where it is somebody without root's rights.
fn peer_of(listener: &ListenerConfig) -> Option<&'static str> {
    match (listener.protocol, listener.role) {
        (ListenerProtocol::AuthClient, Some(ListenerRole::Postfix))
        | (ListenerProtocol::Policy | ListenerProtocol::Socketmap, _) => Some("postfix"),
        (ListenerProtocol::AuthClient, Some(ListenerRole::Exim)) => Some("Debian-exim"),
        // Login processes run as dovenull in a chroot; their socket lies below it.
        (ListenerProtocol::AuthClient, _)
            if listener.path.components().any(|part| part.as_os_str() == "login") =>
        {
            Some("dovenull")
        }
        (ListenerProtocol::Portal, _) => Some("keydove-portal"),
        // Dovecot's auth process, with Lua and with checkpassword.
        (ListenerProtocol::Hook, _) => Some("dovecot"),
        _ => None,
    }
}

/// What keeps them from a socket. As root it is tried out, by a process that becomes them: access lists count as well.
pub(super) fn obstacle(peer: &Account, socket: &Path) -> Option<String> {
    if geteuid().is_root() && !peer.uid.is_root() {
        let itself = std::env::current_exe().ok()?;
        let mut command = Command::new(itself);
        command.args(["check", "--knock-as", &peer.name, "--knock"]).arg(socket);
        let output = command.output().ok()?;
        if output.status.success() {
            return None;
        }
        if output.status.code() != Some(i32::from(super::FAULT)) {
            return Some(String::from_utf8_lossy(&output.stderr).trim().to_owned());
        }
    }
    let folders = socket.ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty());
    let closed = folders.filter(|folder| !may(peer, folder, SEARCH)).last();
    if let Some(folder) = closed {
        return Some(format!("the folder {} is closed to them", folder.display()));
    }
    let by_mode = (!may(peer, socket, WRITE)).then(|| "its owner, group and mode leave them out".to_owned());
    by_mode.or_else(|| geteuid().is_root().then(|| "an access list leaves them out".to_owned()))
}

/// The process that becomes somebody else.
pub(super) fn knock(user: &str, sockets: &[PathBuf]) -> ExitCode {
    let Some(account) = Account::find(user) else {
        say("no such user");
        return FAILED.into();
    };
    if let Err(error) = account.take_place() {
        return fail(FAILED, &error);
    }
    let is_open = |socket: &PathBuf| match UnixStream::connect(socket) {
        Ok(_) => true,
        Err(error) => error.kind() != ErrorKind::PermissionDenied,
    };
    match sockets.iter().all(is_open) {
        true => ExitCode::SUCCESS,
        false => super::FAULT.into(),
    }
}

fn may(peer: &Account, path: &Path, right: u32) -> bool {
    let Ok(found) = std::fs::metadata(path) else { return true };
    let shift = if found.uid() == peer.uid.as_raw() {
        6
    } else if peer.groups.iter().any(|group| group.as_raw() == found.gid()) {
        3
    } else {
        0
    };
    peer.uid.is_root() || (found.mode() >> shift) & right != 0
}
