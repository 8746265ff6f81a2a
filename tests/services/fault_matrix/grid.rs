//! One fault against all services and all states of knowledge.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use crate::auth_socket::{Attempt, AuthSocket};
use crate::mailcow::world::{OTHER, RIGHT, prompt};
use crate::stage::keydove::{Keydove, remembering};
use crate::stage::redis::{self, Redis};
use crate::stage::system::System;
use crate::stage::{Failure, Result, Stage, give};
use crate::{ensure, eventually, transport};

pub const SERVICES: [&str; 4] = ["imap", "pop3", "sieve", "smtp"];
/// What a keydove of these tests forgets, or holds to be old, sooner than an installation's; all else is the default.
const LONG: &str = "\n[cache]\nrefetch_pause = \"300ms\"\npatience = \"300ms\"\n";
const SHORT: &str = "\n[cache]\nmax_staleness = \"200ms\"\nmailbox_staleness = \"200ms\"\nrefetch_pause = \"100ms\"\npatience = \"300ms\"\n";
/// Longer than the second remembers anything as new.
const AGEING: Duration = Duration::from_millis(250);

/// How a login is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Accept,
    Refuse,
    CannotTell,
}

/// The two keydoves that meet a fault, and who hears of refusals.
pub struct Grid {
    /// Remembers for as long as by default.
    pub long: Keydove,
    /// Holds everything to be old after a moment.
    pub short: Keydove,
    bans: Redis,
    name: &'static str,
}

impl Grid {
    /// Starts them. `edit` leads their configuration to the place of the fault.
    pub fn start(
        system: &System,
        names: [&'static str; 2],
        hosts: Option<&PathBuf>,
        edit: &dyn Fn(String) -> String,
    ) -> Result<Self> {
        let bans = Redis::start(&Stage::new()?)?;
        let secret = system.stage().write(&format!("keydove/{}-redis", names[0]), redis::PASSWORD)?;
        give(&secret, "root", "root", 0o600)?;
        let channel = format!(
            "\n[redis]\nsocket = \"{}\"\npassword_file = \"{}\"\nban_channel = \"F2B_CHANNEL\"\n",
            bans.socket().display(),
            secret.display()
        );
        let start = |name: &'static str, cache: &str| {
            let smtp = system.stage().path(&format!("keydove/{name}-smtp.sock"));
            let listener = format!(
                "[[listener]]\ndoor = \"auth-client\"\nrole = \"postfix\"\npath = \"{}\"\n\n",
                smtp.display()
            );
            system.keydove.beside_with_hosts(name, hosts.cloned(), |text| {
                listener + &edit(remembering(&prompt(&text))) + &channel + cache
            })
        };
        let [long, short] = [start(names[0], LONG)?, start(names[1], SHORT)?];
        Ok(Self { long, short, bans, name: names[0] })
    }

    /// The address of somebody in this grid.
    pub fn address(&self, who: &str) -> String {
        format!("{}-{who}@case.example", self.name)
    }

    /// Plays it all: `begin` brings the fault about, `end` mends it. `reason` is what the log must call it.
    pub fn play(
        &self,
        reason: &str,
        begin: &dyn Fn() -> Result<()>,
        end: &dyn Fn() -> Result<()>,
    ) -> Result<()> {
        let [cold, warm, after] = ["cold", "warm", "after"].map(|who| self.address(who));
        for keydove in [&self.long, &self.short] {
            all(keydove, &warm, RIGHT, Answer::Accept)?;
        }
        thread::sleep(AGEING);
        begin()?;
        let seen = self.during(&cold, &warm);
        end()?;
        let logs = format!("{}{}", self.long.log(), self.short.log());
        seen.map_err(|Failure(what)| Failure(format!("{what}\n{}", tail(&logs))))?;
        ensure(!logs.contains("verdict=refuse"), || format!("somebody was refused:\n{}", tail(&logs)))?;
        ensure(logs.contains(&format!("verdict=cannot_tell reason={reason}")), || {
            format!("no line says {reason}:\n{}", tail(&logs))
        })?;
        ensure(logs.contains("stale=true"), || format!("nothing old has served:\n{}", tail(&logs)))?;
        ensure(self.bans_published()? == 0, || "a ban line was published".to_owned())?;
        for keydove in [&self.long, &self.short] {
            eventually(|| all(keydove, &after, RIGHT, Answer::Accept))?;
            all(keydove, &cold, RIGHT, Answer::Accept)?;
            eventually(|| all(keydove, &warm, OTHER, Answer::Refuse))?;
        }
        // The count that was 0 can be more.
        eventually(|| ensure(self.bans_published()? > 0, || "refusals are not published".to_owned()))
    }

    fn during(&self, cold: &str, warm: &str) -> Result<()> {
        for keydove in [&self.long, &self.short] {
            let state = if std::ptr::eq(keydove, &self.long) { "warm" } else { "stale" };
            for round in 1..=2 {
                let named = |what: &str, result: Result<()>| {
                    result.map_err(|Failure(why)| Failure(format!("{what}, round {round}: {why}")))
                };
                named(state, all(keydove, warm, RIGHT, Answer::Accept))?;
                named("cold", all(keydove, cold, RIGHT, Answer::CannotTell))?;
                named("wrong, cold", all(keydove, cold, OTHER, Answer::CannotTell))?;
                named(&format!("wrong, {state}"), all(keydove, warm, OTHER, Answer::CannotTell))?;
            }
            // Whoever guessed has made nobody forget.
            all(keydove, warm, RIGHT, Answer::Accept)?;
        }
        Ok(())
    }

    fn bans_published(&self) -> Result<usize> {
        let mut connection = self.bans.connect()?;
        let info: String = ::redis::cmd("INFO")
            .arg("commandstats")
            .query(&mut connection)
            .map_err(|error| Failure(error.to_string()))?;
        let calls =
            info.lines().find_map(|line| line.strip_prefix("cmdstat_publish:calls=")?.split(',').next());
        Ok(calls.and_then(|calls| calls.parse().ok()).unwrap_or(0))
    }
}

/// Logs in over every service at one moment; all end so.
pub fn all(keydove: &Keydove, user: &str, password: &str, expected: Answer) -> Result<()> {
    let answers: Result<BTreeMap<&str, Answer>> = thread::scope(|scope| {
        let running =
            SERVICES.map(|service| (service, scope.spawn(move || log_in(keydove, service, user, password))));
        let ended = running.into_iter().map(|(service, login)| {
            let answer = login.join().map_err(|_| Failure("a login panicked".to_owned()))??;
            Ok((service, answer))
        });
        ended.collect()
    });
    let answers = answers?;
    ensure(answers.values().all(|&answer| answer == expected), || {
        format!("{user} must end with {expected:?}: {answers:?}")
    })
}

/// One login, with SMTP through the door that Postfix has, where silence is the answer of those who cannot tell.
pub fn log_in(keydove: &Keydove, service: &str, user: &str, password: &str) -> Result<Answer> {
    let path = keydove.client_socket()?;
    let is_smtp = service == "smtp";
    let path = if is_smtp { path.with_file_name(smtp_name(path)) } else { path.to_owned() };
    let mut socket = transport(AuthSocket::client(&path, 8000))?;
    transport(socket.attempt(1, Attempt { user, password, service, remote: Some("198.51.100.7") }))?;
    match socket.line() {
        Ok(line) if line.starts_with("OK\t1\t") => Ok(Answer::Accept),
        Ok(line) if line.contains("\tcode=temp_fail") && !is_smtp => Ok(Answer::CannotTell),
        Ok(line) if line.starts_with("FAIL\t1") => Ok(Answer::Refuse),
        Err(error) if is_smtp && error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(Answer::CannotTell),
        Err(error) if is_smtp && error.kind() == std::io::ErrorKind::ConnectionReset => {
            Ok(Answer::CannotTell)
        }
        answer => Err(Failure(format!("{service} is answered {answer:?}"))),
    }
}

fn smtp_name(path: &std::path::Path) -> String {
    let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
    format!("{name}-smtp.sock")
}

/// The last lines of a log.
fn tail(log: &str) -> String {
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}
