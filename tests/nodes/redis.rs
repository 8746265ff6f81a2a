//! Redis on each machine, the first one the master, and Sentinel beside each.

use std::net::Ipv4Addr;
use std::process::Command;
use std::sync::Arc;

use nix::sys::signal::Signal;

use crate::stage::process::{Group, Program, run};
use crate::stage::{Result, Stage};

/// The name by which Sentinel knows the master.
pub const MASTER: &str = "keydove";
/// Sentinel's port.
pub const SENTINEL: u16 = 26_379;

/// One Redis and one Sentinel. Its methods are called on its machine.
pub struct Redis {
    stage: Arc<Stage>,
    server: Option<Program>,
    _sentinel: Program,
}

impl Redis {
    /// Starts both. `master` is the machine with the first master.
    ///
    /// # Errors
    /// One does not start.
    pub fn start(stage: &Arc<Stage>, own: Ipv4Addr, master: Ipv4Addr) -> Result<Self> {
        let folder = stage.folder("redis")?;
        let folder = folder.display();
        let replica = if own == master { String::new() } else { format!("replicaof {master} 6379\n") };
        let common = "bind 0.0.0.0\nprotected-mode no\ndaemonize no\n";
        stage.write(
            "redis/redis.conf",
            &format!("{common}port 6379\nsave \"\"\nappendonly no\ndir {folder}\n{replica}"),
        )?;
        stage.write(
            "redis/sentinel.conf",
            &format!(
                "{common}port {SENTINEL}\ndir {folder}\nsentinel monitor {MASTER} {master} 6379 2\n\
                 sentinel down-after-milliseconds {MASTER} 2000\nsentinel failover-timeout {MASTER} 6000\n"
            ),
        )?;
        let server = start_server(stage)?;
        let mut command = Command::new("/usr/bin/redis-server");
        command.arg(stage.path("redis/sentinel.conf")).arg("--sentinel");
        let mut sentinel = Program::start(stage, "sentinel", command, Group::Own)?;
        sentinel.wait_until(|| pings(SENTINEL))?;
        Ok(Self { stage: Arc::clone(stage), server: Some(server), _sentinel: sentinel })
    }

    /// Ends Redis as a power cut does. Sentinel stays.
    ///
    /// # Errors
    /// It cannot be ended.
    pub fn kill(&mut self) -> Result<()> {
        self.server.take().map_or(Ok(()), |mut server| server.kill())
    }

    /// Starts Redis again, as Sentinel has left its configuration.
    ///
    /// # Errors
    /// It does not start.
    pub fn start_again(&mut self) -> Result<()> {
        self.server = Some(start_server(&self.stage)?);
        Ok(())
    }

    /// Sends Redis a signal.
    ///
    /// # Errors
    /// It does not run.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        self.server.as_ref().map_or(Ok(()), |server| server.signal(signal))
    }
}

fn start_server(stage: &Arc<Stage>) -> Result<Program> {
    let mut command = Command::new("/usr/bin/redis-server");
    command.arg(stage.path("redis/redis.conf"));
    let mut server = Program::start(stage, "redis", command, Group::Own)?;
    server.wait_until(|| pings(6379))?;
    Ok(server)
}

fn pings(port: u16) -> bool {
    run(Command::new("/usr/bin/redis-cli").args(["-p", &port.to_string(), "PING"]))
        .is_ok_and(|answer| answer.trim() == "PONG")
}
