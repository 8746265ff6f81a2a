//! Bytes on the port.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::Command;

use super::{CANNOT_TELL, NO, Served, YES, login, parse};
use crate::mailcow::world::{OTHER, RIGHT, RIGHT_HASH};
use crate::mailcow::{WorldCase, app_password, with_webmail_settings};
use crate::stage::Failure;
use crate::stage::keydove::with;
use crate::stage::process::run;
use crate::{ensure, eventually, transport};

pub const CASES: &[WorldCase] = &[
    ("http_login_says_yes_no_and_cannot_tell", |world| {
        let served = Served::start(world, "http-verdicts", "")?;
        world.person_with_hash("http-right@case.example", RIGHT_HASH)?;
        world.person_with_hash("http-off@case.example", RIGHT_HASH)?;
        world.bench.admin.update("http-off@case.example", |user| user["enabled"] = false.into())?;
        world.person_with_hash("http-odd@case.example", "{NO-SUCH}x")?;
        app_password(world, "http-right@case.example", "pop3_access = 0")?;
        for (user, password, service, status) in [
            ("http-right@case.example", RIGHT, "imap", 200),
            ("HTTP-right@CASE.example", RIGHT, "IMAP", 200),
            ("http-right@case.example", "wrong", "imap", 401),
            ("http-right@case.example", "", "imap", 401),
            ("http-right@case.example", OTHER, "imap", 200),
            ("http-right@case.example", OTHER, "pop3", 401),
            ("http-right@case.example", RIGHT, "xmpp", 401),
            ("http-off@case.example", RIGHT, "imap", 401),
            ("nobody@case.example", RIGHT, "imap", 401),
            ("nobody", RIGHT, "imap", 401),
            ("http-odd@case.example", RIGHT, "imap", 401),
        ] {
            served.answers(&login(user, password, service), status)?;
        }
        served.has_lines("door=http-login", 11)?;
        served.has_lines("verdict=refuse reason=user_disabled user=\"http-off@case.example\" service=imap mech=PLAIN remote=192.0.2.9", 1)?;
        served.has_lines("verdict=cannot_tell reason=hash_unusable", 1)
    }),
    ("http_login_without_a_service_counts_no_switch", |world| {
        let served = Served::start(world, "http-service", "")?;
        world.person_with_hash("http-none@case.example", RIGHT_HASH)?;
        world.system.execute(
            "UPDATE mailbox SET attributes = '{\"imap_access\":\"0\"}' WHERE username = 'http-none@case.example'",
        )?;
        app_password(world, "http-none@case.example", "imap_access = 0, smtp_access = 0")?;
        for password in [RIGHT, OTHER] {
            let named = login("http-none@case.example", password, "imap");
            served.answers(&named, 401)?;
            served.answers(&named.replace("\"imap\"", "null"), 200)?;
        }
        served.has_lines("service=none", 2)
    }),
    ("http_login_knows_the_webmail_by_its_address", |world| {
        let served = Served::start(world, "http-sogo", &with_webmail_settings(world, "http-sogo")?)?;
        world.person_with_hash("http-sogo@case.example", RIGHT_HASH)?;
        let body = login("http-sogo@case.example", crate::mailcow::SIGN_ON, "imap");
        served.answers(&body, 401)?;
        served.answers(&body.replace("192.0.2.9", crate::mailcow::SOGO), 200)?;
        for odd in ["", "172.22.1.248x", "fe80::1%eth0"] {
            served.answers(&body.replace("192.0.2.9", odd), 401)?;
        }
        Ok(())
    }),
    ("http_login_takes_no_odd_request_for_a_login", |world| {
        let served = Served::start(world, "http-odd", "")?;
        for body in
            ["", "{}", "[]", "<html>", "username=a&password=b", r#"{"username":"a@b","password":null}"#]
        {
            served.answers(body, 400)?;
        }
        served.answers(&format!("{{\"x\":\"{}\"}}", "x".repeat(100_000)), 413)?;
        // Latin-1 as Lua's JSON passes it on: bytes like any other, which match or do not.
        let mut latin = login("nobody@case.example", "gr", "imap").into_bytes();
        let at = latin.windows(4).position(|part| part == b"\"gr\"").unwrap_or_default() + 3;
        latin.insert(at, 0xFC);
        let answer = served.post(&latin)?;
        ensure(answer.0 == 401 && answer.2 == NO, || format!("{answer:?}"))?;
        for (request, status) in [
            ("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 405),
            ("PUT /x HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", 405),
        ] {
            let answer = parse(&served.talk(request.as_bytes())?)?;
            ensure(answer == (status, "application/json".to_owned(), NO.to_owned()), || {
                format!("{answer:?}")
            })?;
        }
        for nonsense in ["\x16\x03\x01\x02\0\x01\0", "hello\r\n\r\n", "AUTH\t1\tPLAIN\r\n\r\n"] {
            let answer = served.talk(nonsense.as_bytes())?;
            ensure(!answer.contains("200") && !answer.contains('<'), || answer)?;
        }
        let head = format!("POST / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(64 * 1024));
        let answer = served.talk(head.as_bytes())?;
        ensure(!answer.contains("200 OK") && !answer.contains('<'), || answer)
    }),
    ("http_login_answers_several_on_one_connection_in_turn", |world| {
        let served = Served::start(world, "http-pipe", "")?;
        world.person_with_hash("http-pipe@case.example", RIGHT_HASH)?;
        let request = |password: &str, more: &str| {
            let body = login("http-pipe@case.example", password, "imap");
            format!("POST /a/path HTTP/1.1\r\nHost: x\r\n{more}Content-Length: {}\r\n\r\n{body}", body.len())
        };
        let all =
            [request(RIGHT, ""), request("wrong", ""), request(RIGHT, "Connection: close\r\n")].concat();
        let answer = served.talk(all.as_bytes())?;
        let statuses: Vec<_> = answer.split("HTTP/1.1 ").skip(1).map(|part| &part[..3]).collect();
        ensure(statuses == ["200", "401", "200"], || answer.clone())
    }),
    ("http_login_waits_for_nobody_for_long", |world| {
        let served = Served::start(world, "http-slow", "")?;
        world.person_with_hash("http-slow@case.example", RIGHT_HASH)?;
        let mut stream = transport(TcpStream::connect((Ipv4Addr::LOCALHOST, served.port)))?;
        transport(stream.set_read_timeout(Some(crate::PATIENCE)))?;
        transport(
            stream.write_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 80\r\n\r\n{\"username\":"),
        )?;
        // Others are served meanwhile.
        served.answers(&login("http-slow@case.example", RIGHT, "imap"), 200)?;
        let mut answer = String::new();
        transport(stream.read_to_string(&mut answer))?;
        let answer = parse(&answer)?;
        ensure(answer == (408, "application/json".to_owned(), NO.to_owned()), || format!("{answer:?}"))
    }),
    ("http_login_decides_for_whoever_hangs_up", |world| {
        let served = Served::start(world, "http-gone", "")?;
        world.person_with_hash("http-gone@case.example", RIGHT_HASH)?;
        let send = |number: usize| {
            let body = serde_json::json!({
                "username": "http-gone@case.example", "password": format!("guess-{number}"),
                "real_rip": format!("203.0.113.{number}"), "service": "imap",
            });
            let body = body.to_string();
            let mut stream = transport(TcpStream::connect((Ipv4Addr::LOCALHOST, served.port)))?;
            let head = format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", body.len());
            transport(stream.write_all((head + &body).as_bytes()))?;
            Ok::<_, Failure>(stream)
        };
        // Whether the end of a connection is seen before its request has begun is a matter of luck.
        const TRIES: usize = 20;
        send(0).map(drop)?;
        served.has_lines("reason=password_mismatch user=\"http-gone@case.example\"", 1)?;
        (1..TRIES).try_for_each(|number| send(number).map(drop))?;
        served.has_lines("user=\"http-gone@case.example\"", TRIES)?;
        // Whoever closes their own side only is answered.
        let mut stream = send(TRIES)?;
        transport(stream.shutdown(Shutdown::Write))?;
        transport(stream.set_read_timeout(Some(crate::PATIENCE)))?;
        let mut answer = String::new();
        transport(stream.read_to_string(&mut answer))?;
        let (status, ..) = parse(&answer)?;
        // A Keycloak that is slow just now makes it another body.
        ensure(status == 401, || answer.clone())
    }),
    ("http_login_speaks_tls_and_then_only_tls", |world| {
        let tls = |name: &str| world.system.stage().path(&format!("tls/{name}")).display().to_string();
        let settings =
            format!("certificate_file = \"{}\"\nkey_file = \"{}\"\n", tls("server.pem"), tls("server.key"));
        let served = Served::start(world, "http-tls", &settings)?;
        world.person_with_hash("http-tls@case.example", RIGHT_HASH)?;
        let url = format!("https://localhost:{}/", served.port);
        let body = login("http-tls@case.example", RIGHT, "imap");
        for version in ["--tls-max=1.2", "--tlsv1.3"] {
            let (option, value) = version.split_once('=').unwrap_or((version, ""));
            let mut command = Command::new("curl");
            command.args(["-s", "--cacert", &tls("ca.pem"), "-d", &body, option]);
            if !value.is_empty() {
                command.arg(value);
            }
            let answer = run(command.arg(&url))?;
            ensure(answer == YES, || format!("{version}: {answer}"))?;
        }
        let plain = served.talk(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")?;
        ensure(!plain.contains("HTTP"), || plain.clone())
    }),
    ("http_login_is_on_a_unix_socket_too", |world| {
        let path = world.system.stage().path("keydove/http.sock");
        let listener = format!(
            "[[listener]]\ndoor = \"http-login\"\npath = \"{}\"\nmode = \"0600\"\n\n",
            path.display()
        );
        let served = Served::start_edited(world, "http-unix", "", |text| listener + &text)?;
        world.person_with_hash("http-unix@case.example", RIGHT_HASH)?;
        let body = login("http-unix@case.example", RIGHT, "imap");
        let mut stream = transport(UnixStream::connect(&path))?;
        let request = format!(
            "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        transport(stream.write_all(request.as_bytes()))?;
        transport(stream.set_read_timeout(Some(crate::PATIENCE)))?;
        let mut answer = String::new();
        transport(stream.read_to_string(&mut answer))?;
        ensure(parse(&answer)?.2 == YES, || answer)?;
        drop(served);
        Ok(())
    }),
    ("http_login_answers_what_it_has_before_it_stops", |world| {
        let url = world.system.keycloak.url();
        let relay = world.system.keycloak.relay(crate::stage::relay::Conduct::Hang)?;
        let own = relay.url();
        let mut served = Served::start_edited(world, "http-stop", "", |text| {
            with(&text.replace(&url, &own), "request_timeout", "4s")
        })?;
        world.person_with_hash("http-stop@case.example", RIGHT_HASH)?;
        let body = login("http-stop@case.example", RIGHT, "imap");
        let mut stream = transport(TcpStream::connect((Ipv4Addr::LOCALHOST, served.port)))?;
        transport(stream.set_read_timeout(Some(crate::PATIENCE)))?;
        let request = format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        transport(stream.write_all(request.as_bytes()))?;
        eventually(|| {
            ensure(!relay.requests("http-stop").is_empty(), || "Keycloak was not asked".to_owned())
        })?;
        served.keydove.stop()?;
        let mut answer = String::new();
        transport(stream.read_to_string(&mut answer))?;
        let answer = parse(&answer)?;
        let (status, body) = CANNOT_TELL;
        ensure(answer == (status, "application/json".to_owned(), body.to_owned()), || format!("{answer:?}"))
    }),
];
