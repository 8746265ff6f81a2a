//! Faults of Keycloak and of the way to it.

use super::grid::Grid;
use crate::mailcow::WorldCase;
use crate::mailcow::world::{World, person};
use crate::stage::keydove::with;
use crate::stage::relay::{Conduct, Relay};
use crate::stage::{Result, attempt};

/// A fault that a relay's conduct brings about.
macro_rules! conduct {
    ($name:literal, $conduct:expr, $reason:literal) => {
        (concat!("keycloak_", $name), |world| {
            behind_relay(world, [concat!("mx-", $name), concat!("mxs-", $name)], $conduct, $reason)
        })
    };
}

pub const CASES: &[WorldCase] = &[
    conduct!("refused", Conduct::Refuse, "keycloak_refused"),
    conduct!("reset", Conduct::Reset, "keycloak_reset"),
    conduct!("closed", Conduct::Close, "keycloak_reset"),
    conduct!("timeout", Conduct::Hang, "keycloak_timeout"),
    conduct!(
        "401",
        Conduct::Answer("401 Unauthorized", r#"{"error":"HTTP 401 Unauthorized"}"#),
        "keycloak_401"
    ),
    conduct!("403", Conduct::Answer("403 Forbidden", r#"{"error":"HTTP 403 Forbidden"}"#), "keycloak_403"),
    conduct!("404", Conduct::Answer("404 Not Found", r#"{"error":"Realm not found."}"#), "keycloak_404"),
    conduct!("429", Conduct::Answer("429 Too Many Requests", ""), "keycloak_429"),
    conduct!(
        "500",
        Conduct::Answer("500 Internal Server Error", r#"{"error":"unknown_error"}"#),
        "keycloak_5xx"
    ),
    conduct!("503", Conduct::Answer("503 Service Unavailable", "<html>"), "keycloak_5xx"),
    conduct!("html", Conduct::Answer("200 OK", "<html>Sign in</html>"), "keycloak_bad_answer"),
    conduct!("cut-off", Conduct::CutOff("[{\"id\":\"1\",\"email\":"), "keycloak_reset"),
    conduct!("half-json", Conduct::Answer("200 OK", "[{\"id\":\"1\",\"email\":"), "keycloak_bad_answer"),
    conduct!("empty", Conduct::Answer("200 OK", "[]"), "keycloak_403"),
    conduct!("hidden", Conduct::Strip, "keycloak_attribute_hidden"),
    ("a_keycloak_whose_certificate_is_not_trusted_refuses_nobody", |world| {
        let keycloak = &world.system.keycloak;
        let (plain, encrypted) = (port_of(&keycloak.url()), port_of(&keycloak.https_url()));
        let relay = Relay::start(&encrypted)?;
        let url = keycloak.url();
        let address = format!("https://localhost:{}", relay.port());
        let own = format!("realm = \"mail\"\nca_file = \"{}\"", keycloak.authority().display());
        let edit = |text: String| text.replace(&url, &address).replace("realm = \"mail\"", &own);
        let grid = Grid::start(world.system, ["mx-tls", "mxs-tls"], None, &edit)?;
        people(world, &grid)?;
        // A port without TLS answers in place of the one that had it.
        grid.play(
            "keycloak_tls",
            &|| {
                relay.lead_to(&plain);
                Ok(())
            },
            &|| {
                relay.lead_to(&encrypted);
                Ok(())
            },
        )
    }),
    ("a_keycloak_whose_name_is_unknown_refuses_nobody", |world| {
        let hosts = world.system.stage().write("keydove/hosts", "127.0.0.1 localhost sso.test\n")?;
        world
            .system
            .stage()
            .write("keydove/hosts.resolv", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")?;
        let relay = world.system.keycloak.relay(Conduct::Pass)?;
        let url = world.system.keycloak.url();
        let address = format!("http://sso.test:{}", relay.port());
        let edit = |text: String| text.replace(&url, &address);
        let grid = Grid::start(world.system, ["mx-dns", "mxs-dns"], Some(&hosts), &edit)?;
        people(world, &grid)?;
        let rewrite = |text: &str| {
            attempt("write", &hosts, std::fs::write(&hosts, text))?;
            relay.cut();
            Ok(())
        };
        grid.play("keycloak_dns", &|| rewrite("127.0.0.1 localhost\n"), &|| {
            rewrite("127.0.0.1 localhost sso.test\n")
        })
    }),
];

fn behind_relay(world: &World<'_>, names: [&'static str; 2], conduct: Conduct, reason: &str) -> Result<()> {
    let relay = world.system.keycloak.relay(Conduct::Pass)?;
    let (url, own) = (world.system.keycloak.url(), relay.url());
    let edit = |text: String| {
        let text = text.replace(&url, &own);
        // So long a wait is a fault of its own; a busy machine needs more for all the others.
        if conduct == Conduct::Hang { with(&text, "request_timeout", "500ms") } else { text }
    };
    let grid = Grid::start(world.system, names, None, &edit)?;
    people(world, &grid)?;
    let turn = |conduct| {
        relay.turn(conduct);
        Ok(())
    };
    grid.play(reason, &|| turn(conduct), &|| turn(Conduct::Pass))
}

/// Those who are unknown to keydove, known, and looked for afterwards.
pub fn people(world: &World<'_>, grid: &Grid) -> Result<()> {
    let addresses = ["cold", "warm", "after"].map(|who| grid.address(who));
    world.bench.admin.import(&addresses.each_ref().map(|address| person(address)))?;
    addresses.iter().try_for_each(|address| world.mailbox(address, ""))
}

fn port_of(url: &str) -> String {
    format!("127.0.0.1:{}", url.rsplit(':').next().unwrap_or_default())
}
