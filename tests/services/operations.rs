//! Metrics and probes over HTTP, against what really happened.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::thread::sleep;
use std::time::Duration;

use super::mailcow::world::End::{Accept, CannotTell, Refuse};
use super::mailcow::world::{Attempt, End, RIGHT, attempt_at, prompt};
use super::stage::keydove::{Keydove, remembering};
use super::stage::system::System;
use super::stage::{Failure, Result, attempt, free_port};
use super::{Case, LoneCase, ensure, eventually};

const ALICE: &str = "alice@example.org";
/// In Keycloak, without the attribute that holds passwords.
const NOBODY_ELSE: &str = "nohash@example.org";
const TOKEN: &str = "0123456789abcdef0123456789abcdef";
/// What is known stays fresh for a moment only, and serves for long.
const SHORT_MEMORY: &str = "\n[cache]\nmax_staleness = \"1s\"\nmailbox_staleness = \"1s\"\nrefetch_pause = \"0\"\npatience = \"3s\"\n";

pub const CASES: &[Case] = &[
    ("metrics_tell_of_logins_what_the_log_tells", |system| {
        let watched = Watched::start(system, "scrape", prompt)?;
        for (user, password, service, end) in [
            (ALICE, "pw", "imap", Accept("keycloak")),
            (ALICE, "pw", "smtp", Accept("keycloak")),
            (ALICE, "wrong", "imap", Refuse("password_mismatch")),
            ("ghost@example.org", "pw", "imap", Refuse("mailbox_unknown")),
            (NOBODY_ELSE, "pw", "pop3", Refuse("password_missing")),
            ("badscheme@example.org", "pw", "imap", CannotTell("hash_unusable")),
            (ALICE, "pw", "alice@example.org", Refuse("service_unknown")),
            (ALICE, "pw", "xmpp", Refuse("service_unknown")),
            ("no-name", "pw", "sieve", Refuse("name_invalid")),
        ] {
            watched.login(user, password, service, end)?;
        }
        let metrics = watched.metrics()?;
        let (told, counted) = (logins_in_log(&watched.keydove.log()), logins_in_metrics(&metrics));
        ensure(told == counted && told.values().sum::<u64>() == 9, || {
            format!("the log tells of {told:?}, the metrics of {counted:?}")
        })?;
        ensure(!metrics.contains('@') && !metrics.contains("alice"), || format!("a name is in\n{metrics}"))?;
        for (line, least) in [
            ("keydove_login_seconds_count{path=\"cold\"}", 5),
            ("keydove_keycloak_calls_total{source=\"keycloak\",result=\"ok\"}", 3),
            // One for each name that was not known.
            ("keydove_sql_questions_total{result=\"ok\"}", 5),
            ("keydove_cache_fetches_total{cache=\"people\"}", 3),
            ("keydove_hashing_lanes", 1),
            ("keydove_hash_seconds_count", 1),
        ] {
            let value = value(&metrics, line);
            ensure(value >= Some(f64::from(least)), || format!("{line} is {value:?} in\n{metrics}"))?;
        }
        ensure(value(&metrics, "keydove_breaker_state{backend=\"sql\"}") == Some(0.0), || metrics.clone())?;
        let ready = watched.get("/readyz")?;
        ensure(ready == (200, "ready\n".to_owned()), || format!("{ready:?}"))
    }),
    ("whoever_is_forgotten_over_http_with_the_token_is_asked_for_anew", |system| {
        let (address, admin) = ("http-forgotten@example.org", system.keycloak.admin());
        let token = system.stage().write("forget-token", &format!("{TOKEN}\n"))?;
        attempt("close", &token, std::fs::set_permissions(&token, Permissions::from_mode(0o600)))?;
        super::control::make_person(system, address)?;
        let watched = Watched::start(system, "forget", |text| {
            // The table of the port comes last.
            remembering(&prompt(text)) + "\n[cache]\nmax_staleness = \"10m\"\nmailbox_staleness = \"10m\"\n"
        })?;
        ensure(watched.forget(None, "{}")? == 404, || "without a token there is a /forget".to_owned())?;
        let line = format!("forget_token_file = \"{}\"\n", token.display());
        let watched = watched.with(&line)?;
        watched.login(address, RIGHT, "imap", Accept("keycloak"))?;
        admin.update(address, |user| user["enabled"] = false.into())?;
        let whom = format!("{{\"user\": \"{address}\"}}");
        for (token, status) in [(None, 401), (Some("not-this-token-but-as-long"), 401), (Some(""), 401)] {
            let told = watched.forget(token, &whom)?;
            ensure(told == status, || format!("{token:?} was answered with {told}"))?;
        }
        watched.login(address, RIGHT, "imap", Accept("keycloak"))?;
        ensure(watched.forget(Some(TOKEN), "{}")? == 400, || "an empty request was taken".to_owned())?;
        ensure(watched.forget(Some(TOKEN), &whom)? == 204, || "the right token was refused".to_owned())?;
        watched.login(address, RIGHT, "imap", Refuse("user_disabled"))?;

        // By the id too; and for metrics nobody needs a token.
        admin.update(address, |user| user["enabled"] = true.into())?;
        eventually(|| watched.login(address, RIGHT, "imap", Accept("keycloak")))?;
        admin.update(address, |user| user["enabled"] = false.into())?;
        watched.login(address, RIGHT, "imap", Accept("keycloak"))?;
        let whom = format!("{{\"keycloak_id\": \"{}\"}}", admin.id(address)?);
        ensure(watched.forget(Some(TOKEN), &whom)? == 204, || "an id was refused".to_owned())?;
        watched.login(address, RIGHT, "imap", Refuse("user_disabled"))?;
        admin.update(address, |user| user["enabled"] = true.into())?;
        eventually(|| watched.login(address, RIGHT, "imap", Accept("keycloak")))?;
        let hashes = |metrics: &str| value(metrics, "keydove_hash_seconds_count");
        let before = hashes(&watched.metrics()?);
        watched.login(address, RIGHT, "imap", Accept("keycloak"))?;
        ensure(hashes(&watched.metrics()?) == before, || "a known password was hashed".to_owned())?;
        watched.forget(Some(TOKEN), &format!("{{\"user\": \"{address}\"}}"))?;
        watched.login(address, RIGHT, "imap", Accept("keycloak"))?;
        let after = hashes(&watched.metrics()?);
        ensure(after == before.map(|count| count + 1.0), || format!("{before:?} hashes, then {after:?}"))?;
        ensure(!watched.keydove.log().contains(TOKEN), || "the token is in the log".to_owned())
    }),
    ("without_http_there_is_no_port", |system| {
        let ports = system.keydove.count_ports()?;
        ensure(ports == 0, || format!("{ports} ports are open"))?;
        // And the count sees one where there is one.
        let ports = Watched::start(system, "one-port", prompt)?.keydove.count_ports()?;
        ensure(ports == 1, || format!("{ports} ports are open"))
    }),
    ("each_disabled_check_is_shown", |system| {
        let right = system.keycloak.url();
        let watched = Watched::start(system, "t60", |text| {
            prompt(text)
                .replace(&right, "http://sso.example.invalid")
                .replace("realm = \"mail\"\n", "realm = \"mail\"\ntls_verify = false\n")
                + "\n[hashing.schemes]\nallow_weak = [\"PLAIN\"]\n"
        })?;
        let metrics = watched.metrics()?;
        let checked = watched.keydove.command("check").output();
        let checked = checked.map_err(|error| Failure(format!("run keydove check: {error}")))?;
        let checked = String::from_utf8_lossy(&checked.stdout).into_owned();
        for setting in
            ["keycloak.tls_verify", "keycloak.server_url", "hashing.schemes.allow_weak", "cache.stale_limit"]
        {
            let line = format!("keydove_insecure_setting{{name=\"{setting}\"}}");
            ensure(value(&metrics, &line) == Some(1.0), || format!("no {line} in\n{metrics}"))?;
            let warning = format!("warning: {setting}");
            ensure(checked.contains(&warning), || format!("no `{warning}` in\n{checked}"))?;
        }
        Ok(())
    }),
];

pub const LONE_CASES: &[LoneCase] = &[
    ("while_keycloak_is_away_keydove_is_degraded_and_alive", |system| {
        let memory = |text: &str| remembering(&prompt(text)) + SHORT_MEMORY;
        let watched = Watched::start(system, "degraded", memory)?;
        watched.login(ALICE, "pw", "imap", Accept("keycloak"))?;
        let ready = watched.get("/readyz")?;
        ensure(ready == (200, "ready\n".to_owned()), || format!("{ready:?}"))?;
        system.keycloak.stop()?;
        sleep(Duration::from_millis(1100));
        let away = while_away(&watched);
        system.keycloak.start_again()?;
        system.keycloak.wait_until_ready()?;
        away?;
        eventually(|| {
            let ready = watched.get("/readyz")?;
            ensure(ready == (200, "ready\n".to_owned()), || format!("{ready:?}"))
        })
    }),
    ("without_keycloak_and_without_memory_nobody_is_ready", |system| {
        system.keycloak.stop()?;
        let alone = Watched::start(system, "unready", prompt).and_then(|watched| {
            watched.login(ALICE, "pw", "imap", CannotTell("keycloak_refused"))?;
            let (status, ready) = watched.get("/readyz")?;
            let why = "not ready: the Keycloak source `keycloak`";
            ensure(status == 503 && ready.starts_with(why), || format!("{status} {ready}"))?;
            let alive = watched.get("/livez")?;
            ensure(alive.0 == 200, || format!("{alive:?}"))
        });
        system.keycloak.start_again()?;
        system.keycloak.wait_until_ready()?;
        alone
    }),
    ("an_attribute_that_nobody_shows_is_said_and_is_no_refusal", |system| {
        with_hidden_attribute(system, |system| {
            let watched = Watched::start(system, "hidden", prompt)?;
            let diagnosis = "nobody in a sample of people shows the attribute `mailcow_password`";
            eventually(|| {
                let log = watched.keydove.log();
                ensure(log.contains(diagnosis) && log.contains("user profile"), || log.clone())
            })?;
            let (status, ready) = watched.get("/readyz")?;
            let why = "degraded: the Keycloak source `keycloak` shows nobody's password attribute";
            ensure(status == 200 && ready.starts_with(why), || format!("{status} {ready}"))?;
            for user in [ALICE, NOBODY_ELSE] {
                watched.login(user, "pw", "imap", CannotTell("keycloak_attribute_hidden"))?;
            }
            let log = watched.keydove.log();
            ensure(!log.contains("verdict=refuse"), || log.clone())?;
            Ok(watched)
        })
        .and_then(|watched| {
            // It is mended, and the next login shows it.
            watched.login(ALICE, "pw", "imap", Accept("keycloak"))?;
            watched.login(NOBODY_ELSE, "pw", "imap", Refuse("password_missing"))?;
            eventually(|| {
                let ready = watched.get("/readyz")?;
                ensure(ready == (200, "ready\n".to_owned()), || format!("{ready:?}"))
            })
        })
    }),
    ("an_attribute_that_vanishes_shuts_nobody_out", |system| {
        let memory = |text: &str| remembering(&prompt(text)) + SHORT_MEMORY;
        let watched = Watched::start(system, "vanished", memory)?;
        watched.login(ALICE, "pw", "imap", Accept("keycloak"))?;
        watched.login(NOBODY_ELSE, "pw", "imap", Refuse("password_missing"))?;
        with_hidden_attribute(system, |_| {
            // Longer than what was seen last proves anything.
            sleep(Duration::from_secs(6));
            watched.login(ALICE, "pw", "imap", Accept("keycloak"))?;
            let log = watched.keydove.log();
            ensure(log.lines().any(|line| line.contains("stale=true")), || log.clone())?;
            watched.login("bob@example.org", "bob-pw", "imap", CannotTell("keycloak_attribute_hidden"))
        })?;
        watched.login("bob@example.org", "bob-pw", "imap", Accept("keycloak"))
    }),
];

fn while_away(watched: &Watched) -> Result<()> {
    watched.login(ALICE, "pw", "imap", Accept("keycloak"))?;
    watched.login("bob@example.org", "bob-pw", "imap", CannotTell("keycloak_refused"))?;
    let alive = watched.get("/livez")?;
    ensure(alive == (200, "alive\n".to_owned()), || format!("{alive:?}"))?;
    let (status, ready) = watched.get("/readyz")?;
    let is_told = ready.contains("degraded: logins are answered with what was known before\n")
        && ready.contains("degraded: the Keycloak source `keycloak` could not answer")
        && ready.lines().all(|line| line.starts_with("degraded: "));
    ensure(status == 200 && is_told, || format!("{status} {ready}"))?;
    let metrics = watched.metrics()?;
    for line in [
        "keydove_cache_stale_total{cache=\"people\"}",
        "keydove_login_seconds_count{path=\"stale\"}",
        "keydove_answer_age_seconds_count",
        "keydove_keycloak_calls_total{source=\"keycloak\",result=\"keycloak_refused\"}",
    ] {
        ensure(value(&metrics, line) >= Some(1.0), || format!("no {line} in\n{metrics}"))?;
    }
    Ok(())
}

/// Takes the password attribute out of the user profile for a while, as an upgrade or a mistake does.
fn with_hidden_attribute<T>(system: &mut System, case: impl FnOnce(&System) -> Result<T>) -> Result<T> {
    let admin = system.keycloak.admin();
    let whole = admin.profile()?;
    let mut without = whole.clone();
    let attributes = without["attributes"].as_array_mut();
    let attributes = attributes.ok_or_else(|| Failure("the user profile has no attributes".to_owned()))?;
    let before = attributes.len();
    attributes.retain(|attribute| attribute["name"] != "mailcow_password");
    let declared = attributes.len() < before;
    ensure(declared, || "the realm does not declare the attribute".to_owned())?;
    admin.set_profile(&without)?;
    let end = case(system);
    admin.set_profile(&whole)?;
    end
}

/// A keydove with a port.
struct Watched {
    keydove: Keydove,
    port: u16,
}

impl Watched {
    fn start(system: &System, name: &'static str, edit: impl FnOnce(&str) -> String) -> Result<Self> {
        let port = free_port()?;
        let http = format!("\n[http]\nlisten = \"127.0.0.1:{port}\"\n");
        let keydove = system.keydove.beside(name, |text| edit(&text) + &http)?;
        Ok(Self { keydove, port })
    }

    fn login(&self, user: &str, password: &str, service: &str, end: End<'_>) -> Result<()> {
        let attempt = Attempt { service, ..Attempt::new(user, password) };
        attempt_at(&self.keydove, attempt, end).map(drop)
    }

    fn metrics(&self) -> Result<String> {
        let (status, text) = self.get("/metrics")?;
        ensure(status == 200 && text.ends_with("# EOF\n"), || format!("{status}\n{text}"))?;
        Ok(text)
    }

    /// The same with another line in `[http]`.
    fn with(mut self, line: &str) -> Result<Self> {
        self.keydove.stop()?;
        self.keydove.start_changed(|text| text + line)?;
        Ok(self)
    }

    /// The status of `POST /forget` with a token and a body.
    fn forget(&self, token: Option<&str>, body: &str) -> Result<u16> {
        let header = token.map_or_else(String::new, |token| format!("Authorization: Bearer {token}\r\n"));
        let length = body.len();
        let head =
            format!("POST /forget HTTP/1.1\r\nHost: localhost\r\n{header}Content-Length: {length}\r\n\r\n");
        exchange(self.port, &format!("{head}{body}")).map(|(status, _)| status)
    }

    fn get(&self, path: &str) -> Result<(u16, String)> {
        get(self.port, path)
    }
}

/// Status and body of what is at a path of `[http] listen`.
pub fn get(port: u16, path: &str) -> Result<(u16, String)> {
    exchange(port, &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
}

fn exchange(port: u16, request: &str) -> Result<(u16, String)> {
    let exchange = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_read_timeout(Some(crate::PATIENCE))?;
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    let answer = exchange().map_err(|error| Failure(format!("{request}: {error}")))?;
    let parts = answer
        .split_once("\r\n\r\n")
        .and_then(|(head, body)| Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned())));
    parts.ok_or_else(|| Failure(format!("{request} was answered with {answer}")))
}

type Logins = BTreeMap<(String, String, String), u64>;

/// Service, verdict and reason of each line about a login. What a peer made up is `other`.
fn logins_in_log(log: &str) -> Logins {
    let mut found = Logins::new();
    for line in log.lines().filter(|line| line.contains(" login verdict=")) {
        let field = |name: &str| {
            let value = line.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
            value.unwrap_or_default().to_owned()
        };
        let service = match field("service") {
            known if ["imap", "pop3", "smtp", "sieve"].contains(&known.as_str()) => known,
            _ => "other".to_owned(),
        };
        *found.entry((service, field("verdict"), field("reason"))).or_default() += 1;
    }
    found
}

fn logins_in_metrics(metrics: &str) -> Logins {
    let read = |line: &str| {
        let (labels, count) = line.strip_prefix("keydove_logins_total{")?.split_once("} ")?;
        let mut values =
            labels.split(',').filter_map(|label| Some(label.split_once('=')?.1.trim_matches('"').to_owned()));
        Some(((values.next()?, values.next()?, values.next()?), count.parse().ok()?))
    };
    metrics.lines().filter_map(read).collect()
}

/// The value of a metric with exactly these labels.
fn value(metrics: &str, name: &str) -> Option<f64> {
    metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}
