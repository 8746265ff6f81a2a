//! `keydove serve` as a child process, with a SQLite file of its own.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use rusqlite::Connection;

use super::stage::process::{Group, Program};
use super::stage::{Failure, PATIENCE, Result, Stage, attempt, names};

const PROGRAM: &str = env!("CARGO_BIN_EXE_keydove");
/// Its log lines are made and written, but no disk is measured.
const WITHOUT_LOG: &str = r#"exec "$0" "$@" >/dev/null 2>&1"#;
/// Nobody listens there, and nobody is asked.
pub const NO_KEYCLOAK: &str = "http://127.0.0.1:9";
const ATTRIBUTES: &str = r#"{"imap_access":"1","smtp_access":"1"}"#;

/// Whose password is in the mailbox's row.
#[derive(Clone, Copy)]
pub enum Source<'a> {
    /// The row's own: this `{SCHEME}` string.
    Row(&'a str),
    /// Keycloak's.
    Keycloak,
}

/// A keydove with its folder; running or not.
pub struct Keydove {
    stage: Arc<Stage>,
    name: &'static str,
    folder: PathBuf,
    program: Option<Program>,
}

impl Keydove {
    /// Starts one that has no mailboxes yet. `more` is further configuration.
    pub fn start(stage: &Arc<Stage>, name: &'static str, keycloak: &str, more: &str) -> Result<Self> {
        let folder = stage.folder(name)?;
        let secret = stage.write(&format!("{name}/secret"), "s3cret")?;
        attempt("change mode of", &secret, fs::set_permissions(&secret, Permissions::from_mode(0o600)))?;
        stage.write(&format!("{name}/keydove.toml"), &configuration(&folder, keycloak, more))?;
        let mut keydove = Self { stage: Arc::clone(stage), name, folder, program: None };
        keydove.start_again()?;
        Ok(keydove)
    }

    /// Starts it with an empty memory: everybody's next login is a cold one.
    pub fn start_again(&mut self) -> Result<()> {
        self.program = None;
        let socket = self.socket();
        let mut command = Command::new("/bin/sh");
        command.args(["-c", WITHOUT_LOG, PROGRAM, "serve", "--config"]).arg(self.folder.join("keydove.toml"));
        let mut program = Program::start(&self.stage, self.name, command, Group::Own)?;
        program.wait_until(|| is_greeted(&socket))?;
        self.program = Some(program);
        Ok(())
    }

    /// Ends it.
    pub fn stop(&mut self) {
        self.program = None;
    }

    /// Makes mailboxes.
    pub fn fill<'a>(&self, mailboxes: impl IntoIterator<Item = (&'a str, Source<'a>)>) -> Result<()> {
        let path = self.database();
        attempt("fill", &path, fill(&path, mailboxes))
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.join("auth")
    }

    /// A file of its folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Its SQLite file.
    pub fn database(&self) -> PathBuf {
        self.file("keydove.sqlite")
    }

    /// A command of this configuration, a file of the folder.
    pub fn command(&self, subcommand: &str, configuration: &str) -> Command {
        let mut command = Command::new(PROGRAM);
        command.arg(subcommand).arg("--config").arg(self.file(configuration));
        command
    }

    /// The process id.
    pub fn id(&self) -> Result<u32> {
        self.program.as_ref().map(Program::id).ok_or_else(|| Failure(format!("{} does not run", self.name)))
    }
}

/// The socket is bound before the tables are made; the greeting comes after both.
fn is_greeted(socket: &Path) -> bool {
    let greet = || -> std::io::Result<()> {
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        std::io::Read::read_exact(&mut stream, &mut [0])
    };
    greet().is_ok()
}

fn configuration(folder: &Path, keycloak: &str, more: &str) -> String {
    format!(
        r#"[[listener]]
door = "auth-client"
role = "dovecot"
path = "{place}/auth"

[keycloak]
server_url = "{keycloak}"
realm = "{realm}"
client_id = "mailcow"
client_secret_file = "{place}/secret"

[storage.sqlite]
path = "{place}/keydove.sqlite"

{more}
"#,
        place = folder.display(),
        realm = names::REALM,
    )
}

fn fill<'a>(path: &Path, mailboxes: impl IntoIterator<Item = (&'a str, Source<'a>)>) -> rusqlite::Result<()> {
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(PATIENCE)?;
    let transaction = connection.transaction()?;
    transaction.execute("INSERT OR IGNORE INTO domain (domain) VALUES (?)", ["example.org"])?;
    {
        let mut statement = transaction.prepare(
            "INSERT INTO mailbox (username, password, local_part, domain, authsource, attributes) \
             VALUES (?, ?, ?, 'example.org', ?, ?)",
        )?;
        for (name, source) in mailboxes {
            let (hash, authsource) = match source {
                Source::Row(hash) => (hash, "mailcow"),
                Source::Keycloak => ("", "keycloak"),
            };
            let local_part = name.split('@').next().unwrap_or_default();
            statement.execute([name, hash, local_part, authsource, ATTRIBUTES])?;
        }
    }
    transaction.commit()
}
