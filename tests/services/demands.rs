//! What the configuration demands of a person, asked of a real Keycloak.

use super::auth_socket::AuthSocket;
use super::stage::Result;
use super::stage::system::System;
use super::{Case, ensure, eventually, expect};

const ALICE: &str = "alice@example.org";
const ACCEPTED: &str = "OK\t1\tuser=";
const REFUSED: &str = "FAIL\t1\tuser=";

pub const CASES: &[Case] = &[
    ("a_service_account_that_sees_nobody_is_no_refusal", |system| {
        let answer = "FAIL\t1\tuser=alice@example.org\tcode=temp_fail";
        let keydove = system.keydove.beside("blind", |text| {
            text.replace("client_id = \"mailcow\"", "client_id = \"doctor-query-only\"")
        })?;
        let login = || {
            let path = keydove.socket("blind.sock").map_err(|failure| std::io::Error::other(failure.0))?;
            let mut socket = AuthSocket::client(path, 6001)?;
            socket.login(1, ALICE, "pw")?;
            socket.line()
        };
        expect("a blind service account", login(), answer)?;
        let log = keydove.log();
        if log.contains("view-users") { Ok(()) } else { Err(super::stage::Failure(log)) }
    }),
    ("a_demanded_role_is_asked_for", |system| {
        with(system, "role", "required_role = \"no-such-role\"", ALICE, (REFUSED, "reason=role_missing"))
    }),
    ("a_demanded_group_is_asked_for", |system| {
        with(system, "group", "required_group = \"/staff\"", ALICE, (REFUSED, "reason=group_missing"))
    }),
    ("a_demanded_attribute_must_have_its_value", |system| {
        let plain = "plain@example.org";
        with(
            system,
            "value",
            "required_attribute = \"mailcow_template=default\"",
            plain,
            (ACCEPTED, "reason=ok"),
        )?;
        let other = "required_attribute = \"mailcow_template=other\"";
        with(system, "other", other, plain, (REFUSED, "reason=attribute_missing"))
    }),
    ("a_demanded_verification_must_have_happened", |system| {
        let setting = "require_verified_email = true";
        with(system, "verified", setting, "plain@example.org", (ACCEPTED, "reason=ok"))?;
        with(system, "pending", setting, "pending@example.org", (REFUSED, "reason=email_unverified"))
    }),
    ("people_can_be_found_by_their_user_name", |system| {
        let setting = "lookup = \"username\"";
        with(system, "username", setting, "plain@example.org", (ACCEPTED, "reason=ok"))?;
        with(system, "no-username", setting, "john.doe@example.org", (REFUSED, "reason=user_gone"))
    }),
    ("people_can_be_found_by_an_attribute", |system| {
        let setting = "lookup = \"attribute\"\nlookup_attribute = \"mailcow_template\"";
        with(system, "attribute", setting, "plain@example.org", (REFUSED, "reason=user_gone"))
    }),
];

/// Logs in at a second keydove with one more setting under `[keycloak]`.
fn with(system: &System, name: &'static str, setting: &str, user: &str, end: (&str, &str)) -> Result<()> {
    let (answer, reason) = end;
    let realm = "realm = \"mail\"";
    let keydove = system.keydove.beside(name, |text| text.replace(realm, &format!("{realm}\n{setting}")))?;
    let login = || {
        let path =
            keydove.socket(&format!("{name}.sock")).map_err(|failure| std::io::Error::other(failure.0))?;
        let mut socket = AuthSocket::client(path, 6000)?;
        socket.login(1, user, "pw")?;
        socket.line()
    };
    expect(setting, login(), answer)?;
    // The line is written beside the answer.
    eventually(|| {
        let log = keydove.log();
        ensure(log.contains(reason), || format!("`{reason}` is not in the log:\n{log}"))
    })
}
