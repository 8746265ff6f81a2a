//! A real Postfix whose lookup tables and policy are keydove's: chrooted and not, directly and through proxymap.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use serde_json::json;

use crate::clients::{Login, Smtp, smtp_login};
use crate::mailcow::world::{OTHER, OTHER_HASH, RIGHT, RIGHT_HASH, person, quote};
use crate::stage::exchanger::{Exchanger, Shape};
use crate::stage::keydove::remembering;
use crate::stage::relay::Conduct;
use crate::stage::system::System;
use crate::stage::{Failure, Result};
use crate::{Case, ensure, eventually, expect, transport};

const CHROOTED: Shape = Shape { name: "pf", chrooted: true, proxied: false, database_is_down: false };
/// What Postfix waits before it asks a policy server again that has closed the connection.
const RETRY_DELAY: Duration = Duration::from_secs(1);

pub const CASES: &[Case] = &[
    ("postfix_takes_mail_for_whom_the_tables_know", |system| {
        let town = Town::found(system, "chroot.example")?;
        takes_mail(system, &town, &Exchanger::start(system, Shape { name: "pf1", ..CHROOTED })?)
    }),
    ("postfix_takes_mail_without_a_chroot", |system| {
        let town = Town::found(system, "open.example")?;
        let shape = Shape { name: "pf2", chrooted: false, ..CHROOTED };
        takes_mail(system, &town, &Exchanger::start(system, shape)?)
    }),
    ("postfix_takes_mail_through_proxymap_with_a_socket_outside_its_chroot", |system| {
        let town = Town::found(system, "proxy.example")?;
        let shape = Shape { name: "pf3", proxied: true, ..CHROOTED };
        takes_mail(system, &town, &Exchanger::start(system, shape)?)
    }),
    ("postfix_refuses_a_sender_address_that_is_not_theirs", |system| {
        let town = Town::found(system, "sender.example")?;
        senders_are_checked(&town, &Exchanger::start(system, Shape { name: "pf4", ..CHROOTED })?)
    }),
    ("postfix_stops_whoever_is_disabled_after_the_login", |system| {
        let town = Town::found(system, "leaver.example")?;
        leavers_are_stopped(system, &town, &Exchanger::start(system, Shape { name: "pf5", ..CHROOTED })?)
    }),
    ("postfix_ports_with_a_sasl_service_of_their_own_have_rules_of_their_own", |system| {
        let town = Town::found(system, "ports.example")?;
        ports_differ(system, &town, &Exchanger::start(system, Shape { name: "pf6", ..CHROOTED })?)
    }),
    ("postfix_defers_while_the_database_is_down", |system| {
        let town = Town::found(system, "down.example")?;
        let shape = Shape { name: "pf7", database_is_down: true, ..CHROOTED };
        trouble_is_temporary(&town, &Exchanger::start(system, shape)?)
    }),
    ("postfix_policy_uses_what_is_remembered_and_lets_pass_what_nobody_can_tell", |system| {
        remembered_people_are_judged(system, &Town::found(system, "known.example")?)
    }),
    ("postfix_finds_idle_connections_open_and_a_missing_table_is_no_refusal", |system| {
        let town = Town::found(system, "pitfall.example")?;
        idle_connections(&town, &Exchanger::start(system, Shape { name: "pf8", ..CHROOTED })?)
    }),
];

/// Rows of a case: a domain with an alias domain, and people in it.
struct Town(&'static str);

impl Town {
    /// Alice is in Keycloak; Bob has a password of his own, and receives only.
    fn found(system: &System, domain: &'static str) -> Result<Self> {
        let town = Self(domain);
        let (alice, twin) = (town.at("alice"), town.twin());
        let mut user = person(&alice);
        user["attributes"]["mailcow_password"] = json!([RIGHT_HASH]);
        system.keycloak.admin().import(&[user])?;
        let mailbox = |name: &str, source: &str, active: u8, attributes: &str| {
            format!(
                "INSERT INTO mailbox (username, password, quota, local_part, domain, attributes, authsource, active)
                 VALUES ('{name}@{domain}', {}, 0, '{name}', '{domain}', '{attributes}', '{source}', {active});
                 INSERT INTO alias (address, goto, domain) VALUES ('{name}@{domain}', '{name}@{domain}', '{domain}');",
                quote(RIGHT_HASH)
            )
        };
        let alias = |address: &str, goto: &str| {
            format!("INSERT INTO alias (address, goto, domain) VALUES ('{address}', '{goto}', '{domain}');")
        };
        let rows = [
            format!("INSERT INTO domain (domain, mailboxes) VALUES ('{domain}', 100), ('all.{domain}', 0);"),
            format!("INSERT INTO domain (domain, active) VALUES ('off.{domain}', 0);"),
            format!("INSERT INTO alias_domain (alias_domain, target_domain) VALUES ('{twin}', '{domain}');"),
            mailbox("alice", "keycloak", 1, "{}"),
            mailbox("bob", "mailcow", 2, "{}"),
            mailbox("eve", "mailcow", 1, r#"{"smtp_access":"0"}"#),
            alias(&town.at("info"), &format!("{alice},{}", town.at("bob"))),
            format!(
                "INSERT INTO alias (address, goto, domain) VALUES ('@all.{domain}', '{alice}', 'all.{domain}');"
            ),
            format!("INSERT INTO sender_acl (logged_in_as, send_as) VALUES ('{alice}', '@given.{domain}');"),
        ];
        system.execute(&rows.concat())?;
        Ok(town)
    }

    fn at(&self, name: &str) -> String {
        format!("{name}@{}", self.0)
    }

    fn twin(&self) -> String {
        format!("twin.{}", self.0)
    }
}

fn takes_mail(system: &System, town: &Town, postfix: &Exchanger) -> Result<()> {
    let mut smtp = transport(Smtp::connect(postfix.smtp))?;
    expect("MAIL", smtp.command("MAIL FROM:<>"), "250 ")?;
    let (twin, domain) = (town.twin(), town.0);
    for (address, answer) in [
        (town.at("alice"), "250 "),
        (town.at("ALICE+tag"), "250 "),
        (town.at("bob"), "250 "),
        (town.at("info"), "250 "),
        (town.at("info+tag"), "250 "),
        (town.at("nobody"), "550 5.1.1 "),
        (format!("alice@{twin}"), "250 "),
        (format!("nobody@{twin}"), "550 5.1.1 "),
        (format!("anybody@all.{domain}"), "250 "),
        (format!("alice@off.{domain}"), "554 5.7.1 "),
        ("alice@elsewhere.invalid".to_owned(), "554 5.7.1 "),
    ] {
        expect(&address, smtp.command(&format!("RCPT TO:<{address}>")), answer)?;
    }
    for (key, table, value) in [
        (town.at("info+x"), "virtual_alias_maps", format!("{},{}", town.at("alice+x"), town.at("bob+x"))),
        (town.at("bob"), "virtual_mailbox_maps", town.at("bob")),
        (twin.clone(), "virtual_mailbox_domains", twin.clone()),
        (format!("bob@{twin}"), "smtpd_sender_login_maps", town.at("bob")),
    ] {
        let found = postfix.postmap(&key, table)?;
        ensure(found.trim_end() == value, || format!("{table}: {key} is `{found}`"))?;
    }
    let mut smtp = transport(Smtp::connect(postfix.smtp))?;
    expect("send", smtp.send("", &format!("info@{domain}"), "to both", "read me"), "250 ")?;
    let mut smtp = transport(Smtp::connect(postfix.smtp))?;
    expect("send", smtp.send("", &format!("x@all.{domain}"), "caught", "read me"), "250 ")?;
    for (name, count) in [("alice", 2), ("bob", 1)] {
        let folder = system.stage().path(&format!("mail/{domain}/{name}/Maildir/new"));
        eventually(|| {
            let found = std::fs::read_dir(&folder).map_or(0, Iterator::count);
            ensure(found == count, || {
                format!(
                    "{found} mails instead of {count} in {}; Postfix says\n{}",
                    folder.display(),
                    postfix.log()
                )
            })
        })?;
    }
    Ok(())
}

fn senders_are_checked(town: &Town, postfix: &Exchanger) -> Result<()> {
    let (alice, domain) = (town.at("alice"), town.0);
    let mut smtp = logged_in(postfix.submission, &alice)?;
    for sender in [
        alice.clone(),
        town.at("Alice+tag"),
        town.at("info"),
        format!("alice@{}", town.twin()),
        format!("anything@all.{domain}"),
        format!("anything@given.{domain}"),
        String::new(),
    ] {
        expect(&sender, mail(&mut smtp, &sender, &alice), "250 ")?;
    }
    for sender in [town.at("bob"), town.at("nobody"), "somebody@elsewhere.invalid".to_owned()] {
        let answer = format!("553 5.7.1 <{sender}>: Sender address rejected: not owned by user {alice}");
        expect(&sender, mail(&mut smtp, &sender, &alice), &answer)?;
    }
    eventually(|| {
        let log = postfix.keydove.log();
        let line = format!(
            "INFO policy verdict=refuse reason=sender_not_owned user=\"{alice}\" sender=\"{}\" service=smtp \
             remote=127.0.0.1",
            town.at("bob")
        );
        let count = log.matches(&line).count();
        ensure(count == 1, || format!("{count} lines `{line}` in\n{log}"))
    })
}

fn leavers_are_stopped(system: &System, town: &Town, postfix: &Exchanger) -> Result<()> {
    let alice = town.at("alice");
    let stopped = format!("554 5.7.1 <{alice}>: Sender address rejected: this account may not send mail");
    let mut smtp = logged_in(postfix.submission, &alice)?;
    let admin = system.keycloak.admin();
    for (off, on, reason) in [
        ("UPDATE mailbox SET active = 0", "UPDATE mailbox SET active = 1", "mailbox_disabled"),
        (
            r#"UPDATE mailbox SET attributes = '{"smtp_access":"0"}'"#,
            "UPDATE mailbox SET attributes = '{}'",
            "service_forbidden",
        ),
    ] {
        expect("before", mail(&mut smtp, &alice, &alice), "250 ")?;
        system.execute(&format!("{off} WHERE username = '{alice}'"))?;
        expect(reason, mail(&mut smtp, &alice, &alice), &stopped)?;
        system.execute(&format!("{on} WHERE username = '{alice}'"))?;
        logged(postfix, reason)?;
    }
    system.execute(&format!("UPDATE domain SET active = 0 WHERE domain = '{}'", town.0))?;
    expect("domain off", mail(&mut smtp, &alice, &alice), &stopped)?;
    system.execute(&format!("UPDATE domain SET active = 1 WHERE domain = '{}'", town.0))?;
    logged(postfix, "domain_disabled")?;
    admin.update(&alice, |user| user["enabled"] = false.into())?;
    expect("disabled", mail(&mut smtp, &alice, &alice), &stopped)?;
    logged(postfix, "user_disabled")?;
    admin.update(&alice, |user| user["enabled"] = true.into())?;
    expect("enabled again", mail(&mut smtp, &alice, &alice), "250 ")
}

fn ports_differ(system: &System, town: &Town, postfix: &Exchanger) -> Result<()> {
    let eve = town.at("eve");
    let login = |port, password| smtp_login(port, Login { user: &eve, password });
    // `smtp_access` is off, `eas_access` is not.
    expect("submission", login(postfix.submission, RIGHT), "535 ")?;
    let mut smtp = logged_in(postfix.eas, &eve)?;
    expect("policy of the port", mail(&mut smtp, &eve, &eve), "250 ")?;
    // An app password for one of the two.
    system.execute(&format!(
        "INSERT INTO app_passwd (name, mailbox, domain, password, smtp_access, eas_access, active)
         VALUES ('phone', '{eve}', '{}', {}, 1, 0, 1);",
        town.0,
        quote(OTHER_HASH)
    ))?;
    expect("app password, other port", login(postfix.eas, OTHER), "535 ")?;
    let mut smtp = transport(Smtp::connect(postfix.submission))?;
    expect("app password", smtp.auth_plain(Login { user: &eve, password: OTHER }), "235 ")?;
    // The switch is about the main password, so it does not stop who has such an app password.
    expect("policy after an app password", mail(&mut smtp, &eve, &eve), "250 ")?;
    system.execute(&format!("UPDATE app_passwd SET active = 0 WHERE mailbox = '{eve}'"))?;
    expect("revoked", mail(&mut smtp, &eve, &eve), "554 5.7.1 ")
}

fn trouble_is_temporary(town: &Town, postfix: &Exchanger) -> Result<()> {
    let alice = town.at("alice");
    let mut smtp = transport(Smtp::connect(postfix.smtp))?;
    expect("MAIL", smtp.command("MAIL FROM:<>"), "250 ")?;
    for name in ["alice", "nobody"] {
        expect(name, smtp.command(&format!("RCPT TO:<{}>", town.at(name))), "451 4.3.0 ")?;
    }
    let mut smtp = logged_in(postfix.submission, &alice)?;
    let sender = town.at("info");
    let answer = format!("451 4.3.0 <{sender}>: Sender address rejected: Temporary lookup failure");
    expect("somebody's address", mail(&mut smtp, &sender, &alice), &answer)?;
    // Whose address it is cannot be asked, but it is their own; then the tables cannot be asked either.
    let own = transport(mail(&mut smtp, &alice, &alice))?;
    ensure(own.starts_with("451 4.3.0 ") && !own.contains("Sender address"), || own.clone())
}

fn idle_connections(town: &Town, postfix: &Exchanger) -> Result<()> {
    let alice = town.at("alice");
    let mut smtp = logged_in(postfix.submission, &alice)?;
    expect("first", mail(&mut smtp, &alice, &alice), "250 ")?;
    sleep(3 * RETRY_DELAY);
    expect("later", mail(&mut smtp, &alice, &alice), "250 ")?;
    let log = postfix.log();
    ensure(!log.contains("problem talking to server"), || log.clone())?;
    // A word that is no action would be 451 too: each action is one that Postfix knows.
    ensure(!log.contains("unknown smtpd restriction"), || log.clone())?;

    for (request, reply) in [
        (format!("senders {}", town.at("nobody")), "NOTFOUND ".to_owned()),
        (format!("senders any@all.{}", town.0), format!("OK {alice}")),
        (format!("aliases any@all.{}", town.0), format!("OK {alice}")),
        (format!("virtual_mailbox_maps {alice}"), format!("OK {alice}")),
        ("nothing x".to_owned(), "PERM there is no such table".to_owned()),
    ] {
        let found = ask(&postfix.maps, &request)?;
        ensure(found == reply, || format!("{request}: expected `{reply}`, got `{found}`"))?;
    }
    let mut smtp = transport(Smtp::connect(postfix.odd))?;
    expect("MAIL", smtp.command(&format!("MAIL FROM:<{alice}>")), "250 ")?;
    expect("a table that is not there", smtp.command(&format!("RCPT TO:<{alice}>")), "451 4.3.5 ")?;
    stays_open(&postfix.policy)
}

/// A policy by hand, of a keydove that remembers people for a second, with a Keycloak that can be away.
fn remembered_people_are_judged(system: &System, town: &Town) -> Result<()> {
    const BOUND: Duration = Duration::from_secs(1);
    let (alice, relay) = (town.at("alice"), system.keycloak.relay(Conduct::Pass)?);
    let mut user = person(&town.at("dora"));
    user["attributes"]["mailcow_password"] = json!([RIGHT_HASH]);
    let admin = system.keycloak.admin();
    admin.import(&[user])?;
    let dora = town.at("dora");
    system.execute(&format!(
        "INSERT INTO mailbox (username, password, quota, local_part, domain, authsource)
         VALUES ('{dora}', '', 0, 'dora', '{0}', 'keycloak');
         INSERT INTO alias (address, goto, domain) VALUES ('{dora}', '{dora}', '{0}');",
        town.0
    ))?;
    let socket = system.stage().path("keydove/pol");
    let (url, own) = (system.keycloak.url(), relay.url());
    let keydove = system.keydove.beside("pf9", |text| {
        let door = format!("\n[[listener]]\ndoor = \"policy\"\npath = \"{}\"\n", socket.display());
        remembering(&text).replace(&url, &own) + "\n[cache]\nmax_staleness = \"1s\"\n" + &door
    })?;
    let judge = |user: &str, action: &str| {
        let found = judge(&socket, user)?;
        ensure(found.starts_with(&format!("action={action}")), || format!("{user}: `{found}`, not {action}"))
    };
    judge(&alice, "DUNNO")?;
    admin.update(&alice, |user| user["enabled"] = false.into())?;
    sleep(BOUND);
    judge(&alice, "554 5.7.1 ")?;
    // Nobody can ask any more. Who is known to be disabled stays out; of whom nothing is known was let in by somebody.
    relay.turn(Conduct::Refuse);
    sleep(BOUND);
    judge(&alice, "554 5.7.1 ")?;
    judge(&dora, "DUNNO")?;
    let log = keydove.log();
    let line = format!("WARN policy verdict=pass reason=keycloak_refused user=\"{dora}\" sender=\"{dora}\"");
    ensure(log.contains(&line), || format!("no line `{line}` in\n{log}"))?;
    relay.turn(Conduct::Pass);
    admin.update(&alice, |user| user["enabled"] = true.into())
}

/// Asks by hand whether somebody may send under their own address.
fn judge(socket: &Path, user: &str) -> Result<String> {
    let mut stream = transport(UnixStream::connect(socket))?;
    transport(stream.set_read_timeout(Some(crate::PATIENCE)))?;
    transport(write!(stream, "request=smtpd_access_policy\nsender={user}\nsasl_username={user}\n\n"))?;
    transport(stream.shutdown(std::net::Shutdown::Write))?;
    let mut reply = String::new();
    transport(stream.read_to_string(&mut reply))?;
    Ok(reply)
}

/// Two questions on one connection, with a pause between them.
fn stays_open(socket: &Path) -> Result<()> {
    let mut stream = transport(UnixStream::connect(socket))?;
    transport(stream.set_read_timeout(Some(crate::PATIENCE)))?;
    for pause in [Duration::ZERO, 2 * RETRY_DELAY] {
        sleep(pause);
        transport(
            stream.write_all(b"request=smtpd_access_policy\nsasl_username=\nsender=x@example.org\n\n"),
        )?;
        let mut reply = [0; 14];
        transport(stream.read_exact(&mut reply))?;
        ensure(&reply == b"action=DUNNO\n\n", || format!("{:?}", String::from_utf8_lossy(&reply)))?;
    }
    Ok(())
}

/// Asks a table by hand.
fn ask(socket: &Path, request: &str) -> Result<String> {
    let mut stream = transport(UnixStream::connect(socket))?;
    transport(stream.set_read_timeout(Some(crate::PATIENCE)))?;
    transport(write!(stream, "{}:{request},", request.len()))?;
    transport(stream.shutdown(std::net::Shutdown::Write))?;
    let mut reply = String::new();
    transport(stream.read_to_string(&mut reply))?;
    let text = reply.split_once(':').and_then(|(_, text)| text.strip_suffix(','));
    text.map(str::to_owned).ok_or_else(|| Failure(format!("no netstring: `{reply}`")))
}

fn logged_in(port: u16, user: &str) -> Result<Smtp> {
    let mut smtp = transport(Smtp::connect(port))?;
    expect(user, smtp.auth_plain(Login { user, password: RIGHT }), "235 ")?;
    Ok(smtp)
}

/// The answer to the recipient, with which Postfix also judges the sender; then all is as before.
fn mail(smtp: &mut Smtp, sender: &str, recipient: &str) -> std::io::Result<String> {
    smtp.command(&format!("MAIL FROM:<{sender}>"))?;
    let answer = smtp.command(&format!("RCPT TO:<{recipient}>"))?;
    smtp.command("RSET")?;
    Ok(answer)
}

fn logged(postfix: &Exchanger, reason: &str) -> Result<()> {
    eventually(|| {
        let log = postfix.keydove.log();
        ensure(log.contains(&format!("INFO policy verdict=refuse reason={reason} user=")), || log)
    })
}
