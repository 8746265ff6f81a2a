//! Redis with nothing on disk, reached over a Unix socket only, with a password.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use redis::{Client, Connection, ConnectionAddr, IntoConnectionInfo, RedisConnectionInfo};

use crate::process::{Group, Program};
use crate::{Result, Stage, attempt, give};

const READY_LIMIT: Duration = Duration::from_secs(20);
/// The password of its one user.
pub const PASSWORD: &str = "r3d1s word";

/// A Redis server.
pub struct Redis {
    stage: Arc<Stage>,
    socket: PathBuf,
    config: PathBuf,
    program: Option<Program>,
}

impl Redis {
    /// Starts an empty server.
    pub fn start(stage: &Arc<Stage>) -> Result<Self> {
        let folder = stage.folder("redis")?;
        let socket = folder.join("sock");
        let config = stage.write(
            "redis/redis.conf",
            &format!(
                "port 0\nunixsocket {}\nunixsocketperm 700\nrequirepass \"{PASSWORD}\"\n\
                 save \"\"\nappendonly no\ndir {}\ndaemonize no\n",
                socket.display(),
                folder.display()
            ),
        )?;
        give(&config, "root", "root", 0o600)?;
        let mut redis = Self { stage: Arc::clone(stage), socket, config, program: None };
        redis.start_again()?;
        Ok(redis)
    }

    /// Stops the server; what it held is gone then.
    pub fn stop(&mut self) -> Result<()> {
        match self.program.take() {
            Some(mut program) => program.stop().map(|_| ()),
            None => Ok(()),
        }
    }

    /// Starts it again, empty, and waits until it answers.
    pub fn start_again(&mut self) -> Result<()> {
        let mut command = Command::new("/usr/bin/redis-server");
        command.arg(&self.config);
        let mut program = Program::start(&self.stage, "redis", command, Group::Own)?;
        let ready = program.wait_until(READY_LIMIT, || {
            self.connect().is_ok_and(|mut connection| redis::cmd("PING").exec(&mut connection).is_ok())
        });
        self.program = Some(program);
        ready
    }

    /// The server's socket, for `[redis] socket`.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// A connection of the test's own.
    pub fn connect(&self) -> Result<Connection> {
        let connected = ConnectionAddr::Unix(self.socket.clone()).into_connection_info().and_then(|info| {
            let settings = RedisConnectionInfo::default().set_password(PASSWORD);
            Client::open(info.set_redis_settings(settings))?.get_connection()
        });
        attempt("connect to", &self.socket, connected)
    }
}
