//! The log as JSON, read as a program reads it.

use serde_json::Value;

use super::Case;
use super::auth_socket::AuthSocket;
use super::stage::{Failure, Result};

/// Name, password, and the verdict and reason that one object tells.
const LOGINS: &[(&str, &str, &str, &str)] = &[
    ("alice@example.org", "pw", "accept", "ok"),
    ("Alice@Example.org", "wrong", "refuse", "password_mismatch"),
    ("disabled@example.org", "pw", "refuse", "user_disabled"),
    ("badscheme@example.org", "pw", "cannot_tell", "hash_unusable"),
    ("\"}\n{\"verdict\":\"accept\"", "pw", "refuse", "name_invalid"),
];

pub const CASES: &[Case] = &[("each_login_is_one_json_object", |system| {
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
})];

fn spoken<T>(result: std::io::Result<T>) -> Result<T> {
    result.map_err(|error| Failure(format!("the connection failed: {error}")))
}
