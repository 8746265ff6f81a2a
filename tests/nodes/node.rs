//! One node: keydove, Dovecot and Postfix on a machine, beside their MariaDB.

use std::fs::Permissions;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use crate::configuration::{Surroundings, common, of_node};
use crate::front::of_backend;
use crate::galera::Database;
use crate::logins::Doors;
use crate::portal::NodePortal;
use crate::redis::Redis;
use crate::stage::dovecot::{Dovecot, Release};
use crate::stage::keydove::{Keydove, Settings, Storage};
use crate::stage::names::Names;
use crate::stage::postfix::{Folders, Postfix};
use crate::stage::{Result, Stage, attempt};

/// How long somebody waits for the portal's socket.
const PORTAL: Duration = Duration::from_secs(15);

/// The servers of one machine. They end in this order.
pub struct Node {
    _postfix: Postfix,
    dovecot: Dovecot,
    /// The web portal.
    pub portal: NodePortal,
    keydove: Mutex<Keydove>,
    sockets: Vec<UnixListener>,
    redis: Mutex<Redis>,
    database: Mutex<Database>,
    submission: u16,
    /// Where keydove answers it.
    portal_socket: PathBuf,
}

impl Node {
    /// Starts the servers, on their machine.
    ///
    /// # Errors
    /// One does not start.
    pub fn start(
        stage: &Arc<Stage>,
        binary: &Path,
        database: Database,
        redis: Redis,
        around: &Surroundings,
    ) -> Result<Self> {
        let folders = Folders::prepare(stage)?;
        let socket = database.socket();
        let settings = Settings {
            names: Names::default(),
            keycloak_url: format!("http://{}", around.keycloak),
            storage: Storage::MariaDb(socket.clone()),
            dovecot_base: Dovecot::prepare(stage, Release::V2_3)?,
            sasl_socket: folders.sasl_socket(),
            failure_delay: "100ms",
            remembers: true,
        };
        let binary = match around.ahead {
            Duration::ZERO => binary.to_owned(),
            ahead => another_clock(stage, binary, ahead)?,
        };
        let mut keydove = Keydove::start(stage, &binary, &settings)?;
        keydove.stop()?;
        let portal_socket = stage.path("keydove/portal.sock");
        keydove.try_rewrite(|text| Ok(of_node(&common(text, stage, &socket, around)?, &portal_socket)))?;
        // As systemd does: while keydove is not there, connections wait.
        let sockets = keydove.open_sockets()?;
        keydove.start_with_sockets(&sockets)?;
        let postfix = Postfix::start(stage, &folders)?;
        let more = of_backend(around.front, postfix.submission);
        let dovecot = Dovecot::start_with(stage, Release::V2_3, Some(&folders.lmtp_socket()), &more)?;
        let portal = NodePortal::start(stage, &portal_socket, around.keycloak)?;
        Ok(Self {
            submission: postfix.submission,
            _postfix: postfix,
            dovecot,
            portal,
            keydove: Mutex::new(keydove),
            sockets,
            redis: Mutex::new(redis),
            database: Mutex::new(database),
            portal_socket,
        })
    }

    /// Where it takes logins: Dovecot's ports, and Postfix's.
    #[must_use]
    pub fn doors(&self) -> Doors {
        let Dovecot { imap, pop3, sieve, .. } = self.dovecot;
        Doors { imap, pop3, sieve, submission: self.submission }
    }

    /// The same with Dovecot's own submission, which proxies are sent to.
    #[must_use]
    pub fn doors_behind(&self) -> Doors {
        Doors { submission: self.dovecot.submission, ..self.doors() }
    }

    /// keydove's process.
    pub fn keydove(&self) -> MutexGuard<'_, Keydove> {
        lock(&self.keydove)
    }

    /// Starts keydove again after it was killed.
    ///
    /// # Errors
    /// It does not start.
    pub fn start_keydove(&self) -> Result<()> {
        self.keydove().start_with_sockets(&self.sockets)
    }

    /// MariaDB's.
    pub fn database(&self) -> MutexGuard<'_, Database> {
        lock(&self.database)
    }

    /// Redis's.
    pub fn redis(&self) -> MutexGuard<'_, Redis> {
        lock(&self.redis)
    }

    /// Runs a command of keydove's; its arguments come behind. Says what it printed if it ended well.
    ///
    /// # Errors
    /// It did not.
    pub fn command(&self, command: &str, arguments: &[&str]) -> Result<String> {
        let mut command = self.keydove().command(command);
        crate::stage::process::run(command.args(arguments))
    }

    /// What `keydove check` finds. It may be a fault: no service's user is here, for instance.
    ///
    /// # Errors
    /// It cannot be run.
    pub fn check(&self) -> Result<String> {
        let mut command = self.keydove().command("check");
        let end = attempt("run", Path::new("keydove check"), command.output())?;
        Ok(String::from_utf8_lossy(&end.stdout).into_owned() + &String::from_utf8_lossy(&end.stderr))
    }

    /// Asks keydove as the portal asks.
    ///
    /// # Errors
    /// There is no answer.
    pub fn ask_for_portal(&self, request: &Value) -> std::io::Result<Value> {
        let stream = UnixStream::connect(&self.portal_socket)?;
        stream.set_read_timeout(Some(PORTAL))?;
        let mut stream = BufReader::new(stream);
        let mut answer = Value::Null;
        for request in [&json!({ "request": "hello", "version": keydove::portal::VERSION }), request] {
            stream.get_mut().write_all(format!("{request}\n").as_bytes())?;
            let mut line = String::new();
            stream.read_line(&mut line)?;
            answer = serde_json::from_str(&line)?;
        }
        Ok(answer)
    }
}

/// A program that starts another one with its clock ahead.
fn another_clock(stage: &Stage, binary: &Path, ahead: Duration) -> Result<PathBuf> {
    let script = format!(
        "#!/bin/sh\nLD_PRELOAD={FAKE_CLOCK} DONT_FAKE_MONOTONIC=1 FAKETIME=+{}s exec {} \"$@\"\n",
        ahead.as_secs(),
        binary.display()
    );
    // Nobody may have it open for writing when it is run: see `copy_program`.
    let draft = stage.write("keydove-with-another-clock.draft", &script)?;
    let path = stage.path("keydove-with-another-clock");
    crate::stage::process::copy_program(&draft, &path)?;
    attempt("make runnable", &path, std::fs::set_permissions(&path, Permissions::from_mode(0o755)))?;
    Ok(path)
}

/// Debian's `libfaketime`.
pub const FAKE_CLOCK: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";

/// No code panics while it holds a lock.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
