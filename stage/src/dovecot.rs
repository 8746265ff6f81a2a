//! Dovecot, whose whole auth server is keydove through the shipped `dovecot/takeover-2.3.conf` or `takeover-2.4.conf`.
//!
//! 2.3 is the system's. 2.4 is Debian 13's: a copy of the tree that `tests/setup` has unpacked, run in a chroot.

use std::fmt::Write;
use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use nix::sys::signal::Signal;

use crate::keydove::MAIL_ID;
use crate::process::{Group, Program, accepts, run};
use crate::{Failure, Result, Stage, attempt, free_port, give, source_tree};

/// The unpacked packages, below `.stage`.
const DEBIAN_13: &str = ".stage/debian-13";
/// Who runs Dovecot's parts; the chroot knows them by the system's numbers.
const USERS: [&str; 4] = ["root", "dovecot", "dovenull", "nobody"];
const GROUPS: [&str; 4] = ["root", "dovecot", "dovenull", "nogroup"];
/// Character devices by their numbers (Linux's `Documentation/admin-guide/devices.txt`).
const DEVICES: [(&str, &str); 3] = [("null", "3"), ("random", "8"), ("urandom", "9")];

/// Where the mail lies in the chroot.
const MAIL: &str = "srv/mail";

/// What comes after it was added by a case.
const ADDED: &str = "# Added:\n";

/// Which Dovecot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// Debian 12's 2.3.19.
    V2_3,
    /// Debian 13's 2.4.1.
    V2_4,
}

impl Release {
    /// The folder below the stage that is the program's `/`, where it has one of its own.
    pub fn root(self, stage: &Stage) -> Option<PathBuf> {
        match self {
            Self::V2_3 => None,
            Self::V2_4 => Some(stage.path("dovecot-2.4")),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::V2_3 => "dovecot",
            Self::V2_4 => "dovecot-2.4",
        }
    }

    /// Its `base_dir`, as it is seen from outside.
    pub fn base(self, stage: &Stage) -> PathBuf {
        match self {
            Self::V2_3 => stage.path("dovecot/run"),
            Self::V2_4 => stage.path("dovecot-2.4/run/dovecot"),
        }
    }

    fn drop_in(self) -> &'static str {
        match self {
            Self::V2_3 => "dovecot/takeover-2.3.conf",
            Self::V2_4 => "dovecot/takeover-2.4.conf",
        }
    }
}

/// A Dovecot with ports of its own on loopback.
pub struct Dovecot {
    /// IMAP, without TLS.
    pub imap: u16,
    /// POP3, without TLS.
    pub pop3: u16,
    /// ManageSieve, without TLS.
    pub sieve: u16,
    /// Dovecot's own submission service, without TLS. It logs in before it looks for the server that it relays to.
    pub submission: u16,
    /// LMTP.
    pub lmtp: u16,
    release: Release,
    config: PathBuf,
    stage: Arc<Stage>,
    program: Program,
}

impl Dovecot {
    /// Makes the folders in which keydove binds its sockets, before either program runs. Returns `base_dir`.
    pub fn prepare(stage: &Stage, release: Release) -> Result<PathBuf> {
        release.unpack(stage)?;
        let base = release.base(stage);
        let folder = base.join("login/ext");
        attempt("create", &folder, fs::create_dir_all(&folder))?;
        // As the shipped tmpfiles line makes them.
        give(&base.join("login"), "root", "dovenull", 0o750)?;
        give(&folder, "root", "dovenull", 0o750)?;
        Ok(base)
    }

    /// Starts Dovecot and waits until its ports are open. `lmtp` is a socket where it takes mail to deliver.
    pub fn start(stage: &Arc<Stage>, release: Release, lmtp: Option<&Path>) -> Result<Self> {
        Self::start_with(stage, release, lmtp, "")
    }

    /// The same with these settings added to the configuration.
    pub fn start_with(stage: &Arc<Stage>, release: Release, lmtp: Option<&Path>, more: &str) -> Result<Self> {
        let ports = [free_port()?, free_port()?, free_port()?, free_port()?, free_port()?];
        let text = format!("{}{ADDED}{more}", configuration(stage, release, lmtp, ports)?);
        let config = match release.root(stage) {
            None => {
                stage.write("dovecot/takeover.conf", &takeover(stage, release)?)?;
                stage.write("dovecot/dovecot.conf", &text)?
            }
            Some(root) => {
                let drop_in = root.join("etc/dovecot/takeover.conf");
                attempt("write", &drop_in, fs::write(&drop_in, takeover(stage, release)?))?;
                let path = root.join("etc/dovecot/dovecot.conf");
                attempt("write", &path, fs::write(&path, text))?;
                path
            }
        };
        let program = run_program(stage, release, &config, &ports)?;
        let [imap, pop3, sieve, submission, lmtp] = ports;
        let stage = Arc::clone(stage);
        Ok(Self { imap, pop3, sieve, submission, lmtp, release, config, stage, program })
    }

    /// Lives on with these settings added to the configuration, in place of any that were added before.
    pub fn reconfigure(&self, more: &str) -> Result<()> {
        let text = attempt("read", &self.config, fs::read_to_string(&self.config))?;
        let own = text.split(ADDED).next().unwrap_or_default();
        // Dovecot may still be reading it for the reload before this one; of half a file it makes another server.
        let new = self.config.with_extension("new");
        attempt("write", &new, fs::write(&new, format!("{own}{ADDED}{more}")))?;
        attempt("replace", &self.config, fs::rename(&new, &self.config))?;
        self.doveadm(&["reload"]).map(drop)
    }

    /// The configuration file.
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// Ends it as `systemctl restart` does, and starts it again on the same ports.
    pub fn restart(&mut self) -> Result<()> {
        self.program.stop()?;
        let ports = [self.imap, self.pop3, self.sieve, self.submission, self.lmtp];
        self.program = run_program(&self.stage, self.release, &self.config, &ports)?;
        Ok(())
    }

    /// Reads its configuration again, as `systemctl reload` does.
    pub fn reload(&self) -> Result<()> {
        self.program.signal(Signal::SIGHUP)
    }

    /// Runs `doveadm` against this Dovecot.
    pub fn doveadm(&self, arguments: &[&str]) -> Result<String> {
        let config = config_argument(&self.stage, self.release, &self.config);
        run(self.release.command(&self.stage, "/usr/bin/doveadm").arg("-c").arg(config).args(arguments))
    }

    /// What it has logged since its first start.
    pub fn log(&self) -> String {
        match self.release.root(&self.stage) {
            None => self.program.log(),
            Some(root) => fs::read_to_string(root.join("var/log/dovecot.log")).unwrap_or_default(),
        }
    }
}

impl Release {
    /// Makes the root, once.
    pub fn unpack(self, stage: &Stage) -> Result<()> {
        match self.root(stage) {
            Some(root) if !root.exists() => unpack(&root),
            Some(_) | None => Ok(()),
        }
    }

    /// What its own auth server is called among the programs of the stage.
    pub(super) fn conformance_name(self) -> &'static str {
        match self {
            Self::V2_3 => "dovecot-auth-2.3",
            Self::V2_4 => "dovecot-auth-2.4",
        }
    }

    /// A command of this Dovecot's installation.
    pub fn command(self, stage: &Stage, program: &str) -> Command {
        match self.root(stage) {
            None => Command::new(program),
            Some(root) => {
                let mut command = Command::new("/usr/sbin/chroot");
                command.arg(root).arg(program);
                command
            }
        }
    }
}

fn run_program(stage: &Arc<Stage>, release: Release, config: &Path, ports: &[u16]) -> Result<Program> {
    let mut command = release.command(stage, "/usr/sbin/dovecot");
    command.arg("-F").arg("-c").arg(config_argument(stage, release, config));
    let mut program = Program::start(stage, release.name(), command, Group::Own)?;
    program.wait_until(|| ports.iter().copied().all(accepts))?;
    Ok(program)
}

/// The configuration's path as the program sees it.
fn config_argument(stage: &Stage, release: Release, config: &Path) -> PathBuf {
    let inside = release.root(stage).and_then(|root| Some(config.strip_prefix(root).ok()?.to_owned()));
    inside.map_or_else(|| config.to_owned(), |inside| Path::new("/").join(inside))
}

/// Copies or links the unpacked packages, and adds what a root needs: users, devices, a folder for mail.
fn unpack(root: &Path) -> Result<()> {
    let tree = source_tree().join(DEBIAN_13);
    if !tree.join("complete").is_file() {
        return Err(Failure(format!("{} is not complete; run tests/setup", tree.display())));
    }
    // What belongs to root already may be linked, which is quicker; a tree that somebody else has unpacked is copied, and
    // the copy belongs to root.
    let of_root = attempt("look at", &tree, fs::metadata(tree.join("usr")))?.uid() == 0;
    let linked = of_root && run(Command::new("/bin/cp").args(["-dR", "--link"]).arg(&tree).arg(root)).is_ok();
    if !linked {
        // On another file system there are no links, and the folders are made by then.
        let _ = fs::remove_dir_all(root);
        run(Command::new("/bin/cp").args(["-dR", "--preserve=mode"]).arg(&tree).arg(root))?;
    }
    for (file, database, names) in [("passwd", "passwd", USERS), ("group", "group", GROUPS)] {
        let path = root.join("etc").join(file);
        let entries = run(Command::new("/usr/bin/getent").arg(database).args(names))?;
        // In place of a link, and not through it.
        let _ = fs::remove_file(&path);
        attempt("write", &path, fs::write(&path, entries))?;
    }
    for (name, minor) in DEVICES {
        let path = root.join("dev").join(name);
        run(Command::new("/bin/mknod").args(["-m", "666"]).arg(path).args(["c", "1", minor]))?;
    }
    for folder in [MAIL, "var/log", "etc/dovecot"] {
        let path = root.join(folder);
        attempt("create", &path, fs::create_dir_all(&path))?;
    }
    let mail = root.join(MAIL);
    attempt("change owner of", &mail, chown(&mail, Some(MAIL_ID), Some(MAIL_ID)))
}

/// Only what an installation decides for itself; logins are the shipped file's.
fn configuration(stage: &Stage, release: Release, lmtp: Option<&Path>, ports: [u16; 5]) -> Result<String> {
    let mut text = match release {
        Release::V2_3 => format!(
            "base_dir = {}\nstate_dir = {}\ninstance_name = keydove-stage\nlog_path = /dev/stderr\n",
            release.base(stage).display(),
            stage.path("dovecot/state").display(),
        ),
        // What lies in the chroot has its usual place there.
        Release::V2_4 => "dovecot_config_version = 2.4.1\ndovecot_storage_version = 2.4.1\n\
                          log_path = /var/log/dovecot.log\n"
            .to_owned(),
    };
    text.push_str("protocols = imap pop3 lmtp sieve submission\nlisten = 127.0.0.1\nssl = no\n");
    // Nobody listens at port 9; a login comes first.
    text.push_str("submission_relay_host = 127.0.0.1\nsubmission_relay_port = 9\n");
    let [imap, pop3, sieve, submission, lmtp_port] = ports;
    for (service, listener, port, secure) in [
        ("imap-login", "imap", imap, Some("imaps")),
        ("pop3-login", "pop3", pop3, Some("pop3s")),
        ("managesieve-login", "sieve", sieve, None),
        ("submission-login", "submission", submission, Some("submissions")),
        ("lmtp", "lmtp", lmtp_port, None),
    ] {
        let closed = secure.map(|name| format!("  inet_listener {name} {{\n    port = 0\n  }}\n"));
        let closed = closed.unwrap_or_default();
        let written = write!(
            text,
            "service {service} {{\n  inet_listener {listener} {{\n    port = {port}\n  }}\n{closed}}}\n"
        );
        written.map_err(|error| Failure(error.to_string()))?;
    }
    if let Some(socket) = lmtp {
        let socket = socket.display();
        let written = write!(
            text,
            "service lmtp {{\n  unix_listener lmtp {{\n    mode = 0\n  }}\n  unix_listener {socket} {{\n    \
             mode = 0600\n    user = postfix\n    group = postfix\n  }}\n}}\n"
        );
        written.map_err(|error| Failure(error.to_string()))?;
    }
    // Here keydove's sockets have the names of Dovecot's own, so that `doveadm auth` asks it, too.
    text.push_str("service auth {\n");
    for own in
        ["auth-master", "auth-userdb", "auth-client", "auth-login", "login/login", "token-login/tokenlogin"]
    {
        let written = writeln!(text, "  unix_listener {own} {{\n    mode = 0\n  }}");
        written.map_err(|error| Failure(error.to_string()))?;
    }
    text.push_str("}\n!include takeover.conf\n");
    Ok(text)
}

/// The shipped file; only the folder of keydove's sockets is another one.
fn takeover(stage: &Stage, release: Release) -> Result<String> {
    let path = source_tree().join(release.drop_in());
    let folder = match release {
        Release::V2_3 => release.base(stage).display().to_string(),
        Release::V2_4 => "/run/dovecot".to_owned(),
    };
    Ok(attempt("read", &path, fs::read_to_string(&path))?.replace("/run/keydove", &folder))
}
