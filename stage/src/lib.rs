//! The stage: real servers as child processes on loopback, out of one temporary folder.
//!
//! Dovecot, Postfix, MariaDB, Redis, slapd and Keycloak run unmodified, with the files of `dovecot/` and `postfix/` as they are shipped.
//! Nothing of the system's own servers is read or written. [`system::System`] boots everything at once.
//! `tests/setup` has installed what is needed.
#![expect(
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a test program talks to the terminal and reads the clock"
)]

mod blanks;
mod browser;
pub mod clients;
pub mod directory;
pub mod dovecot;
pub mod dovecot_auth;
pub mod exchanger;
mod http;
pub mod keycloak;
pub mod keycloak_admin;
mod keycloak_server;
pub mod keydove;
pub mod lazy;
pub mod mariadb;
pub mod names;
pub mod network;
pub mod portal;
mod ports;
pub mod postfix;
pub mod process;
mod realm_changes;
mod realm_keys;
mod realms;
pub mod redis;
pub mod relay;
pub mod root;
pub mod seed;
pub mod shared;
pub mod system;

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub use ports::free_port;
use process::Guard;

/// The longest path that fits into a Unix socket's address.
const SOCKET_PATH_LIMIT: usize = 107;
/// The longest path of a socket below the stage's folder: keydove's, in the root of a Dovecot 2.4.
const LONGEST_SOCKET: usize = "/dovecot-2.4/run/dovecot/login/ext/auth".len();
/// How long a condition may take to come about: far longer than any does, so that only a fault uses it up. A shorter one
/// would be a guess at how busy the machine is.
pub const PATIENCE: Duration = Duration::from_secs(180);
/// What a stage leaves behind when this variable is set: everything.
const KEEP: &str = "KEYDOVE_KEEP_STAGE";

/// Anything that kept the stage from working, as one sentence.
#[derive(Debug)]
pub struct Failure(pub String);

/// The result of everything here.
pub type Result<T> = std::result::Result<T, Failure>;

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<String> for Failure {
    fn from(sentence: String) -> Self {
        Self(sentence)
    }
}

/// Adds what was attempted, and on what, to a system's error.
pub fn attempt<T, E: std::fmt::Display>(
    what: &str,
    on: &Path,
    result: std::result::Result<T, E>,
) -> Result<T> {
    result.map_err(|error| Failure(format!("{what} {}: {error}", on.display())))
}

/// One temporary folder and the guard of the processes started in it. Gone when its last user is gone.
pub struct Stage {
    folder: PathBuf,
    guard: Mutex<Guard>,
    keep: AtomicBool,
}

impl Stage {
    /// Makes the folder, below `.stage/run` or, where the servers' users could not reach that, in the system's temporary folder.
    pub fn new() -> Result<Arc<Self>> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let mut folder = source_tree().join(".stage/run").join(&name);
        attempt("create", &folder, fs::create_dir_all(&folder))?;
        if !fits(&folder) {
            attempt("remove", &folder, fs::remove_dir(&folder))?;
            folder = std::env::temp_dir().join(format!("keydove-{name}"));
            attempt("create", &folder, fs::create_dir(&folder))?;
        }
        let keep = std::env::var_os(KEEP).is_some();
        let guard = Guard::start((!keep).then_some(&folder))?;
        let stage = Self { folder, guard: Mutex::new(guard), keep: AtomicBool::new(keep) };
        stage.folder("log")?;
        Ok(Arc::new(stage))
    }

    /// A path below the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Makes a folder below the folder; `name` may hold several steps.
    pub fn folder(&self, name: &str) -> Result<PathBuf> {
        let path = self.path(name);
        attempt("create", &path, fs::create_dir_all(&path))?;
        Ok(path)
    }

    /// Writes a file below the folder.
    pub fn write(&self, name: &str, content: &str) -> Result<PathBuf> {
        let path = self.path(name);
        attempt("write", &path, fs::write(&path, content))?;
        Ok(path)
    }

    /// Leaves the folder, with the logs in it, for somebody to look at.
    pub fn keep(&self) {
        self.keep.store(true, Ordering::Relaxed);
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Ok(guard) = self.guard.get_mut() {
            guard.dismiss();
        }
        if self.keep.load(Ordering::Relaxed) || std::thread::panicking() {
            eprintln!("the stage's folder is kept: {}", self.folder.display());
        } else if let Err(error) = fs::remove_dir_all(&self.folder) {
            eprintln!("remove {}: {error}", self.folder.display());
        }
    }
}

/// The root of the source tree.
pub fn source_tree() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own)
}

/// Gives a path to a user and a group, by name.
pub fn give(path: &Path, user: &str, group: &str, mode: u32) -> Result<()> {
    let ids = ids_of(user, group)?;
    attempt("change owner of", path, chown(path, Some(ids.0), Some(ids.1)))?;
    attempt("change mode of", path, fs::set_permissions(path, fs::Permissions::from_mode(mode)))
}

/// The numbers of a user and a group.
pub fn ids_of(user: &str, group: &str) -> Result<(u32, u32)> {
    let uid = nix::unistd::User::from_name(user).ok().flatten();
    let gid = nix::unistd::Group::from_name(group).ok().flatten();
    match (uid, gid) {
        (Some(user), Some(group)) => Ok((user.uid.as_raw(), group.gid.as_raw())),
        _ => Err(Failure(format!(
            "find user {user} and group {group}: no such user or group; run tests/setup"
        ))),
    }
}

/// Whether sockets below this folder have short enough paths and other users can get there.
fn fits(folder: &Path) -> bool {
    let short = folder.as_os_str().len() + LONGEST_SOCKET <= SOCKET_PATH_LIMIT;
    let passable =
        |step: &Path| -> io::Result<bool> { Ok(fs::metadata(step)?.permissions().mode() & 0o001 != 0) };
    short && folder.ancestors().all(|step| passable(step).unwrap_or(false))
}
