//! Dovecot's own auth server as a child process: 2.3 with its cache on, and 2.4 with nothing to look up.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use nix::unistd::{Gid, Group as UnixGroup, Uid, User};

use super::stage::dovecot::Release;
use super::stage::process::{Group, Program};
use super::stage::{Result, Stage, attempt};

/// Where the passwords are, and who compares them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Passdb {
    /// A dictionary whose answers the cache keeps; the auth process itself compares: the cache at its best.
    Cached,
    /// The same, but a worker compares, as mailcow sets it (`auth_cache_verify_password_with_worker`).
    CachedForWorker,
    /// A passwd-file, which lies in memory anyway: Dovecot never caches it.
    PasswdFile,
}

/// Room for every connection of the loads, and one socket.
const SERVICES: &str = "\
service auth {
  client_limit = 2000
  unix_listener auth-client {
    mode = 0600
  }
}
service anvil {
  client_limit = 2000
}
";

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
        passdb: Passdb,
        people: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self> {
        let base = stage.folder(&format!("{name}/run"))?;
        let state = stage.folder(&format!("{name}/state"))?;
        let arguments = write_people(stage, name, passdb, people)?;
        let worker = if passdb == Passdb::CachedForWorker { "yes" } else { "no" };
        let driver = if passdb == Passdb::PasswdFile { "passwd-file" } else { "dict" };
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
  driver = {driver}
  args = {arguments}
}}
{SERVICES}",
            base = base.display(),
            state = state.display(),
            arguments = arguments.display(),
            owner = owner(),
        );
        let config = stage.write(&format!("{name}/dovecot.conf"), &text)?;
        let mut command = Command::new("/usr/sbin/dovecot");
        command.arg("-F").arg("-c").arg(&config);
        let mut program = Program::start(stage, name, command, Group::Own)?;
        let socket = base.join("auth-client");
        program.wait_until(|| UnixStream::connect(&socket).is_ok())?;
        Ok(Self { socket, _program: program })
    }

    /// Starts Debian 13's 2.4, whose auth process itself compares everybody's password with this one and looks nothing up:
    /// no cache could be quicker.
    pub fn start_2_4(stage: &Arc<Stage>, name: &'static str, password: &str) -> Result<Self> {
        let release = Release::V2_4;
        release.unpack(stage)?;
        // As this program sees the folder, and as Dovecot does.
        let inside = format!("/run/{name}");
        let root = release.root(stage).unwrap_or_default();
        let folder = root.join(inside.trim_start_matches('/'));
        attempt("create", &folder, std::fs::create_dir_all(&folder))?;
        let text = format!(
            "dovecot_config_version = 2.4.1
dovecot_storage_version = 2.4.1
base_dir = {inside}/base
instance_name = keydove-bench-{name}
log_path = {inside}/log
protocols =
ssl = no
auth_allow_cleartext = yes
auth_failure_delay = 0
auth_mechanisms {{
  plain = yes
}}
passdb static {{
  password = {password}
}}
{SERVICES}"
        );
        let config = folder.join("dovecot.conf");
        attempt("write", &config, std::fs::write(&config, text))?;
        let mut command = release.command(stage, "/usr/sbin/dovecot");
        command.args(["-F", "-c", &format!("{inside}/dovecot.conf")]);
        let mut program = Program::start(stage, name, command, Group::Own)?;
        let socket = folder.join("base/auth-client");
        program.wait_until(|| UnixStream::connect(&socket).is_ok())?;
        Ok(Self { socket, _program: program })
    }

    pub fn socket(&self) -> &Path {
        &self.socket
    }
}

/// Writes the people's passwords. Returns what `args` names.
fn write_people<'a>(
    stage: &Stage,
    name: &str,
    passdb: Passdb,
    people: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<PathBuf> {
    let people = people.into_iter();
    let lines: String = match passdb {
        Passdb::PasswdFile => people.map(|(name, hash)| format!("{name}:{hash}\n")).collect(),
        _ => people
            .map(|(name, hash)| format!("shared/passdb/{name}\n{{\"password\":\"{hash}\"}}\n"))
            .collect(),
    };
    let users = stage.write(&format!("{name}/users"), &lines)?;
    // Dovecot's auth process runs as a user of its own where root starts it.
    attempt("change mode of", &users, std::fs::set_permissions(&users, PermissionsExt::from_mode(0o644)))?;
    if passdb == Passdb::PasswdFile {
        return Ok(users);
    }
    let text = format!(
        "uri = file:{}\nkey passdb {{\n  key = passdb/%u\n  format = json\n}}\npassdb_objects = passdb\n",
        users.display()
    );
    stage.write(&format!("{name}/dict.conf"), &text)
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
