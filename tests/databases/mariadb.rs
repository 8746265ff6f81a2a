//! A MariaDB server of our own: in a folder of its own, on a Unix socket only, gone when dropped.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error, OptsBuilder};

/// The name of the database that [`MariadbServer::install`] creates.
pub const DATABASE: &str = "keydove";
/// The database user of keydove, and its password.
pub const USER: (&str, &str) = ("keydove", "s3cret 'word'");

/// No thread of this number.
const GONE: u16 = 1094;
const SCHEMA: &str = include_str!("../../src/backend/sql/migrations/mariadb/0001_mailboxes.sql");

/// A server, running or stopped.
pub struct MariadbServer {
    folder: PathBuf,
    process: Mutex<Option<Child>>,
}

impl MariadbServer {
    /// Installs a server into an empty folder, starts it, and loads the tables.
    pub async fn install(folder: &Path) -> Self {
        let installed = Command::new("mariadb-install-db")
            .args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"])
            .arg(format!("--datadir={}", folder.join("data").display()))
            .arg(format!("--user={}", owner()))
            // A server that starts removes the temporary tables that it finds in the folder, whose ever they are.
            .env("TMPDIR", folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(installed.success(), "mariadb-install-db: {installed}");
        let server = Self { folder: folder.to_owned(), process: Mutex::new(None) };
        server.start().await;
        let (user, password) = USER;
        let mut root = server.connect_root(None).await;
        for statement in [
            format!("CREATE DATABASE {DATABASE}"),
            format!("CREATE USER {user}@localhost IDENTIFIED BY '{}'", password.replace('\'', "''")),
            format!("GRANT SELECT ON {DATABASE}.* TO {user}@localhost"),
            format!("USE {DATABASE}"),
            SCHEMA.to_owned(),
        ] {
            root.query_drop(statement).await.unwrap();
        }
        root.disconnect().await.unwrap();
        server
    }

    /// The server's socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.join("mysqld.sock")
    }

    /// Starts the server and waits until it answers.
    pub async fn start(&self) {
        self.start_with(&[]).await;
    }

    /// Starts it as the only node of a Galera cluster, which listens at this port of loopback.
    pub async fn start_as_galera(&self, port: u16) {
        // Where it is to join others that are not there, it gives up after a second.
        let options =
            format!("gmcast.listen_addr=tcp://127.0.0.1:{port};gcache.size=1M;pc.wait_prim_timeout=PT1S");
        let settings = [
            "--binlog-format=ROW",
            "--innodb-autoinc-lock-mode=2",
            "--wsrep-on=ON",
            "--wsrep-provider=/usr/lib/galera/libgalera_smm.so",
            "--wsrep-cluster-address=gcomm://",
            "--wsrep-new-cluster",
            "--wsrep-node-address=127.0.0.1",
            "--wsrep-sst-method=rsync",
            &format!("--wsrep-provider-options={options}"),
        ];
        self.start_with(&settings).await;
    }

    async fn start_with(&self, settings: &[&str]) {
        let process = Command::new("mariadbd")
            .args(["--no-defaults", "--skip-networking", "--innodb-buffer-pool-size=16M", "--skip-log-bin"])
            .arg(format!("--datadir={}", self.folder.join("data").display()))
            .arg(format!("--socket={}", self.socket().display()))
            .arg(format!("--pid-file={}", self.folder.join("pid").display()))
            .arg(format!("--log-error={}", self.folder.join("error.log").display()))
            .arg(format!("--user={}", owner()))
            .args(settings)
            .env("TMPDIR", &self.folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        *self.process.lock().unwrap() = Some(process);
        for _ in 0..300 {
            if Conn::new(self.root(None)).await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the server does not answer: see {}", self.folder.join("error.log").display());
    }

    /// Ends the server in good order.
    pub async fn stop(&self) {
        let process = self.process.lock().unwrap().take();
        if let Some(mut process) = process {
            self.connect_root(None).await.query_drop("SHUTDOWN").await.unwrap();
            process.wait().unwrap();
        }
    }

    /// Executes a statement as root, on a connection of its own.
    pub async fn run(&self, statement: &str) {
        let mut root = self.connect_root(Some(DATABASE)).await;
        root.query_drop(statement).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
        root.disconnect().await.unwrap();
    }

    /// Kills the connections of keydove's user; returns how many there were.
    pub async fn kill_connections(&self) -> usize {
        let mut root = self.connect_root(None).await;
        let list = "SELECT id FROM information_schema.processlist WHERE user = ?";
        let ids: Vec<u64> = root.exec(list, (USER.0,)).await.unwrap();
        for id in &ids {
            match root.query_drop(format!("KILL {id}")).await {
                // Where one connection is killed, keydove closes those that are idle.
                Err(Error::Server(error)) if error.code == GONE => {}
                end => end.unwrap(),
            }
        }
        ids.len()
    }

    /// Kills the connections of keydove's user as soon as one of them waits for a lock.
    pub async fn kill_a_waiting_connection(&self) {
        self.until_a_connection_waits().await;
        self.kill_connections().await;
    }

    /// Returns as soon as a connection of keydove's user waits for a lock, of a table or of a row.
    pub async fn until_a_connection_waits(&self) {
        let waiting = "SELECT COUNT(*) FROM information_schema.processlist p \
                       LEFT JOIN information_schema.innodb_trx t ON t.trx_mysql_thread_id = p.id \
                       WHERE p.user = ? AND p.command <> 'Killed' AND (p.state LIKE 'Waiting for %lock' OR t.trx_state = 'LOCK WAIT')";
        let mut root = self.connect_root(None).await;
        for _ in 0..200 {
            if root.exec_first::<u64, _, _>(waiting, (USER.0,)).await.unwrap() > Some(0) {
                return;
            }
            // The server shows transactions as they were until nobody has asked for a tenth of a second.
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
        panic!("no connection waits for a lock");
    }

    /// A connection as root, to hold a lock for instance.
    pub async fn connect_root(&self, database: Option<&str>) -> Conn {
        Conn::new(self.root(database)).await.unwrap()
    }

    fn root(&self, database: Option<&str>) -> OptsBuilder {
        OptsBuilder::default().user(Some("root")).db_name(database).socket(self.socket().to_str())
    }
}

impl Drop for MariadbServer {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.lock().unwrap().take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// Who owns the folders that this process makes; the server must be told when that is root.
fn owner() -> String {
    let output = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
