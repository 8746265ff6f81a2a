//! `dovecot/keydove.lua` with `dovecot/lua-2.4.conf`, as they are shipped, in Dovecot 2.4.1.

use super::super::LoneCase;
use super::super::clients::{Imap, Login};
use super::super::stage::keydove::Keydove;
use super::super::stage::system::System;
use super::super::stage::{Failure, Result};
use super::super::{ensure, eventually, expect, transport};
use super::dovecot::{HookDovecot, socket_of_2_4};
use super::lua::deliver;
use super::{
    ALICE, IMAP_REFUSED, doveadm, imap, listener, lookups_are_answered, refused_alike, unavailable_in_time,
};

const LUA: &str = "!include lua-2.4.conf";
/// docs/lua.md, "Before them".
const LUA_BEFORE_OTHERS: &str = "passdb lua {
  lua_file = /etc/dovecot/keydove.lua
  result_failure = return-fail
  lua_settings {
    unknown = next
  }
}
passdb static {
  password = old
}
userdb static {
  fields {
    uid = 5000
    gid = 5000
    home = /srv/mail/before/%{user}
  }
}
";

pub const CASES: &[LoneCase] = &[
    ("lua_of_2_4_alone_answers_logins_and_lookups", |system| {
        on_2_4(system, LUA, |dovecot, keydove| {
            imap(dovecot, ALICE, "pw", "OK ")?;
            imap(dovecot, "Upper.Case@Example.ORG", "pw", "OK ")?;
            refused_alike(dovecot)?;
            lookups_are_answered(dovecot)?;
            let list = doveadm(dovecot, &["user", "*"]);
            for user in [ALICE, "bob@example.org"] {
                ensure(list.lines().any(|line| line == user), || format!("{user} is not listed: {list}"))?;
            }
            deliver(dovecot)?;
            let log = keydove.log();
            for part in ["service=imap mech=PLAIN remote=127.0.0.1", "session=", "door=hook"] {
                ensure(log.contains(part), || format!("the log lacks `{part}`: {log}"))?;
            }
            eventually(|| {
                ensure(dovecot.log().contains("user disabled"), || "its log gives no reason".to_owned())
            })
        })
    }),
    ("lua_of_2_4_before_another_passdb_keeps_whom_keydove_knows", |system| {
        on_2_4(system, LUA_BEFORE_OTHERS, |dovecot, _| {
            imap(dovecot, ALICE, "pw", "OK ")?;
            imap(dovecot, ALICE, "old", IMAP_REFUSED)?;
            imap(dovecot, "disabled@example.org", "old", IMAP_REFUSED)?;
            imap(dovecot, "old@elsewhere.example", "old", "OK ")?;
            imap(dovecot, "old@elsewhere.example", "wrong", IMAP_REFUSED)
        })
    }),
    ("lua_of_2_4_survives_restarts_of_keydove", |system| {
        on_2_4(system, LUA, |dovecot, keydove| {
            let mut open = transport(Imap::connect(dovecot.imap))?;
            expect("IMAP", open.login(Login { user: ALICE, password: "pw" }), "OK ")?;
            for _ in 0..2 {
                lookups_are_answered(dovecot)?;
                keydove.stop()?;
                keydove.start_again()?;
                imap(dovecot, ALICE, "pw", "OK ")?;
            }
            keydove.stop()?;
            unavailable_in_time(dovecot)?;
            let lookup = doveadm(dovecot, &["user", ALICE]);
            ensure(!lookup.contains("doesn't exist"), || {
                format!("an outage made somebody unknown: {lookup}")
            })?;
            let list = dovecot.doveadm(&["user", "*"]);
            ensure(list.is_err(), || format!("half a list was taken for the whole one: {list:?}"))?;
            keydove.start_again()?;
            imap(dovecot, ALICE, "pw", "OK ")?;
            // Who was in meanwhile has noticed nothing.
            let answer = transport(open.command("NOOP"))?;
            ensure(answer.last().is_some_and(|last| last.starts_with("OK")), || format!("NOOP: {answer:?}"))
        })
    }),
];

fn on_2_4(
    system: &System,
    databases: &str,
    case: impl FnOnce(&HookDovecot, &mut Keydove) -> Result<()>,
) -> Result<()> {
    let listener = listener(&socket_of_2_4(system.stage())?);
    let mut keydove =
        system.keydove.beside("hooked-2.4", |text| format!("{listener}{}", without_mail(&text)))?;
    let dovecot = HookDovecot::start_2_4(system.stage(), databases)?;
    let end = case(&dovecot, &mut keydove);
    end.map_err(|Failure(complaint)| Failure(format!("{complaint}\nDovecot 2.4 says\n{}", dovecot.log())))
}

/// Homes in that Dovecot's root, and no word of what lies in them: its own configuration says that.
fn without_mail(text: &str) -> String {
    let is_of_mail =
        |line: &str| ["mail = ", "mail_driver", "mail_path"].iter().any(|name| line.starts_with(name));
    let lines = text.lines().filter(|line| !is_of_mail(line));
    let lines =
        lines.map(|line| if line.starts_with("home = ") { "home = \"/srv/mail/%d/%n\"" } else { line });
    lines.map(|line| format!("{line}\n")).collect()
}
