//! The awkward people of `tests/realm`, each by the name and the password that somebody might try, with the reason in the
//! log: what the client is told is the same for all refusals.

use super::logins::{Door, IMAP, IMAP_AUTHENTICATE, SMTP, accepted, refused};
use super::stage::system::System;
use super::stage::{Failure, Result};
use super::{Case, ensure, eventually};

/// IMAP's `LOGIN` would send letters outside ASCII in a form of its own, so names go in base64.
const DOORS: &[Door] = &[IMAP_AUTHENTICATE, SMTP];
/// How much of a name the search in the log uses; a log line may cut a longer one.
const SHOWN: usize = 240;
/// The longest address: 64 + 1 + 60 + 1 + 60 + 1 + 54 + 12 bytes.
const LONG: &str = "llllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllll@\
    dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd.\
    dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd.\
    dddddddddddddddddddddddddddddddddddddddddddddddddddddd.example.org";

/// How a login ends.
#[derive(Clone, Copy)]
enum End {
    Accepted,
    Refused,
}
use End::{Accepted, Refused};

/// Name and password as typed, the end, the reason code in the log.
type Try<'a> = (&'a str, &'a str, End, &'a str);

pub const CASES: &[Case] = &[
    ("a_person_without_a_usable_hash_is_told_apart_in_the_log_only", |system| {
        all(
            system,
            &[
                ("disabled@example.org", "pw", Refused, "user_disabled"),
                ("nohash@example.org", "pw", Refused, "password_missing"),
                ("nohash@example.org", "", Refused, "password_invalid"),
                ("badhash@example.org", "pw", Refused, "hash_unusable"),
                ("badhash@example.org", "not-a-hash", Refused, "hash_unusable"),
            ],
        )
    }),
    ("a_hash_that_cannot_be_read_is_a_refusal_on_the_wire_only", |system| {
        all(
            system,
            &[
                ("badscheme@example.org", "pw", Refused, "hash_unusable"),
                ("longattr@example.org", "pw", Refused, "hash_unusable"),
            ],
        )
    }),
    ("an_address_may_be_typed_in_any_case", |system| {
        all(
            system,
            &[
                ("UPPER.CASE@EXAMPLE.ORG", "pw", Accepted, "ok"),
                ("uPPER.cASE@eXAMPLE.oRG", "pw", Accepted, "ok"),
                (" Upper.Case@example.org ", "pw", Accepted, "ok"),
                ("ALICE@example.org", "pw", Accepted, "ok"),
                ("Upper.Case@Example.ORG", "PW", Refused, "password_mismatch"),
            ],
        )
    }),
    ("a_user_name_of_keycloak_opens_no_mailbox", |system| {
        // Mailboxes that are there, so that it is Keycloak who must not know the address.
        add_mailbox(system, "jdoe@example.org")?;
        add_mailbox(system, "noemail@example.org")?;
        all(
            system,
            &[
                ("John.Doe@example.org", "pw", Accepted, "ok"),
                ("jdoe", "pw", Refused, "name_invalid"),
                ("jdoe@example.org", "pw", Refused, "user_gone"),
                ("noemail", "pw", Refused, "name_invalid"),
                ("noemail@example.org", "pw", Refused, "user_gone"),
            ],
        )
    }),
    ("a_plus_is_a_plus_and_no_space", |system| {
        add_mailbox(system, "plus@example.org")?;
        all(
            system,
            &[
                ("plus+tag@example.org", "pw", Accepted, "ok"),
                ("plus@example.org", "pw", Refused, "user_gone"),
                ("plus+other@example.org", "pw", Refused, "mailbox_unknown"),
                ("plus tag@example.org", "pw", Refused, "name_invalid"),
                ("plus%2Btag@example.org", "pw", Refused, "mailbox_unknown"),
            ],
        )
    }),
    ("two_letters_that_a_collation_takes_for_one_are_two_people", |system| {
        all(
            system,
            &[
                ("müller@example.org", "pw", Accepted, "ok"),
                ("MüLLER@example.org", "pw", Accepted, "ok"),
                ("muller@example.org", "pw", Refused, "mailbox_unknown"),
                ("mu\u{308}ller@example.org", "pw", Refused, "mailbox_unknown"),
                ("mÜller@example.org", "pw", Refused, "mailbox_unknown"),
                ("mueller@example.org", "pw", Refused, "mailbox_unknown"),
            ],
        )
    }),
    ("the_longest_address_logs_in", |system| {
        let longer = format!("l{LONG}");
        let shorter = &LONG[1..];
        all(
            system,
            &[
                (LONG, "pw", Accepted, "ok"),
                (LONG, "wrong", Refused, "password_mismatch"),
                (&longer, "pw", Refused, "name_invalid"),
                (shorter, "pw", Refused, "mailbox_unknown"),
            ],
        )
    }),
    ("people_whose_account_lacks_something_log_in", |system| {
        all(
            system,
            &[
                ("pending@example.org", "pw", Accepted, "ok"),
                ("notemplate@example.org", "pw", Accepted, "ok"),
                ("unmapped@example.org", "pw", Accepted, "ok"),
                ("multi@example.org", "pw", Accepted, "ok"),
            ],
        )
    }),
    ("a_name_is_no_pattern", |system| {
        for name in ["%@example.org", "b%b@example.org", "_ob@example.org", "b_b@example.org"] {
            add_mailbox(system, name)?;
        }
        all(
            system,
            &[
                ("%@example.org", "pw", Refused, "user_gone"),
                ("%@example.org", "bob-pw", Refused, "user_gone"),
                ("b%b@example.org", "bob-pw", Refused, "user_gone"),
                ("b_b@example.org", "bob-pw", Refused, "user_gone"),
                ("_ob@example.org", "bob-pw", Refused, "user_gone"),
                ("b*b@example.org", "bob-pw", Refused, "name_invalid"),
                ("*", "bob-pw", Refused, "name_invalid"),
            ],
        )
    }),
    ("each_opens_only_their_own_mailbox", |system| {
        // The mailbox of that very name, not only some mailbox.
        for (address, password) in [("bob@example.org", "bob-pw"), ("a-xbob@example.org", "axbob-pw")] {
            accepted(system, address, password, &[IMAP])?;
            let folder = format!("mail/example.org/{}/Maildir", address.trim_end_matches("@example.org"));
            super::mail::keeps_mail_in(system, address, password, &folder)?;
        }
        refused(system, "ob@example.org", "bob-pw", DOORS)?;
        let folder = system.stage().path("mail/example.org/ob");
        if folder.exists() { Err(Failure("ob has got a mailbox folder".to_owned())) } else { Ok(()) }
    }),
];

fn all(system: &System, tries: &[Try<'_>]) -> Result<()> {
    for &(user, password, end, reason) in tries {
        let log_in = match end {
            Accepted => accepted,
            Refused => refused,
        };
        log_in(system, user, password, DOORS)?;
        // A wrong password that comes again is marked so between the two.
        let why = format!(" reason={reason} ");
        let whose = format!(" user=\"{}", user.chars().take(SHOWN).take_while(is_shown).collect::<String>());
        for role in ["role=dovecot", "role=postfix"] {
            // It may follow the answer.
            eventually(|| {
                let log = system.keydove.log_so_far();
                let words = [why.as_str(), whose.as_str(), role];
                let found = log.lines().any(|line| words.iter().all(|word| line.contains(word)));
                ensure(found, || format!("no line of the log has {words:?}"))
            })?;
        }
    }
    Ok(())
}

/// What a log line shows as it came: a combining accent is written as its number.
fn is_shown(c: &char) -> bool {
    *c != '\u{308}'
}

/// An active mailbox for somebody whom Keycloak does not know.
fn add_mailbox(system: &System, address: &str) -> Result<()> {
    let local_part = address.trim_end_matches("@example.org");
    system.execute(&format!(
        "INSERT INTO mailbox (username, password, name, quota, local_part, domain, attributes, kind, authsource, active) \
         VALUES ('{address}', '', '', 0, '{local_part}', 'example.org', '{{}}', '', 'keycloak', 1);"
    ))
}
