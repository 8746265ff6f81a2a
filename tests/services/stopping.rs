//! How keydove ends, and what it finds when it starts: sockets, their owners, and what must not be lost between.

use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixListener;
use std::time::Duration;

use super::auth_socket::AuthSocket;
use super::stage::keydove::{Keydove, with};
use super::stage::redis::{self, Redis};
use super::stage::{Failure, Result, Stage, attempt, give, ids_of};
use super::{Case, ensure, expect};

const ALICE: &str = "alice@example.org";
/// Postfix gives up on a silent auth server after 10 s, so the next keydove must be there by then.
const LONGEST_STOP: Duration = Duration::from_secs(9);

pub const CASES: &[Case] = &[
    ("a_login_under_way_is_answered_before_keydove_ends", |system| {
        // It takes calls and never answers them.
        let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|listener| listener.local_addr().map(|a| (listener, a)));
        let (_listener, address) = silent.map_err(|error| Failure(format!("listen: {error}")))?;
        let url = system.keycloak.url();
        let mut keydove = system.keydove.beside("stop-slow", |text| {
            with(&text.replace(&url, &format!("http://{address}")), "request_timeout", "4s")
        })?;
        let mut socket = client(&keydove, "stop-slow.sock")?;
        sent(socket.login(1, ALICE, "pw"))?;
        stop(&mut keydove)?;
        expect("the login under way", socket.line(), "FAIL\t1\tuser=alice@example.org\tcode=temp_fail")?;
        logs(&keydove, "verdict=cannot_tell reason=keycloak_timeout user=\"alice@example.org\"")
    }),
    ("an_exchange_half_way_is_answered_before_keydove_ends", |system| {
        let mut keydove = system.keydove.beside("stop-half", |text| text)?;
        let mut socket = client(&keydove, "stop-half.sock")?;
        sent(socket.send(b"AUTH\t1\tLOGIN\tservice=imap\n"))?;
        expect("the challenge", socket.line(), "CONT\t1\t")?;
        stop(&mut keydove)?;
        // A login process of Dovecot 2.3 would tell its client of a wrong password if keydove merely closed.
        expect("the exchange", socket.line(), "FAIL\t1\tcode=temp_fail")
    }),
    ("an_idle_connection_does_not_hold_keydove_up", |system| {
        let mut keydove = system.keydove.beside("stop-idle", |text| text)?;
        let mut socket = client(&keydove, "stop-idle.sock")?;
        sent(socket.login(1, ALICE, "wrong"))?;
        expect("a login", socket.line(), "FAIL\t1\tuser=")?;
        stop(&mut keydove)?;
        let log = keydove.log();
        ensure(!log.contains("had to be cut"), || log.clone())?;
        ensure(socket.is_closed(), || "the connection is still open".to_owned())
    }),
    ("a_redis_that_comes_and_goes_costs_no_login", |system| {
        let mut redis = Redis::start(&Stage::new()?)?;
        let secret = system.stage().write("keydove/redis-password", redis::PASSWORD)?;
        give(&secret, "root", "root", 0o600)?;
        let (server, secret) = (redis.socket().display().to_string(), secret.display().to_string());
        let table = format!(
            "\n[redis]\nsocket = \"{server}\"\npassword_file = \"{secret}\"\nban_channel = \"F2B_CHANNEL\"\n"
        );
        let mut keydove = system.keydove.beside("with-redis", |text| text + &table)?;
        let mut socket = client(&keydove, "with-redis.sock")?;
        let mut log_in = |id| {
            sent(socket.login(id, ALICE, "pw"))?;
            expect("a login", socket.line(), &format!("OK\t{id}\tuser={ALICE}"))
        };
        log_in(1)?;
        redis.stop()?;
        log_in(2)?;
        redis.start_again()?;
        log_in(3)?;
        stop(&mut keydove)?;
        ensure(!keydove.log().contains(redis::PASSWORD), || "the password is in the log".to_owned())
    }),
    ("a_socket_file_that_nobody_serves_is_replaced", |system| {
        let mut keydove = system.keydove.beside("stale", |text| text)?;
        keydove.stop()?;
        let path = keydove.socket("stale.sock")?.to_owned();
        let _ = std::fs::remove_file(&path);
        drop(attempt("bind", &path, UnixListener::bind(&path))?);
        keydove.start_again()?;
        let mut socket = client(&keydove, "stale.sock")?;
        sent(socket.login(1, ALICE, "pw"))?;
        expect("a login", socket.line(), "OK\t1\tuser=alice@example.org")
    }),
    ("sockets_belong_to_whom_the_configuration_says", |system| {
        for (name, user, group) in [
            ("login/ext/auth", "root", "dovenull"),
            ("auth-master", "root", "root"),
            ("private/keydove", "postfix", "postfix"),
        ] {
            let path = system.keydove.socket(name)?;
            let found = attempt("look at", path, std::fs::metadata(path))?;
            ensure((found.uid(), found.gid()) == ids_of(user, group)?, || {
                format!("{name} belongs to {}:{}", found.uid(), found.gid())
            })?;
        }
        Ok(())
    }),
];

/// Ends it with SIGTERM, with exit code 0 and in time.
fn stop(keydove: &mut Keydove) -> Result<()> {
    let took = keydove.stop()?;
    ensure(took < LONGEST_STOP, || format!("keydove took {} ms to stop", took.as_millis()))
}

fn client(keydove: &Keydove, socket: &str) -> Result<AuthSocket> {
    sent(AuthSocket::client(keydove.socket(socket)?, 6000))
}

fn logs(keydove: &Keydove, words: &str) -> Result<()> {
    let log = keydove.log();
    ensure(log.contains(words), || format!("`{words}` is not in the log:\n{log}"))
}

fn sent<T>(result: std::io::Result<T>) -> Result<T> {
    result.map_err(|error| Failure(format!("the connection failed: {error}")))
}
