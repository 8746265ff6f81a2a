//! Master users: off, they are nobody; on, they open every mailbox that is on, and send nothing.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::LoneCase;
use super::auth_socket::AuthSocket;
use super::clients::{Login, imap_login, pop3_login, smtp_login};
use super::logins::{ALL, accepted};
use super::stage::system::System;
use super::stage::{Result, attempt};
use super::{ensure, expect, transport};

const REFUSED: &str = "NO [AUTHENTICATIONFAILED]";
/// Alice's mailbox, opened by somebody else.
const FOR_ALICE: &str = "alice@example.org*admin";

pub const CASES: &[LoneCase] = &[
    ("without_master_users_their_form_is_refused_cleanly", |system| {
        for user in [FOR_ALICE, "alice@example.org*", "*admin", "alice@example.org*bob@example.org"] {
            expect(user, imap_login(system.dovecot.imap, Login { user, password: "pw" }), REFUSED)?;
        }
        let other = answer(system, b"bob@example.org\0alice@example.org\0pw")?;
        ensure(other == "FAIL\t1\tuser=alice@example.org", || other.clone())?;
        // doveadm names the person twice.
        let same = answer(system, b"alice@example.org\0alice@example.org\0pw")?;
        ensure(same == "OK\t1\tuser=alice@example.org", || same.clone())
    }),
    ("a_master_user_opens_every_mailbox_that_is_on_and_sends_nothing", |system| {
        let file = system.stage().path("keydove/master_users");
        write(&file, "admin:{PLAIN}master-pw\n", 0o600)?;
        let settings = format!(
            "\n[master_users]\nfile = \"{}\"\n\n[hashing.schemes]\nallow_weak = [\"PLAIN\"]\n",
            file.display()
        );
        // An smtpd that finds no socket when it starts is held back for a minute; one that has logged in lives on.
        accepted(system, "alice@example.org", "pw", ALL)?;
        system.keydove.stop()?;
        system.keydove.start_changed(|text| text + &settings)?;
        let end = with_master_users(system, &file);
        system.keydove.stop()?;
        system.keydove.start_again()?;
        end
    }),
];

fn with_master_users(system: &System, file: &Path) -> Result<()> {
    let imap = |user, password| imap_login(system.dovecot.imap, Login { user, password });
    let admin = Login { user: FOR_ALICE, password: "master-pw" };
    expect("IMAP", imap(FOR_ALICE, "master-pw"), "OK ")?;
    expect("POP3", pop3_login(system.dovecot.pop3, admin), "+OK")?;
    says(system, "user=\"alice@example.org*admin\" normal=\"alice@example.org\" service=imap mech=PLAIN")?;
    says(system, "source=master master=admin ms=")?;
    let by_authzid = answer(system, b"alice@example.org\0admin\0master-pw")?;
    ensure(by_authzid == "OK\t1\tuser=alice@example.org", || by_authzid.clone())?;
    // The person is not asked; the mailbox must be there and on.
    expect("a disabled person's", imap("disabled@example.org*admin", "master-pw"), "OK ")?;
    expect("no mailbox", imap("ghost@example.org*admin", "master-pw"), REFUSED)?;
    system.execute("UPDATE mailbox SET active = 0 WHERE username = 'plain@example.org'")?;
    let off = expect("a mailbox that is off", imap("plain@example.org*admin", "master-pw"), REFUSED);
    system.execute("UPDATE mailbox SET active = 1 WHERE username = 'plain@example.org'")?;
    off?;
    // Each side's password is its own.
    for (user, password) in [
        (FOR_ALICE, "pw"),
        (FOR_ALICE, "wrong"),
        ("alice@example.org", "master-pw"),
        ("alice@example.org*nobody", "master-pw"),
        ("alice@example.org*", "master-pw"),
        ("admin", "master-pw"),
    ] {
        expect(user, imap(user, password), REFUSED)?;
    }
    says(system, "reason=master_user_mismatch")?;
    expect("IMAP as oneself", imap("alice@example.org", "pw"), "OK ")?;
    // Sending.
    expect("Postfix", smtp_login(system.postfix.submission, admin), "535 5.7.8 ")?;
    expect("Dovecot's submission", smtp_login(system.dovecot.submission, admin), "535 5.7.8 ")?;
    says(system, "reason=authzid_forbidden user=\"alice@example.org*admin\"")?;
    // The file counts as it is now.
    write(file, "support:{PLAIN}other-pw\n", 0o600)?;
    expect("one who was taken out", imap(FOR_ALICE, "master-pw"), REFUSED)?;
    expect("one who was put in", imap("alice@example.org*support", "other-pw"), "OK ")?;
    for (text, mode) in [("support:{PLAIN}other-pw\n", 0o644), ("support other-pw\n", 0o600)] {
        write(file, text, mode)?;
        expect("a file of no use", imap("alice@example.org*support", "other-pw"), "NO [UNAVAILABLE]")?;
    }
    says(system, "reason=master_users_file")?;
    expect("IMAP as oneself", imap("alice@example.org", "pw"), "OK ")
}

/// The answer on Dovecot's own socket.
fn answer(system: &System, response: &[u8]) -> Result<String> {
    let mut socket = transport(AuthSocket::client(system.keydove.socket("auth-client")?, 4711))?;
    transport(socket.login_with(1, "service=imap\tsecured\trip=192.0.2.9", response))?;
    transport(socket.line())
}

fn says(system: &System, words: &str) -> Result<()> {
    let log = system.keydove.log();
    ensure(log.contains(words), || format!("keydove's log does not say `{words}`"))
}

fn write(file: &Path, text: &str, mode: u32) -> Result<()> {
    attempt("write", file, fs::write(file, text))?;
    attempt("change mode of", file, fs::set_permissions(file, Permissions::from_mode(mode)))
}
