//! Redis with nothing on disk, reached over a Unix socket only, and somebody who listens to a channel of it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use redis::{Client, Connection, ConnectionAddr, IntoConnectionInfo, RedisConnectionInfo};

use crate::process::{Group, Program, run};
use crate::{Failure, Result, Stage, attempt, give};

/// The password of its one user, where it has one.
pub const PASSWORD: &str = "r3d1s word";

/// A Redis server.
pub struct Redis {
    stage: Arc<Stage>,
    name: &'static str,
    socket: PathBuf,
    config: PathBuf,
    password: Option<&'static str>,
    program: Option<Program>,
}

impl Redis {
    /// Starts an empty server that wants a password.
    pub fn start(stage: &Arc<Stage>) -> Result<Self> {
        Self::start_as(stage, "redis", Some(PASSWORD))
    }

    /// Starts an empty server that lets everybody in. No other one of the stage has its name.
    pub fn start_open(stage: &Arc<Stage>, name: &'static str) -> Result<Self> {
        Self::start_as(stage, name, None)
    }

    fn start_as(stage: &Arc<Stage>, name: &'static str, password: Option<&'static str>) -> Result<Self> {
        let folder = stage.folder("redis")?;
        let socket = folder.join(format!("{name}.sock"));
        let secret = password.map(|password| format!("requirepass \"{password}\"\n")).unwrap_or_default();
        let config = stage.write(
            &format!("redis/{name}.conf"),
            &format!(
                "port 0\nunixsocket {}\nunixsocketperm 700\n{secret}save \"\"\nappendonly no\ndir {}\ndaemonize no\n",
                socket.display(),
                folder.display()
            ),
        )?;
        give(&config, "root", "root", 0o600)?;
        let mut redis = Self { stage: Arc::clone(stage), name, socket, config, password, program: None };
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
        let mut program = Program::start(&self.stage, self.name, command, Group::Own)?;
        let ready = program.wait_until(|| {
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
            let settings = RedisConnectionInfo::default();
            let settings = match self.password {
                Some(password) => settings.set_password(password),
                None => settings,
            };
            Client::open(info.set_redis_settings(settings))?.get_connection()
        });
        attempt("connect to", &self.socket, connected)
    }

    /// What Redis's own client prints for a command.
    pub fn ask(&self, command: &[&str]) -> Result<String> {
        run(self.client().args(command))
    }

    /// Somebody who listens to a channel, as mailcow's ban daemon does.
    pub fn listen(&self, channel: &'static str) -> Result<Ears> {
        let mut command = self.client();
        command.args(["SUBSCRIBE", channel]);
        let mut program = Program::start(&self.stage, "ears", command, Group::Own)?;
        let mut connection = self.connect()?;
        program.wait_until(|| {
            let mut command = redis::cmd("PUBSUB");
            command.arg("NUMSUB").arg(channel);
            command.query(&mut connection).is_ok_and(|(_, listeners): (String, usize)| listeners == 1)
        })?;
        Ok(Ears { program, connection, channel, heard: 0, ends: 0 })
    }

    fn client(&self) -> Command {
        let mut command = Command::new("/usr/bin/redis-cli");
        command.arg("-s").arg(&self.socket);
        if let Some(password) = self.password {
            command.env("REDISCLI_AUTH", password);
        }
        command
    }
}

/// What is heard on a channel.
pub struct Ears {
    program: Program,
    connection: Connection,
    channel: &'static str,
    heard: usize,
    /// How often what was said so far was asked for.
    ends: usize,
}

impl Ears {
    /// The next line of keydove's.
    pub fn hear(&mut self) -> Result<String> {
        let place = self.heard;
        let log = self.program.log_path().to_owned();
        let next = || lines(&std::fs::read_to_string(&log).unwrap_or_default()).nth(place).map(str::to_owned);
        self.program.wait_until(|| next().is_some())?;
        self.heard += 1;
        next().ok_or_else(|| Failure("nothing is heard".to_owned()))
    }

    /// Everything that keydove has said before now.
    pub fn all(&mut self) -> Result<Vec<String>> {
        self.ends += 1;
        let end = format!("the end {}.", self.ends);
        let mut command = redis::cmd("PUBLISH");
        command.arg(self.channel).arg(&end);
        command.exec(&mut self.connection).map_err(|error| Failure(error.to_string()))?;
        let log = self.program.log_path().to_owned();
        let text = || std::fs::read_to_string(&log).unwrap_or_default();
        self.program.wait_until(|| text().contains(&end))?;
        Ok(lines(&text()).map(str::to_owned).collect())
    }

    /// Nothing but what was heard already was said before now.
    pub fn silent(&mut self) -> Result<()> {
        let all = self.all()?;
        match all.get(self.heard) {
            None => Ok(()),
            Some(more) => Err(Failure(format!("more was said: {more}"))),
        }
    }
}

fn lines(heard: &str) -> impl Iterator<Item = &str> {
    // The last one may be on its way.
    let whole = heard.rfind('\n').map_or("", |end| &heard[..end]);
    whole.lines().filter(|line| line.starts_with("keydove("))
}
