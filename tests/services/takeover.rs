//! keydove as the whole auth server of Dovecot 2.3 and 2.4, with the shipped files: every protocol, delivery, doveadm, and
//! either side's reload and restart while the other goes on.

use std::thread;

use super::LoneCase;
use super::clients::{Imap, Login, Smtp, imap_authenticate, imap_login, pop3_login, sieve_login, smtp_login};
use super::control::make_person;
use super::mailcow::world::RIGHT;
use super::stage::dovecot::{Dovecot, Release};
use super::stage::keycloak_admin::KeycloakAdmin;
use super::stage::keydove::{Keydove, remembering};
use super::stage::system::System;
use super::stage::{Failure, Result};
use super::{ensure, eventually, expect, transport};

const ALICE: Login<'_> = Login { user: "alice@example.org", password: "pw" };

pub const CASES: &[LoneCase] = &[
    ("takeover_of_2_3_answers_every_protocol", |system| on_2_3(system, answers_everything)),
    ("takeover_of_2_4_answers_every_protocol", |system| on_2_4(system, answers_everything)),
    ("takeover_of_2_4_flushes_whom_doveadm_names_or_masks_and_nobody_else", |system| {
        let known = ["flushed-by-name@example.org", "flushed-by-mask@example.org", "kept@example.org"];
        known.into_iter().try_for_each(|address| make_person(system, address))?;
        let admin = system.keycloak.admin();
        on_2_4_with(system, |text| remembering(&for_2_4(text)), |site| really_forgets(site, &admin, known))
    }),
    ("dovecot_2_3_and_keydove_restart_and_reload_while_the_other_runs", |system| {
        on_2_3(system, survives_restarts)
    }),
    ("dovecot_2_4_and_keydove_restart_and_reload_while_the_other_runs", |system| {
        on_2_4(system, survives_restarts)
    }),
    ("many_logins_share_the_connections_of_few_login_processes_of_2_3", |system| {
        on_2_3(system, |site| {
            for count in [0, 1] {
                let one = if count == 0 { "process_min_avail = 1\n  process_limit = 1\n" } else { "" };
                site.dovecot
                    .reconfigure(&format!("service imap-login {{\n  service_count = {count}\n  {one}}}\n"))?;
                eventually(|| expect("IMAP", imap_login(site.dovecot.imap, ALICE), "OK "))?;
                logs_in_side_by_side(site.dovecot)?;
            }
            site.dovecot.reconfigure("")?;
            eventually(|| expect("IMAP", imap_login(site.dovecot.imap, ALICE), "OK "))
        })
    }),
    ("many_logins_share_the_connections_of_few_login_processes_of_2_4", |system| {
        on_2_4(system, |site| {
            for count in ["unlimited", "1"] {
                let one =
                    if count == "unlimited" { "process_min_avail = 1\n  process_limit = 1\n" } else { "" };
                let more = format!("service imap-login {{\n  restart_request_count = {count}\n  {one}}}\n");
                site.dovecot.reconfigure(&more)?;
                eventually(|| expect("IMAP", imap_login(site.dovecot.imap, ALICE), "OK "))?;
                logs_in_side_by_side(site.dovecot)?;
            }
            Ok(())
        })
    }),
];

/// One Dovecot and its auth server.
pub struct Site<'a> {
    pub dovecot: &'a mut Dovecot,
    pub keydove: &'a mut Keydove,
}

pub fn on_2_3(system: &mut System, case: impl FnOnce(&mut Site<'_>) -> Result<()>) -> Result<()> {
    case(&mut Site { dovecot: &mut system.dovecot, keydove: &mut system.keydove })
}

/// Beside the system's own servers, with the same people and mailboxes.
pub fn on_2_4(system: &mut System, case: impl FnOnce(&mut Site<'_>) -> Result<()>) -> Result<()> {
    on_2_4_with(system, for_2_4, case)
}

fn on_2_4_with(
    system: &System,
    edit: impl FnOnce(String) -> String,
    case: impl FnOnce(&mut Site<'_>) -> Result<()>,
) -> Result<()> {
    let base = Dovecot::prepare(system.stage(), Release::V2_4)?;
    let mut keydove = system.keydove.beside_as_auth_server("keydove-2.4", &base, edit)?;
    let mut dovecot = Dovecot::start(system.stage(), Release::V2_4, None)?;
    let end = case(&mut Site { dovecot: &mut dovecot, keydove: &mut keydove });
    let log = dovecot.log();
    drop(dovecot);
    keydove.stop()?;
    end.map_err(|Failure(complaint)| Failure(format!("{complaint}\nDovecot 2.4 says\n{log}")))
}

/// The mail lies in the chroot.
fn for_2_4(text: String) -> String {
    let lines = text.lines().map(|line| match line.split_once(" = ") {
        Some(("home", _)) => "home = \"/srv/mail/%d/%n\"".to_owned(),
        _ => line.to_owned(),
    });
    lines.map(|line| line + "\n").collect()
}

fn answers_everything(site: &mut Site<'_>) -> Result<()> {
    let dovecot = &*site.dovecot;
    let wrong = Login { password: "wrong", ..ALICE };
    let ghost = Login { user: "ghost@example.org", ..ALICE };
    expect("IMAP LOGIN", imap_login(dovecot.imap, ALICE), "OK ")?;
    expect("IMAP AUTHENTICATE", imap_authenticate(dovecot.imap, ALICE), "OK ")?;
    expect("POP3", pop3_login(dovecot.pop3, ALICE), "+OK Logged in.")?;
    expect("ManageSieve", sieve_login(dovecot.sieve, ALICE), "OK \"Logged in.\"")?;
    for nobody in [wrong, ghost] {
        let refused = "NO [AUTHENTICATIONFAILED] Authentication failed.";
        expect("IMAP", imap_login(dovecot.imap, nobody), refused)?;
        expect("POP3", pop3_login(dovecot.pop3, nobody), "-ERR [AUTH] Authentication failed.")?;
        expect("ManageSieve", sieve_login(dovecot.sieve, nobody), "NO \"Authentication failed.\"")?;
        expect("submission", smtp_login(dovecot.submission, nobody), "535 5.7.8 ")?;
    }
    submits(dovecot)?;
    delivers(dovecot)?;
    obeys_doveadm(site)
}

/// keydove lets the person in; the relay that nobody runs here comes after that.
fn submits(dovecot: &Dovecot) -> Result<()> {
    let answer = transport(smtp_login(dovecot.submission, ALICE))?;
    ensure(!answer.starts_with("535"), || format!("submission: {answer}"))
}

fn delivers(dovecot: &Dovecot) -> Result<()> {
    let subject = "delivered";
    let mut lmtp = transport(Smtp::connect_lmtp(dovecot.lmtp))?;
    let sent = lmtp.send("carol@example.org", "alice@example.org", subject, "read me");
    expect("LMTP", sent, "250 2.0.0 <alice@example.org>")?;
    let mut lmtp = transport(Smtp::connect_lmtp(dovecot.lmtp))?;
    expect(
        "LMTP to nobody",
        lmtp.send("carol@example.org", "ghost@example.org", subject, "x"),
        "550 5.1.1 ",
    )?;
    let mut imap = transport(Imap::connect(dovecot.imap))?;
    expect("IMAP", imap.login(ALICE), "OK ")?;
    let text = transport(imap.find_message(subject))?.unwrap_or_default();
    ensure(text.contains("read me"), || format!("the delivered mail is not there: {text}"))
}

fn obeys_doveadm(site: &Site<'_>) -> Result<()> {
    let dovecot = &*site.dovecot;
    let home = dovecot.doveadm(&["user", "-f", "home", ALICE.user])?;
    ensure(home.trim().ends_with("/example.org/alice"), || format!("doveadm user: {home}"))?;
    let tested = dovecot.doveadm(&["auth", "test", ALICE.user, ALICE.password])?;
    ensure(tested.contains("auth succeeded"), || format!("doveadm auth test: {tested}"))?;
    ensure(dovecot.doveadm(&["auth", "test", ALICE.user, "wrong"]).is_err(), || {
        "doveadm auth test takes a wrong password".to_owned()
    })?;
    let looked_up = dovecot.doveadm(&["auth", "lookup", ALICE.user])?;
    ensure(looked_up.contains(ALICE.user), || format!("doveadm auth lookup: {looked_up}"))?;
    ensure(dovecot.doveadm(&["user", "ghost@example.org"]).is_err(), || {
        "doveadm user finds nobody's mailbox".to_owned()
    })?;
    let all = dovecot.doveadm(&["user", "*"])?;
    ensure(all.lines().any(|line| line == ALICE.user) && all.lines().count() > 10, || all.clone())?;
    let some = dovecot.doveadm(&["user", "al*@example.org"])?;
    ensure(some.lines().all(|line| line.starts_with("al")) && some.contains(ALICE.user), || some.clone())?;
    let boxes =
        dovecot.doveadm(&["-f", "flow", "mailbox", "status", "-u", ALICE.user, "messages", "INBOX"])?;
    ensure(boxes.contains("messages="), || format!("doveadm mailbox status: {boxes}"))?;
    let flushed = dovecot.doveadm(&["auth", "cache", "flush", ALICE.user])?;
    ensure(flushed.contains("cache entries flushed"), || format!("doveadm auth cache flush: {flushed}"))?;
    ensure(site.keydove.log().contains("forgotten at doveadm's request"), || {
        "keydove's log does not tell of the flush".to_owned()
    })
}

/// Disabled in Keycloak, a person who is remembered gets in until they are forgotten.
fn really_forgets(site: &Site<'_>, admin: &KeycloakAdmin, known: [&str; 3]) -> Result<()> {
    let [by_name, by_mask, kept] = known;
    let dovecot = &*site.dovecot;
    let is_told =
        |user, beginning| expect(user, imap_login(dovecot.imap, Login { user, password: RIGHT }), beginning);
    let refused = "NO [AUTHENTICATIONFAILED]";
    known.into_iter().try_for_each(|user| is_told(user, "OK "))?;
    for user in known {
        admin.update(user, |person| person["enabled"] = false.into())?;
    }
    known.into_iter().try_for_each(|user| is_told(user, "OK "))?;
    for (mask, forgotten, others) in
        [(by_name, by_name, &known[1..]), ("flushed-by-*@example.org", by_mask, &known[2..])]
    {
        let flushed = dovecot.doveadm(&["auth", "cache", "flush", mask])?;
        ensure(!flushed.starts_with("0 "), || format!("doveadm auth cache flush {mask}: {flushed}"))?;
        is_told(forgotten, refused)?;
        others.iter().try_for_each(|&user| is_told(user, "OK "))?;
    }
    dovecot.doveadm(&["auth", "cache", "flush"])?;
    is_told(kept, refused)
}

fn survives_restarts(site: &mut Site<'_>) -> Result<()> {
    let mut open = transport(Imap::connect(site.dovecot.imap))?;
    expect("IMAP", open.login(ALICE), "OK ")?;
    // Sessions that are open ask nobody again.
    site.keydove.stop()?;
    site.keydove.start_again()?;
    let answer = transport(open.command("NOOP"))?;
    ensure(answer.last().is_some_and(|last| last.starts_with("OK")), || format!("NOOP: {answer:?}"))?;
    let logs_in = |dovecot: &Dovecot| {
        eventually(|| expect("IMAP", imap_login(dovecot.imap, ALICE), "OK "))?;
        eventually(|| expect("POP3", pop3_login(dovecot.pop3, ALICE), "+OK"))?;
        // An LMTP process that has lost its connection says so to one mail, which the mail server tries again.
        eventually(|| delivers(dovecot))
    };
    logs_in(site.dovecot)?;
    site.dovecot.reload()?;
    logs_in(site.dovecot)?;
    site.dovecot.restart()?;
    logs_in(site.dovecot)?;
    site.keydove.stop()?;
    site.keydove.start_again()?;
    site.dovecot.reload()?;
    logs_in(site.dovecot)
}

/// Right and wrong passwords at once: each client gets its own answer.
fn logs_in_side_by_side(dovecot: &Dovecot) -> Result<()> {
    const CLIENTS: usize = 24;
    let people = ["alice@example.org", "carol@example.org", "plain@example.org", "multi@example.org"];
    thread::scope(|scope| {
        let log_in = |number: usize| {
            let is_right = !number.is_multiple_of(3);
            let login = Login {
                user: people[number % people.len()],
                password: if is_right { "pw" } else { "wrong" },
            };
            let beginning = if is_right { "OK " } else { "NO [AUTHENTICATIONFAILED]" };
            scope.spawn(move || {
                (0..3).try_for_each(|_| expect(login.user, imap_login(dovecot.imap, login), beginning))
            })
        };
        let threads: Vec<_> = (0..CLIENTS).map(log_in).collect();
        threads.into_iter().try_for_each(|thread| {
            thread.join().map_err(|_| Failure("a client panicked".to_owned())).flatten()
        })
    })
}
