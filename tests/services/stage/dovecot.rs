//! Dovecot, whose whole auth server is keydove through the shipped `dovecot/takeover-2.3.conf`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use super::process::{Group, Program, accepts, run};
use super::{Result, Stage, attempt, free_port, give, source_tree};

const READY_LIMIT: Duration = Duration::from_secs(30);
/// The folder below the stage that is Dovecot's `base_dir`.
const BASE: &str = "dovecot/run";

/// What comes after it was added by a case.
const ADDED: &str = "# Added:\n";

/// A Dovecot with ports of its own on loopback.
pub struct Dovecot {
    /// IMAP, without TLS.
    pub imap: u16,
    /// POP3, without TLS.
    pub pop3: u16,
    /// ManageSieve, without TLS.
    pub sieve: u16,
    config: PathBuf,
    _program: Program,
}

impl Dovecot {
    /// Makes the folders in which keydove binds its sockets, before either program runs. Returns `base_dir`.
    pub fn prepare(stage: &Stage) -> Result<PathBuf> {
        let base = stage.folder(BASE)?;
        stage.folder("dovecot/run/login/ext")?;
        // As the shipped tmpfiles line makes them.
        give(&stage.path("dovecot/run/login"), "root", "dovenull", 0o750)?;
        give(&stage.path("dovecot/run/login/ext"), "root", "dovenull", 0o750)?;
        Ok(base)
    }

    /// Starts Dovecot and waits until its ports are open. `lmtp` is where it listens for mail to deliver.
    pub fn start(stage: &Arc<Stage>, lmtp: &Path) -> Result<Self> {
        let (imap, pop3, sieve) = (free_port()?, free_port()?, free_port()?);
        let text = configuration(stage, lmtp, [imap, pop3, sieve]);
        let config = stage.write("dovecot/dovecot.conf", &text)?;
        let mut command = Command::new("/usr/sbin/dovecot");
        command.arg("-F").arg("-c").arg(&config);
        let mut program = Program::start(stage, "dovecot", command, Group::Own)?;
        program.wait_until(READY_LIMIT, || [imap, pop3, sieve].into_iter().all(accepts))?;
        Ok(Self { imap, pop3, sieve, config, _program: program })
    }

    /// Lives on with these settings added to the configuration, in place of any that were added before.
    pub fn reconfigure(&self, more: &str) -> Result<()> {
        let text = attempt("read", &self.config, fs::read_to_string(&self.config))?;
        let own = text.split(ADDED).next().unwrap_or_default();
        attempt("write", &self.config, fs::write(&self.config, format!("{own}{ADDED}{more}")))?;
        self.doveadm(&["reload"]).map(drop)
    }

    /// The configuration file.
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// Runs `doveadm` against this Dovecot.
    pub fn doveadm(&self, arguments: &[&str]) -> Result<String> {
        run(Command::new("/usr/bin/doveadm").arg("-c").arg(&self.config).args(arguments))
    }
}

/// Only what an installation decides for itself; logins are the shipped file's, included as it is.
fn configuration(stage: &Stage, lmtp: &Path, [imap, pop3, sieve]: [u16; 3]) -> String {
    let base = stage.path(BASE);
    let state = stage.path("dovecot/state");
    let drop_in = source_tree().join("dovecot/takeover-2.3.conf");
    format!(
        "base_dir = {base}
state_dir = {state}
instance_name = keydove-stage
log_path = /dev/stderr
protocols = imap pop3 lmtp sieve
listen = 127.0.0.1
ssl = no
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
service managesieve-login {{
  inet_listener sieve {{
    port = {sieve}
  }}
}}
service lmtp {{
  unix_listener lmtp {{
    mode = 0
  }}
  unix_listener {lmtp} {{
    mode = 0600
    user = postfix
    group = postfix
  }}
}}
!include {drop_in}
",
        base = base.display(),
        state = state.display(),
        lmtp = lmtp.display(),
        drop_in = drop_in.display(),
    )
}
