//! keydove ends and starts again while people log in. Nobody may be told that a right password is wrong.
//!
//! The listening sockets are handed in and outlive keydove, as with systemd.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use super::clients::{Login, imap_authenticate, imap_login, smtp_auth_login, smtp_login};
use super::logins::{ALL, accepted};
use super::stage::system::System;
use super::stage::{Failure, Result};
use super::{LoneCase, ensure, eventually};

/// How often keydove restarts under load, and how many logins each client has in between.
const RESTARTS: usize = 5;
const BETWEEN: usize = 10;
/// Fewer logins than this would be no load.
const LEAST_LOGINS: usize = (RESTARTS + 1) * BETWEEN * PEOPLE.len();
/// People enough that Dovecot's limit of connections for one person and address is far away.
const PEOPLE: [&str; 4] =
    ["alice@example.org", "carol@example.org", "plain@example.org", "ssha512@example.org"];

pub const CASES: &[LoneCase] = &[("restarts_under_load_cost_only_temporary_failures", |system| {
    // An smtpd that finds no socket when it starts is held back for a minute; one that has logged somebody in lives on.
    accepted(system, "alice@example.org", "pw", ALL)?;
    system.keydove.stop()?;
    let sockets = system.keydove.open_sockets()?;
    system.keydove.start_with_sockets(&sockets)?;
    let postfix_log = system.postfix.log().len();
    let result = under_load(system, |system, accepted| {
        for _ in 0..RESTARTS {
            all_log_in(accepted)?;
            system.keydove.stop()?;
            system.keydove.start_with_sockets(&sockets)?;
        }
        all_log_in(accepted)
    });
    let ended = system.keydove.stop();
    drop(sockets);
    system.keydove.start_again()?;
    ended?;
    judge(&result?)?;
    match system.postfix.log()[postfix_log..].lines().find(|line| line.contains("fatal")) {
        Some(line) => Err(Failure(format!("an smtpd died: {line}"))),
        None => accepted(system, "alice@example.org", "pw", ALL),
    }
})];

/// One login over one protocol: the server's answer.
type LogIn = fn(u16, Login<'_>) -> std::io::Result<String>;

/// What was answered, by protocol and the beginning of the answer, and how often.
type Answers = BTreeMap<String, usize>;

/// How many logins of each client ended well.
type Accepted = [AtomicUsize; PEOPLE.len()];

/// Waits until each client has logged in again, and often.
fn all_log_in(accepted: &Accepted) -> Result<()> {
    let count = || accepted.each_ref().map(|count| count.load(Ordering::Relaxed));
    let before = count();
    eventually(|| {
        let now = count();
        ensure(now.iter().zip(before).all(|(now, before)| *now >= before + BETWEEN), || {
            format!("logins went from {before:?} to {now:?} only")
        })
    })
}

/// Logs in again and again from several threads while `work` runs.
fn under_load(
    system: &mut System,
    work: impl FnOnce(&mut System, &Accepted) -> Result<()>,
) -> Result<Answers> {
    let accepted = Accepted::default();
    let (imap, smtp) = (system.dovecot.imap, system.postfix.submission);
    let over = AtomicBool::new(false);
    let doors: [(&str, u16, LogIn); 4] = [
        ("IMAP", imap, imap_login),
        ("IMAP", imap, imap_authenticate),
        ("SMTP", smtp, smtp_login),
        ("SMTP", smtp, smtp_auth_login),
    ];
    thread::scope(|scope| {
        let log_in = |(number, (protocol, port, log_in)): (usize, (_, u16, LogIn))| {
            let (over, accepted) = (&over, &accepted[number]);
            let login = Login { user: PEOPLE[number % PEOPLE.len()], password: "pw" };
            scope.spawn(move || {
                let mut answers = Answers::new();
                while !over.load(Ordering::Relaxed) {
                    let answer: std::io::Result<String> = log_in(port, login);
                    let answer = answer.unwrap_or_else(|error| format!("an error: {error}"));
                    let is_in = answer.starts_with("OK ") || answer.starts_with("235 ");
                    accepted.fetch_add(usize::from(is_in), Ordering::Relaxed);
                    *answers.entry(format!("{protocol} {}", beginning(&answer))).or_default() += 1;
                }
                answers
            })
        };
        let threads: Vec<_> = doors.into_iter().enumerate().map(log_in).collect();
        let result = work(system, &accepted);
        over.store(true, Ordering::Relaxed);
        let mut all = Answers::new();
        for thread in threads {
            let answers = thread.join().map_err(|_| Failure("a client panicked".to_owned()))?;
            answers.into_iter().for_each(|(answer, times)| *all.entry(answer).or_default() += times);
        }
        result.map(|()| all)
    })
}

/// Without what differs from login to login.
fn beginning(answer: &str) -> String {
    answer.split(" [mail").next().unwrap_or_default().chars().take(60).collect()
}

fn judge(answers: &Answers) -> Result<()> {
    let allowed = ["IMAP OK ", "IMAP NO [UNAVAILABLE]", "SMTP 235 ", "SMTP 454 "];
    let wrong = answers.keys().find(|answer| !allowed.iter().any(|allowed| answer.starts_with(allowed)));
    let logins: usize = answers.values().sum();
    match wrong {
        Some(_) => Err(Failure(format!("something else than yes and `try again`: {answers:#?}"))),
        None if logins < LEAST_LOGINS => Err(Failure(format!("only {logins} logins: {answers:#?}"))),
        None => Ok(()),
    }
}
