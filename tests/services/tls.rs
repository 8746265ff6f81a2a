//! Keycloak over TLS, with the certificate of a private authority.

use super::auth_socket::AuthSocket;
use super::stage::keydove::Keydove;
use super::stage::system::System;
use super::stage::{Failure, Result};
use super::{Case, expect};

const ACCEPTED: &str = "OK\t1\tuser=alice@example.org";

pub const CASES: &[Case] = &[
    ("a_private_authority_is_trusted_when_it_is_named", |system| {
        let ca_file = format!("ca_file = \"{}\"", system.keycloak.authority().display());
        let keydove = over_tls(system, "tls-named", &ca_file)?;
        expect("a login with ca_file", login(&keydove, "tls-named.sock"), ACCEPTED)
    }),
    ("an_unknown_authority_is_no_refusal", |system| {
        let keydove = over_tls(system, "tls-unknown", "")?;
        let answer = login(&keydove, "tls-unknown.sock");
        expect("a login without ca_file", answer, "FAIL\t1\tuser=alice@example.org\tcode=temp_fail")?;
        logs(&keydove, "verdict=cannot_tell reason=keycloak_tls")
    }),
    ("verification_can_be_switched_off_loudly", |system| {
        let keydove = over_tls(system, "tls-off", "tls_verify = false")?;
        expect("a login without verification", login(&keydove, "tls-off.sock"), ACCEPTED)?;
        logs(&keydove, "WARN keycloak.tls_verify is false")
    }),
];

/// A second keydove whose Keycloak has an `https` address.
fn over_tls(system: &System, name: &'static str, setting: &str) -> Result<Keydove> {
    let (plain, tls) = (system.keycloak.url(), system.keycloak.https_url());
    let realm = "realm = \"mail\"";
    system
        .keydove
        .beside(name, |text| text.replace(&plain, &tls).replace(realm, &format!("{realm}\n{setting}")))
}

fn login(keydove: &Keydove, socket: &str) -> std::io::Result<String> {
    let path = keydove.socket(socket).map_err(|failure| std::io::Error::other(failure.0))?;
    let mut socket = AuthSocket::client(path, 5000)?;
    socket.login(1, "alice@example.org", "pw")?;
    socket.line()
}

fn logs(keydove: &Keydove, words: &str) -> Result<()> {
    let log = keydove.log();
    if log.contains(words) { Ok(()) } else { Err(Failure(format!("`{words}` is not in the log:\n{log}"))) }
}
