//! A Dovecot with an auth server of its own, which asks keydove's `hook` socket.
//!
//! 2.3 runs in a mount namespace where `/etc/dovecot`, `/usr/local/bin` and `/run` are folders of the stage, 2.4 in a root
//! of its own, so that the shipped files are read as they are, with the paths that stand in them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use super::super::stage::dovecot::Release;
use super::super::stage::keydove::MAIL_ID;
use super::super::stage::process::{Group, Program, accepts, copy_program, run};
use super::super::stage::{Result, Stage, attempt, free_port, give, source_tree};

/// The folder below the stage that holds all of it.
const FOLDER: &str = "hooked";
/// What stands in for a folder of the system, and for which.
const FOLDERS: [&str; 4] = ["hooked/etc", "hooked/bin", "hooked/r/keydove", "hooked/run"];
/// `$0` is the folder.
const OTHER_FOLDERS: &str = r#"
mount --bind "$0/etc" /etc/dovecot && mount --bind "$0/bin" /usr/local/bin && mount --bind "$0/r" /run && exec "$@"
"#;
/// What is shipped and read by Dovecot.
const SHIPPED: [&str; 3] = ["keydove.lua", "lua-2.3.conf", "checkpassword-2.3.conf"];
/// The same for 2.4.
const SHIPPED_FOR_2_4: [&str; 2] = ["keydove.lua", "lua-2.4.conf"];
const LOG_OF_2_4: &str = "/var/log/hooked.log";
const CONFIG: &str = "/etc/dovecot/dovecot.conf";

/// The Dovecot, ended on drop.
pub struct HookDovecot {
    /// IMAP, without TLS.
    pub imap: u16,
    /// POP3, without TLS.
    pub pop3: u16,
    /// LMTP.
    pub lmtp: u16,
    pub release: Release,
    stage: Arc<Stage>,
    config: PathBuf,
    program: Program,
}

/// Where keydove listens for it: `/run/keydove/hook` as this Dovecot sees it.
pub fn socket(stage: &Stage) -> Result<PathBuf> {
    for folder in FOLDERS {
        stage.folder(folder)?;
    }
    Ok(stage.path("hooked/r/keydove/hook"))
}

/// The same for the 2.4.
pub fn socket_of_2_4(stage: &Stage) -> Result<PathBuf> {
    Release::V2_4.unpack(stage)?;
    let folder = Release::V2_4.base(stage).with_file_name("keydove");
    attempt("create", &folder, fs::create_dir_all(&folder))?;
    Ok(folder.join("hook"))
}

impl HookDovecot {
    /// Starts it. `databases` are its passdb and userdb blocks, normally an `!include` of a shipped file; `settings` is
    /// the text of `keydove-settings.lua`, if there is to be one.
    pub fn start(stage: &Arc<Stage>, databases: &str, settings: Option<&str>) -> Result<Self> {
        socket(stage)?;
        for name in SHIPPED {
            let (from, to) =
                (source_tree().join("dovecot").join(name), stage.path(&format!("hooked/etc/{name}")));
            attempt("copy to", &to, fs::copy(from, &to))?;
        }
        let program = stage.path("hooked/bin/keydove-checkpassword");
        let built = env!("CARGO_BIN_EXE_keydove-checkpassword");
        copy_program(Path::new(built), &program)?;
        give(&program, "root", "root", 0o755)?;
        let settings_file = stage.path("hooked/etc/keydove-settings.lua");
        match settings {
            Some(text) => drop(stage.write("hooked/etc/keydove-settings.lua", text)?),
            // One of the case before.
            None => drop(fs::remove_file(settings_file)),
        }
        let ports = [free_port()?, free_port()?, free_port()?];
        let text = configuration(stage, ports, databases);
        let config = stage.write("hooked/etc/dovecot.conf", &text)?;
        let mut command = Command::new("/usr/bin/unshare");
        command.args(["--mount", "/bin/sh", "-c", OTHER_FOLDERS]).arg(stage.path(FOLDER));
        command.args(["/usr/sbin/dovecot", "-F", "-c", CONFIG]);
        Self::run(stage, Release::V2_3, command, ports, config)
    }

    /// Starts a 2.4 in the root that the takeover's has, with these passdb and userdb blocks.
    pub fn start_2_4(stage: &Arc<Stage>, databases: &str) -> Result<Self> {
        Release::V2_4.unpack(stage)?;
        let root = Release::V2_4.root(stage).unwrap_or_default();
        for name in SHIPPED_FOR_2_4 {
            let (from, to) = (source_tree().join("dovecot").join(name), root.join("etc/dovecot").join(name));
            attempt("copy to", &to, fs::copy(from, &to))?;
        }
        let ports = [free_port()?, free_port()?, free_port()?];
        let path = root.join(CONFIG.trim_start_matches('/'));
        attempt("write", &path, fs::write(&path, configuration_of_2_4(ports, databases)))?;
        let mut command = Release::V2_4.command(stage, "/usr/sbin/dovecot");
        command.args(["-F", "-c", CONFIG]);
        Self::run(stage, Release::V2_4, command, ports, CONFIG.into())
    }

    fn run(
        stage: &Arc<Stage>,
        release: Release,
        command: Command,
        ports: [u16; 3],
        config: PathBuf,
    ) -> Result<Self> {
        let name = match release {
            Release::V2_3 => "hooked-dovecot",
            Release::V2_4 => "hooked-dovecot-2.4",
        };
        let mut program = Program::start(stage, name, command, Group::Own)?;
        program.wait_until(|| ports.into_iter().all(accepts))?;
        let ([imap, pop3, lmtp], stage) = (ports, Arc::clone(stage));
        Ok(Self { imap, pop3, lmtp, release, stage, config, program })
    }

    /// Runs `doveadm` against this Dovecot.
    pub fn doveadm(&self, arguments: &[&str]) -> Result<String> {
        let mut command = self.release.command(&self.stage, "/usr/bin/doveadm");
        run(command.arg("-c").arg(&self.config).args(arguments))
    }

    /// What all of this stage have logged.
    pub fn log(&self) -> String {
        match self.release.root(&self.stage) {
            None => self.program.log(),
            Some(root) => {
                fs::read_to_string(root.join(LOG_OF_2_4.trim_start_matches('/'))).unwrap_or_default()
            }
        }
    }
}

/// Only what an installation decides for itself. Penalties by address would make every client of a test wait.
fn configuration(stage: &Stage, ports: [u16; 3], databases: &str) -> String {
    let folder = stage.path(FOLDER);
    let services = services(ports);
    format!(
        "base_dir = {folder}/run
state_dir = {folder}/state
instance_name = keydove-hooked
log_path = /dev/stderr
mail_location = maildir:~/Maildir
{services}
{databases}
",
        folder = folder.display(),
    )
}

/// The same for 2.4, whose folders have their usual places in its root.
fn configuration_of_2_4(ports: [u16; 3], databases: &str) -> String {
    let services = services(ports);
    format!(
        "dovecot_config_version = 2.4.1
dovecot_storage_version = 2.4.1
log_path = {LOG_OF_2_4}
auth_verbose = yes
mail_driver = maildir
mail_path = ~/Maildir
{services}
{databases}
"
    )
}

fn services([imap, pop3, lmtp]: [u16; 3]) -> String {
    format!(
        "protocols = imap pop3 lmtp
listen = 127.0.0.1
ssl = no
first_valid_uid = {MAIL_ID}
auth_failure_delay = 1 secs
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service pop3-login {{
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = 0
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    port = {lmtp}
  }}
}}
"
    )
}
