//! Servers that are gone or start again, and rows that change: cases that need the system for themselves.

use std::thread;
use std::time::Duration;

use super::auth_socket::AuthSocket;
use super::clients::{Login, imap_login};
use super::logins::{ALL, IMAP_AUTHENTICATE, accepted, refused, unavailable};
use super::stage::keydove::with;
use super::stage::mariadb::MariaDb;
use super::stage::system::System;
use super::stage::{Failure, Result};
use super::{LoneCase, eventually, expect, transport};

/// People of which no other case makes keydove know anything.
const UNSEEN: &str = "unmapped@example.org";

pub const CASES: &[LoneCase] = &[
    ("without_keycloak_no_login_is_called_wrong", |system| {
        system.keycloak.stop()?;
        let right = unavailable(system, UNSEEN, "pw", ALL);
        let wrong = unavailable(system, UNSEEN, "wrong", ALL);
        system.keycloak.start_again()?;
        system.keycloak.wait_until_ready()?;
        right?;
        wrong?;
        accepted(system, UNSEEN, "pw", ALL)
    }),
    ("an_inactive_mailbox_is_refused", |system| {
        with_row(system, "pending@example.org", "active = 0", "active = 1")
    }),
    ("a_resource_is_refused", |system| {
        with_row(system, "pending@example.org", "kind = 'location'", "kind = ''")
    }),
    ("a_mailbox_of_another_source_is_refused", |system| {
        with_row(system, "pending@example.org", "authsource = 'ldap'", "authsource = 'keycloak'")
    }),
    ("no_secret_reaches_the_log", |system| {
        accepted(system, "bob@example.org", "bob-pw", ALL)?;
        refused(system, "bob@example.org", "wr0ng-guess", ALL)?;
        let log = system.keydove.log();
        if !log.contains("bob@example.org") {
            return Err(Failure("the log does not tell of a login".to_owned()));
        }
        let secrets = ["bob-pw", "wr0ng-guess", "s3cret", "k3yd0ve", "$2y$"];
        match log.lines().find(|line| secrets.iter().any(|secret| line.contains(secret))) {
            Some(line) => Err(Failure(format!("a secret is in the log: {line}"))),
            None => Ok(()),
        }
    }),
    ("logins_work_again_after_a_restart", |system| {
        // An smtpd that finds no socket when it starts is held back for a minute; one that has logged in lives on.
        accepted(system, "alice@example.org", "pw", ALL)?;
        system.keydove.stop()?;
        system.keydove.start_again()?;
        accepted(system, "alice@example.org", "pw", ALL)
    }),
    ("a_login_waits_for_a_keydove_whose_sockets_are_handed_in", |system| {
        accepted(system, "alice@example.org", "pw", ALL)?;
        system.keydove.stop()?;
        let sockets = system.keydove.open_sockets()?;
        let result = thread::scope(|scope| {
            let early = scope.spawn(|| {
                let login = Login { user: "alice@example.org", password: "pw" };
                imap_login(system.dovecot.imap, login)
            });
            thread::sleep(Duration::from_secs(1));
            let started = system.keydove.start_with_sockets(&sockets);
            let answer = early.join().map_err(|_| Failure("the early login panicked".to_owned()));
            started.and(answer)
        });
        expect("a login before keydove runs", result?, "OK ")?;
        accepted(system, "alice@example.org", "pw", ALL)?;
        system.keydove.stop()?;
        drop(sockets);
        system.keydove.start_again()
    }),
];

/// Cases that only a database server has.
pub const SERVER_CASES: &[LoneCase] = &[
    ("without_mariadb_no_login_is_called_wrong", |system| {
        mariadb(system)?.stop()?;
        let answer = unavailable(system, "notemplate@example.org", "pw", ALL);
        mariadb(system)?.start_again()?;
        answer?;
        // It may be left alone for a moment longer.
        eventually(|| accepted(system, "notemplate@example.org", "pw", ALL))
    }),
    ("malformed_names_need_no_database", |system| {
        mariadb(system)?.stop()?;
        let answers = ["alice", "", "alice@", "a@b@example.org", "alice@example.org."]
            .map(|name| refused(system, name, "pw", &[IMAP_AUTHENTICATE]));
        mariadb(system)?.start_again()?;
        answers.into_iter().collect()
    }),
    ("a_locked_table_is_no_refusal", |system| {
        let keydove = system.keydove.beside("locked", |text| with(&text, "timeout", "500ms"))?;
        let mut lock = mariadb(system)?.lock_tables()?;
        let mut socket = transport(AuthSocket::client(keydove.client_socket()?, 8000))?;
        transport(socket.login(1, "alice@example.org", "pw"))?;
        let answer = socket.line();
        lock.stop()?;
        expect("a locked table", answer, "FAIL\t1\tuser=alice@example.org\tcode=temp_fail")?;
        let log = keydove.log();
        if log.contains("reason=sql_timeout") { Ok(()) } else { Err(Failure(log)) }
    }),
];

fn mariadb(system: &mut System) -> Result<&mut MariaDb> {
    system.mariadb().ok_or_else(|| Failure("this system has no database server".to_owned()))
}

/// A change of a mailbox row shuts the person out of everything; undoing it lets them in again.
fn with_row(system: &mut System, address: &str, change: &str, undo: &str) -> Result<()> {
    accepted(system, address, "pw", ALL)?;
    let set = |system: &mut System, what: &str| -> Result<()> {
        system.execute(&format!("UPDATE mailbox SET {what} WHERE username = '{address}'"))?;
        // Whatever keydove remembers of the row goes with it.
        system.keydove.stop()?;
        system.keydove.start_again()
    };
    set(system, change)?;
    let answer = refused(system, address, "pw", ALL);
    set(system, undo)?;
    answer?;
    accepted(system, address, "pw", ALL)
}
