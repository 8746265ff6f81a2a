//! The sockets: is somebody there, and may those who must open them?

use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::path::Path;

use nix::unistd::{Gid, Uid, User, getgrouplist};

use super::finding::{Finding, Findings};
use crate::config::{Door, ListenerConfig, Role};

/// To connect to a socket.
const WRITE: u32 = 0o2;
/// To pass through a folder.
const SEARCH: u32 = 0o1;

pub(super) fn look(listeners: &[ListenerConfig]) -> Vec<Finding> {
    let mut findings = Findings::of("sockets");
    for listener in listeners {
        look_at(listener, &mut findings);
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
    match UnixStream::connect(&listener.path) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            let cure = "run keydove check as root to see the sockets";
            return findings.warning(format!("{path} may not be opened by this user"), cure);
        }
        Err(error) => {
            return findings.fault(format!("{path} is left over, nobody answers on it: {error}"), start);
        }
    }
    match peer_of(listener).and_then(Account::find) {
        Some(peer) => match peer.obstacle(&listener.path) {
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
    match (listener.door, listener.role) {
        (Door::AuthClient, Some(Role::Postfix)) => Some("postfix"),
        // Login processes run as dovenull in a chroot; their socket lies below it.
        (Door::AuthClient, _) if listener.path.components().any(|part| part.as_os_str() == "login") => {
            Some("dovenull")
        }
        _ => None,
    }
}

/// A user with all groups.
struct Account {
    name: &'static str,
    uid: Uid,
    groups: Vec<Gid>,
}

impl Account {
    fn find(name: &'static str) -> Option<Self> {
        let user = User::from_name(name).ok().flatten()?;
        let c_name = std::ffi::CString::new(name).ok()?;
        let groups = getgrouplist(&c_name, user.gid).unwrap_or_else(|_| vec![user.gid]);
        Some(Self { name, uid: user.uid, groups })
    }

    /// What keeps them from a socket: a folder on the way or the socket itself.
    fn obstacle(&self, socket: &Path) -> Option<String> {
        let folders = socket.ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty());
        let closed = folders.filter(|folder| !self.may(folder, SEARCH)).last();
        if let Some(folder) = closed {
            return Some(format!("the folder {} is closed to them", folder.display()));
        }
        (!self.may(socket, WRITE)).then(|| "its owner, group and mode leave them out".to_owned())
    }

    fn may(&self, path: &Path, right: u32) -> bool {
        let Ok(found) = std::fs::metadata(path) else { return true };
        let shift = if found.uid() == self.uid.as_raw() {
            6
        } else if self.groups.iter().any(|group| group.as_raw() == found.gid()) {
            3
        } else {
            0
        };
        self.uid.is_root() || (found.mode() >> shift) & right != 0
    }
}
