//! What no honest mail server sends. keydove answers it, closes at most that connection, and serves everybody else.

use std::collections::HashMap;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::auth_socket::AuthSocket;
use super::clients::encode;
use super::stage::system::System;
use super::stage::{Failure, Result};
use super::{Case, ensure, eventually, expect, transport};

const ALICE: &str = "alice@example.org";
/// What a hundred megabytes of nonsense may cost at most.
const MEMORY_GROWTH_KIB: u64 = 20 * 1024;

/// What a client that takes no replies may send; the buffers of both sockets hold far less.
const MOST_UNREAD: usize = 64 << 20;
/// How long nothing may be taken before a client counts as stuck.
const STUCK: Duration = Duration::from_secs(1);

pub const CASES: &[Case] = &[
    ("broken_framing_ends_that_connection_alone", |system| {
        let mut other = client(system, 4001)?;
        for line in
            ["FOO\t1", "", "AUTH\t0\tPLAIN\tservice=imap", "AUTH\t1\tPLAIN", "CANCEL\tx", "VERSION\t1\t2"]
        {
            let mut socket = client(system, 4000)?;
            send(&mut socket, format!("{line}\n").as_bytes())?;
            ensure(socket.is_closed(), || format!("`{line}` did not end the connection"))?;
        }
        still_serves(&mut other)
    }),
    ("what_a_person_can_cause_is_refused_without_a_close", |system| {
        let mut socket = client(system, 4002)?;
        let nul = encode(&format!("\0{ALICE}\0pw\0x"));
        let huge = encode(&format!("\0{ALICE}\0{}", "x".repeat(1 << 20)));
        let long = encode(&format!("\0{ALICE}\0{}", "x".repeat(9000)));
        let control = encode("\0al\tice\x01\n@example.org\0pw");
        for (sent, answer) in [
            ("AUTH\t1\tCRAM-MD5\tservice=imap".to_owned(), "FAIL\t1"),
            ("AUTH\t1\tPLAIN\tservice=imap\tresp=*".to_owned(), "FAIL\t1\tcode=invalid_base64"),
            (format!("AUTH\t1\tPLAIN\tservice=imap\tresp={nul}"), "FAIL\t1"),
            (format!("AUTH\t1\tPLAIN\tservice=imap\tresp={}", encode("\0\0")), "FAIL\t1"),
            (format!("AUTH\t1\tPLAIN\tservice=imap\tresp={huge}"), "FAIL\t1"),
            (format!("AUTH\t1\tPLAIN\tservice=imap\tresp={long}"), "FAIL\t1\tuser=alice@example.org"),
            (format!("AUTH\t1\tPLAIN\tservice=imap\tresp={control}"), "FAIL\t1\tuser=al?ice??@example.org"),
            (
                format!("AUTH\t1\tPLAIN\tservice=telnet\tresp={}", encode("\0alice@example.org\0pw")),
                "FAIL\t1\tuser=",
            ),
            (
                format!(
                    "AUTH\t1\tPLAIN\tservice=imap\tresp={}",
                    encode("bob@example.org\0alice@example.org\0pw")
                ),
                "FAIL\t1\tuser=",
            ),
            ("CONT\t77\tAA==".to_owned(), "FAIL\t77\treason=Authentication request timed out"),
        ] {
            send(&mut socket, format!("{sent}\n").as_bytes())?;
            let shown: String = sent.chars().take(60).collect();
            expect(&shown, socket.line(), answer)?;
        }
        still_serves(&mut socket)
    }),
    ("a_request_id_in_use_cannot_be_used_again", |system| {
        let mut other = client(system, 4009)?;
        let mut socket = client(system, 4010)?;
        send(&mut socket, b"AUTH\t1\tLOGIN\tservice=imap\n")?;
        expect("the challenge", socket.line(), "CONT\t1\t")?;
        transport(socket.login(1, ALICE, "pw"))?;
        ensure(socket.is_closed(), || "an id in use was used again".to_owned())?;
        still_serves(&mut other)
    }),
    ("a_response_too_long_ends_its_exchange_alone", |system| {
        let mut socket = client(system, 4011)?;
        send(&mut socket, b"AUTH\t1\tLOGIN\tservice=imap\nAUTH\t2\tLOGIN\tservice=imap\n")?;
        expect("the first challenge", socket.line(), "CONT\t1\t")?;
        expect("the second challenge", socket.line(), "CONT\t2\t")?;
        send(&mut socket, format!("CONT\t1\t{}\n", "A".repeat(1 << 20)).as_bytes())?;
        expect("the long response", socket.line(), "FAIL\t1")?;
        send(&mut socket, format!("CONT\t2\t{}\n", encode(ALICE)).as_bytes())?;
        expect("the other exchange", socket.line(), "CONT\t2\t")?;
        send(&mut socket, format!("CONT\t2\t{}\n", encode("pw")).as_bytes())?;
        expect("the other exchange", socket.line(), "OK\t2\tuser=alice@example.org")
    }),
    ("a_cancelled_login_is_never_redeemed", |system| {
        let mut socket = client(system, 4012)?;
        transport(socket.login(1, ALICE, "pw"))?;
        expect("a login", socket.line(), "OK\t1\tuser=")?;
        // Half-way, under way and unknown; none of them has an answer.
        send(&mut socket, b"CANCEL\t1\nAUTH\t2\tLOGIN\tservice=imap\n")?;
        expect("a challenge", socket.line(), "CONT\t2\t")?;
        transport(socket.login(3, ALICE, "pw"))?;
        send(&mut socket, b"CANCEL\t2\nCANCEL\t3\nCANCEL\t99\n")?;
        still_serves(&mut socket)?;
        let mut master = transport(AuthSocket::master(system.keydove.socket("auth-master")?))?;
        for id in [1, 2, 3] {
            let line = format!("REQUEST\t{id}\t4012\t{id}\t{}\n", socket.cookie());
            transport(master.send(line.as_bytes()))?;
            expect("a cancelled login", master.line(), &format!("FAIL\t{id}\t"))?;
        }
        Ok(())
    }),
    ("a_client_that_takes_no_replies_is_no_longer_read", |system| {
        let mut other = client(system, 4013)?;
        let before = system.keydove.memory_kib()?;
        let sent = send_until_stuck(system.keydove.socket("auth-client")?)?;
        ensure(sent < MOST_UNREAD, || format!("{sent} bytes were taken"))?;
        let grown = system.keydove.memory_kib()?.saturating_sub(before);
        ensure(grown < MEMORY_GROWTH_KIB, || format!("keydove grew by {grown} KiB"))?;
        still_serves(&mut other)
    }),
    ("a_line_without_end_costs_neither_memory_nor_other_logins", |system| {
        let mut other = client(system, 4003)?;
        let before = system.keydove.memory_kib()?;
        let mut socket = client(system, 4004)?;
        let block = vec![b'x'; 1 << 20];
        let sent = (0..100).take_while(|_| socket.send(&block).is_ok()).count();
        ensure(sent < 100, || "a hundred megabytes without a line end were taken".to_owned())?;
        let grown = system.keydove.memory_kib()?.saturating_sub(before);
        ensure(grown < MEMORY_GROWTH_KIB, || format!("keydove grew by {grown} KiB"))?;
        still_serves(&mut other)
    }),
    ("two_hundred_logins_at_once_get_one_reply_each", |system| {
        let mut socket = client(system, 4005)?;
        for id in 1..=200 {
            let password = if id % 2 == 0 { "pw" } else { "wrong" };
            transport(socket.login(id, "ssha512@example.org", password))?;
        }
        let mut replies: HashMap<String, usize> = HashMap::new();
        for _ in 0..200 {
            let line = transport(socket.line())?;
            let mut fields = line.split('\t');
            let (word, id) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
            let number: u32 = id.parse().map_err(|_| Failure(format!("no id in `{line}`")))?;
            let right = if number.is_multiple_of(2) { "OK" } else { "FAIL" };
            ensure(word == right, || format!("login {id} was answered `{line}`"))?;
            ensure(!line.contains("temp_fail"), || format!("login {id} was answered `{line}`"))?;
            *replies.entry(id.to_owned()).or_default() += 1;
        }
        ensure(replies.len() == 200, || format!("{} different ids were answered", replies.len()))
    }),
    ("a_login_is_redeemed_once_and_by_its_cookie", |system| {
        let mut socket = client(system, 4006)?;
        let mut twin = client(system, 4006)?;
        for (socket, user) in [(&mut socket, ALICE), (&mut twin, "carol@example.org")] {
            transport(socket.login(9, user, "pw"))?;
            expect("a login", socket.line(), "OK\t9\tuser=")?;
        }
        let mut master = transport(AuthSocket::master(system.keydove.socket("auth-master")?))?;
        let mut redeem = |id: u32, cookie: &str| {
            transport(master.send(format!("REQUEST\t{id}\t4006\t9\t{cookie}\n").as_bytes()))?;
            transport(master.line())
        };
        ensure(redeem(1, &"0".repeat(32))?.starts_with("FAIL\t1"), || "a wrong cookie redeemed".to_owned())?;
        let answer = redeem(2, twin.cookie())?;
        ensure(answer.starts_with("USER\t2\tcarol@example.org\tuid="), || format!("carol got `{answer}`"))?;
        let answer = redeem(3, socket.cookie())?;
        ensure(answer.starts_with("USER\t3\talice@example.org\tuid="), || format!("alice got `{answer}`"))?;
        let answer = redeem(4, socket.cookie())?;
        ensure(answer.starts_with("FAIL\t4"), || format!("a second time: `{answer}`"))
    }),
    ("a_client_that_hangs_up_is_logged_all_the_same", |system| {
        let mut socket = client(system, 4007)?;
        transport(socket.login(1, "hang.up@example.org", "pw"))?;
        drop(socket);
        eventually(|| {
            let logged = system.keydove.log_so_far().contains("user=\"hang.up@example.org\"");
            ensure(logged, || "there is no log line".to_owned())
        })
    }),
    ("bytes_may_come_one_by_one", |system| {
        let mut socket = client(system, 4008)?;
        let line = format!("AUTH\t1\tPLAIN\tservice=imap\tresp={}\r\n", encode(&format!("\0{ALICE}\0pw")));
        for byte in line.bytes() {
            send(&mut socket, &[byte])?;
        }
        expect("a login in pieces", socket.line(), "OK\t1\tuser=alice@example.org")
    }),
    ("sockets_have_the_mode_of_the_configuration", |system| {
        for (name, mode) in [("login/ext/auth", 0o660), ("auth-client", 0o600), ("auth-master", 0o600)] {
            let path = system.keydove.socket(name)?;
            let found = transport(std::fs::metadata(path))?.mode() & 0o777;
            ensure(found == mode, || format!("{name} has mode {found:o}"))?;
        }
        Ok(())
    }),
    ("a_second_keydove_on_the_same_sockets_is_told_so", |system| {
        let output = transport(system.keydove.command("serve").output())?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure(output.status.code() == Some(70), || format!("exit {:?}: {said}", output.status))?;
        ensure(said.contains("another process already serves it"), || said.into_owned())
    }),
    ("check_says_what_would_be_served", |system| {
        let output = transport(system.keydove.command("check").output())?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure(output.status.success() && said.contains("auth-master on "), || said)
    }),
];

/// Sends requests that are answered at once, and reads none of the answers. Returns how many bytes were taken.
fn send_until_stuck(path: &Path) -> Result<usize> {
    let mut stream = transport(UnixStream::connect(path))?;
    transport(stream.set_write_timeout(Some(STUCK)))?;
    transport(stream.write_all(b"VERSION\t1\t2\nCPID\t4014\n"))?;
    let block = "CONT\t7\tAA==\n".repeat(1000);
    let mut taken = 0;
    while taken < MOST_UNREAD {
        // A write that takes a part ends the line elsewhere, so what is left of the block follows.
        let mut left = block.as_bytes();
        while !left.is_empty() {
            match stream.write(left) {
                Ok(written) => left = &left[written..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(taken),
                Err(error) => return Err(Failure(format!("the connection failed: {error}"))),
            }
        }
        taken += block.len();
    }
    Ok(taken)
}

fn client(system: &System, cpid: u32) -> Result<AuthSocket> {
    transport(AuthSocket::client(system.keydove.socket("auth-client")?, cpid))
}

fn still_serves(socket: &mut AuthSocket) -> Result<()> {
    transport(socket.login(500, ALICE, "pw"))?;
    expect("a login afterwards", socket.line(), "OK\t500\tuser=alice@example.org")
}

fn send(socket: &mut AuthSocket, bytes: &[u8]) -> Result<()> {
    transport(socket.send(bytes))
}
