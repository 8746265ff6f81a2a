//! Postfix with a configuration, a queue and a data folder of its own; its submission service is the shipped
//! `postfix/submission.cf`, and mail for `example.org` goes to Dovecot.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};

use nix::sys::signal::Signal;

use crate::process::{Group, Program, accepts, run};
use crate::{Failure, Result, Stage, attempt, free_port, give, source_tree};

/// The services that a submission service hands its mail to; as in Debian's `master.cf`.
pub const MASTER: &str = "\
pickup    unix  n       -       y       60      1       pickup
cleanup   unix  n       -       y       -       0       cleanup
qmgr      unix  n       -       n       300     1       qmgr
rewrite   unix  -       -       y       -       -       trivial-rewrite
bounce    unix  -       -       y       -       0       bounce
defer     unix  -       -       y       -       0       bounce
trace     unix  -       -       y       -       0       bounce
verify    unix  -       -       y       -       1       verify
flush     unix  n       -       y       1000?   0       flush
proxymap  unix  -       -       n       -       -       proxymap
showq     unix  n       -       y       -       -       showq
error     unix  -       -       y       -       -       error
retry     unix  -       -       y       -       -       error
discard   unix  -       -       y       -       -       discard
lmtp      unix  -       -       y       -       -       lmtp
anvil     unix  -       -       y       -       1       anvil
scache    unix  -       -       y       -       1       scache
postlog   unix-dgram n  -       n       -       1       postlogd
";

/// The folders of one Postfix, made before it runs because keydove and Dovecot bind sockets below its queue.
pub struct Folders {
    config: PathBuf,
    queue: PathBuf,
}

/// A Postfix with one submission service on loopback.
pub struct Postfix {
    /// The submission service, without TLS.
    pub submission: u16,
    log: PathBuf,
    program: Program,
}

impl Folders {
    /// Makes them and writes `main.cf`. Nothing of `/etc/postfix` and `/var/spool/postfix` is used.
    pub fn prepare(stage: &Stage) -> Result<Self> {
        let config = stage.folder("postfix/etc")?;
        let queue = stage.folder("postfix/queue")?;
        give(&stage.folder("postfix/data")?, "postfix", "postfix", 0o755)?;
        give(&stage.folder("postfix/queue/private")?, "postfix", "root", 0o700)?;
        stage.folder("postfix/log")?;
        stage.write("postfix/etc/main.cf", &main_cf(&stage.path("postfix")))?;
        Ok(Self { config, queue })
    }

    /// Where keydove binds: the shipped `smtpd_sasl_path`, seen from outside the queue folder.
    pub fn sasl_socket(&self) -> PathBuf {
        self.queue.join("private/keydove")
    }

    /// Where Dovecot takes mail. The name `lmtp` is Postfix's own.
    pub fn lmtp_socket(&self) -> PathBuf {
        self.queue.join("private/dovecot-lmtp")
    }
}

impl Postfix {
    /// Starts Postfix and waits until its port is open.
    pub fn start(stage: &Arc<Stage>, folders: &Folders) -> Result<Self> {
        let submission = free_port()?;
        let pattern = Pattern::get(folders)?;
        let master_cf = pattern.master_cf.replace(PORT_OF_PATTERN, &format!("127.0.0.1:{submission}"));
        let path = folders.config.join("master.cf");
        attempt("write", &path, fs::write(&path, master_cf))?;
        pattern.queue.iter().try_for_each(|folder| folder.make(&folders.queue))?;
        let mut command = Command::new(&pattern.master);
        // As `postfix start-fg` runs it, without the shell in between that would not pass a signal on.
        command.arg("-c").arg(&folders.config).arg("-s");
        let mut program = Program::start(stage, "postfix", command, Group::LeftToProgram)?;
        program.wait_until(|| accepts(submission))?;
        Ok(Self { submission, log: stage.path("postfix/log/mail.log"), program })
    }

    /// Lets its processes end once they are idle, as `postfix reload` does.
    pub fn reload(&self) -> Result<()> {
        self.program.signal(Signal::SIGHUP)
    }

    /// Everything Postfix has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

/// What Postfix's own tools make of the shipped entry and of an empty queue. They take a hundred processes for it, so they do
/// it once.
#[derive(Clone)]
struct Pattern {
    /// With [`PORT_OF_PATTERN`] in place of a port.
    master_cf: String,
    queue: Vec<QueueFolder>,
    /// The program.
    master: PathBuf,
}

/// One folder of a queue, and whose it is.
#[derive(Clone)]
struct QueueFolder {
    /// Below the queue.
    path: PathBuf,
    owner: (u32, u32),
    mode: u32,
}

/// Nobody's port, and a name that stands nowhere else.
const PORT_OF_PATTERN: &str = "127.0.0.1:1";

impl Pattern {
    /// The first one who asks has it made in their own folders.
    fn get(folders: &Folders) -> Result<Self> {
        static PATTERN: OnceLock<std::result::Result<Pattern, String>> = OnceLock::new();
        let pattern = PATTERN.get_or_init(|| Self::make(folders).map_err(|failure| failure.0));
        pattern.clone().map_err(Failure)
    }

    fn make(folders: &Folders) -> Result<Self> {
        let Folders { config, queue } = folders;
        let shipped = source_tree().join("postfix/submission.cf");
        let shipped = attempt("read", &shipped, fs::read_to_string(&shipped))?;
        let path = config.join("master.cf");
        attempt("write", &path, fs::write(&path, format!("{MASTER}{shipped}")))?;
        // The shipped entry as it is, then moved to a free port and without TLS.
        postconf(config, &["-F", &format!("submission/inet/service={PORT_OF_PATTERN}")])?;
        postconf(config, &["-P", &format!("{PORT_OF_PATTERN}/inet/smtpd_tls_security_level=none")])?;
        let master_cf = attempt("read", &path, fs::read_to_string(&path))?;
        // Makes the folders of the queue.
        run(Command::new("/usr/sbin/postfix").arg("-c").arg(config).arg("check"))?;
        let programs = postconf(config, &["-h", "daemon_directory"])?;
        let mut made = Vec::new();
        QueueFolder::list(queue, queue, &mut made)?;
        Ok(Self { master_cf, queue: made, master: Path::new(programs.trim()).join("master") })
    }
}

impl QueueFolder {
    /// Those in a folder, each before what is in it.
    fn list(queue: &Path, folder: &Path, found: &mut Vec<Self>) -> Result<()> {
        for entry in attempt("list", folder, fs::read_dir(folder))?.flatten() {
            let (path, about) = (entry.path(), attempt("look at", folder, entry.metadata())?);
            if about.is_dir() {
                let below = path.strip_prefix(queue).unwrap_or(&path).to_owned();
                found.push(Self { path: below, owner: (about.uid(), about.gid()), mode: about.mode() });
                Self::list(queue, &path, found)?;
            }
        }
        Ok(())
    }

    /// Makes it in another queue, where some are already.
    fn make(&self, queue: &Path) -> Result<()> {
        let path = queue.join(&self.path);
        attempt("create", &path, fs::create_dir_all(&path))?;
        attempt("change owner of", &path, chown(&path, Some(self.owner.0), Some(self.owner.1)))?;
        attempt("change mode of", &path, fs::set_permissions(&path, Permissions::from_mode(self.mode)))
    }
}

/// Runs `postconf` on a configuration folder.
pub fn postconf(config: &Path, arguments: &[&str]) -> Result<String> {
    run(Command::new("/usr/sbin/postconf").arg("-c").arg(config).args(arguments))
}

/// What an installation decides for itself. Logins are in `master.cf` only.
pub fn main_cf(folder: &Path) -> String {
    format!(
        "compatibility_level = 3.6
config_directory = {folder}/etc
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/log/mail.log
maillog_file_prefixes = {folder}/log
mail_owner = postfix
service_throttle_time = 2s
queue_run_delay = 1s
minimal_backoff_time = 1s
myhostname = mail.example.org
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
smtpd_peername_lookup = no
alias_maps =
alias_database =
virtual_mailbox_domains = example.org
virtual_transport = lmtp:unix:private/dovecot-lmtp
",
        folder = folder.display()
    )
}
