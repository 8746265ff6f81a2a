//! The census of passwords, against real servers.

use serde_json::{Value, json};

use crate::ensure;
use crate::mailcow::world::{domain, person};
use crate::mailcow::{WorldCase, app_password};
use crate::stage::{Failure, Result};

use super::field::{Field, templated};

pub const CASES: &[WorldCase] = &[("census_counts_schemes_and_oddities_and_writes_nothing", |world| {
    let at = |local: &str| format!("{local}@census.example");
    let with_hash = |local: &str, hash: Value| {
        let mut user = templated(&at(local), "gold");
        user["attributes"]["mailcow_password"] = hash;
        user
    };
    let mut noemail = person("noemailcensus");
    noemail["email"] = Value::Null;
    let mut disabled = with_hash("disabled", json!(["{PLAIN}marker"]));
    disabled["enabled"] = false.into();
    let mut people: Vec<Value> =
        (0..12).map(|number| with_hash(&format!("p{number:02}"), json!(["{PLAIN}marker"]))).collect();
    people.extend([
        with_hash("md5", json!(["{PLAIN-MD5}5ebe2294ecd0e0f08eab7690d2a6ee69"])),
        with_hash("bare", json!(["marker"])),
        with_hash("none", Value::Null),
        person(&at("plainly")),
        templated("u@foreign.invalid", "gold"),
        templated("u@off.census.example", "gold"),
        noemail,
        disabled,
    ]);
    let field = Field::new(world, "census", people, "\n[sync]\npause = \"0\"\n")?;
    world.system.execute(&domain("off.census.example", "active = 0"))?;
    world.mailbox(&at("plainly"), "")?;
    world.mailbox(&at("local"), "authsource = 'mailcow', password = '{SMD5}sAVtVm5tYXJrZXIAAAAAAAAAAAAA'")?;
    world.mailbox(&at("off"), "authsource = 'mailcow', password = '{CLEAR}marker', active = 0")?;
    app_password(world, &at("plainly"), "active = 1")?;
    // The first look at a new database makes keydove's own tables.
    run(&field)?;
    field.watch_writes()?;

    let (code, text, census) = run(&field)?;
    ensure(code == Some(0) && census["complete"] == true, || text.clone())?;
    ensure(census["seen"] == 20 && census["set_aside"] == 1, || text.clone())?;
    for (grade, place, scheme, count) in [
        ("weak", "keycloak", "PLAIN", 12),
        ("weak", "keycloak", "PLAIN-MD5", 1),
        ("unusable", "keycloak", "(no scheme)", 1),
    ] {
        let row = row(&census, &|row| row["place"] == place && row["scheme"] == scheme);
        ensure(row["grade"] == grade && row["count"] == count, || format!("{scheme}: {row}\n{text}"))?;
    }
    let first = &census["passwords"][0];
    ensure(first["examples"].as_array().is_some_and(|all| all.len() == 10), || first.to_string())?;
    // Other cases have rows in the same database, so of these it is only known that they are there.
    let of_mailboxes = row(&census, &|row| row["place"] == "mailbox" && row["scheme"] == "SMD5");
    ensure(of_mailboxes["grade"] == "weak", || text.clone())?;
    let of_app_passwords = row(&census, &|row| row["place"] == "app-password");
    ensure(of_app_passwords["count"].as_u64() >= Some(1), || text.clone())?;
    for (code, example) in [
        ("no_password_attribute", at("none")),
        ("no_template", at("plainly")),
        ("domain_unknown", "u@foreign.invalid".to_owned()),
        ("domain_inactive", "u@off.census.example".to_owned()),
    ] {
        let finding = &census["findings"][code];
        ensure(finding["count"] == 1 && finding["examples"] == json!([example]), || {
            format!("{code}: {text}")
        })?;
    }
    ensure(census["findings"]["no_address"]["count"] == 1, || text.clone())?;
    ensure(!text.contains("marker") && !text.contains("5ebe2294"), || format!("a hash is shown: {text}"))?;
    let writes = field.writes()?;
    ensure(writes.is_empty(), || format!("a census wrote {writes:?}"))
})];

fn row(census: &Value, is_it: &dyn Fn(&Value) -> bool) -> Value {
    let rows = census["passwords"].as_array().into_iter().flatten();
    rows.into_iter().find(|row| is_it(row)).cloned().unwrap_or_default()
}

fn run(field: &Field<'_>) -> Result<(Option<i32>, String, Value)> {
    let output = field.keydove.command("census").arg("--json").output();
    let output = output.map_err(|error| Failure(format!("run keydove census: {error}")))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = String::from_utf8_lossy(&output.stderr);
    let census = serde_json::from_str(&text)
        .map_err(|error| Failure(format!("keydove census said {text}: {error}\n{said}")))?;
    Ok((output.status.code(), text, census))
}
