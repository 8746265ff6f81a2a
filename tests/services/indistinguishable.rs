//! What a stranger sees does not depend on who exists: the same bytes, and the same time.
//!
//! At every door the same is sent for a name that somebody has and for one that nobody has.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::scope;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::auth_socket::AuthSocket;
use super::mailcow::WorldCase;
use super::mailcow::world::{RIGHT, RIGHT_HASH, World, domain, quote};
use super::oauth::OAUTH;
use super::stage::keydove::{Keydove, remembering};
use super::stage::{Failure, Result, free_port};
use super::{ensure, eventually, transport};

pub const CASES: &[WorldCase] = &[
    ("strangers_are_told_the_same_at_every_door_whoever_exists", |world| {
        let doors = Doors::open(world, "blind", "refetch_pause = \"0\"")?;
        world.system.execute(&domain("blind.example", ""))?;
        let mut tries = Vec::new();
        for condition in CONDITIONS {
            condition.prepare(world, &doors)?;
            tries.extend(
                [condition.address(), format!("no-{}", condition.address())].map(|user| (condition, user)),
            );
        }
        let seen = doors.ask_in_time(|_| tries.clone())?;
        for (pair, ((condition, _), _)) in
            seen.chunks(2).zip(tries.chunks(2).map(|pair| (pair[0].clone(), ())))
        {
            let [existing, other] = pair else { return Err(Failure("a door gave no pair".to_owned())) };
            for ((door, one), (_, two)) in existing.iter().zip(other) {
                ensure(one.answer == two.answer, || {
                    format!(
                        "{} at {door}: {:?} for somebody, {:?} for nobody",
                        condition.name, one.answer, two.answer
                    )
                })?;
            }
        }
        let log = doors.keydove.log();
        for code in
            ["hash_unusable", "hash_too_costly", "user_disabled", "service_forbidden", "mailbox_disabled"]
        {
            ensure(log.contains(&format!("reason={code}")), || format!("no login was {code}:\n{log}"))?;
        }
        Ok(())
    }),
    ("a_second_wrong_password_takes_no_longer_for_somebody_who_exists", |world| {
        // Longer than a hash and a question, so that the wait for it shows where it is not covered.
        let doors = Doors::open(world, "blindly", "refetch_pause = \"1s\"")?;
        world.system.execute(&domain("blindly.example", ""))?;
        world.person_with_hash("again@blindly.example", RIGHT_HASH)?;
        let wrong = Condition { name: "again", ..CONDITIONS[0] };
        for passwords in WRONG {
            // Each time another wrong password.
            doors.ask_in_time(|late| {
                ["again@blindly.example", "ghost@blindly.example"]
                    .map(|user| (Condition { password: passwords[late], ..wrong }, user.to_owned()))
                    .to_vec()
            })?;
        }
        Ok(())
    }),
    ("a_token_that_was_made_up_tells_nobody_who_exists", |world| {
        let doors = Doors::open(world, "forged", "refetch_pause = \"0\"")?;
        world.system.execute(&domain("forged.example", ""))?;
        world.person_with_hash("token@forged.example", RIGHT_HASH)?;
        let keycloak = &world.system.keycloak;
        let issuer = format!("{}/realms/{}", keycloak.url(), keycloak.names().realm("mail"));
        let names = ["token@forged.example", "ghost@forged.example", "ghost@elsewhere.example"];
        // The first unknown key has the realm's keys fetched; from then on everybody is told the same.
        doors.token(names[1], &forged(&issuer, names[1], "first", LATER))?;
        let mut again = 0;
        for (kind, end) in [("junk", 0), ("made-up", LATER), ("expired", 1), ("another issuer", LATER)] {
            let mut told = Vec::new();
            for name in names {
                let token = match kind {
                    "junk" => "not.a.token".to_owned(),
                    "another issuer" => forged("https://sso.invalid/realms/mail", name, kind, end),
                    _ => forged(&issuer, name, kind, end),
                };
                let (answers, late) = doors.token_in_time(name, &token)?;
                told.extend(answers);
                again += late;
            }
            let (first, rest) = told.split_at(told.len() / names.len());
            ensure(rest.chunks(first.len()).all(|other| other == first), || format!("{kind}: {told:?}"))?;
        }
        let log = doors.keydove.log();
        let unknown = log.matches("reason=token_key_unknown").count();
        ensure(unknown == 2 * names.len() || again > 0 && unknown > 0, || log.clone())
    }),
];

const DELAY: Duration = Duration::from_secs(3);
/// How often all are asked, at most, until nobody is late.
const ROUNDS: usize = 4;
const WRONG: [[&str; ROUNDS]; 2] = [["one", "three", "five", "seven"], ["two", "four", "six", "eight"]];
/// In the far future, in seconds.
const LATER: u64 = 1 << 33;

/// A state of somebody's account, and what is sent.
#[derive(Clone, Copy)]
struct Condition {
    name: &'static str,
    hash: &'static str,
    password: &'static str,
    service: &'static str,
    /// Columns of the mailbox.
    changes: &'static str,
    is_disabled: bool,
}

const PLAIN: Condition = Condition {
    name: "wrong",
    hash: RIGHT_HASH,
    password: "wrong",
    service: "imap",
    changes: "",
    is_disabled: false,
};
const CONDITIONS: [Condition; 9] = [
    PLAIN,
    Condition { name: "empty", password: "", ..PLAIN },
    Condition { name: "unusable", hash: "{NO-SUCH}x", ..PLAIN },
    Condition {
        name: "costly",
        hash: "{BLF-CRYPT}$2y$31$nai69UnPcKTgXbRUx7T6gu32Z55V0r1FNbOnfmZgRJzhshaOohINe",
        ..PLAIN
    },
    Condition { name: "missing", hash: "", ..PLAIN },
    Condition { name: "disabled", password: RIGHT, is_disabled: true, ..PLAIN },
    Condition {
        name: "pop3",
        password: RIGHT,
        service: "pop3",
        changes: "attributes = '{\"pop3_access\":\"0\"}'",
        ..PLAIN
    },
    Condition { name: "off", password: RIGHT, changes: "active = 0", ..PLAIN },
    Condition { name: "ldap", password: RIGHT, changes: "authsource = 'ldap'", ..PLAIN },
];

impl Condition {
    fn address(&self) -> String {
        format!("{}@blind.example", self.name)
    }

    fn prepare(&self, world: &World<'_>, _: &Doors) -> Result<()> {
        let address = self.address();
        world.person(&address, |person| {
            person["attributes"]["mailcow_password"] = json!([self.hash]);
            person["enabled"] = json!(!self.is_disabled);
        })?;
        world.mailbox(&address, self.changes)
    }
}

/// A keydove with every door at which somebody logs in.
struct Doors {
    keydove: Keydove,
    postfix: PathBuf,
    hook: PathBuf,
    port: u16,
}

/// What somebody at a door sees.
struct Seen {
    /// Without the name and the id.
    answer: String,
    took: Duration,
}

impl Doors {
    fn open(world: &World<'_>, name: &'static str, cache: &str) -> Result<Self> {
        let path = |door: &str| world.system.stage().path(&format!("keydove/{name}.{door}"));
        let (postfix, hook, port) = (path("postfix"), path("hook"), free_port()?);
        let listeners = format!(
            "[[listener]]\ndoor = \"auth-client\"\nrole = \"postfix\"\npath = \"{}\"\n\
             [[listener]]\ndoor = \"hook\"\npath = \"{}\"\n",
            postfix.display(),
            hook.display()
        );
        let keydove = world.system.keydove.beside(name, |text| {
            let line = text.lines().find(|line| line.starts_with("failure_delay")).unwrap_or_default();
            let text = remembering(&text.replace(line, &format!("failure_delay = \"{}s\"", DELAY.as_secs())));
            format!(
                "{listeners}{text}\n[cache]\n{cache}\n[http_login]\nlisten = \"127.0.0.1:{port}\"\n{OAUTH}"
            )
        })?;
        eventually(|| transport(TcpStream::connect((Ipv4Addr::LOCALHOST, port))).map(drop))?;
        Ok(Self { keydove, postfix, hook, port })
    }

    /// Sends each of these to each door, all at once; for each of them what each door said.
    fn ask_all(&self, tries: &[(Condition, String)]) -> Result<Vec<Vec<(&'static str, Seen)>>> {
        scope(|scope| {
            let asked: Vec<_> = tries
                .iter()
                .map(|(condition, user)| {
                    let at = |door| scope.spawn(move || self.ask(door, condition, user));
                    DOORS.map(|door| (door, at(door)))
                })
                .collect();
            let join = |(door, thread): (&'static str, std::thread::ScopedJoinHandle<'_, Result<Seen>>)| {
                let seen = thread.join().map_err(|_| Failure(format!("the client at {door} panicked")))?;
                Ok((door, seen?))
            };
            asked.into_iter().map(|asked| asked.into_iter().map(join).collect()).collect()
        })
    }

    /// The same, until nobody was late: a busy machine is now and then, a fault always. Nobody may be early. What is sent
    /// may depend on how often somebody was late.
    fn ask_in_time(
        &self,
        tries: impl Fn(usize) -> Vec<(Condition, String)>,
    ) -> Result<Vec<Vec<(&'static str, Seen)>>> {
        let mut late = Vec::new();
        while late.len() < ROUNDS {
            let tries = tries(late.len());
            let all = self.ask_all(&tries)?;
            let mut slowest = (Duration::ZERO, String::new());
            for ((condition, user), seen) in tries.iter().zip(&all) {
                for (door, Seen { answer, took }) in seen {
                    let told = format!("{} for {user} at {door}: {answer:?} took {took:?}", condition.name);
                    ensure(*took >= DELAY, || told.clone())?;
                    slowest = slowest.max((*took, told));
                }
            }
            if slowest.0 < DELAY * 2 {
                return Ok(all);
            }
            late.push(slowest.1);
        }
        Err(Failure(format!("somebody was late each time: {late:#?}")))
    }

    fn ask(&self, door: &str, condition: &Condition, user: &str) -> Result<Seen> {
        let Condition { password, service, .. } = *condition;
        let start = Instant::now();
        let answer = match door {
            "hook" => self.ask_hook(user, password, service)?,
            "http-login" => self.ask_http(user, password, service)?,
            "postfix" => self.ask_auth(&self.postfix, user, password, service)?,
            _ => self.ask_auth(self.keydove.only_socket()?, user, password, service)?,
        };
        Ok(Seen { answer: answer.replace(user, "USER"), took: start.elapsed() })
    }

    fn ask_auth(&self, path: &Path, user: &str, password: &str, service: &str) -> Result<String> {
        let mut socket = client(path)?;
        let response = format!("\0{user}\0{password}");
        transport(socket.login_with(1, &format!("service={service}"), response.as_bytes()))?;
        // A connection that is closed is an answer too.
        Ok(socket.line().unwrap_or_else(|error| format!("{:?}", error.kind())))
    }

    /// The word only: the code is for Dovecot's log.
    fn ask_hook(&self, user: &str, password: &str, service: &str) -> Result<String> {
        let mut stream = transport(UnixStream::connect(&self.hook))?;
        transport(stream.set_read_timeout(Some(crate::PATIENCE)))?;
        let request = format!("VERSION\t1\t0\nAUTH\t1\t{user}\t{password}\tservice={service}\n");
        transport(stream.write_all(request.as_bytes()))?;
        let mut line = String::new();
        transport(BufReader::new(stream).read_line(&mut line))?;
        Ok(line.split('\t').next().unwrap_or_default().to_owned())
    }

    fn ask_http(&self, user: &str, password: &str, service: &str) -> Result<String> {
        let body =
            json!({ "username": user, "password": password, "real_rip": "192.0.2.9", "service": service });
        let body = body.to_string();
        let mut stream = transport(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)))?;
        transport(stream.set_read_timeout(Some(crate::PATIENCE)))?;
        let head = format!(
            "POST / HTTP/1.1\r\nHost: nginx\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        transport(stream.write_all((head + &body).as_bytes()))?;
        let mut answer = String::new();
        transport(stream.read_to_string(&mut answer))?;
        // The moment of the answer is nobody's secret.
        Ok(answer.lines().filter(|line| !line.starts_with("date:")).collect::<Vec<_>>().join("\n"))
    }

    /// Presents a token to both roles until neither was late; says how often one was.
    fn token_in_time(&self, user: &str, token: &str) -> Result<(Vec<String>, usize)> {
        for late in 0..ROUNDS {
            let seen = self.token(user, token)?;
            let shown = || seen.iter().map(|Seen { answer, took }| format!("{answer:?} took {took:?}"));
            ensure(seen.iter().all(|seen| seen.took >= DELAY), || {
                format!("{user}: {:?}", shown().collect::<Vec<_>>())
            })?;
            if seen.iter().all(|seen| seen.took < DELAY * 2) {
                return Ok((seen.into_iter().map(|seen| seen.answer).collect(), late));
            }
        }
        Err(Failure(format!("somebody was late each time with {token} for {user}")))
    }

    /// Presents a token to both roles at once.
    fn token(&self, user: &str, token: &str) -> Result<Vec<Seen>> {
        let ask = |path: &Path| {
            let start = Instant::now();
            let mut socket = client(path)?;
            let answer = match socket.token("service=imap", user, token) {
                Ok((answer, challenged)) => format!("{answer} {challenged}"),
                Err(error) => format!("{:?}", error.kind()),
            };
            Ok(Seen { answer: answer.replace(user, "USER"), took: start.elapsed() })
        };
        let (own, postfix) = (self.keydove.only_socket()?, &*self.postfix);
        scope(|scope| {
            let threads = [own, postfix].map(|path| scope.spawn(move || ask(path)));
            let join = |thread: std::thread::ScopedJoinHandle<'_, Result<Seen>>| {
                thread.join().map_err(|_| Failure("a client panicked".to_owned()))?
            };
            threads.into_iter().map(join).collect()
        })
    }
}

const DOORS: [&str; 4] = ["dovecot", "postfix", "hook", "http-login"];

fn client(path: &Path) -> Result<AuthSocket> {
    static CPID: AtomicU32 = AtomicU32::new(700_000);
    transport(AuthSocket::client(path, CPID.fetch_add(1, Ordering::Relaxed)))
}

/// A token that nobody has signed, for this name and by this key.
fn forged(issuer: &str, user: &str, key: &str, end: u64) -> String {
    let part = |value: Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let header = part(json!({ "alg": "RS256", "typ": "JWT", "kid": key }));
    let claims = part(json!({
        "iss": issuer, "aud": ["mailcow"], "typ": "Bearer", "exp": end, "iat": now, "email": user, "sub": quote(user),
    }));
    format!("{header}.{claims}.{}", BASE64_URL_SAFE_NO_PAD.encode([7; 256]))
}
