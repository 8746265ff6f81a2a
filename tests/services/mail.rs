//! Mail on its way: sent by submission, delivered over LMTP, read over IMAP.

use std::io;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::clients::{Imap, Login, Smtp};
use super::stage::Result;
use super::stage::system::System;
use super::{Case, Failure, ensure, eventually, expect};

pub const CASES: &[Case] = &[
    ("a_mail_sent_as_one_person_is_read_as_another", |system| {
        // Takes the mail.
        system.dovecot.start();
        let subject = "from alice to carol";
        let mut smtp = Smtp::connect(system.postfix.submission).map_err(unexpected)?;
        let alice = Login { user: "alice@example.org", password: "pw" };
        expect("AUTH as alice", smtp.auth_plain(alice), "235 ")?;
        let sent = smtp.send("alice@example.org", "carol@example.org", subject, "read me");
        expect("send", sent, "250 ")?;
        let text = receive(system, Login { user: "carol@example.org", password: "pw" }, subject)?;
        if text.contains("read me") {
            Ok(())
        } else {
            Err(Failure(format!("the mail has another text:\n{text}")))
        }
    }),
    ("nobody_sends_without_a_login", |system| {
        let mut smtp = Smtp::connect(system.postfix.submission).map_err(unexpected)?;
        let sent = smtp.send("alice@example.org", "carol@example.org", "unwanted", "unwanted");
        expect("send without a login", sent, "554 5.7.1 ")
    }),
    ("doveadm_finds_where_mail_lives", |system| {
        let found = system.dovecot.doveadm(&["user", "-f", "home", "alice@example.org"])?;
        let expected = system.stage().path("mail/example.org/alice");
        if found.trim() == expected.display().to_string() {
            return Ok(());
        }
        Err(Failure(format!("doveadm user: expected `{}`, got `{found}`", expected.display())))
    }),
];

/// Makes a folder over IMAP and sees that it lies in this folder of the stage.
pub fn keeps_mail_in(system: &System, user: &str, password: &str, folder: &str) -> Result<()> {
    let mut imap = Imap::connect(system.dovecot.imap).map_err(unexpected)?;
    expect("LOGIN to create", imap.login(Login { user, password }), "OK ")?;
    imap.command("CREATE Kept").map_err(unexpected)?;
    let path = system.stage().path(folder).join(".Kept");
    if path.is_dir() { Ok(()) } else { Err(Failure(format!("{user} has no folder {}", path.display()))) }
}

/// Sends a mail to an address that nobody can log in to, and waits until it lies in this folder of the stage.
pub fn is_delivered_to(system: &System, address: &str, folder: &str) -> Result<()> {
    system.dovecot.start();
    let mut smtp = Smtp::connect(system.postfix.submission).map_err(unexpected)?;
    expect("AUTH as alice", smtp.auth_plain(Login { user: "alice@example.org", password: "pw" }), "235 ")?;
    expect("send", smtp.send("alice@example.org", address, "for the folder", "keep me"), "250 ")?;
    let folder = system.stage().path(folder).join("new");
    eventually(|| {
        let mails = std::fs::read_dir(&folder).map_or(0, Iterator::count);
        ensure(mails > 0, || {
            format!("no mail in {}; Postfix says\n{}", folder.display(), system.postfix.log())
        })
    })
}

/// Waits for a mail in a person's inbox.
fn receive(system: &System, login: Login<'_>, subject: &str) -> Result<String> {
    let start = Instant::now();
    while start.elapsed() < crate::PATIENCE {
        let mut imap = Imap::connect(system.dovecot.imap).map_err(unexpected)?;
        expect("LOGIN to read", imap.login(login), "OK ")?;
        if let Some(text) = imap.find_message(subject).map_err(unexpected)? {
            return Ok(text);
        }
        sleep(Duration::from_millis(100));
    }
    let log = system.postfix.log();
    Err(Failure(format!(
        "no mail `{subject}` for {} after {} s; Postfix says\n{log}",
        login.user,
        crate::PATIENCE.as_secs()
    )))
}

fn unexpected(error: io::Error) -> Failure {
    Failure(format!("talk to a server: {error}"))
}
