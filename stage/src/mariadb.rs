//! MariaDB with a data folder of its own, reached over a Unix socket only.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};

use nix::sys::signal::Signal;

use crate::names::DATABASE;
use crate::process::{Group, Program, run};
use crate::{Failure, Result, Stage, attempt, give};

/// keydove's user, who may do no more than read and write the one database.
pub const USER: &str = "keydove";
/// That user's password.
pub const PASSWORD: &str = "k3yd0ve";

/// Small, because it is copied.
const LOG_SIZE: &str = "--innodb-log-file-size=10M";

/// A MariaDB with one database: a server of its own, or a part of one that others use too.
pub struct MariaDb {
    stage: Arc<Stage>,
    socket: PathBuf,
    database: String,
    program: Option<Program>,
    /// Whose server it is, if it is not its own.
    server: Option<Arc<Self>>,
}

impl MariaDb {
    /// Makes the data folder, starts the server, and makes the empty database and its user.
    pub fn start(stage: &Arc<Stage>) -> Result<Self> {
        give(&stage.folder("mariadb")?, "mysql", "mysql", 0o755)?;
        run(Command::new("cp").arg("-a").arg(installed()?).arg(stage.path("mariadb/data")))?;
        let socket = stage.path("mariadb/sock");
        let database = DATABASE.to_owned();
        let mut mariadb = Self { stage: Arc::clone(stage), socket, database, program: None, server: None };
        mariadb.start_again()?;
        mariadb.execute_as_root(&format!("CREATE USER {USER}@localhost IDENTIFIED BY '{PASSWORD}';"))?;
        mariadb.make_database()?;
        Ok(mariadb)
    }

    /// An empty database of its own at a server that others use too. keydove's user is the same for all.
    pub(crate) fn join(server: &Arc<Self>, database: String) -> Result<Self> {
        let (stage, socket) = (Arc::clone(&server.stage), server.socket.clone());
        let joined = Self { stage, socket, database, program: None, server: Some(Arc::clone(server)) };
        joined.make_database()?;
        Ok(joined)
    }

    fn make_database(&self) -> Result<()> {
        let database = &self.database;
        self.execute_as_root(&format!(
            "CREATE DATABASE {database} CHARACTER SET utf8mb4; GRANT ALL ON {database}.* TO {USER}@localhost;"
        ))
    }

    /// What the server calls the database.
    pub(crate) fn database(&self) -> &str {
        &self.database
    }

    /// Cases that stop, freeze or slow a server have one of their own.
    fn is_own(&self) -> Result<()> {
        match self.server {
            None => Ok(()),
            Some(_) => {
                Err(Failure("other cases use this MariaDB too: give the case one of its own".to_owned()))
            }
        }
    }

    /// Stops the server; its socket is gone then.
    pub fn stop(&mut self) -> Result<()> {
        self.is_own()?;
        match self.program.take() {
            Some(mut program) => program.stop().map(|_| ()),
            None => Ok(()),
        }
    }

    /// Starts it again with the same data and waits until it answers.
    pub fn start_again(&mut self) -> Result<()> {
        self.is_own()?;
        let mut command = Command::new("/usr/sbin/mariadbd");
        command
            .args(["--no-defaults", "--user=mysql", "--skip-networking", "--innodb-buffer-pool-size=64M"])
            .args(["--innodb-flush-log-at-trx-commit=0", "--innodb-file-per-table=0", LOG_SIZE])
            .arg(format!("--datadir={}", self.stage.path("mariadb/data").display()))
            // A server that starts removes what looks like its own in the folder for temporary files.
            .arg(format!("--tmpdir={}", self.stage.path("mariadb").display()))
            .arg("--max-connections=2000")
            .arg(format!("--pid-file={}", self.stage.path("mariadb/data/pid").display()))
            .arg(format!("--socket={}", self.socket.display()));
        let mut program = Program::start(&self.stage, "mariadb", command, Group::Own)?;
        let ready = program.wait_until(|| run(self.client("root").args(["-e", "SELECT 1"])).is_ok());
        self.program = Some(program);
        ready
    }

    /// Stops it in the middle of whatever it does: it takes connections and answers nobody.
    pub fn freeze(&self) -> Result<()> {
        self.signal(Signal::SIGSTOP)
    }

    /// Lets it go on.
    pub fn thaw(&self) -> Result<()> {
        self.signal(Signal::SIGCONT)
    }

    /// Locks the tables of mailboxes until the returned program ends, as a backup does that has gone wrong.
    pub fn lock_tables(&self) -> Result<Program> {
        let mut command = self.client("root");
        let lock = "LOCK TABLES mailbox WRITE, domain WRITE, app_passwd WRITE; SELECT SLEEP(300)";
        command.args(["-e", &format!("USE {}; {lock}", self.database)]);
        let mut program = Program::start(&self.stage, "mariadb-lock", command, Group::Own)?;
        program.wait_until(|| {
            let sleeping =
                "SELECT id FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP(300)%' AND db = DATABASE()";
            self.query(sleeping).is_ok_and(|rows| !rows.is_empty())
        })?;
        Ok(program)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        self.is_own()?;
        self.program.as_ref().map_or(Ok(()), |program| program.signal(signal))
    }

    /// The server's socket, for `[storage.mariadb] socket`.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Loads a file of SQL statements into the database.
    pub fn load(&self, file: &Path) -> Result<()> {
        self.execute(&attempt("read", file, std::fs::read_to_string(file))?)
    }

    /// Runs statements in the database. A backslash in a literal is a backslash, as in SQLite.
    pub fn execute(&self, statements: &str) -> Result<()> {
        let plain = "SET SESSION sql_mode = CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES')";
        self.execute_as_root(&format!("USE {};\n{plain};\n{statements}", self.database))
    }

    /// Reads rows, every value as a text; NULL is the text `NULL`.
    pub fn query(&self, statement: &str) -> Result<Vec<Vec<String>>> {
        let statement = format!("USE {};\n{statement}", self.database);
        let mut client = self.client("root");
        // Raw: a value with a backslash comes as it is. No value that is asked for holds a tab or a line end.
        let text = run(client.args(["--skip-column-names", "--raw", "-e", &statement]))?;
        Ok(text.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect())
    }

    fn execute_as_root(&self, statements: &str) -> Result<()> {
        run(self.client("root").args(["-e", statements]))
            .map(|_| ())
            .map_err(|error| Failure(format!("{error}")))
    }

    fn client(&self, user: &str) -> Command {
        let mut command = Command::new("mariadb");
        command.args(["--no-defaults", "--default-character-set=utf8mb4", "--batch", "-u", user]);
        command.arg(format!("--socket={}", self.socket.display()));
        command
    }
}

/// A data folder as the server's own tool makes it. That takes a second, so it is made once and copied.
fn installed() -> Result<PathBuf> {
    /// It ends with this process.
    static INSTALLED: OnceLock<std::result::Result<Arc<Stage>, String>> = OnceLock::new();
    let install = || {
        let stage = Stage::new()?;
        let folder = stage.folder("mariadb/data")?;
        give(&stage.path("mariadb"), "mysql", "mysql", 0o755)?;
        give(&folder, "mysql", "mysql", 0o700)?;
        run(Command::new("mariadb-install-db")
            // The server that this starts removes what looks like its own there, as others do.
            .env("TMPDIR", stage.path("mariadb"))
            .args(["--no-defaults", "--user=mysql", "--auth-root-authentication-method=normal"])
            .args(["--skip-test-db", LOG_SIZE])
            .arg(format!("--datadir={}", folder.display())))?;
        Ok(stage)
    };
    let stage = INSTALLED.get_or_init(|| install().map_err(|failure: Failure| failure.0)).as_ref();
    stage.map(|stage| stage.path("mariadb/data")).map_err(|reason| Failure(reason.clone()))
}
