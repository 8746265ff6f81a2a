//! Edges of Dovecot's and Postfix's protocols that need a real server and have no place elsewhere.

use std::thread;
use std::time::{Duration, Instant};

use super::auth_socket::AuthSocket;
use super::clients::{Login, Smtp, encode, imap_login, smtp_login};
use super::stage::Failure;
use super::{Case, LoneCase, ensure, expect, transport};

const ALICE: Login<'_> = Login { user: "alice@example.org", password: "pw" };
/// How late keydove is; Postfix gives its SASL server 10 s.
const LATE: Duration = Duration::from_secs(3);
/// Of the case that looks at it.
const FAILURE_DELAY: Duration = Duration::from_secs(4);
/// A response that does not fit into Postfix's `line_length_limit`.
const BEYOND_A_LINE: usize = 3000;

pub const LONE_CASES: &[LoneCase] = &[
    ("a_success_of_a_keydove_that_is_gone_is_worth_nothing", |system| {
        let mut client = transport(AuthSocket::client(system.keydove.socket("auth-client")?, 4801))?;
        transport(client.login(1, ALICE.user, ALICE.password))?;
        expect("a login", client.line(), "OK\t1\tuser=")?;
        system.keydove.kill()?;
        system.keydove.start_again()?;
        let mut master = transport(AuthSocket::master(system.keydove.socket("auth-master")?))?;
        let spid = |socket: &AuthSocket| {
            socket.handshake.iter().find_map(|line| line.strip_prefix("SPID\t").map(str::to_owned))
        };
        // By this Dovecot's mail processes see that the server is another one.
        ensure(spid(&client).is_some() && spid(&client) != spid(&master), || {
            "the SPID is the same".to_owned()
        })?;
        transport(master.send(format!("REQUEST\t1\t4801\t1\t{}\n", client.cookie()).as_bytes()))?;
        expect("the old success", master.line(), "FAIL\t1\t")
    }),
    ("a_keydove_that_comes_late_costs_a_wait_and_no_login", |system| {
        expect("SMTP before", smtp_login(system.postfix.submission, ALICE), "235 ")?;
        system.keydove.stop()?;
        let sockets = system.keydove.open_sockets()?;
        let (imap, smtp) = (system.dovecot.imap, system.postfix.submission);
        let clients = [
            thread::spawn(move || expect("IMAP meanwhile", imap_login(imap, ALICE), "OK ")),
            thread::spawn(move || expect("SMTP meanwhile", smtp_login(smtp, ALICE), "235 ")),
        ];
        thread::sleep(LATE);
        let started = system.keydove.start_with_sockets(&sockets);
        let ends = clients
            .map(|client| client.join().map_err(|_| Failure("a client panicked".to_owned())).flatten());
        system.keydove.stop()?;
        drop(sockets);
        system.keydove.start_again()?;
        started?;
        ends.into_iter().collect()
    }),
];

pub const CASES: &[Case] = &[
    ("what_smtp_clients_do_is_answered_and_the_session_lives", |system| {
        let plain = encode(&format!("\0{}\0{}", ALICE.user, ALICE.password));
        let mut smtp = transport(Smtp::connect(system.postfix.submission))?;
        // Postfix passes this on as `resp==`.
        expect("an empty response", smtp.command("AUTH PLAIN ="), "535 ")?;
        // The exchange ends here, and nobody tells keydove.
        expect("LOGIN", smtp.command("AUTH LOGIN"), "334 ")?;
        expect("an abort", smtp.command("*"), "501 ")?;
        expect("small letters", smtp.command(&format!("AUTH plain {plain}")), "235 ")?;
        let mut smtp = transport(Smtp::connect(system.postfix.submission))?;
        let long = encode(&format!("\0{}\0{}", ALICE.user, "x".repeat(BEYOND_A_LINE)));
        let cut = transport(smtp.command(&format!("AUTH PLAIN {long}")))?;
        ensure(cut.starts_with('5'), || format!("a response that is cut off: {cut}"))?;
        expect("after that", smtp_login(system.postfix.submission, ALICE), "235 ")
    }),
    ("a_refusal_waits_alone_and_nobody_waits_longer_for_being_known", |system| {
        // On a busy machine a login may well take as long as the other cases' refusals wait.
        let slow = |text: String| text.replace("failure_delay = \"300ms\"", "failure_delay = \"4s\"");
        let keydove = system.keydove.beside("refusals", slow)?;
        let mut client = transport(AuthSocket::client(keydove.client_socket()?, 4811))?;
        // A Keycloak that has just started takes longer over its first answer than a refusal waits.
        transport(client.login(9, ALICE.user, ALICE.password))?;
        expect("a login before", client.line(), "OK\t9\t")?;
        let start = Instant::now();
        transport(client.login(1, ALICE.user, "wrong"))?;
        transport(client.login(2, "ghost@example.org", "pw"))?;
        transport(client.login(3, "disabled@example.org", "pw"))?;
        transport(client.login(4, ALICE.user, ALICE.password))?;
        expect("the first answer", client.line(), "OK\t4\t")?;
        let mut ids = Vec::new();
        for _ in 0..3 {
            let line = transport(client.line())?;
            let waited = start.elapsed();
            ensure(waited >= FAILURE_DELAY, || format!("`{line}` came after {} ms", waited.as_millis()))?;
            let fields: Vec<_> = line.split('\t').map(str::to_owned).collect();
            // The name as sent, and nothing that tells why.
            ensure(fields.len() == 3 && fields[0] == "FAIL" && fields[2].starts_with("user="), || {
                line.clone()
            })?;
            ids.push(fields[1].clone());
        }
        ids.sort();
        ensure(ids == ["1", "2", "3"], || format!("answers to {ids:?}"))
    }),
];
