//! Passwords of odd bytes, and app passwords past their date, through Lua.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest, Sha512};

use super::super::clients::Imap;
use super::super::stage::Result;
use super::super::stage::system::System;
use super::super::{LoneCase, ensure, transport};
use super::dovecot::HookDovecot;
use super::{IMAP_REFUSED, imap, keydove};

const LUA: &str = "!include lua-2.3.conf";
/// Its row is put back after each case.
const USER: &str = "pending@example.org";
const ODD: &[u8] = b"p\xFF\xFE \"\\=%\x02";

/// An app password that names its row; of others nobody can say which one was meant.
const NAMED: &str = "kd4711-aaaaaa-aaaaaa-aaaaaa-aaaaaa";

pub const CASES: &[LoneCase] = &[
    ("lua_passes_passwords_on_byte_for_byte", |system| {
        let _keydove = keydove(system, |text| text)?;
        let dovecot = HookDovecot::start(system.stage(), LUA, None)?;
        with_password(system, ODD, || {
            authenticate(&dovecot, ODD, "OK ")?;
            authenticate(&dovecot, b"p\xFF\xFD \"\\=%\x02", IMAP_REFUSED)?;
            authenticate(&dovecot, b"", IMAP_REFUSED)?;
            authenticate(&dovecot, &[b'x'; 1025], IMAP_REFUSED)
        })?;
        // Dovecot lets none of these through, so they are wrong and not an outage.
        for odd in [&b"a\tb"[..], b"a\x01b", b"a\nb"] {
            with_password(system, odd, || authenticate(&dovecot, odd, IMAP_REFUSED))?;
        }
        Ok(())
    }),
    ("lua_says_expired_of_a_right_app_password_only", |system| {
        let _keydove = keydove(system, |text| text)?;
        let dovecot = HookDovecot::start(system.stage(), LUA, None)?;
        let id = 4711;
        // Whatever other cases have made of the person in Keycloak is not asked for. On a server keydove makes its own
        // tables when they are needed first.
        with_password(system, b"main", || imap(&dovecot, USER, "wrong", IMAP_REFUSED))?;
        system.execute(&format!(
            "INSERT INTO app_passwd (id, name, domain, mailbox, password, imap_access, active) \
             VALUES ({id}, 'old phone', 'example.org', '{USER}', '{}', 1, 1); \
             INSERT INTO keydove_app_password (app_passwd, expires) VALUES ({id}, 1)",
            hash(NAMED.as_bytes())
        ))?;
        let result = with_password(system, b"main", || {
            imap(&dovecot, USER, NAMED, "NO [EXPIRED] ")?;
            imap(&dovecot, USER, &NAMED.replace("-aaaaaa-", "-aaaaab-"), IMAP_REFUSED)
        });
        system.execute(&format!(
            "DELETE FROM keydove_app_password WHERE app_passwd = {id}; DELETE FROM app_passwd WHERE id = {id}"
        ))?;
        result
    }),
];

/// Gives the mailbox a password of its own for a while.
fn with_password(system: &System, password: &[u8], check: impl FnOnce() -> Result<()>) -> Result<()> {
    let set = |source: &str, hash: &str| {
        system.execute(&format!(
            "UPDATE mailbox SET authsource = '{source}', password = '{hash}' WHERE username = '{USER}'"
        ))
    };
    set("mailcow", &hash(password))?;
    let result = check();
    set("keycloak", "")?;
    result
}

fn hash(password: &[u8]) -> String {
    let salt = b"saltsalt";
    let digest = Sha512::new().chain_update(password).chain_update(salt).finalize();
    format!("{{SSHA512}}{}", BASE64_STANDARD.encode([&digest[..], salt].concat()))
}

/// `AUTHENTICATE PLAIN`, which takes any bytes.
fn authenticate(dovecot: &HookDovecot, password: &[u8], beginning: &str) -> Result<()> {
    let response = [b"\0", USER.as_bytes(), b"\0", password].concat();
    let mut session = transport(Imap::connect(dovecot.imap))?;
    let answer =
        transport(session.command(&format!("AUTHENTICATE PLAIN {}", BASE64_STANDARD.encode(response))))?;
    let answer = answer.last().cloned().unwrap_or_default();
    ensure(answer.starts_with(beginning), || format!("{}: got `{answer}`", password.escape_ascii()))
}
