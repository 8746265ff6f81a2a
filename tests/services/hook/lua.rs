//! `dovecot/keydove.lua` with `dovecot/lua-2.3.conf`, as they are shipped, in Dovecot 2.3.19.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::thread;
use std::time::Duration;

use super::super::clients::{Imap, Login, imap_login};
use super::super::stage::keydove::with;
use super::super::stage::process::run;
use super::super::stage::relay::Conduct;
use super::super::stage::system::System;
use super::super::stage::{Failure, Result, attempt, give, source_tree};
use super::super::{LoneCase, ensure, eventually, transport};
use super::dovecot::{self, HookDovecot};
use super::{
    ALICE, IMAP_REFUSED, doveadm, imap, keydove, lookups_are_answered, refused_alike, unavailable_in_time,
};

const LUA: &str = "!include lua-2.3.conf";
/// More logins at once than there are workers.
const FEW_WORKERS: usize = 2;
const MANY_LOGINS: usize = 12;

pub const CASES: &[LoneCase] = &[
    ("lua_alone_answers_logins_and_lookups", |system| {
        let keydove = keydove(system, |text| text)?;
        let dovecot = HookDovecot::start(system.stage(), LUA, None)?;
        imap(&dovecot, ALICE, "pw", "OK ")?;
        imap(&dovecot, "Upper.Case@Example.ORG", "pw", "OK ")?;
        refused_alike(&dovecot)?;
        lookups_are_answered(&dovecot)?;
        let list = doveadm(&dovecot, &["user", "*"]);
        for user in [ALICE, "bob@example.org"] {
            ensure(list.lines().any(|line| line == user), || format!("{user} is not listed: {list}"))?;
        }
        deliver(&dovecot)?;
        let log = keydove.log();
        for part in ["service=imap mech=PLAIN remote=127.0.0.1", "session=", "door=hook"] {
            ensure(log.contains(part), || format!("the log lacks `{part}`: {log}"))?;
        }
        // The log of the mail server may name the reason; the mail client was told nothing above.
        eventually(|| ensure(dovecot.log().contains("user disabled"), || dovecot.log()))
    }),
    ("lua_before_a_passwd_file_keeps_whom_keydove_knows", |system| {
        let _keydove = keydove(system, |text| text)?;
        let file = passwd_file(system)?;
        let lua = "passdb {\n  driver = lua\n  args = file=/etc/dovecot/keydove.lua blocking=yes\n  \
                   result_failure = return-fail\n}\n";
        let dovecot =
            HookDovecot::start(system.stage(), &format!("{lua}{file}"), Some("return { unknown = 'next' }"))?;
        imap(&dovecot, ALICE, "pw", "OK ")?;
        imap(&dovecot, ALICE, "old", IMAP_REFUSED)?;
        imap(&dovecot, "disabled@example.org", "old", IMAP_REFUSED)?;
        imap(&dovecot, "old@elsewhere.example", "old", "OK ")?;
        imap(&dovecot, "old@elsewhere.example", "wrong", IMAP_REFUSED)
    }),
    ("lua_behind_a_passwd_file_is_asked_when_that_one_refuses", |system| {
        let _keydove = keydove(system, |text| text)?;
        let file = passwd_file(system)?;
        let dovecot = HookDovecot::start(system.stage(), &format!("{file}{LUA}"), None)?;
        imap(&dovecot, "old@elsewhere.example", "old", "OK ")?;
        imap(&dovecot, "bob@example.org", "bob-pw", "OK ")?;
        imap(&dovecot, ALICE, "pw", "OK ")?;
        imap(&dovecot, ALICE, "wrong", IMAP_REFUSED)
    }),
    ("lua_called_as_2_4_does_but_without_a_dovecot", |system| {
        let keydove = keydove(system, |text| text)?;
        let mut command = Command::new("/usr/bin/lua5.4");
        command.arg(source_tree().join("tests/services/hook/harness-2.4.lua"));
        command.arg(source_tree().join("dovecot/keydove.lua")).arg(dovecot::socket(system.stage())?);
        let printed = run(&mut command)?;
        for (line, expected) in printed.lines().zip(AS_2_4) {
            ensure(line.starts_with(expected), || format!("expected `{expected}`, got `{line}`"))?;
        }
        ensure(printed.contains("\nlisted alice@example.org\n"), || printed.clone())?;
        let logged = "user=\"alice@example.org\" service=imap mech=PLAIN remote=192.0.2.24";
        let log = keydove.log();
        ensure(log.contains(logged) && log.contains("session=Xk24"), || log.clone())
    }),
    ("lua_survives_restarts_of_keydove", |system| {
        let mut keydove = keydove(system, |text| text)?;
        let dovecot = HookDovecot::start(system.stage(), LUA, None)?;
        for _ in 0..2 {
            imap(&dovecot, ALICE, "pw", "OK ")?;
            lookups_are_answered(&dovecot)?;
            keydove.stop()?;
            keydove.start_again()?;
        }
        imap(&dovecot, ALICE, "pw", "OK ")?;
        keydove.stop()?;
        unavailable_in_time(&dovecot)?;
        let lookup = doveadm(&dovecot, &["user", ALICE]);
        ensure(!lookup.contains("doesn't exist"), || format!("an outage made somebody unknown: {lookup}"))?;
        let list = dovecot.doveadm(&["user", "*"]);
        ensure(list.is_err(), || format!("half a list was taken for the whole one: {list:?}"))?;
        keydove.start_again()?;
        imap(&dovecot, ALICE, "pw", "OK ")
    }),
    ("lua_beyond_the_workers_makes_logins_wait", |system| {
        let _keydove = keydove(system, |text| text)?;
        let few = format!("{LUA}\nauth_worker_max_count = {FEW_WORKERS}");
        let dovecot = HookDovecot::start(system.stage(), &few, None)?;
        let port = dovecot.imap;
        let logins: Vec<_> = (0..MANY_LOGINS)
            .map(|number| {
                let password = if number % 3 == 0 { "wrong" } else { "pw" };
                thread::spawn(move || {
                    (password, imap_login(port, Login { user: "carol@example.org", password }))
                })
            })
            .collect();
        for login in logins {
            let (password, answer) = login.join().map_err(|_| Failure("a client panicked".to_owned()))?;
            let (answer, right) = (transport(answer)?, password == "pw");
            let good = if right { answer.starts_with("OK ") } else { answer == IMAP_REFUSED };
            ensure(good, || format!("{password}: {answer}"))?;
        }
        Ok(())
    }),
    ("lua_cannot_tell_before_postfix_hangs_up", |system| {
        let relay = system.keycloak.relay(Conduct::Hang)?;
        let url = system.keycloak.url();
        let mut keydove = keydove(system, |text| {
            with(&with(&text.replace(&url, &relay.url()), "request_timeout", "4s"), "deadline", "5s")
        })?;
        let dovecot = HookDovecot::start(system.stage(), LUA, None)?;
        unavailable_in_time(&dovecot)?;
        keydove.stop()?;
        // Somebody who takes the question and never answers.
        let path = dovecot::socket(system.stage())?;
        drop(std::fs::remove_file(&path));
        let silent = attempt("bind", &path, UnixListener::bind(&path))?;
        give(&path, "dovecot", "root", 0o600)?;
        let took = unavailable_in_time(&dovecot)?;
        drop(silent);
        drop(std::fs::remove_file(&path));
        ensure(took > Duration::from_secs(7), || format!("it was given up after {took:?}"))
    }),
];

/// What `harness-2.4.lua` must print. The mail's folder is below the stage's.
const AS_2_4: [&str; 8] = [
    "alice@example.org/pw ok user=alice@example.org userdb_gid=5000 userdb_home=",
    "alice@example.org/wrong mismatch",
    "disabled@example.org/pw disabled",
    "ghost@example.org/pw next",
    "scram next",
    "pass ok nopassword=y user=alice@example.org userdb_gid=5000 ",
    "user ok gid=5000 home=",
    "no user unknown",
];

/// A passdb of people from before keydove, some of whom it knows too.
fn passwd_file(system: &System) -> Result<String> {
    let mut text = String::new();
    for user in [ALICE, "disabled@example.org", "old@elsewhere.example"] {
        let home = system.stage().path("mail/before");
        text.push_str(&format!("{user}:{{PLAIN}}old:5000:5000::{}/{user}::\n", home.display()));
    }
    let path = system.stage().write("hooked/etc/before.passwd", &text)?;
    let args = "args = username_format=%u /etc/dovecot/before.passwd";
    let file = format!(
        "passdb {{\n  driver = passwd-file\n  {args}\n}}\nuserdb {{\n  driver = prefetch\n}}\nuserdb {{\n  \
         driver = passwd-file\n  {args}\n}}\n"
    );
    give(&path, "root", "dovecot", 0o640)?;
    Ok(file)
}

/// A mail over LMTP reaches the inbox, and one for nobody is refused.
pub(super) fn deliver(dovecot: &HookDovecot) -> Result<()> {
    let mut lmtp = transport(TcpStream::connect((Ipv4Addr::LOCALHOST, dovecot.lmtp)))?;
    transport(lmtp.set_read_timeout(Some(crate::PATIENCE)))?;
    let said = format!(
        "LHLO test\r\nMAIL FROM:<x@example.net>\r\nRCPT TO:<{ALICE}>\r\nRCPT TO:<ghost@example.org>\r\nDATA\r\n\
         Subject: hooked\r\n\r\nhello\r\n.\r\nQUIT\r\n"
    );
    transport(lmtp.write_all(said.as_bytes()))?;
    let mut heard = String::new();
    transport(lmtp.read_to_string(&mut heard))?;
    for part in [format!("<{ALICE}> "), "550 5.1.1 <ghost@example.org>".to_owned()] {
        ensure(heard.contains(&part), || format!("LMTP: no `{part}` in {heard}"))?;
    }
    let mut session = transport(Imap::connect(dovecot.imap))?;
    transport(session.login(Login { user: ALICE, password: "pw" }))?;
    let found = transport(session.find_message("hooked"))?;
    ensure(found.is_some_and(|mail| mail.contains("hello")), || "the mail is not in the inbox".to_owned())
}
