//! keydove itself, as Dovecot's auth server and Postfix's SASL server.

mod configuration;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use command_fds::{CommandFdExt, FdMapping};
use nix::sys::signal::Signal;

use crate::names::Names;
use crate::process::{Group, Program};
use crate::{Failure, Result, Stage, attempt, give};
use configuration::{configuration, dovecot_listeners, listeners, write_listeners};
pub use configuration::{remembering, with};

/// A line waits a millisecond for others. A log that did not grow for so long is complete, if nothing of keydove waits
/// for a processor.
const LOG_PAUSE: Duration = Duration::from_millis(30);
/// One that always has something to do is looked at all the same.
const BUSY_LIMIT: Duration = Duration::from_secs(10);
/// The first descriptor that systemd hands in (`sd_listen_fds(3)`).
const FIRST_HANDED_IN: i32 = 3;
/// The numbers that own the mail files; no account needs to have them.
pub const MAIL_ID: u32 = 5000;

/// Runs a program in a mount namespace of its own: `$0` is its `/etc/hosts`, and nobody answers at its name server.
const OTHER_HOSTS: &str = r#"
mount --bind "$0" /etc/hosts && mount --bind "$0.resolv" /etc/resolv.conf && exec "$@"
"#;

/// One socket of keydove's configuration.
struct Listener {
    door: &'static str,
    role: &'static str,
    path: PathBuf,
    mode: u32,
    owner: &'static str,
    group: &'static str,
}

/// Where keydove keeps the mailboxes.
pub enum Storage {
    /// `[storage.sqlite]`: this file.
    Sqlite(PathBuf),
    /// `[storage.mariadb]`: the server with this socket.
    MariaDb(PathBuf),
}

/// What the stage decides for keydove.
pub struct Settings {
    /// What the realm and the database are called.
    pub names: Names,
    /// Keycloak's base address.
    pub keycloak_url: String,
    /// The database.
    pub storage: Storage,
    /// Dovecot's `base_dir`.
    pub dovecot_base: PathBuf,
    /// Where Postfix looks for its SASL server.
    pub sasl_socket: PathBuf,
    /// How long a refusal takes at least, in keydove's notation.
    pub failure_delay: &'static str,
    /// Whether it remembers people and mailboxes, or nothing.
    pub remembers: bool,
}

/// A keydove that runs as root, because it gives its sockets to other users.
pub struct Keydove {
    stage: Arc<Stage>,
    /// Of its log file.
    name: &'static str,
    binary: PathBuf,
    config: PathBuf,
    /// The configuration with the plain names that cases know.
    text: String,
    names: Names,
    listeners: Vec<Listener>,
    /// What it sees as `/etc/hosts`, if it is not the system's.
    hosts: Option<PathBuf>,
    program: Option<Program>,
}

impl Keydove {
    /// Writes the configuration and starts the program, which opens its sockets itself.
    pub fn start(stage: &Arc<Stage>, binary: &Path, settings: &Settings) -> Result<Self> {
        let listeners = listeners(settings);
        give(&stage.folder("mail")?, "root", "root", 0o755)?;
        attempt("change owner of", &stage.path("mail"), own_mail(&stage.path("mail")))?;
        stage.folder("keydove")?;
        let text = configuration(stage, settings, &listeners)?;
        let names = settings.names.clone();
        let config = stage.write("keydove/keydove.toml", &names.configuration(&text))?;
        let stage = Arc::clone(stage);
        let mut keydove = Self {
            stage,
            name: "keydove",
            binary: binary.to_owned(),
            config,
            text,
            names,
            listeners,
            hosts: None,
            program: None,
        };
        keydove.start_again()?;
        Ok(keydove)
    }

    /// Starts it again with the same configuration.
    pub fn start_again(&mut self) -> Result<()> {
        let config = self.config.clone();
        self.start_from(&config)
    }

    /// Starts it again with its configuration changed by `edit`, for this once.
    pub fn start_changed(&mut self, edit: impl FnOnce(String) -> String) -> Result<()> {
        let text = self.names.configuration(&edit(self.text.clone()));
        let config = self.stage.write(&format!("keydove/{}-changed.toml", self.name), &text)?;
        self.start_from(&config)
    }

    /// Changes the configuration for good. It counts from the next start on.
    pub fn rewrite(&mut self, edit: impl FnOnce(String) -> String) -> Result<()> {
        self.text = edit(std::mem::take(&mut self.text));
        let text = self.names.configuration(&self.text);
        attempt("write", &self.config, fs::write(&self.config, text))
    }

    /// The same where the new one may not come about.
    pub fn try_rewrite(&mut self, edit: impl FnOnce(&str) -> Result<String>) -> Result<()> {
        let text = edit(&self.text)?;
        self.rewrite(|_| text)
    }

    /// Where its configuration is.
    pub fn config(&self) -> &Path {
        &self.config
    }

    fn start_from(&mut self, config: &Path) -> Result<()> {
        let mut command = match &self.hosts {
            None => Command::new(&self.binary),
            Some(hosts) => {
                let mut command = Command::new("/usr/bin/unshare");
                command.args(["--mount", "/bin/sh", "-c", OTHER_HOSTS]).arg(hosts).arg(&self.binary);
                command
            }
        };
        command.arg("serve").arg("--config").arg(config);
        self.run(command)
    }

    /// Starts it again with the sockets opened beforehand and handed in, as systemd does.
    ///
    /// The sockets belong to the caller, who keeps them over restarts: meanwhile, connections wait.
    pub fn start_with_sockets(&mut self, sockets: &[UnixListener]) -> Result<()> {
        // LISTEN_PID is the id of the program itself; the shell knows it, and becomes that program.
        let mut command = Command::new("/bin/sh");
        command.args(["-c", r#"LISTEN_PID=$$ exec "$0" "$@""#]).arg(&self.binary);
        command.arg("serve").arg("--config").arg(&self.config).env("LISTEN_FDS", sockets.len().to_string());
        let map = |(socket, child_fd): (&UnixListener, i32)| -> std::io::Result<FdMapping> {
            Ok(FdMapping { parent_fd: socket.try_clone()?.into(), child_fd })
        };
        let mappings: std::io::Result<Vec<_>> = sockets.iter().zip(FIRST_HANDED_IN..).map(map).collect();
        let mappings = attempt("copy the sockets for", &self.binary, mappings)?;
        attempt("hand sockets to", &self.binary, command.fd_mappings(mappings).map(|_| ()))?;
        self.run(command)
    }

    /// Opens all sockets of the configuration, for [`Self::start_with_sockets`].
    pub fn open_sockets(&self) -> Result<Vec<UnixListener>> {
        let open = |listener: &Listener| {
            // What a keydove that is gone has left.
            let _ = fs::remove_file(&listener.path);
            let socket = attempt("bind", &listener.path, UnixListener::bind(&listener.path))?;
            give(&listener.path, listener.owner, listener.group, listener.mode)?;
            Ok(socket)
        };
        self.listeners.iter().map(open).collect()
    }

    /// Ends it with SIGTERM, as systemd does, and says how long that took. Its exit code must be 0.
    pub fn stop(&mut self) -> Result<Duration> {
        let Some(program) = &mut self.program else { return Ok(Duration::ZERO) };
        let took = program.stop()?;
        if program.ended_well() {
            return Ok(took);
        }
        Err(Failure(format!("{} did not end with exit code 0; its log is\n{}", self.name, program.log())))
    }

    /// Starts a second one beside it: the same Keycloak and database, one socket `NAME.sock`, and its configuration
    /// changed by `edit`.
    pub fn beside(&self, name: &'static str, edit: impl FnOnce(String) -> String) -> Result<Self> {
        self.beside_with_hosts(name, None, edit)
    }

    /// The same with another `/etc/hosts`, and no name server that answers.
    pub fn beside_with_hosts(
        &self,
        name: &'static str,
        hosts: Option<PathBuf>,
        edit: impl FnOnce(String) -> String,
    ) -> Result<Self> {
        let path = self.stage.path(&format!("keydove/{name}.sock"));
        let listener = Listener {
            door: "auth-client",
            role: "dovecot",
            path: path.clone(),
            mode: 0o600,
            owner: "root",
            group: "root",
        };
        let head = format!(
            "[[listener]]\ndoor = \"auth-client\"\nrole = \"dovecot\"\npath = \"{}\"\n",
            path.display()
        );
        let mut keydove = self.another(name, edit(format!("{head}{}", self.settings())), vec![listener])?;
        keydove.hosts = hosts;
        keydove.start_again()?;
        Ok(keydove)
    }

    /// Starts a second one as the auth server of another Dovecot, with that one's `base_dir` and its configuration
    /// changed by `edit`.
    pub fn beside_as_auth_server(
        &self,
        name: &'static str,
        base: &Path,
        edit: impl FnOnce(String) -> String,
    ) -> Result<Self> {
        let listeners = dovecot_listeners(base);
        let text = edit(format!("{}{}", write_listeners(&listeners)?, self.settings()));
        let mut keydove = self.another(name, text, listeners)?;
        keydove.start_again()?;
        Ok(keydove)
    }

    /// The configuration without its sockets.
    fn settings(&self) -> &str {
        self.text.find("[keycloak]").map_or("", |start| &self.text[start..])
    }

    /// One that does not run yet.
    fn another(&self, name: &'static str, text: String, listeners: Vec<Listener>) -> Result<Self> {
        let names = self.names.clone();
        let config = self.stage.write(&format!("keydove/{name}.toml"), &names.configuration(&text))?;
        let (stage, binary) = (Arc::clone(&self.stage), self.binary.clone());
        Ok(Self { stage, name, binary, config, text, names, listeners, hosts: None, program: None })
    }

    /// The socket whose name ends so, such as `auth-client` or `auth-master`.
    pub fn socket(&self, name: &str) -> Result<&Path> {
        let found = self.listeners.iter().find(|listener| listener.path.ends_with(name));
        found.map(|listener| &*listener.path).ok_or_else(|| Failure(format!("there is no socket {name}")))
    }

    /// The socket of one that was started [beside](Self::beside) another.
    pub fn only_socket(&self) -> Result<&Path> {
        match self.listeners.as_slice() {
            [listener] => Ok(&listener.path),
            _ => Err(Failure(format!("{} has several sockets", self.name))),
        }
    }

    /// The process that serves; 0 where none does.
    #[must_use]
    pub fn process(&self) -> u32 {
        self.program.as_ref().map(Program::id).unwrap_or_default()
    }

    /// The memory it uses now, in KiB.
    pub fn memory_kib(&self) -> Result<u64> {
        let id = self.process();
        let path = format!("/proc/{id}/status");
        let status = attempt("read", Path::new(&path), fs::read_to_string(&path))?;
        let used = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse().ok());
        used.ok_or_else(|| Failure(format!("{path} names no VmRSS")))
    }

    /// How many TCP ports it listens on.
    pub fn count_ports(&self) -> Result<usize> {
        let id = self.program.as_ref().map(Program::id).unwrap_or_default();
        let folder = PathBuf::from(format!("/proc/{id}/fd"));
        let mut sockets = Vec::new();
        for entry in attempt("list", &folder, fs::read_dir(&folder))?.flatten() {
            // A descriptor that was closed meanwhile is no port.
            let target = fs::read_link(entry.path()).unwrap_or_default().display().to_string();
            sockets.extend(target.strip_prefix("socket:[").map(|rest| rest.trim_end_matches(']').to_owned()));
        }
        let mut ports = 0;
        for table in ["tcp", "tcp6"] {
            let path = PathBuf::from(format!("/proc/{id}/net/{table}"));
            let text = attempt("read", &path, fs::read_to_string(&path))?;
            let listening =
                text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).filter(|cells| {
                    cells.get(3) == Some(&"0A")
                        && cells.get(9).is_some_and(|inode| sockets.iter().any(|own| own == inode))
                });
            ports += listening.count();
        }
        Ok(ports)
    }

    /// The socket of its first door for clients.
    pub fn client_socket(&self) -> Result<&Path> {
        let found = self.listeners.iter().find(|listener| listener.door == "auth-client");
        found.map(|listener| &*listener.path).ok_or_else(|| Failure(format!("{} has no clients", self.name)))
    }

    /// Ends it in the middle of whatever it does, as a power cut does.
    pub fn kill(&mut self) -> Result<()> {
        match self.program.take() {
            Some(mut program) => program.kill(),
            None => Ok(()),
        }
    }

    /// Sends its process a signal, such as one that makes it stand still.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        self.program.as_ref().map_or(Ok(()), |program| program.signal(signal))
    }

    /// The program with its configuration, for a run of one's own.
    pub fn command(&self, subcommand: &str) -> Command {
        let mut command = Command::new(&self.binary);
        command.arg(subcommand).arg("--config").arg(&self.config);
        command
    }

    /// What stands in its log at this moment, since the first start.
    pub fn log_so_far(&self) -> String {
        self.program.as_ref().map(Program::log).unwrap_or_default()
    }

    /// Everything it has logged, since the first start. A login's line may follow its answer: what is still on its way
    /// is waited for.
    pub fn log(&self) -> String {
        let mut log = self.log_so_far();
        let start = Instant::now();
        loop {
            std::thread::sleep(LOG_PAUSE);
            let is_busy = self.program.as_ref().is_some_and(Program::is_busy) && start.elapsed() < BUSY_LIMIT;
            let later = self.log_so_far();
            if later.len() == log.len() && !is_busy {
                return later;
            }
            log = later;
        }
    }

    /// It serves once it says so to its service manager: a configuration may name more sockets than are known here, and
    /// they appear one after another.
    fn run(&mut self, mut command: Command) -> Result<()> {
        let path = self.stage.path(&format!("keydove/{}.notify", self.name));
        let _ = fs::remove_file(&path);
        let manager = attempt("bind", &path, UnixDatagram::bind(&path))?;
        attempt("open", &path, fs::set_permissions(&path, Permissions::from_mode(0o666)))?;
        attempt("set up", &path, manager.set_nonblocking(true))?;
        command.env("NOTIFY_SOCKET", &path);
        let mut program = Program::start(&self.stage, self.name, command, Group::Own)?;
        let mut notice = [0; 64];
        let ready = || manager.recv(&mut notice).is_ok_and(|length| notice[..length].starts_with(b"READY=1"));
        let result = program.wait_until(ready);
        self.program = Some(program);
        result
    }
}

fn own_mail(folder: &Path) -> std::io::Result<()> {
    std::os::unix::fs::chown(folder, Some(MAIL_ID), Some(MAIL_ID))
}
