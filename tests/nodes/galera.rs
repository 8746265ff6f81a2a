//! MariaDB with Galera: one server on each machine.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use nix::sys::signal::Signal;

use crate::stage::mariadb::{PASSWORD, USER};
use crate::stage::names::DATABASE;
use crate::stage::process::{Group, Program, run};
use crate::stage::{Failure, Result, Stage, attempt, give, source_tree};

/// The tables of mailboxes.
const TABLES: &str = "src/backend/sql/migrations/mariadb/0001_mailboxes.sql";
const PROVIDER: &str = "/usr/lib/galera/libgalera_smm.so";
/// A node that is silent for so long is suspected, and left out when the others agree.
const SILENCE: &str = "gcache.size=16M;evs.keepalive_period=PT0.5S;evs.inactive_check_period=PT0.5S;\
                       evs.suspect_timeout=PT3S;evs.inactive_timeout=PT6S;evs.install_timeout=PT6S";

/// One server of the cluster. Its methods are called on its machine.
pub struct Database {
    stage: Arc<Stage>,
    address: Ipv4Addr,
    cluster: String,
    program: Option<Program>,
}

impl Database {
    /// Makes the first server's data: keydove's user, the tables, and these rows. It is stopped then.
    ///
    /// # Errors
    /// A program fails.
    pub fn make_first(stage: &Arc<Stage>, addresses: &[Ipv4Addr], rows: &str) -> Result<Self> {
        let folder = prepare(stage)?.join("data");
        give(&stage.folder("mariadb/data")?, "mysql", "mysql", 0o700)?;
        run(Command::new("mariadb-install-db")
            .env("TMPDIR", stage.path("mariadb"))
            .args(["--no-defaults", "--user=mysql", "--auth-root-authentication-method=normal"])
            .args(["--skip-test-db", "--innodb-log-file-size=10M"])
            .arg(format!("--datadir={}", folder.display())))?;
        let mut first = Self::of(stage, addresses, 0)?;
        first.start(&["--wsrep-new-cluster".to_owned()])?;
        for host in ["localhost", "%"] {
            first.execute(&format!(
                "CREATE USER {USER}@'{host}' IDENTIFIED BY '{PASSWORD}'; GRANT ALL ON {DATABASE}.* TO {USER}@'{host}';"
            ))?;
        }
        first.execute(&format!("CREATE DATABASE {DATABASE} CHARACTER SET utf8mb4"))?;
        let tables = source_tree().join(TABLES);
        let tables = attempt("read", &tables, std::fs::read_to_string(&tables))?;
        first.execute(&format!("USE {DATABASE};\n{tables}\n{rows}"))?;
        first.stop()?;
        Ok(first)
    }

    /// A server with a copy of the first one's data, which has nothing to fetch when it starts.
    ///
    /// # Errors
    /// The data cannot be copied.
    pub fn copy(stage: &Arc<Stage>, first: &Self, addresses: &[Ipv4Addr], place: usize) -> Result<Self> {
        let folder = prepare(stage)?;
        run(Command::new("cp").arg("-a").arg(first.data()).arg(&folder))?;
        let _ = std::fs::remove_file(folder.join("data/galera.cache"));
        Self::of(stage, addresses, place)
    }

    fn of(stage: &Arc<Stage>, addresses: &[Ipv4Addr], place: usize) -> Result<Self> {
        let address = *addresses.get(place).ok_or_else(|| Failure("there is no such node".to_owned()))?;
        let cluster: Vec<_> = addresses.iter().map(ToString::to_string).collect();
        Ok(Self { stage: Arc::clone(stage), address, cluster: cluster.join(","), program: None })
    }

    /// Starts the cluster with this server.
    ///
    /// # Errors
    /// It does not start.
    pub fn begin(&mut self) -> Result<()> {
        self.start(&["--wsrep-new-cluster".to_owned()])
    }

    /// Joins a cluster that runs, from wherever it stood when it ended.
    ///
    /// # Errors
    /// It does not start, or is not taken in.
    pub fn join(&mut self) -> Result<()> {
        // What it says of itself goes to a file: it need not be a terminal's line.
        let log = self.stage.path("mariadb/recovered.log");
        let _ = std::fs::remove_file(&log);
        run(self.server().arg("--wsrep-recover").arg(format!("--log-error={}", log.display())))?;
        let text = attempt("read", &log, std::fs::read_to_string(&log))?;
        let position = text.lines().rev().find_map(|line| line.split_once("Recovered position: "));
        let position =
            position.ok_or_else(|| Failure(format!("where the database stood is not said:\n{text}")))?;
        self.start(&[format!("--wsrep-start-position={}", position.1.trim())])
    }

    fn start(&mut self, more: &[String]) -> Result<()> {
        let mut command = self.server();
        command.args(more);
        let mut program = Program::start(&self.stage, "mariadb", command, Group::Own)?;
        let ready = program.wait_until(|| self.is_synced());
        self.program = Some(program);
        ready
    }

    fn server(&self) -> Command {
        let mut command = Command::new("/usr/sbin/mariadbd");
        command
            .args([
                "--no-defaults",
                "--user=mysql",
                "--innodb-buffer-pool-size=32M",
                "--innodb-log-file-size=10M",
            ])
            .args([
                "--performance-schema=off",
                "--max-connections=200",
                "--bind-address=0.0.0.0",
                "--port=3306",
            ])
            // What Galera asks for, and docs/nodes.md.
            .args([
                "--binlog-format=ROW",
                "--innodb-autoinc-lock-mode=2",
                "--innodb-flush-log-at-trx-commit=1",
            ])
            .args(["--wsrep-on=ON", "--wsrep-cluster-name=keydove", "--wsrep-sst-method=rsync"])
            .arg(format!("--wsrep-provider={PROVIDER}"))
            .arg(format!("--wsrep-provider-options={SILENCE}"))
            .arg(format!("--wsrep-cluster-address=gcomm://{}", self.cluster))
            .arg(format!("--wsrep-node-address={}", self.address))
            .arg(format!("--datadir={}", self.data().display()))
            .arg(format!("--tmpdir={}", self.stage.path("mariadb").display()))
            .arg(format!("--pid-file={}", self.stage.path("mariadb/pid").display()))
            .arg(format!("--socket={}", self.socket().display()));
        command
    }

    /// Whether it has all that the cluster has, and the cluster can write.
    #[must_use]
    pub fn is_synced(&self) -> bool {
        let asked = "SHOW STATUS WHERE Variable_name IN ('wsrep_ready', 'wsrep_local_state_comment')";
        let found = self.query(asked).unwrap_or_default();
        let is =
            |name: &str, value: &str| found.iter().any(|row| row[..] == [name.to_owned(), value.to_owned()]);
        is("wsrep_ready", "ON") && is("wsrep_local_state_comment", "Synced")
    }

    /// Ends it as `systemctl stop` does.
    ///
    /// # Errors
    /// It does not end.
    pub fn stop(&mut self) -> Result<()> {
        self.program.take().map_or(Ok(()), |mut program| program.stop().map(drop))
    }

    /// Ends it as a power cut does.
    ///
    /// # Errors
    /// It cannot be ended.
    pub fn kill(&mut self) -> Result<()> {
        self.program.take().map_or(Ok(()), |mut program| program.kill())
    }

    /// Sends its process a signal.
    ///
    /// # Errors
    /// It does not run.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        self.program.as_ref().map_or(Ok(()), |program| program.signal(signal))
    }

    /// Its Unix socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.stage.path("mariadb/sock")
    }

    /// Reads rows, every value as a text.
    ///
    /// # Errors
    /// The server does not answer.
    pub fn query(&self, statement: &str) -> Result<Vec<Vec<String>>> {
        let text = run(self.client().args(["--skip-column-names", "--raw", "-e", statement]))?;
        Ok(text.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect())
    }

    fn execute(&self, statements: &str) -> Result<()> {
        run(self.client().args(["-e", statements])).map(drop)
    }

    fn client(&self) -> Command {
        let mut command = Command::new("mariadb");
        command.args(["--no-defaults", "--default-character-set=utf8mb4", "--batch", "-u", "root"]);
        command.args(["--connect-timeout=5"]).arg(format!("--socket={}", self.socket().display()));
        command
    }

    fn data(&self) -> PathBuf {
        self.stage.path("mariadb/data")
    }
}

fn prepare(stage: &Stage) -> Result<PathBuf> {
    let folder = stage.folder("mariadb")?;
    give(&folder, "mysql", "mysql", 0o755)?;
    Ok(folder)
}
