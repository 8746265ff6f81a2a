//! Dovecot's own auth server as a child process: a passwd-file, and its cache.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use nix::unistd::{Gid, Group as UnixGroup, Uid, User};

use super::stage::process::{Group, Program};
use super::stage::{Result, Stage, attempt};

const READY_LIMIT: Duration = Duration::from_secs(30);

/// Who compares the password with what the cache holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Compares {
    /// The auth process itself: the cache at its best.
    Itself,
    /// A worker process, as mailcow sets it (`auth_cache_verify_password_with_worker`).
    Worker,
}

/// A running Dovecot that serves logins and nothing else.
pub struct Dovecot {
    socket: PathBuf,
    _program: Program,
}

impl Dovecot {
    /// Starts it with these people: address and `{SCHEME}` string.
    pub fn start<'a>(
        stage: &Arc<Stage>,
        name: &'static str,
        compares: Compares,
        people: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self> {
        let base = stage.folder(&format!("{name}/run"))?;
        let state = stage.folder(&format!("{name}/state"))?;
        let lines: String = people.into_iter().map(|(name, hash)| format!("{name}:{hash}\n")).collect();
        let users = stage.write(&format!("{name}/users"), &lines)?;
        // Dovecot's auth process runs as a user of its own where root starts it.
        attempt(
            "change mode of",
            &users,
            std::fs::set_permissions(&users, PermissionsExt::from_mode(0o644)),
        )?;
        let worker = if compares == Compares::Worker { "yes" } else { "no" };
        let text = format!(
            "base_dir = {base}
state_dir = {state}
instance_name = keydove-bench-{name}
log_path = /dev/stderr
protocols =
ssl = no
{owner}
default_vsz_limit = 1G
auth_mechanisms = plain
auth_cache_size = 100M
auth_cache_ttl = 1h
auth_cache_negative_ttl = 0
auth_cache_verify_password_with_worker = {worker}
auth_failure_delay = 0
passdb {{
  driver = passwd-file
  args = {users}
}}
service auth {{
  client_limit = 2000
  unix_listener auth-client {{
    mode = 0600
  }}
}}
service anvil {{
  client_limit = 2000
}}
",
            base = base.display(),
            state = state.display(),
            users = users.display(),
            owner = owner(),
        );
        let config = stage.write(&format!("{name}/dovecot.conf"), &text)?;
        let mut command = Command::new("/usr/sbin/dovecot");
        command.arg("-F").arg("-c").arg(&config);
        let mut program = Program::start(stage, name, command, Group::Own)?;
        let socket = base.join("auth-client");
        program.wait_until(READY_LIMIT, || UnixStream::connect(&socket).is_ok())?;
        Ok(Self { socket, _program: program })
    }

    pub fn socket(&self) -> &Path {
        &self.socket
    }
}

/// Whoever is not root runs all of it as themselves.
fn owner() -> String {
    if Uid::effective().is_root() {
        return String::new();
    }
    let user = User::from_uid(Uid::effective()).ok().flatten().map_or_else(String::new, |user| user.name);
    let group =
        UnixGroup::from_gid(Gid::effective()).ok().flatten().map_or_else(String::new, |group| group.name);
    format!("default_internal_user = {user}\ndefault_internal_group = {group}\ndefault_login_user = {user}")
}
