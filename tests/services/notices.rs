//! Mail to users about their app passwords, through a real Postfix and Dovecot into their mailbox.

use std::fs;
use std::path::PathBuf;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::stage::process::{accepts, run};
use super::stage::system::System;
use super::stage::{Failure, Result, attempt, free_port};
use super::{LoneCase, ensure, eventually};

const USER: &str = "alice@example.org";
const HOSTILE: &str = "phone\r\nBcc: carol@example.org";

pub const CASES: &[LoneCase] = &[
    ("a_user_is_told_once_of_an_app_password_whoever_made_it_and_however_many_look", |system| {
        system.dovecot.start();
        let relay = open_port(system)?;
        let mut command = system.keydove.command("app-password");
        run(command.args(["add", "--name", "my phone", "--service", "imap,smtp", USER]))?;
        system.execute(&format!(
            "INSERT INTO app_passwd (name, mailbox, domain, password, active, imap_access) \
             VALUES ('{HOSTILE}', '{USER}', 'example.org', '', 1, 1)"
        ))?;
        let settings = |text: String| {
            format!(
                "{text}\n[notices]\nrelay = '127.0.0.1:{relay}'\nsender = 'postmaster@example.org'\ninterval = '1s'\n\
                 portal_url = 'https://account.example.org'\n"
            )
        };
        let (mut one, mut two) =
            (system.keydove.beside("one", settings)?, system.keydove.beside("two", settings)?);
        eventually(|| {
            let told = mails(system)?;
            ensure(told.len() >= 2, || format!("{told:?}\n{}\n{}", system.postfix.log(), one.log_so_far()))
        })?;
        // One that is made while both look.
        let mut command = system.keydove.command("app-password");
        run(command.args(["add", "--name", "later", USER]))?;
        eventually(|| ensure(mails(system)?.len() >= 3, || format!("{:?}", mails(system))))?;
        one.stop()?;
        two.stop()?;
        let told = mails(system)?;
        ensure(told.len() == 3, || format!("{told:#?}"))?;
        let of = |name: &str| told.iter().filter(|mail| mail.contains(&format!("Name: {name}"))).count();
        ensure(of("my phone") == 1 && of("later") == 1, || format!("{told:#?}"))?;
        ensure(of("phoneBcc: carol@example.org\r\n") == 1, || format!("{told:#?}"))?;
        for part in [
            "\nSubject: A new app password for your mailbox\n",
            "\nAuto-Submitted: auto-generated\n",
            "/app-passwords",
        ] {
            ensure(told.iter().all(|mail| mail.replace('\r', "").contains(part)), || {
                format!("{part}: {told:#?}")
            })?;
        }
        let log = format!("{}{}", one.log(), two.log());
        let lines = log.matches("a mail tells this user of an app password").count();
        ensure(lines == 3, || log)
    }),
    ("a_mail_server_that_is_away_delays_mail_and_nothing_else", |system| {
        system.dovecot.start();
        let away = free_port()?;
        let keydove = system.keydove.beside("away", |text| {
            format!(
                "{text}\n[notices]\nrelay = '127.0.0.1:{away}'\nsender = 'postmaster@example.org'\ninterval = '1s'\nlanguage = 'de'\n"
            )
        })?;
        let mut command = system.keydove.command("app-password");
        run(command.args(["add", "--name", "phone", USER]))?;
        let once = |log: &str| log.matches("users could not be told of their app passwords").count() == 1;
        eventually(|| ensure(once(&keydove.log_so_far()), || keydove.log_so_far()))?;
        ensure(mails(system)?.is_empty(), || "there is a mail".to_owned())?;
        listen(system, away)?;
        eventually(|| {
            let told = mails(system)?;
            ensure(told.len() == 1 && told[0].contains("App-Passwort"), || {
                format!("{told:?}\n{}", keydove.log_so_far())
            })
        })?;
        ensure(once(&keydove.log_so_far()), || keydove.log_so_far())
    }),
];

/// A port at which the case's Postfix takes mail from its own machine, as Debian's does at port 25.
fn open_port(system: &System) -> Result<u16> {
    let port = free_port()?;
    listen(system, port)?;
    Ok(port)
}

fn listen(system: &System, port: u16) -> Result<()> {
    ensure(accepts(system.postfix.submission), || "Postfix does not run".to_owned())?;
    let path = system.stage().path("postfix/etc/master.cf");
    let text = attempt("read", &path, fs::read_to_string(&path))?;
    attempt("write", &path, fs::write(&path, format!("{text}\n127.0.0.1:{port} inet n - y - - smtpd\n")))?;
    system.postfix.reload()?;
    eventually(|| ensure(accepts(port), || system.postfix.log()))
}

/// Alice's mails: their heads, and what their bodies say.
fn mails(system: &System) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for folder in ["new", "cur"] {
        let folder: PathBuf = system.stage().path("mail/example.org/alice/Maildir").join(folder);
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let text = attempt("read", &entry.path(), fs::read_to_string(entry.path()))?.replace('\r', "");
            let (head, body) = text.split_once("\n\n").ok_or_else(|| Failure(text.clone()))?;
            let body = BASE64_STANDARD
                .decode(body.replace('\n', ""))
                .map_err(|error| Failure(format!("{error}: {text}")))?;
            found.push(format!("{head}\n\n{}", String::from_utf8_lossy(&body)));
        }
    }
    Ok(found)
}
