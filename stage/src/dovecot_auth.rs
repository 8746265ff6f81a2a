//! Dovecot's own auth server, with a passwd-file and nothing of keydove: what the protocol's inventor says.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;

use crate::dovecot::Release;
use crate::process::{Group, Program};
use crate::{Result, Stage, attempt};

/// Below the root of its files.
const FOLDER: &str = "run/conformance";

/// A running Dovecot that answers logins and serves no mail.
pub struct DovecotAuth {
    /// The socket for clients.
    pub client: PathBuf,
    /// The socket for mail processes.
    pub master: PathBuf,
    _program: Program,
}

impl DovecotAuth {
    /// Starts it with these people: address and `{SCHEME}` string. Refusals are not delayed.
    pub fn start(stage: &Arc<Stage>, release: Release, people: &[(&str, &str)]) -> Result<Self> {
        release.unpack(stage)?;
        let root = release.root(stage);
        // As this test sees the folder, and as the program does.
        let (folder, inside) = match &root {
            Some(root) => (root.join(FOLDER), PathBuf::from("/").join(FOLDER)),
            None => (stage.path("conformance"), stage.path("conformance")),
        };
        attempt("create", &folder, fs::create_dir_all(&folder))?;
        let users: String =
            people.iter().map(|(name, stored)| format!("{name}:{stored}:5000:5000::/srv::\n")).collect();
        let path = folder.join("users");
        attempt("write", &path, fs::write(&path, users))?;
        // Dovecot's auth process runs as a user of its own.
        attempt("change mode of", &path, fs::set_permissions(&path, Permissions::from_mode(0o644)))?;
        let inside = inside.display().to_string();
        let config = folder.join("dovecot.conf");
        attempt("write", &config, fs::write(&config, configuration(release, &inside)))?;
        let mut command = release.command(stage, "/usr/sbin/dovecot");
        command.args(["-F", "-c", &format!("{inside}/dovecot.conf")]);
        let mut program = Program::start(stage, release.conformance_name(), command, Group::Own)?;
        let (client, master) = (folder.join("base/auth-client"), folder.join("base/auth-master"));
        program.wait_until(|| UnixStream::connect(&client).is_ok())?;
        Ok(Self { client, master, _program: program })
    }
}

fn configuration(release: Release, folder: &str) -> String {
    let own = match release {
        Release::V2_3 => format!(
            "state_dir = {folder}/state\nlog_path = /dev/stderr\nauth_mechanisms = plain login\n\
             disable_plaintext_auth = no\n\
             passdb {{\n  driver = passwd-file\n  args = {folder}/users\n}}\n\
             userdb {{\n  driver = passwd-file\n  args = {folder}/users\n}}\n"
        ),
        Release::V2_4 => format!(
            "dovecot_config_version = 2.4.1\ndovecot_storage_version = 2.4.1\n\
             log_path = {folder}/log\nauth_allow_cleartext = yes\n\
             auth_mechanisms {{\n  plain = yes\n  login = yes\n}}\n\
             passdb passwd-file {{\n  passwd_file_path = {folder}/users\n}}\n\
             userdb passwd-file {{\n  passwd_file_path = {folder}/users\n}}\n"
        ),
    };
    let header = own.lines().filter(|line| line.starts_with("dovecot_")).map(|line| format!("{line}\n"));
    let rest = own.lines().filter(|line| !line.starts_with("dovecot_")).map(|line| format!("{line}\n"));
    // Nobody is made to wait for what others guessed.
    let shared = format!(
        "base_dir = {folder}/base\ninstance_name = keydove-conformance\nprotocols =\nssl = no\n\
         auth_failure_delay = 0\n\
         service anvil {{\n  unix_listener anvil-auth-penalty {{\n    mode = 0\n  }}\n}}\n\
         service auth {{\n  unix_listener auth-client {{\n    mode = 0600\n  }}\n}}\n"
    );
    header.chain([shared]).chain(rest).collect()
}
