//! Unix sockets: who may connect is decided by mode, owner and group of the socket file.

use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::socket::{AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, listen, socket};
use tokio::net::{UnixListener, UnixStream};

use crate::config::{ListenerConfig, find_group, find_user};

/// The pause after the process has run out of descriptors: accepting again at once would only spin.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(200);

/// Why a socket cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Another process answers on this path.
    #[error("cannot listen on {0}: another process already serves it; stop that one first")]
    InUse(PathBuf),
    /// The path is taken by something that is no socket.
    #[error("cannot listen on {0}: there is a file of another kind; move it away")]
    NotASocket(PathBuf),
    /// Making the socket failed.
    #[error("cannot {step} {path}: {source}")]
    Step {
        /// What was attempted.
        step: &'static str,
        /// On what.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// The system knows no such user.
    #[error("cannot give {path} to user `{name}`: there is no such user here")]
    UnknownOwner {
        /// The socket.
        path: PathBuf,
        /// The name in the configuration.
        name: String,
    },
    /// The system knows no such group.
    #[error("cannot give {path} to group `{name}`: there is no such group here")]
    UnknownGroup {
        /// The socket.
        path: PathBuf,
        /// The name in the configuration.
        name: String,
    },
}

/// Binds a socket so that it appears with its final mode and owner at once.
///
/// A stale socket file is replaced; one that somebody answers on is an error.
///
/// # Errors
/// See [`ListenError`].
pub fn open(config: &ListenerConfig) -> Result<UnixListener, ListenError> {
    let path = config.path.as_path();
    refuse_if_served(path)?;
    let draft = draft_path(path);
    let step = |step, source: io::Error| ListenError::Step { step, path: path.to_owned(), source };
    let _ = std::fs::remove_file(&draft);
    let listener =
        bind_and_listen(&draft, config.backlog).map_err(|error| step("create the socket", error))?;
    give_away(config, &draft)?;
    std::fs::rename(&draft, path).map_err(|error| step("put the socket in place at", error))?;
    into_tokio(listener).map_err(|error| step("watch", error))
}

/// Takes a listening socket that the service manager holds open over restarts.
///
/// # Errors
/// The descriptor cannot be watched.
pub fn adopt(listener: StdListener, path: &Path) -> Result<UnixListener, ListenError> {
    into_tokio(listener).map_err(|source| ListenError::Step {
        step: "watch the handed-in socket",
        path: path.to_owned(),
        source,
    })
}

fn into_tokio(listener: StdListener) -> io::Result<UnixListener> {
    listener.set_nonblocking(true)?;
    UnixListener::from_std(listener)
}

/// The next connection. Waits out a lack of descriptors; skips peers that gave up while they queued.
pub async fn accept(listener: &UnixListener) -> io::Result<UnixStream> {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return Ok(stream),
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) if is_exhaustion(&error) => {
                tracing::error!(%error, "no descriptor left for another connection; raise LimitNOFILE");
                tokio::time::sleep(EXHAUSTED_PAUSE).await;
            }
            Err(error) => return Err(error),
        }
    }
}

fn is_exhaustion(error: &io::Error) -> bool {
    use nix::errno::Errno;
    let exhausted = [Errno::EMFILE, Errno::ENFILE, Errno::ENOBUFS, Errno::ENOMEM];
    error.raw_os_error().is_some_and(|code| exhausted.contains(&Errno::from_raw(code)))
}

fn refuse_if_served(path: &Path) -> Result<(), ListenError> {
    match std::fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => Err(ListenError::NotASocket(path.to_owned())),
        Ok(_) if std::os::unix::net::UnixStream::connect(path).is_ok() => {
            Err(ListenError::InUse(path.to_owned()))
        }
        _ => Ok(()),
    }
}

/// Beside the final path, so that renaming is atomic, and short, because socket paths end at 107 bytes.
fn draft_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("~");
    PathBuf::from(name)
}

/// std's `bind` has a fixed backlog of 128, too small for a storm of reconnecting login processes.
fn bind_and_listen(path: &Path, backlog: u32) -> io::Result<StdListener> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let descriptor = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    bind(std::os::fd::AsRawFd::as_raw_fd(&descriptor), &UnixAddr::new(path)?)?;
    listen(&descriptor, Backlog::new(i32::try_from(backlog).unwrap_or(i32::MAX))?)?;
    Ok(StdListener::from(descriptor))
}

fn give_away(config: &ListenerConfig, draft: &Path) -> Result<(), ListenError> {
    let path = || config.path.clone();
    let uid = match &config.owner {
        Some(name) => Some(
            find_user(name).ok_or_else(|| ListenError::UnknownOwner { path: path(), name: name.clone() })?,
        ),
        None => None,
    };
    let gid = match &config.group {
        Some(name) => Some(
            find_group(name).ok_or_else(|| ListenError::UnknownGroup { path: path(), name: name.clone() })?,
        ),
        None => None,
    };
    let step = |step, source| ListenError::Step { step, path: path(), source };
    if uid.is_some() || gid.is_some() {
        std::os::unix::fs::chown(draft, uid, gid).map_err(|error| step("change the owner of", error))?;
    }
    let mode = std::fs::Permissions::from_mode(config.mode.bits());
    std::fs::set_permissions(draft, mode).map_err(|error| step("change the mode of", error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_draft_stands_beside_the_socket() {
        assert_eq!(draft_path(Path::new("/run/a/sock")), Path::new("/run/a/sock~"));
    }
}
