//! The lookup protocol's clients: the Lua script in a real Dovecot, and `keydove-checkpassword` there and elsewhere.

mod checkpassword;
pub(super) mod dovecot;
mod lua;
mod lua_2_4;
mod passwords;

use std::path::Path;
use std::time::Duration;

use super::clients::{Login, imap_login, pop3_login};
use super::run::On;
use super::stage::dovecot::Release;
use super::stage::keydove::Keydove;
use super::stage::system::System;
use super::stage::{Failure, Result};
use super::{Group, LoneCase, ensure, expect, in_time};
use dovecot::HookDovecot;

pub const GROUPS: &[Group<LoneCase>] = &[
    ("hook", On::Sqlite, lua::CASES),
    ("hook", On::Sqlite, lua_2_4::CASES),
    ("hook", On::Sqlite, passwords::CASES),
    ("hook", On::Sqlite, checkpassword::CASES),
];

const ALICE: &str = "alice@example.org";
/// Postfix's patience with its SASL server.
const POSTFIX_PATIENCE: Duration = Duration::from_secs(10);

const IMAP_REFUSED: &str = "NO [AUTHENTICATIONFAILED] Authentication failed.";
const POP3_REFUSED: &str = "-ERR [AUTH] Authentication failed.";
const IMAP_UNAVAILABLE: &str = "NO [UNAVAILABLE] Temporary authentication failure.";

/// A keydove beside the stage's own, with a socket where the other Dovecot looks for it.
pub(super) fn keydove(system: &System, edit: impl FnOnce(String) -> String) -> Result<Keydove> {
    let listener = listener(&dovecot::socket(system.stage())?);
    // First, so that it is there when the other one is.
    system.keydove.beside("hooked", |text| edit(format!("{listener}{text}")))
}

/// A listener that belongs to Dovecot's user, as docs/lua.md says.
fn listener(socket: &Path) -> String {
    format!(
        "[[listener]]\ndoor = \"hook\"\npath = \"{}\"\nmode = \"0600\"\nowner = \"dovecot\"\n\n",
        socket.display()
    )
}

fn imap(dovecot: &HookDovecot, user: &str, password: &str, beginning: &str) -> Result<()> {
    let answer = imap_login(dovecot.imap, Login { user, password });
    expect(&format!("IMAP as {user}"), answer, beginning)
}

/// Whoever may not log in is told the same, whatever the reason.
fn refused_alike(dovecot: &HookDovecot) -> Result<()> {
    for (user, password) in [(ALICE, "wrong"), ("disabled@example.org", "pw"), ("ghost@example.org", "pw")] {
        let login = Login { user, password };
        let answers = [imap_login(dovecot.imap, login), pop3_login(dovecot.pop3, login)];
        for (answer, whole) in answers.into_iter().zip([IMAP_REFUSED, POP3_REFUSED]) {
            let answer = answer.map_err(|error| Failure(format!("{user}: {error}")))?;
            ensure(answer == whole, || format!("{user}: expected `{whole}`, got `{answer}`"))?;
        }
    }
    Ok(())
}

/// doveadm's own words, whether it takes them for an error or not.
fn doveadm(dovecot: &HookDovecot, arguments: &[&str]) -> String {
    dovecot.doveadm(arguments).unwrap_or_else(|Failure(complaint)| complaint)
}

/// What the userdb says of somebody.
fn lookups_are_answered(dovecot: &HookDovecot) -> Result<()> {
    let alice = doveadm(dovecot, &["user", ALICE]);
    // 2.4 has no such field.
    let mail = if dovecot.release == Release::V2_3 { "maildir:~/Maildir" } else { "" };
    for part in ["uid\t5000", "gid\t5000", "/mail/example.org/alice", mail] {
        ensure(alice.contains(part), || format!("doveadm user {ALICE} lacks `{part}`: {alice}"))?;
    }
    let ghost = doveadm(dovecot, &["user", "ghost@example.org"]);
    ensure(ghost.contains("doesn't exist"), || format!("doveadm user ghost@example.org: {ghost}"))
}

/// Cannot tell, and soon enough.
fn unavailable_in_time(dovecot: &HookDovecot) -> Result<Duration> {
    in_time(POSTFIX_PATIENCE, || imap(dovecot, ALICE, "pw", IMAP_UNAVAILABLE))
}
