//! mailcow's HTTP login: what may be missing, what mailcow's scripts make of an outage, and who may ask.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use crate::http_login::chain::LIKE_MAILCOW;
use crate::http_login::double::{MailcowDouble, Script};
use crate::http_login::dovecot::MailcowDovecot;
use crate::http_login::{Served, login};
use crate::mailcow::WorldCase;
use crate::mailcow::world::{RIGHT, RIGHT_HASH, World};
use crate::stage::relay::Conduct;
use crate::stage::{Result, give};
use crate::{ensure, eventually, transport};

const REFUSED: &str = "NO [AUTHENTICATIONFAILED]";
const UNAVAILABLE: &str = "NO [UNAVAILABLE]";
/// What mailcow's rule 6 counts.
const STRIKE: &str = "Password mismatch (SHA1 of given password: ";
const TOKEN: &str = "0123456789abcdef0123456789abcdef";

pub const CASES: &[WorldCase] = &[
    ("a_login_over_http_is_decided_whatever_is_said_of_its_address", |world| {
        let served = Served::start(world, "doors-odd-address", "")?;
        world.person_with_hash("doors-address@case.example", RIGHT_HASH)?;
        let right = login("doors-address@case.example", RIGHT, "imap");
        let wrong = login("doors-address@case.example", "wrong", "imap");
        // The same wrong password once more would be the second question of mailcow's chain.
        let another = |number: usize| wrong.replace("wrong", &format!("wrong {number}"));
        let mut logins = 0;
        for address in ["null", "\"\"", "\"unknown\"", "7", "true", "[]", "{}", "\"192.0.2.9:143\""] {
            for (body, status) in [(right.clone(), 200), (another(logins), 401)] {
                served.answers(&body.replace("\"192.0.2.9\"", address), status)?;
                logins += 1;
            }
        }
        // JSON's members have no order, so the member may stand anywhere.
        let missing = |body: &str| {
            let mut body: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
            body.as_object_mut().map(|body| body.remove("real_rip"));
            body.to_string()
        };
        served.answers(&missing(&right), 200)?;
        served.answers(&missing(&wrong), 401)?;
        served.has_lines("door=http-login", logins + 2)?;
        served.has_lines("remote=", 0)?;
        for service in ["null", "\"\"", "\"NONE\""] {
            served.answers(&right.replace("\"imap\"", service), 200)?;
        }
        served.has_lines("service=none", 3)
    }),
    ("mailcows_script_as_it_is_takes_an_outage_for_an_internal_failure", |world| {
        outage(world, ("doors-mc-current", LIKE_MAILCOW.to_owned()), "", UNAVAILABLE)
    }),
    ("mailcows_script_as_it_was_mended_takes_an_outage_for_an_internal_failure", |world| {
        outage(world, ("doors-mc-mended", mended()), "", UNAVAILABLE)?;
        outage(world, ("doors-mc-close", mended()), "cannot_tell = \"close\"\n", UNAVAILABLE)
    }),
    ("the_script_of_keydove_understands_every_way_of_saying_that_nobody_can_tell", |world| {
        let path = crate::stage::source_tree().join("mailcow/passwd-verify.lua");
        let own = crate::stage::attempt("read", &path, std::fs::read_to_string(&path))?;
        outage(world, ("doors-kd-null", own.clone()), "", UNAVAILABLE)?;
        outage(world, ("doors-kd-503", own.clone()), "cannot_tell = \"503\"\n", UNAVAILABLE)?;
        outage(world, ("doors-kd-close", own), "cannot_tell = \"close\"\n", UNAVAILABLE)
    }),
    ("who_asks_for_the_host_keydove_is_told_503", |world| {
        let served = Served::start(world, "doors-host", "")?;
        world.undecidable_person("doors-host@case.example")?;
        let body = login("doors-host@case.example", RIGHT, "imap");
        for (host, status) in
            [("keydove:9082", "503"), ("keydove", "503"), ("nginx:9082", "401"), ("x", "401")]
        {
            let request = format!(
                "POST / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            let answer = served.talk(request.as_bytes())?;
            ensure(answer.starts_with(&format!("HTTP/1.1 {status} ")), || format!("{host}: {answer}"))?;
        }
        Ok(())
    }),
    ("where_there_is_a_token_nobody_asks_at_the_port_without_it", |world| {
        let stage = world.system.stage();
        let token = stage.write("keydove/doors-token.secret", TOKEN)?;
        give(&token, "root", "root", 0o600)?;
        let socket = stage.path("keydove/doors-token.http");
        let listener = format!("[[listener]]\ndoor = \"http-login\"\npath = \"{}\"\n\n", socket.display());
        let settings = format!("token_file = \"{}\"\n", token.display());
        let served = Served::start_edited(world, "doors-token", &settings, |text| listener + &text)?;
        world.person_with_hash("doors-token@case.example", RIGHT_HASH)?;
        let body = login("doors-token@case.example", RIGHT, "imap");
        let request = |header: &str| {
            format!(
                "POST / HTTP/1.1\r\nHost: x\r\n{header}Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )
        };
        for (header, status) in [
            (String::new(), "403"),
            ("Authorization: Bearer wrong\r\n".to_owned(), "403"),
            (format!("Authorization: Basic {TOKEN}\r\n"), "403"),
            (format!("Authorization: Bearer {TOKEN}\r\n"), "200"),
            (format!("authorization: bearer {TOKEN}\r\n"), "200"),
        ] {
            let answer = served.talk(request(&header).as_bytes())?;
            ensure(answer.starts_with(&format!("HTTP/1.1 {status} ")), || format!("{header}: {answer}"))?;
        }
        served.has_lines("door=http-login", 2)?;
        ensure(!served.keydove.log().contains(TOKEN), || "the token is in the log".to_owned())?;
        // Who may open the socket needs none.
        let mut stream = transport(UnixStream::connect(&socket))?;
        transport(stream.set_read_timeout(Some(crate::PATIENCE)))?;
        transport(stream.write_all(request("").as_bytes()))?;
        let mut answer = String::new();
        transport(stream.read_to_string(&mut answer))?;
        ensure(answer.starts_with("HTTP/1.1 200 "), || answer.clone())
    }),
    ("a_difference_in_shadow_mode_shows_addresses_as_the_log_does", |world| {
        let double = MailcowDouble::start(Script::says("401 Unauthorized", r#"{"success":false}"#))?;
        let settings = format!("shadow_url = \"{}\"\n\n[log]\naddresses = \"network\"\n", double.url);
        let served = Served::start(world, "doors-shadow", &settings)?;
        world.person_with_hash("doors-shadow@case.example", RIGHT_HASH)?;
        served.answers(&login("doors-shadow@case.example", RIGHT, "imap"), 401)?;
        eventually(|| {
            let log = served.keydove.log();
            let line = log.lines().find(|line| line.contains("mailcow and keydove differ"));
            ensure(line.is_some_and(|line| line.contains("remote=192.0.2.0/24")), || log.clone())
        })?;
        let log = served.keydove.log();
        ensure(!log.contains("192.0.2.9"), || log.clone())
    }),
];

/// A Dovecot with mailcow's chain and this script, whose keydove loses its Keycloak: whoever logs in is told so, nobody is
/// counted, and no password is written down.
fn outage(
    world: &World<'_>,
    (name, script): (&'static str, String),
    settings: &str,
    expected: &str,
) -> Result<()> {
    let tls = |file: &str| world.system.stage().path(&format!("tls/{file}")).display().to_string();
    let certificate =
        format!("certificate_file = \"{}\"\nkey_file = \"{}\"\n", tls("server.pem"), tls("server.key"));
    let relay = world.system.keycloak.relay(Conduct::Pass)?;
    let (url, own) = (world.system.keycloak.url(), relay.url());
    let served =
        Served::start_edited(world, name, &(certificate + settings), |text| text.replace(&url, &own))?;
    let address = format!("https://127.0.0.1:{}", served.port);
    let script = script.replace("@URL@", &address).replace("https://keydove:9082", &address);
    let dovecot_name: &'static str = Box::leak(format!("dovecot-{name}").into_boxed_str());
    let dovecot = MailcowDovecot::start(world.system.stage(), dovecot_name, &script, "")?;
    let user = format!("{name}@case.example");
    world.person_with_hash(&user, RIGHT_HASH)?;
    let log_in = |password: &str, beginning: &str| {
        let answer = dovecot.login(&user, password)?;
        ensure(answer.starts_with(beginning), || format!("{answer}\n{}", dovecot.log()))
    };
    log_in(RIGHT, "OK")?;
    log_in("wrong", REFUSED)?;
    relay.turn(Conduct::Answer("503 Service Unavailable", "<html>"));
    log_in("Tr0ub4dor", expected)?;
    eventually(|| {
        ensure(!served.lines("verdict=cannot_tell").is_empty(), || "no line tells of the outage".to_owned())
    })?;
    relay.turn(Conduct::Pass);
    // The line of the wrong password is there, and no other.
    let is_strike = |line: &&str| line.contains(STRIKE) && !line.contains("trying the next passdb");
    let mut log = String::new();
    eventually(|| {
        log = dovecot.log();
        let strikes = log.lines().filter(is_strike).count();
        ensure(strikes == 1, || format!("{strikes} strikes in\n{log}"))
    })?;
    ensure(!log.contains("Tr0ub4dor"), || "a password is in Dovecot's log".to_owned())
}

/// mailcow's script as mended: whatever is no answer at all is an internal failure.
fn mended() -> String {
    let strict = "  if code ~= 200 and code ~= 401 then";
    let mended = format!(
        "  if type(code) ~= \"number\" then\n    return dovecot.auth.PASSDB_RESULT_INTERNAL_FAILURE, tostring(code)\n  end\n{strict}"
    );
    LIKE_MAILCOW.replace(strict, &mended)
}
