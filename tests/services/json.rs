//! The log as JSON, read as a program reads it.

use serde_json::Value;

use super::auth_socket::AuthSocket;
use super::stage::{Failure, Result};
use super::{Case, System, ensure};

/// Name, password, and the verdict and reason that one object tells.
const LOGINS: &[(&str, &str, &str, &str)] = &[
    ("alice@example.org", "pw", "accept", "ok"),
    ("Alice@Example.org", "wrong", "refuse", "password_mismatch"),
    ("disabled@example.org", "pw", "refuse", "user_disabled"),
    ("badscheme@example.org", "pw", "cannot_tell", "hash_unusable"),
    ("\"}\n{\"verdict\":\"accept\"", "pw", "refuse", "name_invalid"),
];

pub const CASES: &[Case] = &[
    ("each_login_is_one_json_object", each_login_is_one_object),
    ("no_address_stands_in_the_log_where_none_shall", |system| {
        hides_addresses(system, "hides-text", "format = \"text\"\naddresses = \"pseudonym\"\n", "addr-")?;
        hides_addresses(system, "hides-json", "format = \"json\"\naddresses = \"network\"\n", "192.0.2.0/24")
    }),
];

/// Somebody guesses until they have to wait, so that both kinds of lines that name a place are there.
fn hides_addresses(system: &System, name: &'static str, log: &str, shown: &str) -> Result<()> {
    let keydove = system.keydove.beside(name, |text| {
        let text = text.split("[login]").next().unwrap_or_default();
        format!("{text}[login]\ndeadline = '9s'\nfailure_delay = '0'\n\n[log]\n{log}")
    })?;
    let mut socket = spoken(AuthSocket::client(keydove.only_socket()?, 7000))?;
    let mut id = 0;
    let mut log = String::new();
    while !log.contains("many different passwords were wrong") {
        id += 1;
        ensure(id <= 100, || format!("a hundred wrong passwords made nobody wait:\n{log}"))?;
        spoken(socket.login(id, "alice@example.org", &format!("wrong {id}")))?;
        spoken(socket.line())?;
        log = keydove.log_so_far();
    }
    let log = keydove.log();
    ensure(log.matches(shown).count() > 2, || format!("no `{shown}` in\n{log}"))?;
    ensure(!log.contains("192.0.2.9") && !log.contains("session"), || format!("an address in\n{log}"))
}

fn each_login_is_one_object(system: &System) -> Result<()> {
    let format = "\n[log]\nformat = \"json\"\n";
    let keydove = system.keydove.beside("json", |text| text + format)?;
    let mut socket = spoken(AuthSocket::client(keydove.socket("json.sock")?, 7000))?;
    for (id, (user, password, ..)) in (1..).zip(LOGINS) {
        spoken(socket.login(id, user, password))?;
        spoken(socket.line())?;
    }
    let log = keydove.log();
    let parse =
        |line| serde_json::from_str::<Value>(line).map_err(|error| Failure(format!("{error}: {line}")));
    let objects = log.lines().map(parse).collect::<Result<Vec<_>>>()?;
    let logins: Vec<_> = objects.iter().filter(|object| object["verdict"].is_string()).collect();
    if logins.len() != LOGINS.len() {
        return Err(Failure(format!("{} logins in\n{log}", logins.len())));
    }
    for (object, (user, _, verdict, reason)) in logins.into_iter().zip(LOGINS) {
        let told = object["verdict"] == *verdict && object["reason"] == *reason;
        let named =
            object["service"] == "imap" && object["remote"] == "192.0.2.9" && object["ms"].is_number();
        if !told || !named || object["user"].as_str().is_none_or(str::is_empty) {
            return Err(Failure(format!("the login of {user} is told as {object}")));
        }
    }
    Ok(())
}

fn spoken<T>(result: std::io::Result<T>) -> Result<T> {
    result.map_err(|error| Failure(format!("the connection failed: {error}")))
}
