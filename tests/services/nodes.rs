//! Several keydoves of one database, and the administrator's commands beside them: what one changes holds at all of them.

use std::time::Instant;

use super::control::{self, start_with};
use super::mailcow::WorldCase;
use super::mailcow::world::End::{Accept, Refuse};
use super::mailcow::world::{Attempt, RIGHT, World, attempt_at};
use super::stage::keydove::Keydove;
use super::stage::redis::Redis;
use super::stage::{Failure, Result};
use super::{PATIENCE, ensure, eventually};

/// Where nodes wake each other up.
const CHANNEL: &str = "keydove:changes";

/// What is remembered lasts longer than the case.
const FOR_LONG: &str = "\n[cache]\nmailbox_staleness = \"1h\"\nmax_staleness = \"1h\"\n";

pub const CASES: &[WorldCase] = &[
    ("a_revoked_app_password_opens_nothing_at_any_node_when_the_command_has_ended", |world| {
        let nodes = two(world, "revoked")?;
        let address = "nodes-revoked@case.example";
        world.person(address, |_| {})?;
        world.mailbox(address, "")?;
        let password = command(&nodes[0], "app-password", &["add", address, "--name", "phone"])?;
        let password = password.lines().next().unwrap_or_default().to_owned();
        for node in &nodes {
            attempt_at(node, Attempt::new(address, &password), Accept("app_password"))?;
        }
        let since = Instant::now();
        let said = command(&nodes[0], "app-password", &["revoke", address, "--name", "phone"])?;
        crate::say(&format!(
            "every node knew of the revocation, and had said so, after {:?}",
            since.elapsed()
        ));
        ensure(said.contains("nodes know of it"), || said.clone())?;
        for node in &nodes {
            attempt_at(node, Attempt::new(address, &password), Refuse("password_mismatch"))?;
            attempt_at(node, Attempt::new(address, RIGHT), Accept("keycloak"))?;
        }
        Ok(())
    }),
    ("what_commands_switch_holds_at_all_nodes_within_seconds", |world| {
        let nodes = two(world, "switched")?;
        let address = "nodes-switched@case.example";
        world.person(address, |_| {})?;
        world.mailbox(address, "")?;
        let all = |end| {
            let since = Instant::now();
            nodes.iter().try_for_each(|node| {
                loop {
                    match attempt_at(node, Attempt::new(address, RIGHT), end) {
                        Err(_) if since.elapsed() < PATIENCE => {}
                        end => return end.map(drop),
                    }
                }
            })
        };
        all(Accept("keycloak"))?;
        for (arguments, end) in [
            (["mailbox", "set", address, "--active", "off"], Refuse("mailbox_disabled")),
            (["mailbox", "set", address, "--active", "on"], Accept("keycloak")),
            (["domain", "set", "case.example", "--active", "off"], Refuse("domain_disabled")),
            (["domain", "set", "case.example", "--active", "on"], Accept("keycloak")),
        ] {
            command(&nodes[0], arguments[0], &arguments[1..])?;
            all(end)?;
        }
        Ok(())
    }),
    ("what_one_node_is_told_to_forget_all_forget_and_status_lists_them", |world| {
        let nodes = two(world, "forgotten")?;
        let address = "nodes-forgotten@case.example";
        world.person(address, |_| {})?;
        world.mailbox(address, "")?;
        for node in &nodes {
            attempt_at(node, Attempt::new(address, RIGHT), Accept("keycloak"))?;
        }
        control::run(&nodes[0], &["forget", address])?;
        for node in &nodes {
            eventually(|| {
                let known = control::json(node, &["show", address, "--json"])?;
                ensure(known["person"].is_null() && known["mailbox"].is_null(), || known.to_string())
            })?;
        }
        let status = command(&nodes[1], "status", &["--json"])?;
        let status: serde_json::Value =
            serde_json::from_str(&status).map_err(|error| Failure(format!("{error}: {status}")))?;
        let rows = status["nodes"].as_array().cloned().unwrap_or_default();
        let own = rows.iter().filter(|row| row["own"] == true).count();
        // The case's own keydove follows too.
        ensure(rows.len() > 2 && own == 1, || status["nodes"].to_string())
    }),
    ("redis_wakes_nodes_up_and_one_that_dies_changes_nothing_but_the_speed", |world| {
        let mut redis = Redis::start_open(world.system.stage(), "nodes-redis")?;
        let settings = format!("\n[redis]\nsocket = \"{}\"\n", redis.socket().display());
        let nodes = two_with(world, "woken", &settings)?;
        let address = "nodes-woken@case.example";
        world.person(address, |_| {})?;
        world.mailbox(address, "")?;
        let listening = |redis: &Redis| {
            let told = redis.ask(&["PUBSUB", "NUMSUB", CHANNEL])?;
            ensure(told.lines().nth(1) == Some("2"), || told)
        };
        eventually(|| listening(&redis))?;
        let published = |redis: &Redis| {
            let told = redis.ask(&["INFO", "commandstats"])?;
            ensure(told.contains("cmdstat_publish"), || told)
        };
        for way in ["with Redis", "without", "with Redis again"] {
            if way == "without" {
                redis.stop()?;
            } else if way == "with Redis again" {
                redis.start_again()?;
                eventually(|| listening(&redis))?;
            }
            let password = command(&nodes[0], "app-password", &["add", address, "--name", "phone"])?;
            let password = password.lines().next().unwrap_or_default().to_owned();
            for node in &nodes {
                eventually(|| {
                    attempt_at(node, Attempt::new(address, &password), Accept("app_password")).map(drop)
                })?;
            }
            let since = Instant::now();
            command(&nodes[0], "app-password", &["revoke", address, "--name", "phone"])?;
            for node in &nodes {
                attempt_at(node, Attempt::new(address, &password), Refuse("password_mismatch"))?;
            }
            crate::say(&format!("revoked at all nodes {way}, and told: {:?}", since.elapsed()));
            if way != "without" {
                eventually(|| published(&redis))?;
            }
        }
        Ok(())
    }),
];

/// Two keydoves that have said that they follow.
fn two(world: &World<'_>, name: &str) -> Result<[Keydove; 2]> {
    two_with(world, name, "")
}

fn two_with(world: &World<'_>, name: &str, settings: &str) -> Result<[Keydove; 2]> {
    let name = |node: &str| -> &'static str { format!("nodes-{name}-{node}").leak() };
    let start = |node| start_with(world.system, name(node), |text| text + FOR_LONG + settings);
    let nodes = [start("a")?, start("b")?];
    eventually(|| {
        let heard = world.count("keydove_node", "1 = 1")?;
        ensure(heard > 2, || format!("{heard} nodes are heard of"))
    })?;
    Ok(nodes)
}

/// What a command that must do as it is told says.
fn command(keydove: &Keydove, subcommand: &str, arguments: &[&str]) -> Result<String> {
    let output = keydove.command(subcommand).args(arguments).output();
    let output = output.map_err(|error| Failure(format!("run keydove {subcommand}: {error}")))?;
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    match output.status.success() {
        true => Ok(said),
        false => Err(Failure(format!("keydove {subcommand} {arguments:?}: {said}"))),
    }
}
