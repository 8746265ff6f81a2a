//! Mailboxes on two Dovecots behind a proxy, which asks keydove where each lives: as the auth server of 2.3 and of 2.4, and
//! through the Lua script.

mod site;

use serde_json::Value;

use super::LoneCase;
use super::clients::{Imap, Login, Smtp, coming_from, imap_login};
use super::control::make_person;
use super::hook::dovecot::HookDovecot;
use super::mailcow::world::RIGHT;
use super::stage::dovecot::{Dovecot, Release};
use super::stage::keydove::{Keydove, remembering};
use super::stage::system::System;
use super::stage::{Failure, Result, process};
use super::{ensure, eventually, expect, transport};
use site::{Backends, NAMES};

const UNAVAILABLE: &str = "NO [UNAVAILABLE]";
const PEOPLE: usize = 8;

/// Rows matter here.
pub const CASES: &[LoneCase] = &[
    ("a_proxy_of_2_3_finds_each_mailbox_where_it_lives", |system| {
        let mut proxy = Proxy::of_2_3(system)?;
        lives_in_one_place(system, &mut proxy)
    }),
    ("a_drained_backend_gets_no_new_mailboxes_and_keeps_its_own", |system| {
        let proxy = Proxy::of_2_3(system)?;
        drains(system, &proxy)
    }),
    ("a_mailbox_moves_with_its_mail_and_its_sessions_end", |system| {
        let proxy = Proxy::of_2_3(system)?;
        moves(system, &proxy)
    }),
];

/// These look at Dovecot.
pub const PROXIES: &[LoneCase] = &[
    ("a_proxy_of_2_4_finds_each_mailbox_where_it_lives", |system| {
        let mut proxy = Proxy::of_2_4(system)?;
        lives_in_one_place(system, &mut proxy)
    }),
    ("a_proxy_that_asks_through_lua_finds_each_mailbox_where_it_lives", |system| {
        let mut proxy = Proxy::of_lua(system)?;
        lives_in_one_place(system, &mut proxy)
    }),
    ("a_backend_that_is_down_is_a_temporary_failure_and_no_empty_mailbox", |system| {
        let mut proxy = Proxy::of_2_3(system)?;
        survives_an_outage(system, &mut proxy)
    }),
    ("a_backend_without_settings_is_a_temporary_failure", |system| {
        let mut proxy = Proxy::of_2_3(system)?;
        let (address, backend) = placed(system, &proxy, "left")?;
        let other = Backends::other(&backend);
        let known = format!("name = \"{backend}\"");
        proxy.keydove(system).rewrite(|text| text.replace(&known, "name = \"b3\""))?;
        proxy.restart_keydove(system)?;
        expect("IMAP", proxy.login(&address, RIGHT), UNAVAILABLE)?;
        expect("IMAP", proxy.login(&address, "wrong"), "NO [AUTHENTICATIONFAILED]")?;
        expect("LMTP", proxy.deliver(&address, "x"), "4")?;
        ensure(proxy.backends.of(other)?.count_mail(&address).is_none(), || format!("mail is on {other}"))?;
        let listed = proxy.command(system, &["list"])?;
        ensure(listed.contains(&backend) && listed.contains("no [[backend]] has this name"), || {
            listed.clone()
        })?;
        let log = proxy.keydove(system).log();
        ensure(log.contains("reason=backend_unknown"), || log)
    }),
    ("mail_is_not_delivered_on_the_wrong_machine", |system| {
        let proxy = Proxy::of_2_3(system)?;
        let (address, backend) = placed(system, &proxy, "wrong-place")?;
        let wrong = proxy.backends.of(Backends::other(&backend))?;
        let mut lmtp = transport(Smtp::connect_lmtp(wrong.lmtp))?;
        expect("LMTP", lmtp.send("carol@example.org", &address, "astray", "x"), "451 ")?;
        ensure(wrong.count_mail(&address).is_none(), || "it was delivered".to_owned())?;
        // Who logs in there is passed on.
        let login = Login { user: &address, password: RIGHT };
        expect("IMAP", imap_login(wrong.imap, login), "OK ")?;
        ensure(wrong.count_mail(&address).is_none(), || "it was opened there".to_owned())?;
        // A doveadm that copies mail may look at either.
        wrong.doveadm(&["user", "-f", "home", &address]).map(drop)
    }),
];

/// Who stands before the backends.
enum Front {
    /// The system's own Dovecot and keydove.
    System,
    /// Others beside them.
    Own(Box<Keydove>, FrontDovecot),
}

enum FrontDovecot {
    TakenOver(Box<Dovecot>),
    Hooked(Box<HookDovecot>),
}

struct Proxy {
    front: Front,
    imap: u16,
    lmtp: u16,
    backends: Backends,
}

/// Clients come from other addresses than the server's, and without TLS.
const OF_2_3: &str = "lmtp_proxy = yes\ndisable_plaintext_auth = no\n";
const OF_2_4: &str = "lmtp_proxy = yes\nauth_allow_cleartext = yes\n";

/// What a keydove of the proxy has beside its own settings: the backends, a control socket, a command that kicks.
fn more(system: &System, backends: &Backends) -> Result<String> {
    let control = system.stage().path("keydove/control.sock");
    let kick = backends.kick_command(system.stage())?;
    let control = format!("\n[[listener]]\ndoor = \"control\"\npath = \"{}\"\n", control.display());
    Ok(format!("{}{kick}{control}", backends.of_proxy()))
}

/// With caches, so that the way of known users is tried too.
fn with_more(more: &str) -> impl FnOnce(String) -> String {
    move |text| format!("{}{more}", remembering(&text))
}

impl Proxy {
    fn of_2_3(system: &mut System) -> Result<Self> {
        let backends = Backends::start(system, "")?;
        let more = more(system, &backends)?;
        system.keydove.rewrite(with_more(&more))?;
        system.keydove.stop()?;
        system.keydove.start_again()?;
        system.dovecot.reconfigure(OF_2_3)?;
        // Processes that a reload leaves behind would take a delivery and end in the middle of it.
        system.dovecot.restart()?;
        let (imap, lmtp) = (system.dovecot.imap, system.dovecot.lmtp);
        Ok(Self { front: Front::System, imap, lmtp, backends })
    }

    fn of_2_4(system: &mut System) -> Result<Self> {
        let backends = Backends::start(system, "")?;
        let base = Dovecot::prepare(system.stage(), Release::V2_4)?;
        let more = more(system, &backends)?;
        let keydove = system.keydove.beside_as_auth_server("keydove-2.4", &base, with_more(&more))?;
        let mut dovecot = Dovecot::start(system.stage(), Release::V2_4, None)?;
        dovecot.reconfigure(OF_2_4)?;
        dovecot.restart()?;
        let (imap, lmtp) = (dovecot.imap, dovecot.lmtp);
        let front = Front::Own(Box::new(keydove), FrontDovecot::TakenOver(Box::new(dovecot)));
        Ok(Self { front, imap, lmtp, backends })
    }

    fn of_lua(system: &mut System) -> Result<Self> {
        let backends = Backends::start(system, "")?;
        let more = more(system, &backends)?;
        let keydove = super::hook::keydove(system, with_more(&more))?;
        let databases = format!("!include lua-2.3.conf\n{OF_2_3}");
        let dovecot = HookDovecot::start(system.stage(), &databases, None)?;
        let (imap, lmtp) = (dovecot.imap, dovecot.lmtp);
        let front = Front::Own(Box::new(keydove), FrontDovecot::Hooked(Box::new(dovecot)));
        Ok(Self { front, imap, lmtp, backends })
    }

    fn keydove<'a>(&'a mut self, system: &'a mut System) -> &'a mut Keydove {
        match &mut self.front {
            Front::System => &mut system.keydove,
            Front::Own(keydove, _) => keydove,
        }
    }

    fn restart_keydove(&mut self, system: &mut System) -> Result<()> {
        let keydove = self.keydove(system);
        keydove.stop()?;
        keydove.start_again()
    }

    fn log(&self, system: &System) -> String {
        match &self.front {
            Front::System => system.dovecot.log(),
            Front::Own(_, FrontDovecot::TakenOver(dovecot)) => dovecot.log(),
            Front::Own(_, FrontDovecot::Hooked(dovecot)) => dovecot.log(),
        }
    }

    fn login(&self, user: &str, password: &str) -> std::io::Result<String> {
        imap_login(self.imap, Login { user, password })
    }

    fn deliver(&self, to: &str, subject: &str) -> std::io::Result<String> {
        Smtp::connect_lmtp(self.lmtp)?.send("carol@example.org", to, subject, "read me")
    }

    /// `keydove backend …` with the proxy's configuration; both outputs.
    fn command(&self, system: &System, arguments: &[&str]) -> Result<String> {
        let keydove = match &self.front {
            Front::System => &system.keydove,
            Front::Own(keydove, _) => keydove,
        };
        process::run(keydove.command("backend").args(arguments))
    }

    fn list(&self, system: &System) -> Result<Vec<Value>> {
        let text = self.command(system, &["list", "--json"])?;
        serde_json::from_str(&text).map_err(|error| Failure(format!("{error}: {text}")))
    }

    fn state(&self, system: &System, backend: &str) -> Result<String> {
        let listed = self.list(system)?;
        let found = listed.iter().find(|one| one["backend"] == backend);
        Ok(found.and_then(|one| one["state"].as_str()).unwrap_or_default().to_owned())
    }
}

/// Where the database says that it lives.
fn backend_of(system: &System, address: &str) -> Result<String> {
    let rows = system.query(&format!("SELECT backend FROM keydove_placement WHERE mailbox = '{address}'"))?;
    match rows.as_slice() {
        [row] => Ok(row[0].clone()),
        other => Err(Failure(format!("{address} has {} places", other.len()))),
    }
}

/// Somebody new with a mailbox, who has logged in, and their backend.
fn placed(system: &System, proxy: &Proxy, name: &str) -> Result<(String, String)> {
    let address = format!("{name}@example.org");
    make_person(system, &address)?;
    let answer = proxy.login(&address, RIGHT);
    expect("IMAP", answer, "OK ").map_err(|Failure(error)| {
        let logs: Vec<String> = proxy.backends.all.iter().map(site::Backend::log).collect();
        Failure(format!("{error}\n{}\n{}", proxy.log(system), logs.join("\n")))
    })?;
    let backend = backend_of(system, &address)?;
    Ok((address, backend))
}

/// Logins and mail of one person come to one backend and never to the other.
fn lives_in_one_place(system: &mut System, proxy: &mut Proxy) -> Result<()> {
    let mut seen = [0; 2];
    for number in 0..PEOPLE {
        let address = format!("place{number}@example.org");
        make_person(system, &address)?;
        // Of half of them the first thing is a mail.
        if number % 2 == 0 {
            expect("LMTP", proxy.deliver(&address, "first"), "250 ")
                .map_err(|Failure(error)| Failure(format!("{error}\n{}", proxy.log(system))))?;
        }
        for _ in 0..2 {
            expect("IMAP", proxy.login(&address, RIGHT), "OK ")
                .map_err(|Failure(error)| Failure(format!("{error}\n{}", proxy.log(system))))?;
        }
        expect("LMTP", proxy.deliver(&address, "second"), "250 ")?;
        let mut imap = transport(Imap::connect(proxy.imap))?;
        expect("IMAP", imap.login(Login { user: &address, password: RIGHT }), "OK ")?;
        let text = transport(imap.find_message("second"))?.unwrap_or_default();
        ensure(text.contains("read me"), || format!("the delivered mail is not there: {text}"))?;
        let backend = backend_of(system, &address)?;
        let [here, there] = [backend.as_str(), Backends::other(&backend)].map(|name| proxy.backends.of(name));
        let expected = if number % 2 == 0 { 2 } else { 1 };
        ensure(here?.count_mail(&address) == Some(expected), || format!("{address} is not on {backend}"))?;
        ensure(there?.count_mail(&address).is_none(), || format!("{address} is on both"))?;
        seen[usize::from(backend == NAMES[1])] += 1;
        // The backend sees the client and not the proxy.
        let login = || proxy.login(&address, RIGHT);
        expect("IMAP", coming_from([127, 0, 0, 9], login), "OK ")?;
        eventually(|| {
            let log = proxy.backends.of(&backend)?.keydove_log();
            let seen = log.lines().any(|line| line.contains(&address) && line.contains("remote=127.0.0.9"));
            ensure(seen, || log)
        })?;
        // What is refused is refused at the proxy.
        expect("IMAP", proxy.login(&address, "wrong"), "NO [AUTHENTICATIONFAILED]")?;
    }
    ensure(seen.iter().all(|&count| count > 0), || format!("all went to one backend: {seen:?}"))?;
    expect("LMTP", proxy.deliver("ghost@example.org", "x"), "550 ")?;
    let listed = proxy.list(system)?;
    let counted: Vec<_> = listed.iter().map(|one| one["mailboxes"].as_u64().unwrap_or_default()).collect();
    ensure(counted == seen.map(|count: u64| count), || format!("{listed:?}"))
}

fn drains(system: &mut System, proxy: &Proxy) -> Result<()> {
    let (old, backend) = placed(system, proxy, "before")?;
    let other = Backends::other(&backend);
    proxy.command(system, &["drain", &backend])?;
    for number in 0..6 {
        let (address, found) = placed(system, proxy, &format!("drain{number}"))?;
        ensure(found == other, || format!("{address} is on {found}, which is drained"))?;
    }
    expect("IMAP", proxy.login(&old, RIGHT), "OK ")?;
    ensure(backend_of(system, &old)? == backend, || "the drained backend lost a mailbox".to_owned())?;
    proxy.command(system, &["drain", other])?;
    make_person(system, "nowhere@example.org")?;
    expect("IMAP", proxy.login("nowhere@example.org", RIGHT), UNAVAILABLE)?;
    expect("LMTP", proxy.deliver("nowhere@example.org", "x"), "4")?;
    let log = system.keydove.log();
    ensure(log.contains("reason=backend_none"), || log)?;
    proxy.command(system, &["undrain", other])?;
    let (address, rows) = ("nowhere@example.org", || backend_of(system, "nowhere@example.org"));
    expect("IMAP", proxy.login(address, RIGHT), "OK ")?;
    ensure(rows()? == other, || "it is on the drained one".to_owned())?;
    let explained = process::run(system.keydove.command("explain").arg(&old))?;
    ensure(explained.contains("backend") && explained.contains(&backend), || explained.clone())?;
    let unknown = proxy.command(system, &["drain", "b9"]);
    ensure(matches!(&unknown, Err(Failure(said)) if said.contains("b1, b2")), || format!("{unknown:?}"))
}

fn moves(system: &mut System, proxy: &Proxy) -> Result<()> {
    let (address, from) = placed(system, proxy, "moving")?;
    let to = Backends::other(&from);
    expect("LMTP", proxy.deliver(&address, "old"), "250 ")?;
    let mut open = transport(Imap::connect(proxy.imap))?;
    expect("IMAP", open.login(Login { user: &address, password: RIGHT }), "OK ")?;
    let said = proxy.command(system, &["move", &address, to])?;
    ensure(said.contains(&format!("moved to {to}: 1 mailboxes; sessions ended: 1")), || said.clone())?;
    eventually(|| match open.command("NOOP") {
        Ok(lines) if !lines.last().is_some_and(|line| line.starts_with("BAD")) => {
            Err(Failure(format!("the session goes on: {lines:?}")))
        }
        Ok(_) | Err(_) => Ok(()),
    })?;
    // At once, although the proxy's keydove remembered the other place.
    expect("IMAP", proxy.login(&address, RIGHT), "OK ")?;
    expect("LMTP", proxy.deliver(&address, "new"), "250 ")?;
    let [old, new] = [proxy.backends.of(&from)?, proxy.backends.of(to)?];
    ensure((old.count_mail(&address), new.count_mail(&address)) == (Some(1), Some(1)), || {
        format!("{:?} {:?}", old.count_mail(&address), new.count_mail(&address))
    })?;
    // The mail follows, as the page says: from the old machine to the new one.
    let home = format!(
        "maildir:{}",
        system.stage().path(&format!("{to}/mail/example.org/moving/Maildir")).display()
    );
    old.doveadm(&["sync", "-1", "-u", &address, &home])?;
    let mut imap = transport(Imap::connect(proxy.imap))?;
    expect("IMAP", imap.login(Login { user: &address, password: RIGHT }), "OK ")?;
    for subject in ["old", "new"] {
        let found = transport(imap.find_message(subject))?;
        ensure(found.is_some(), || format!("the mail `{subject}` is not there"))?;
    }
    let nobody = proxy.command(system, &["move", "ghost@example.org", &address, &from]);
    ensure(
        matches!(&nobody, Err(Failure(said)) if said.contains("there is no mailbox ghost@example.org")),
        || format!("{nobody:?}"),
    )?;
    ensure(backend_of(system, &address)? == to, || "half of it was moved".to_owned())?;
    proxy.command(system, &["move", "--all", to, &from])?;
    ensure(backend_of(system, &address)? == from, || "not all were moved".to_owned())?;
    let unassigned = system.query("SELECT COUNT(*) FROM keydove_placement")?;
    proxy.command(system, &["move", "--unassigned", to])?;
    let assigned = system.query("SELECT COUNT(*) FROM keydove_placement")?;
    ensure(assigned != unassigned, || "nobody was given a backend".to_owned())?;
    ensure(backend_of(system, "alice@example.org")? == to, || "alice has no backend".to_owned())?;
    ensure(backend_of(system, &address)? == from, || "somebody who had a backend was moved".to_owned())
}

fn survives_an_outage(system: &mut System, proxy: &mut Proxy) -> Result<()> {
    let (address, backend) = placed(system, proxy, "outage")?;
    let other = Backends::other(&backend).to_owned();
    let mut elsewhere = None;
    for number in 0..20 {
        let (address, found) = placed(system, proxy, &format!("elsewhere{number}"))?;
        if found == other {
            elsewhere = Some(address);
            break;
        }
    }
    let elsewhere = elsewhere.ok_or_else(|| Failure("all went to one backend".to_owned()))?;
    proxy.backends.of_mut(&backend)?.stop_dovecot()?;
    eventually(|| {
        let state = proxy.state(system, &backend)?;
        ensure(state == "down", || format!("{backend} is {state}"))
    })?;
    expect("IMAP", proxy.login(&address, RIGHT), UNAVAILABLE)?;
    expect("IMAP", proxy.login(&address, "wrong"), "NO [AUTHENTICATIONFAILED]")?;
    expect("LMTP", proxy.deliver(&address, "waits"), "4")?;
    expect("IMAP", proxy.login(&elsewhere, RIGHT), "OK ")?;
    expect("LMTP", proxy.deliver(&elsewhere, "goes on"), "250 ")?;
    let log = proxy.keydove(system).log();
    ensure(log.contains("reason=backend_down"), || log)?;
    proxy.backends.of_mut(&backend)?.start_dovecot()?;
    eventually(|| {
        let state = proxy.state(system, &backend)?;
        ensure(state == "up", || format!("{backend} is {state}"))
    })?;
    expect("IMAP", proxy.login(&address, RIGHT), "OK ")?;
    expect("LMTP", proxy.deliver(&address, "now"), "250 ")?;
    ensure(proxy.backends.of(&backend)?.count_mail(&address) == Some(1), || {
        "the mail is not there".to_owned()
    })?;
    ensure(proxy.backends.of(&other)?.count_mail(&address).is_none(), || {
        format!("there is a mailbox on {other}")
    })
}
