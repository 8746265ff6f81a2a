//! The real thing: `keydove serve` as a child process, with a SQLite file in a folder of its own.

use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use rusqlite::Connection;

use super::cpu;

/// How long keydove may take to serve its socket.
const START_STEPS: u32 = 200;
const START_STEP: Duration = Duration::from_millis(50);
const PROGRAM: &str = env!("CARGO_BIN_EXE_keydove");

/// A mailbox to be made.
#[derive(Debug)]
pub struct Mailbox<'a> {
    /// The address.
    pub name: &'a str,
    /// `mailcow` or `keycloak`.
    pub authsource: &'a str,
    /// A `{SCHEME}` string, for `mailcow`.
    pub hash: &'a str,
}

/// A running keydove; it is killed when it is dropped.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    socket: PathBuf,
}

impl Daemon {
    /// Starts keydove in `folder`, lets it make its tables, and fills these.
    ///
    /// Its log goes to `/dev/null`: the lines are made and written, but no disk is measured.
    pub fn start(folder: &Path, keycloak: &str, mailboxes: &[Mailbox<'_>]) -> io::Result<Self> {
        std::fs::create_dir(folder)?;
        let config = write_config(folder, keycloak)?;
        let checked = Command::new(PROGRAM).arg("check").arg("--config").arg(&config).output()?;
        if !checked.status.success() {
            return Err(io::Error::other(String::from_utf8_lossy(&checked.stderr).into_owned()));
        }
        let child = Command::new(PROGRAM)
            .args(["serve", "--config"])
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let mut daemon = Self { child, socket: folder.join("auth") };
        daemon.wait_for_greeting()?;
        fill(&folder.join("keydove.sqlite"), mailboxes).map_err(io::Error::other)?;
        Ok(daemon)
    }

    /// Where it listens.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The processor time it has used, all threads together.
    pub fn read_cpu(&self) -> io::Result<Duration> {
        cpu::read(&Path::new("/proc").join(self.child.id().to_string()))
    }

    /// The socket is bound before the tables are made; the greeting comes after both.
    fn wait_for_greeting(&mut self) -> io::Result<()> {
        for _ in 0..START_STEPS {
            if let Some(status) = self.child.try_wait()? {
                return Err(io::Error::other(format!("keydove ended while it started: {status}")));
            }
            if let Ok(mut stream) = UnixStream::connect(&self.socket) {
                stream.set_read_timeout(Some(START_STEP * START_STEPS))?;
                return stream.read_exact(&mut [0]);
            }
            thread::sleep(START_STEP);
        }
        Err(io::Error::other("keydove does not serve its socket"))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended already. Nothing of it is kept, so there is nothing to finish.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn write_config(folder: &Path, keycloak: &str) -> io::Result<PathBuf> {
    let mut secret =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(folder.join("secret"))?;
    // The client secret of the test realm.
    secret.write_all(b"s3cret\n")?;
    let place = folder.display();
    let text = format!(
        r#"[[listener]]
door = "auth-client"
role = "dovecot"
path = "{place}/auth"

[keycloak]
server_url = "{keycloak}"
realm = "mail"
client_id = "mailcow"
client_secret_file = "{place}/secret"

[storage.sqlite]
path = "{place}/keydove.sqlite"

[login]
failure_delay = "0"
"#
    );
    let path = folder.join("keydove.toml");
    std::fs::write(&path, text)?;
    Ok(path)
}

fn fill(file: &Path, mailboxes: &[Mailbox<'_>]) -> rusqlite::Result<()> {
    let mut connection = Connection::open(file)?;
    let transaction = connection.transaction()?;
    for mailbox in mailboxes {
        let (local_part, domain) = mailbox.name.rsplit_once('@').unwrap_or((mailbox.name, ""));
        transaction.execute("INSERT OR IGNORE INTO domain (domain) VALUES (?)", [domain])?;
        transaction.execute(
            "INSERT INTO mailbox (username, password, local_part, domain, authsource, attributes) \
             VALUES (?, ?, ?, ?, ?, '{\"imap_access\":\"1\",\"smtp_access\":\"1\"}')",
            [mailbox.name, mailbox.hash, local_part, domain, mailbox.authsource],
        )?;
    }
    transaction.commit()
}
