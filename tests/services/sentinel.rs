//! Redis with Sentinel: the master dies, another server becomes the master, and no login notices.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::mailcow::WorldCase;
use crate::mailcow::world::End::{Accept, Refuse};
use crate::mailcow::world::{Attempt, RIGHT, RIGHT_HASH, World, attempt_at, prompt};
use crate::stage::keydove::Keydove;
use crate::stage::process::{Group, Program, run};
use crate::stage::{Failure, Result, Stage, free_port, give};
use crate::{ensure, eventually};

const SERVICE: &str = "mail";
/// Of the servers, also to each other.
const PASSWORD: &str = "s3cret of the servers";
/// Of the Sentinel.
const WATCHWORD: &str = "s3cret of the Sentinel";
const LOG: &str = "keydove:throttle:log";
const ATTACKER: &str = "198.51.100.99";
/// A login beside a Redis that is gone takes no longer, on a busy machine.
const PROMPT: Duration = Duration::from_secs(3);

pub const CASES: &[WorldCase] =
    &[("keydove_counts_at_the_new_master_after_a_fail_over_and_logins_go_on_meanwhile", |world| {
        let mut watched = Watched::start(world.system.stage())?;
        let keydove = node(world, &watched, "sentinel", WATCHWORD)?;
        // With the servers' password the Sentinel tells nothing, and the check says so.
        let astray = node(world, &watched, "sentinel-astray", PASSWORD)?;
        let said = check(&astray)?;
        let part = format!("the Sentinel 127.0.0.1:{} names no master", watched.port);
        ensure(said.contains(&part) && said.contains("sentinel_password_file"), || said.clone())?;
        ensure(!said.contains(PASSWORD), || said.clone())?;
        drop(astray);
        let (alice, bob) = ("sentinel-alice@case.example", "sentinel-bob@case.example");
        for person in [alice, bob] {
            world.person_with_hash(person, RIGHT_HASH)?;
        }
        wrong(&keydove, alice)?;
        eventually(|| holds(watched.master_port, alice))?;
        let said = check(&keydove)?;
        for part in [
            format!("the Sentinel 127.0.0.1:{} names no master", watched.nobody),
            format!(
                "the Sentinel 127.0.0.1:{} names the master 127.0.0.1:{}",
                watched.port, watched.master_port
            ),
        ] {
            ensure(said.contains(&part), || format!("no `{part}` in\n{said}"))?;
        }
        watched.master.kill()?;
        let new = watched.replica_port.to_string();
        let mut slowest = Duration::ZERO;
        eventually(|| {
            let begun = Instant::now();
            attempt_at(&keydove, Attempt::new(alice, RIGHT), Accept("keycloak"))?;
            slowest = slowest.max(begun.elapsed());
            let named = ask(watched.port, WATCHWORD, &["SENTINEL", "get-master-addr-by-name", SERVICE])?;
            ensure(named.lines().nth(1) == Some(&new), || named)
        })?;
        ensure(slowest < PROMPT, || format!("a login took {slowest:?} during the fail-over"))?;
        wrong(&keydove, bob)?;
        eventually(|| {
            attempt_at(&keydove, Attempt::new(alice, RIGHT), Accept("keycloak"))?;
            holds(watched.replica_port, bob)
        })?;
        crate::say(&format!("the slowest login of the fail-over took {slowest:?}"));
        Ok(())
    })];

/// A master, its replica, and the Sentinel that watches them.
struct Watched {
    master: Program,
    master_port: u16,
    _replica: Program,
    replica_port: u16,
    _sentinel: Program,
    port: u16,
    /// Where nobody listens, as if another Sentinel were gone.
    nobody: u16,
}

impl Watched {
    fn start(stage: &Arc<Stage>) -> Result<Self> {
        let [master_port, replica_port, port, nobody] =
            [free_port()?, free_port()?, free_port()?, free_port()?];
        let master = server(stage, "sentinel-master", master_port, "")?;
        let follows = format!("replicaof 127.0.0.1 {master_port}\nreplica-announce-ip 127.0.0.1\n");
        let replica = server(stage, "sentinel-replica", replica_port, &follows)?;
        let follows = || {
            let told = ask(master_port, PASSWORD, &["INFO", "replication"])?;
            ensure(told.contains("state=online"), || told)
        };
        eventually(follows)?;
        let watches = format!(
            "requirepass \"{WATCHWORD}\"\nsentinel monitor {SERVICE} 127.0.0.1 {master_port} 1\n\
             sentinel auth-pass {SERVICE} \"{PASSWORD}\"\n\
             sentinel down-after-milliseconds {SERVICE} 1000\nsentinel failover-timeout {SERVICE} 6000\n"
        );
        let config = write(stage, "sentinel", port, &watches)?;
        let mut command = Command::new("/usr/bin/redis-server");
        command.arg(config).arg("--sentinel");
        let mut sentinel = Program::start(stage, "sentinel", command, Group::Own)?;
        sentinel.wait_until(|| ask(port, WATCHWORD, &["PING"]).is_ok())?;
        let replica_name = format!("127.0.0.1:{replica_port}");
        eventually(|| {
            let known = ask(port, WATCHWORD, &["SENTINEL", "replicas", SERVICE])?;
            ensure(known.contains(&replica_name), || known)
        })?;
        Ok(Self { master, master_port, _replica: replica, replica_port, _sentinel: sentinel, port, nobody })
    }
}

fn server(stage: &Arc<Stage>, name: &'static str, port: u16, more: &str) -> Result<Program> {
    let config = write(
        stage,
        name,
        port,
        &format!("save \"\"\nappendonly no\nrequirepass \"{PASSWORD}\"\nmasterauth \"{PASSWORD}\"\n{more}"),
    )?;
    let mut command = Command::new("/usr/bin/redis-server");
    command.arg(config);
    let mut program = Program::start(stage, name, command, Group::Own)?;
    program.wait_until(|| ask(port, PASSWORD, &["PING"]).is_ok())?;
    Ok(program)
}

/// In a folder of its own: Sentinel writes its configuration over.
fn write(stage: &Arc<Stage>, name: &str, port: u16, more: &str) -> Result<PathBuf> {
    let folder = stage.folder(name)?;
    let folder = folder.display();
    let text = format!("bind 127.0.0.1\nport {port}\ndaemonize no\ndir {folder}\n{more}");
    stage.write(&format!("{name}/{name}.conf"), &text)
}

fn ask(port: u16, password: &str, command: &[&str]) -> Result<String> {
    let mut client = Command::new("/usr/bin/redis-cli");
    client.env("REDISCLI_AUTH", password).args(["-p", &port.to_string()]).args(command);
    let said = run(&mut client)?;
    // It ends well, whatever it was answered.
    ensure(!said.contains("NOAUTH") && !said.contains("WRONGPASS"), || said.clone())?;
    Ok(said)
}

/// The server's log of guesses tells of this account.
fn holds(port: u16, user: &str) -> Result<()> {
    let log = ask(port, PASSWORD, &["XRANGE", LOG, "-", "+"])?;
    ensure(log.contains(user), || format!("nothing of {user} at {port}: {log}"))
}

fn wrong(keydove: &Keydove, user: &str) -> Result<()> {
    let attempt = Attempt { remote: Some(ATTACKER), ..Attempt::new(user, "a guess") };
    attempt_at(keydove, attempt, Refuse("password_mismatch")).map(drop)
}

fn check(keydove: &Keydove) -> Result<String> {
    let output = keydove.command("check").arg("--no-mail-servers").output();
    let output = output.map_err(|error| Failure(format!("run keydove check: {error}")))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn node(world: &World<'_>, watched: &Watched, name: &'static str, watchword: &str) -> Result<Keydove> {
    let secret = |file: &str, text: &str| {
        let path = world.system.stage().write(&format!("{name}-{file}"), text)?;
        give(&path, "root", "root", 0o600)?;
        Ok::<_, Failure>(path)
    };
    let key = secret("key", "the key of these nodes\n")?;
    let (password, watchword) = (secret("password", PASSWORD)?, secret("watchword", watchword)?);
    let shared =
        format!("[throttle]\nfirst_wait = \"15m\"\nshared = true\nshared_key_file = \"{}\"\n", key.display());
    let redis = format!(
        "\n[redis]\nsentinels = [\"127.0.0.1:{}\", \"127.0.0.1:{}\"]\nservice = \"{SERVICE}\"\n\
         password_file = \"{}\"\nsentinel_password_file = \"{}\"\n",
        watched.nobody,
        watched.port,
        password.display(),
        watchword.display()
    );
    world
        .system
        .keydove
        .beside(name, |text| prompt(&text).replace("[throttle]\nenabled = false\n", &shared) + &redis)
}
