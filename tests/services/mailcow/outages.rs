//! Keycloak gone, slow, broken, or of another opinion about a token; and what a mail server leaves unsaid.

use std::time::Duration;

use super::WorldCase;
use super::world::End::{Accept, CannotTell, Refuse};
use super::world::{Attempt, OTHER, RIGHT, RIGHT_HASH, World, attempt_at, prompt};
use crate::ensure;
use crate::stage::Result;
use crate::stage::keydove::{Keydove, with};
use crate::stage::relay::{Conduct, Relay};

/// How Keycloak fails, with the name of the keydove that meets it, and the reason code.
const FAULTS: &[(&str, Conduct, &str)] = &[
    ("fault-hang", Conduct::Hang, "keycloak_timeout"),
    ("fault-close", Conduct::Close, "keycloak_reset"),
    ("fault-401", Conduct::Answer("401 Unauthorized", "{}"), "keycloak_401"),
    ("fault-403", Conduct::Answer("403 Forbidden", "{}"), "keycloak_403"),
    ("fault-404", Conduct::Answer("404 Not Found", "{}"), "keycloak_404"),
    ("fault-429", Conduct::Answer("429 Too Many Requests", "{}"), "keycloak_429"),
    ("fault-500", Conduct::Answer("500 Internal Server Error", "{}"), "keycloak_5xx"),
    ("fault-503", Conduct::Answer("503 Service Unavailable", "<html>"), "keycloak_5xx"),
];
/// Answers with status 200 that are no list of people.
const SHAPES: &[(&str, &str)] = &[
    ("shape-object", "{\"error\":\"x\"}"),
    ("shape-null", "null"),
    ("shape-html", "<html>Sign in</html>"),
    ("shape-cut", "[{\"id\":\"1\""),
    ("shape-number", "[7]"),
    ("shape-empty", ""),
];

pub const CASES: &[WorldCase] = &[
    // keydove's own, both: such answers say nothing about a password.
    ("keycloak_in_trouble_is_no_wrong_password", |world| {
        world.person_with_hash("case59@case.example", RIGHT_HASH)?;
        for &(name, conduct, reason) in FAULTS {
            let relay = world.system.keycloak.relay(conduct)?;
            neither_right_nor_wrong(&behind(world, name, &relay)?, "case59@case.example", reason)?;
        }
        for (name, url, reason) in [
            ("fault-refused", "http://127.0.0.1:9", "keycloak_refused"),
            ("fault-dns", "http://no-such-host.invalid", "keycloak_dns"),
            ("fault-tls", &world.system.keycloak.url().replace("http:", "https:"), "keycloak_tls"),
        ] {
            let right = world.system.keycloak.url();
            let keydove = world.system.keydove.beside(name, |text| prompt(&text).replace(&right, url))?;
            neither_right_nor_wrong(&keydove, "case59@case.example", reason)?;
        }
        Ok(())
    }),
    ("an_answer_that_is_no_list_is_no_refusal", |world| {
        world.person_with_hash("case62@case.example", RIGHT_HASH)?;
        for &(name, body) in SHAPES {
            let relay = world.system.keycloak.relay(Conduct::Answer("200 OK", body))?;
            let keydove = behind(world, name, &relay)?;
            neither_right_nor_wrong(&keydove, "case62@case.example", "keycloak_bad_answer")?;
            // It still runs.
            attempt_at(&keydove, Attempt::new("case62", RIGHT), Refuse("name_invalid"))?;
        }
        Ok(())
    }),
    // keydove's own: the login waits for a new token, once.
    ("a_token_that_died_costs_one_more", |world| {
        world.person_with_hash("case63@case.example", RIGHT_HASH)?;
        let relay = world.system.keycloak.relay(Conduct::Pass)?;
        let keydove = behind(world, "case63", &relay)?;
        attempt_at(&keydove, Attempt::new("case63@case.example", RIGHT), Accept("keycloak"))?;
        // Keycloak compares times in whole seconds.
        std::thread::sleep(Duration::from_millis(1100));
        world.bench.admin.revoke_tokens()?;
        attempt_at(&keydove, Attempt::new("case63@case.example", OTHER), Refuse("password_mismatch"))?;
        attempt_at(&keydove, Attempt::new("case63@case.example", RIGHT), Accept("keycloak"))?;
        let tokens = relay.requests("/protocol/openid-connect/token").len();
        ensure(tokens == 2, || format!("{tokens} tokens were fetched"))
    }),
    // keydove's own: an administrator's mistake is nobody's wrong password.
    ("a_wrong_client_secret_is_no_refusal", |world| {
        world.person_with_hash("case64@case.example", RIGHT_HASH)?;
        let secret = world.system.stage().write("keydove/wrong_secret", "wr0ng")?;
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(&secret, mode).map_err(|error| error.to_string())?;
        let relay = world.system.keycloak.relay(Conduct::Pass)?;
        let (right, relayed) = (world.system.keycloak.url(), relay.url());
        let keydove = world.system.keydove.beside("case64", |text| {
            prompt(&text).replace("/client_secret\"", "/wrong_secret\"").replace(&right, &relayed)
        })?;
        neither_right_nor_wrong(&keydove, "case64@case.example", "keycloak_401")?;
        let people = relay.requests("/admin/").len();
        ensure(people == 0, || format!("{people} questions about people without a token"))
    }),
    // Its row in `sasl_log` waits for that table.
    ("a_services_name_may_be_in_upper_case", |world| {
        world.person_with_hash("case66@case.example", RIGHT_HASH)?;
        for service in ["IMAP", "Smtp", "sieve"] {
            let attempt = Attempt { service, ..Attempt::new("case66@case.example", RIGHT) };
            world.attempt(attempt, Accept("keycloak"))?;
        }
        world.mailbox("case66-off@case.example", "attributes = '{\"imap_access\":\"0\"}'")?;
        let attempt = Attempt { service: "IMAP", ..Attempt::new("case66-off@case.example", RIGHT) };
        world.attempt(attempt, Refuse("service_forbidden"))
    }),
    // keydove's own: a mail server need not know where its client is.
    ("a_login_from_nowhere_is_a_login", |world| {
        world.person_with_hash("case67@case.example", RIGHT_HASH)?;
        for remote in [None, Some(""), Some("not-an-address")] {
            let attempt = Attempt { remote, ..Attempt::new("case67@case.example", RIGHT) };
            world.attempt(attempt, Accept("keycloak"))?;
            let attempt = Attempt { remote, ..Attempt::new("case67@case.example", OTHER) };
            world.attempt(attempt, Refuse("password_mismatch"))?;
        }
        Ok(())
    }),
];

/// A keydove whose Keycloak is behind this relay, and which has little patience with it.
fn behind(world: &World<'_>, name: &'static str, relay: &Relay) -> Result<Keydove> {
    let (right, url) = (world.system.keycloak.url(), relay.url());
    world.system.keydove.beside(name, |text| {
        let text = prompt(&text).replace(&right, &url);
        if name == "fault-hang" { with(&text, "request_timeout", "500ms") } else { text }
    })
}

fn neither_right_nor_wrong(keydove: &Keydove, user: &str, reason: &str) -> Result<()> {
    for password in [RIGHT, OTHER] {
        attempt_at(keydove, Attempt::new(user, password), CannotTell(reason))?;
    }
    Ok(())
}
