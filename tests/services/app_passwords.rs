//! App passwords, and the webmail, at keydoves beside the main one.

use super::LoneCase;
use super::auth_socket::{Attempt, AuthSocket};
use super::stage::Result;
use super::stage::keydove::Keydove;
use super::stage::system::System;
use super::{ensure, eventually, expect, transport};

const USER: &str = "ssha512@example.org";
const GONE: &str = "nobody-anymore@example.org";
const LOCAL: &str = "local@example.org";
/// `{SSHA512}` of `app pw`.
const HASH: &str =
    "{SSHA512}JUtuRhoH5LXczlMB2qZzSgvk5ByNoolgkWTxV8AHtEmiGGCLqkfYWMJ2PFcCj2ChUcov2Wu1dA7IFYDKM3ejUHNhbHQ=";

const OK: &str = "OK\t1\tuser=";
const REFUSED: &str = "FAIL\t1\tuser=";
const TEMPORARY: &str = "code=temp_fail";

pub const CASES: &[LoneCase] = &[
    ("an_app_password_opens_what_its_row_says", |system| {
        let keydove = prepare(system, "apps", "")?;
        insert(system, 1, USER, HASH, "imap_access = 1, smtp_access = 0")?;
        accepted(&keydove, "imap", USER, "app pw", "source=app_password app_password=1 ")?;
        refused(&keydove, "smtp", USER, "app pw", "password_mismatch")?;
        accepted(&keydove, "imap", USER, "pw", "source=keycloak ")?;
        refused(&keydove, "imap", USER, "no pw", "password_mismatch")?;
        system.execute("UPDATE app_passwd SET active = 0 WHERE id = 1")?;
        refused(&keydove, "imap", USER, "app pw", "password_mismatch")
    }),
    ("an_app_password_ignores_the_switch_of_the_main_password", |system| {
        let keydove = prepare(system, "switch", "")?;
        insert(system, 1, USER, HASH, "imap_access = 1")?;
        system.execute(&format!(
            "UPDATE mailbox SET attributes = '{{\"imap_access\":\"0\"}}' WHERE username = '{USER}'"
        ))?;
        accepted(&keydove, "imap", USER, "app pw", "app_password=1 ")?;
        refused(&keydove, "imap", USER, "pw", "service_forbidden")
    }),
    ("an_app_password_goes_with_its_person", |system| {
        let keydove = prepare(system, "leaver", "")?;
        for (id, user) in [(1, "disabled@example.org"), (2, GONE), (3, LOCAL)] {
            insert(system, id, user, HASH, "imap_access = 1")?;
        }
        refused(&keydove, "imap", "disabled@example.org", "app pw", "user_disabled")?;
        refused(&keydove, "imap", GONE, "app pw", "user_gone")?;
        accepted(&keydove, "imap", LOCAL, "app pw", "app_password=3 ")?;
        system.execute(&format!("UPDATE mailbox SET authsource = NULL WHERE username = '{LOCAL}'"))?;
        accepted(&keydove, "imap", LOCAL, "app pw", "app_password=3 ")?;
        refused(&keydove, "imap", LOCAL, "pw", "app_password_mismatch")?;
        system.execute(&format!("UPDATE mailbox SET active = 2 WHERE username = '{LOCAL}'"))?;
        refused(&keydove, "imap", LOCAL, "app pw", "mailbox_disabled")
    }),
    ("where_only_app_passwords_count_the_main_one_opens_nothing", |system| {
        let keydove = prepare(system, "only", "[app_passwords]\nonly_domains = ['example.org']\n")?;
        insert(system, 1, USER, HASH, "imap_access = 1, pop3_access = 0")?;
        refused(&keydove, "imap", USER, "pw", "app_password_mismatch")?;
        accepted(&keydove, "imap", USER, "app pw", "app_password=1 ")?;
        refused(&keydove, "pop3", USER, "guess", "app_password_required")?;
        refused(&keydove, "imap", "alice@example.org", "guess", "app_password_required")?;
        insert(system, 2, "disabled@example.org", HASH, "imap_access = 1")?;
        refused(&keydove, "imap", "disabled@example.org", "guess", "app_password_mismatch")?;
        refused(&keydove, "imap", "disabled@example.org", "app pw", "user_disabled")
    }),
    ("a_wrong_app_password_asks_nobody", |system| {
        // Nobody listens there: whoever were asked could not tell.
        let keydove = prepare(system, "nobody", "[app_passwords]\nonly = true\n@NOWHERE@")?;
        insert(system, 1, USER, HASH, "imap_access = 1")?;
        for guess in ["pw", "guess", "another"] {
            refused(&keydove, "imap", USER, guess, "app_password_mismatch")?;
        }
        let answer = transport(login(&keydove, "imap", USER, "app pw", None))?;
        ensure(answer.ends_with(TEMPORARY), || answer)
    }),
    ("a_password_of_keydoves_own_names_its_row", |system| {
        let keydove = prepare(system, "named", "")?;
        let wall = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let now = wall.map_err(|error| super::Failure(error.to_string()))?.as_secs();
        for (id, side) in [
            (31, "NULL, NULL".to_owned()),
            (32, format!("{}, NULL", now - 60)),
            (33, "NULL, '192.0.2.0/24'".to_owned()),
        ] {
            insert(system, id, USER, &plain(id), "imap_access = 1, smtp_access = 0")?;
            system.execute(&format!("INSERT INTO keydove_app_password VALUES ({id}, {side})"))?;
        }
        accepted(&keydove, "imap", USER, &named(31), "app_password=31 ")?;
        refused(&keydove, "smtp", USER, &named(31), "app_password_forbidden")?;
        refused(&keydove, "imap", USER, &named(32), "app_password_expired")?;
        refused(&keydove, "imap", USER, &named(33), "app_password_forbidden")?;
        let answer = transport(login(&keydove, "imap", USER, &named(33), Some("192.0.2.9")))?;
        expect("from its network", Ok(answer), OK)?;
        // Another mailbox's number is a password like any other.
        refused(&keydove, "imap", "alice@example.org", &named(31), "password_mismatch")?;
        let wrong = named(31).replace("aaaaaa-", "aaaaab-");
        refused(&keydove, "imap", USER, &wrong, "app_password_mismatch")
    }),
    ("more_app_passwords_than_are_tried_at_once_are_tried_in_turn", |system| {
        let keydove = prepare(system, "many", "[app_passwords]\nmax_hashes = 3\n")?;
        // Numbers of their own: whichever was used last, by the history, would go first.
        for id in 41..=47 {
            insert(system, id, USER, &format!("{{PLAIN}}pw {id}"), "imap_access = 1")?;
        }
        // The newest goes first; 41 is reached at the third attempt.
        for _ in 0..2 {
            let answer = transport(login(&keydove, "imap", USER, "pw 41", None))?;
            ensure(answer.starts_with("FAIL") && !answer.ends_with(TEMPORARY), || answer)?;
        }
        ensure(keydove.log().contains("reason=app_passwords_untried"), || keydove.log())?;
        accepted(&keydove, "imap", USER, "pw 41", "app_password=41 ")?;
        accepted(&keydove, "imap", USER, "pw 41", "app_password=41 ")
    }),
    ("a_hash_that_nobody_can_use_spoils_no_other", |system| {
        let keydove = prepare(system, "spoilt", "")?;
        insert(system, 1, "badscheme@example.org", HASH, "imap_access = 1")?;
        accepted(&keydove, "imap", "badscheme@example.org", "app pw", "app_password=1 ")?;
        insert(system, 2, "badscheme@example.org", "{FOO}x", "imap_access = 1")?;
        accepted(&keydove, "imap", "badscheme@example.org", "app pw", "app_password=1 ")?;
        // One of three could be compared, and does not fit.
        refused(&keydove, "imap", "badscheme@example.org", "guess", "app_password_mismatch")?;
        system.execute("DELETE FROM app_passwd WHERE id = 1")?;
        let answer = transport(login(&keydove, "imap", "badscheme@example.org", "guess", None))?;
        ensure(answer.starts_with("FAIL") && !answer.ends_with(TEMPORARY), || answer)
    }),
    ("the_webmail_is_trusted_from_its_address_only", |system| {
        let secret = system.stage().write("keydove/sogo-secret", "shared secret\n")?;
        super::stage::give(&secret, "root", "root", 0o600)?;
        let sogo =
            format!("[sogo]\naddresses = ['172.22.1.248']\nsingle_sign_on_file = '{}'\n", secret.display());
        let keydove = prepare(system, "sogo", &sogo)?;
        insert(system, 1, USER, HASH, "imap_access = 0")?;
        system.execute(&format!(
            "UPDATE mailbox SET attributes = '{{\"imap_access\":\"0\"}}' WHERE username = '{USER}'"
        ))?;
        let sogo = Some("172.22.1.248");
        for (user, password, from, begins) in [
            (USER, "shared secret", sogo, OK),
            (USER, "pw", sogo, OK),
            (USER, "app pw", sogo, OK),
            (USER, "guess", sogo, REFUSED),
            (USER, "shared secret", Some("172.22.1.24"), REFUSED),
            (USER, "shared secret", None, REFUSED),
            (USER, "pw", Some("127.0.0.1"), REFUSED),
            ("disabled@example.org", "shared secret", sogo, REFUSED),
            (GONE, "shared secret", sogo, REFUSED),
            (LOCAL, "shared secret", sogo, OK),
            ("nobody@example.org", "shared secret", sogo, REFUSED),
        ] {
            let answer = login(&keydove, "imap", user, password, from);
            expect(&format!("{user} {password} {from:?}"), answer, begins)?;
        }
        let log = keydove.log();
        ensure(log.contains("source=single_sign_on ") && !log.contains("shared secret"), || log)
    }),
];

/// Sets the mailboxes of these cases up anew and starts a keydove with further settings.
fn prepare(system: &System, name: &'static str, settings: &str) -> Result<Keydove> {
    system.execute("DELETE FROM app_passwd;")?;
    for (user, source) in [(GONE, "keycloak"), (LOCAL, "mailcow")] {
        let local_part = user.split('@').next().unwrap_or_default();
        system.execute(&format!(
            "DELETE FROM mailbox WHERE username = '{user}';
             INSERT INTO mailbox (username, password, name, quota, local_part, domain, attributes, authsource)
             VALUES ('{user}', '', '', 0, '{local_part}', 'example.org', '{{}}', '{source}');"
        ))?;
    }
    system.execute(&format!("UPDATE mailbox SET attributes = '{{}}' WHERE username = '{USER}'"))?;
    let keydove = system.keydove.beside(name, |text| {
        let text = text.split("[login]").next().unwrap_or_default();
        let (text, settings) = match settings.strip_suffix("@NOWHERE@") {
            Some(settings) => (with_keycloak_at(text, "http://127.0.0.1:1"), settings),
            None => (text.to_owned(), settings),
        };
        format!("{text}{settings}\n[login]\ndeadline = '9s'\nfailure_delay = '0'\n[hashing.schemes]\nallow_weak = ['PLAIN']\n")
    })?;
    // On a server keydove makes its own tables when they are needed first.
    transport(login(&keydove, "imap", USER, "guess", None))?;
    system.execute("DELETE FROM keydove_app_password;")?;
    Ok(keydove)
}

fn insert(system: &System, id: u32, user: &str, hash: &str, switches: &str) -> Result<()> {
    system.execute(&format!(
        "INSERT INTO app_passwd (id, name, mailbox, domain, password) VALUES ({id}, 'x', '{user}', 'example.org', '{hash}');
         UPDATE app_passwd SET {switches} WHERE id = {id};"
    ))
}

/// The configuration with another address of Keycloak.
fn with_keycloak_at(text: &str, url: &str) -> String {
    let line = |line: &str| match line.starts_with("server_url") {
        true => format!("server_url = \"{url}\"\n"),
        false => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

fn named(id: u32) -> String {
    format!("kd{id}-aaaaaa-aaaaaa-aaaaaa-aaaaaa")
}

fn plain(id: u32) -> String {
    format!("{{PLAIN}}{}", named(id))
}

fn accepted(keydove: &Keydove, service: &str, user: &str, password: &str, logged: &str) -> Result<()> {
    let before = keydove.log().matches(logged).count();
    expect(&format!("{user} {service} {password}"), login(keydove, service, user, password, None), OK)?;
    is_logged(keydove, logged, before)
}

fn refused(keydove: &Keydove, service: &str, user: &str, password: &str, reason: &str) -> Result<()> {
    let logged = format!("verdict=refuse reason={reason} ");
    let before = keydove.log().matches(&logged).count();
    let answer = login(keydove, service, user, password, None);
    expect(&format!("{user} {service} {password}"), answer, REFUSED)?;
    is_logged(keydove, &logged, before)
}

/// The line is written behind the answer.
fn is_logged(keydove: &Keydove, logged: &str, before: usize) -> Result<()> {
    eventually(|| {
        let log = keydove.log();
        ensure(log.matches(logged).count() > before, || log)
    })
}

fn login(
    keydove: &Keydove,
    service: &str,
    user: &str,
    password: &str,
    remote: Option<&str>,
) -> std::io::Result<String> {
    let path = keydove.only_socket().map_err(|failure| std::io::Error::other(failure.0))?;
    let mut socket = AuthSocket::client(path, 7000)?;
    socket.attempt(1, Attempt { user, password, service, remote })?;
    socket.line()
}
