//! What mailcow keeps in Redis about a mailbox, and the lines for its ban daemon.

use crate::mailcow::WorldCase;
use crate::mailcow::provisioning::newcomer;
use crate::mailcow::world::End::{Accept, CannotTell, Refuse};
use crate::mailcow::world::{
    Attempt, OTHER, RIGHT, RIGHT_HASH, SETTINGS, TEMPLATE, World, attempt_at, prompt, quote,
};
use crate::stage::Result;
use crate::stage::keydove::Keydove;
use crate::stage::redis::Redis;
use crate::{ensure, eventually};

const CHANNEL: &str = "F2B_CHANNEL";

pub const CASES: &[WorldCase] = &[
    ("rate_limits_go_to_redis", |world| {
        let redis = Redis::start_open(world.system.stage(), "redis55")?;
        for (name, value, frame) in [("hour", "\"10\"", "h"), ("none", "\"\"", "s"), ("odd", "7", "w")] {
            let attributes = TEMPLATE
                .replace("\"rl_value\":\"\"", &format!("\"rl_value\":{value}"))
                .replace("\"rl_frame\":\"s\"", &format!("\"rl_frame\":\"{frame}\""));
            world.system.execute(&format!(
                "INSERT INTO templates (template, type, attributes) VALUES ('rl-{name}', 'mailbox', {});",
                quote(&attributes)
            ))?;
        }
        let mappings = "rl-hour = \"rl-hour\"\nrl-none = \"rl-none\"\nrl-odd = \"rl-odd\"\n";
        let settings =
            SETTINGS.replace("[provisioning.mappings]\n", &format!("[provisioning.mappings]\n{mappings}"));
        let keydove = keydove(world, &redis, "case55", &settings)?;
        // What an earlier mailbox of the name left behind; and what is left alone.
        for name in ["none", "odd"] {
            redis.ask(&["HSET", "RL_VALUE", &format!("case55-{name}@case.example"), "3 / 1m"])?;
        }
        for (name, expected) in [("hour", "10 / 1h"), ("none", ""), ("odd", "3 / 1m")] {
            let address = format!("case55-{name}@case.example");
            newcomer(world, &address, Some(&format!("rl-{name}")))?;
            attempt_at(&keydove, Attempt::new(&address, RIGHT), Accept("keycloak"))?;
            eventually(|| {
                let found = redis.ask(&["HGET", "RL_VALUE", &address])?;
                ensure(found.trim_end() == expected, || format!("RL_VALUE of {address} is `{found}`"))
            })?;
        }
        Ok(())
    }),
    ("a_refusal_is_one_line_for_the_ban_daemon", |world| {
        let redis = Redis::start_open(world.system.stage(), "redis69")?;
        let keydove = keydove(world, &redis, "case69", "")?;
        world
            .mailbox("case69@case.example", &format!("authsource = 'mailcow', password = '{RIGHT_HASH}'"))?;
        world.mailbox("case69-odd@case.example", "authsource = 'mailcow', password = '{FOO}x'")?;
        let mut ears = redis.listen(CHANNEL)?;
        let from = |remote, user, password, end| {
            attempt_at(&keydove, Attempt { remote: Some(remote), ..Attempt::new(user, password) }, end)
        };
        from("198.51.100.1", "case69@case.example", RIGHT, Accept("mailbox"))?;
        from("198.51.100.2", "case69-odd@case.example", RIGHT, CannotTell("hash_unusable"))?;
        from("198.51.100.3", "case69@case.example", OTHER, Refuse("password_mismatch"))?;
        from("198.51.100.4", "case69-nobody@case.example", OTHER, Refuse("mailbox_unknown"))?;
        let mut heard = Vec::new();
        eventually(|| {
            heard = ears.all()?;
            ensure(heard.iter().any(|line| line.contains("198.51.100.4")), || heard.join("\n"))
        })?;
        let of = |address: &str| heard.iter().filter(|line| line.contains(address)).collect::<Vec<_>>();
        ensure(of("198.51.100.1").is_empty() && of("198.51.100.2").is_empty(), || heard.join("\n"))?;
        let wrong = of("198.51.100.3");
        ensure(matches!(wrong.as_slice(), [line] if is_rule_6(line, "198.51.100.3")), || heard.join("\n"))?;
        ensure(of("198.51.100.4").len() == 1, || heard.join("\n"))
    }),
];

/// netfilter's rule 6: `\w+\([^,]+,(IP),<[^>]+>\): Password mismatch \(SHA1 of given password: [a-f0-9]+\)`
fn is_rule_6(line: &str, address: &str) -> bool {
    let words = "Password mismatch (SHA1 of given password: ";
    let Some((before, after)) = line.split_once(&format!("): {words}")) else { return false };
    let Some((before, session)) = before.rsplit_once(&format!(",{address},<")) else { return false };
    let Some((word, name)) = before.rsplit_once('(') else { return false };
    let hexadecimal = after.split(')').next().unwrap_or_default();
    let ends_in_a_word = word.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    ends_in_a_word
        && !name.is_empty()
        && !name.contains(',')
        && session.len() > 1
        && session.ends_with('>')
        && !hexadecimal.is_empty()
        && hexadecimal.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// A keydove beside the others that writes to a Redis.
fn keydove(world: &World<'_>, redis: &Redis, name: &'static str, settings: &str) -> Result<Keydove> {
    let own = format!("\n[redis]\nsocket = \"{}\"\nban_channel = \"{CHANNEL}\"\n", redis.socket().display());
    world.system.keydove.beside(name, |text| prompt(&text) + &own + settings)
}
