//! Who gets in and who does not, in the servers' own words.

use super::clients::{
    Login, imap_authenticate, imap_login, pop3_login, sieve_login, smtp_auth_login, smtp_login,
};
use super::stage::Result;
use super::stage::system::System;
use super::{Case, Failure, expect};

pub const CASES: &[Case] = &[
    ("the_right_password_opens_imap", |system| accepted(system, "alice@example.org", "pw", &[IMAP])),
    ("the_right_password_opens_imap_by_authenticate", |system| {
        accepted(system, "alice@example.org", "pw", &[IMAP_AUTHENTICATE])
    }),
    ("the_right_password_opens_pop3", |system| accepted(system, "alice@example.org", "pw", &[POP3])),
    ("the_right_password_opens_managesieve", |system| accepted(system, "alice@example.org", "pw", &[SIEVE])),
    ("the_right_password_opens_smtp", |system| accepted(system, "alice@example.org", "pw", &[SMTP])),
    ("the_right_password_opens_smtp_by_auth_login", |system| {
        accepted(system, "alice@example.org", "pw", &[SMTP_LOGIN])
    }),
    ("a_wrong_password_is_refused_everywhere", |system| refused(system, "alice@example.org", "wrong", ALL)),
    ("an_unknown_person_is_refused_everywhere", |system| refused(system, "ghost@example.org", "pw", ALL)),
    ("a_person_of_a_foreign_domain_is_refused_everywhere", |system| {
        refused(system, "alice@elsewhere.example", "pw", ALL)
    }),
    ("a_person_disabled_in_keycloak_is_refused_everywhere", |system| {
        refused(system, "disabled@example.org", "pw", ALL)
    }),
    ("an_empty_password_is_refused", |system| refused(system, "alice@example.org", "", &[IMAP_AUTHENTICATE])),
    ("every_form_of_hash_is_verified", |system| {
        for person in ["plain", "bcrypt2a", "bcrypt2b", "ssha512", "sha512crypt"] {
            let address = format!("{person}@example.org");
            accepted(system, &address, "pw", &[IMAP])?;
            refused(system, &address, "pwx", &[IMAP])?;
        }
        Ok(())
    }),
    ("the_first_of_several_hashes_counts", |system| {
        accepted(system, "multi@example.org", "pw", &[IMAP])?;
        refused(system, "multi@example.org", "second", &[IMAP])
    }),
    ("an_address_is_found_in_either_case", |system| {
        accepted(system, "upper.case@example.org", "pw", &[IMAP])?;
        accepted(system, "Upper.Case@Example.ORG", "pw", &[IMAP, SMTP])
    }),
    ("the_address_counts_and_not_the_user_name", |system| {
        accepted(system, "john.doe@example.org", "pw", &[IMAP, SMTP])?;
        refused(system, "jdoe", "pw", &[IMAP])?;
        refused(system, "noemail@example.org", "pw", &[IMAP])
    }),
    ("a_plus_address_is_a_person_of_its_own", |system| {
        accepted(system, "plus+tag@example.org", "pw", &[IMAP, SMTP])?;
        refused(system, "plus@example.org", "pw", &[IMAP])
    }),
    ("a_person_without_a_usable_hash_is_not_let_in", |system| {
        for person in ["nohash", "badhash", "badscheme", "longattr"] {
            not_accepted(system, &format!("{person}@example.org"), "pw")?;
        }
        Ok(())
    }),
    ("an_address_within_another_opens_only_its_own_mailbox", |system| {
        accepted(system, "bob@example.org", "bob-pw", &[IMAP, SMTP])?;
        accepted(system, "a-xbob@example.org", "axbob-pw", &[IMAP, SMTP])?;
        refused(system, "bob@example.org", "axbob-pw", ALL)?;
        refused(system, "a-xbob@example.org", "bob-pw", ALL)?;
        // Keycloak knows nobody of this address; a search by parts of it finds both others.
        refused(system, "ob@example.org", "bob-pw", ALL)?;
        refused(system, "ob@example.org", "axbob-pw", ALL)
    }),
];

/// One way to log in, with the beginnings of the server's answers.
#[derive(Clone, Copy)]
pub struct Door {
    name: &'static str,
    pub log_in: fn(&System, Login<'_>) -> std::io::Result<String>,
    accepted: &'static str,
    refused: &'static str,
    pub unavailable: &'static str,
}

/// IMAP `LOGIN`.
pub const IMAP: Door = Door {
    name: "IMAP LOGIN",
    log_in: |system, login| imap_login(system.dovecot.imap, login),
    accepted: "OK ",
    refused: "NO [AUTHENTICATIONFAILED] Authentication failed.",
    unavailable: "NO [UNAVAILABLE] Temporary authentication failure.",
};
/// IMAP `AUTHENTICATE PLAIN`.
pub const IMAP_AUTHENTICATE: Door = Door {
    name: "IMAP AUTHENTICATE",
    log_in: |system, login| imap_authenticate(system.dovecot.imap, login),
    ..IMAP
};
const POP3: Door = Door {
    name: "POP3",
    log_in: |system, login| pop3_login(system.dovecot.pop3, login),
    accepted: "+OK Logged in.",
    refused: "-ERR [AUTH] Authentication failed.",
    unavailable: "-ERR [SYS/TEMP] Temporary authentication failure.",
};
const SIEVE: Door = Door {
    name: "ManageSieve",
    log_in: |system, login| sieve_login(system.dovecot.sieve, login),
    accepted: "OK \"Logged in.\"",
    refused: "NO \"Authentication failed.\"",
    unavailable: "NO (TRYLATER) \"Temporary authentication failure.",
};
/// SMTP `AUTH PLAIN`.
pub const SMTP: Door = Door {
    name: "SMTP AUTH PLAIN",
    log_in: |system, login| smtp_login(system.postfix.submission, login),
    accepted: "235 2.7.0 Authentication successful",
    refused: "535 5.7.8 Error: authentication failed:",
    unavailable: "454 4.7.0 Temporary authentication failure: Connection lost to authentication server",
};
const SMTP_LOGIN: Door = Door {
    name: "SMTP AUTH LOGIN",
    log_in: |system, login| smtp_auth_login(system.postfix.submission, login),
    ..SMTP
};
/// Every way to log in.
pub const ALL: &[Door] = &[IMAP, IMAP_AUTHENTICATE, POP3, SIEVE, SMTP, SMTP_LOGIN];

/// Each door lets this person in.
pub fn accepted(system: &System, user: &str, password: &str, doors: &[Door]) -> Result<()> {
    each(system, Login { user, password }, doors, |door| door.accepted)
}

/// Each door says that the password is wrong.
pub fn refused(system: &System, user: &str, password: &str, doors: &[Door]) -> Result<()> {
    each(system, Login { user, password }, doors, |door| door.refused)
}

/// Each door says that it cannot tell.
pub fn unavailable(system: &System, user: &str, password: &str, doors: &[Door]) -> Result<()> {
    each(system, Login { user, password }, doors, |door| door.unavailable)
}

fn each(system: &System, login: Login<'_>, doors: &[Door], answer: fn(&Door) -> &'static str) -> Result<()> {
    for door in doors {
        let what = format!("{} as {}", door.name, login.user);
        expect(&what, (door.log_in)(system, login), answer(door))?;
    }
    Ok(())
}

/// Refused or told to come later: both keep the person out.
fn not_accepted(system: &System, user: &str, password: &str) -> Result<()> {
    let answer = (IMAP.log_in)(system, Login { user, password })
        .map_err(|error| Failure(format!("IMAP LOGIN as {user}: {error}")))?;
    if answer.starts_with("NO ") {
        Ok(())
    } else {
        Err(Failure(format!("IMAP LOGIN as {user}: got `{answer}`")))
    }
}
