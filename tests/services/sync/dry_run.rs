//! A dry run announces what the run then does, number by number and person by person.

use serde_json::{Value, json};

use super::field::{Field, templated};
use crate::ensure;
use crate::mailcow::WorldCase;
use crate::mailcow::rows::SEEDED_HASH;
use crate::mailcow::world::{TEMPLATE, World, domain, person, quote};
use crate::stage::Result;

const SETTINGS: &str = "
[sync]
import = true
import_limit = 9
deactivate = \"receive-only\"
missed_runs = 1
pause = \"0\"
";

/// So many that those who have left are few beside them.
const APPLIED: usize = 60;

pub const CASES: &[WorldCase] = &[("a_dry_run_announces_what_the_run_then_does", |world| {
    let mapping = "[provisioning.mappings]\nseeded = \"Cases\"\n";
    let field = Field::with(world, "announced", people(), |text| {
        text.replace("[provisioning.mappings]\n", mapping) + SETTINGS
    })?;
    prepare(world, &field)?;
    // Whoever has left, so many that the share of all decides.
    for number in 0..6 {
        world.mailbox(&field.address(&format!("gone{number}")), "")?;
        world.system.execute(&format!(
                "INSERT INTO keydove_person (mailbox, keycloak_id, source) VALUES ('{}', 'gone-{number}', 'announced')",
                field.address(&format!("gone{number}"))
            ))?;
    }
    for run in ["first", "second", "third"] {
        let before = rows(world)?;
        let announced = field.sync(&["--dry-run"])?;
        ensure(rows(world)? == before, || format!("the dry run before the {run} run has written"))?;
        let done = field.sync(&[])?;
        same(run, &announced, &done)?;
        if run == "first" {
            // It was a mixed population, or nothing was compared.
            for (name, least) in [("created", 5), ("changed", 3), ("unchanged", 60), ("deactivated", 6)] {
                ensure(done[name].as_u64() >= Some(least), || format!("{name}: {done}"))?;
            }
            for reason in [
                "max_mailbox_exceeded",
                "mailbox_quota_left_exceeded",
                "import_limit",
                "reserved_name",
                "disabled",
                "no_address",
                "domain_inactive",
                "domain_unknown",
                "is_alias",
                "template_missing",
            ] {
                let is_told = done["skipped"].get(reason).is_some();
                ensure(is_told, || format!("nobody was skipped for {reason}: {done}"))?;
            }
        }
    }
    // What was changed by hand in between is announced as well.
    world.system.execute(&format!(
        "UPDATE domain SET mailboxes = 20 WHERE domain = 'few.announced.example';
             UPDATE templates SET attributes = {} WHERE template = 'limited';",
        quote(
            &TEMPLATE
                .replace("\"quota\":0", "\"quota\":1073741824")
                .replace("\"tags\":[]", "\"tags\":[\"x\"]")
        )
    ))?;
    let announced = field.sync(&["--dry-run"])?;
    let done = field.sync(&[])?;
    same("last", &announced, &done)?;
    world.system.execute(&format!(
        "UPDATE templates SET attributes = {} WHERE template = 'limited';",
        quote(&TEMPLATE.replace("\"quota\":0", "\"quota\":1073741824"))
    ))
})];

/// Of each kind some.
fn people() -> Vec<Value> {
    let at = |local: String| format!("{local}@announced.example");
    let mut people = Vec::new();
    // mailcow has applied the template to these: what keydove remembers says nothing, and nothing is to be done.
    people.extend((0..APPLIED).map(|number| templated(&at(format!("applied{number:02}")), "seeded")));
    // To these it has not.
    people.extend((0..3).map(|number| templated(&at(format!("behind{number}")), "seeded")));
    // Their quotas fit one by one, and not together.
    people.extend((0..3).map(|number| templated(&format!("q{number}@tight.announced.example"), "limited")));
    people.extend((0..2).map(|number| templated(&format!("old{number}@tight.announced.example"), "limited")));
    // More than the domain has room for.
    people.extend((0..5).map(|number| person(&format!("m{number}@few.announced.example"))));
    people.push(person(&at("postmaster".to_owned())));
    people.push(person(&at("alias".to_owned())));
    people.push(templated(&at("missing".to_owned()), "gone"));
    people.push(person("x@off.announced.example"));
    people.push(person("x@elsewhere.invalid"));
    let mut disabled = person(&at("disabled".to_owned()));
    disabled["enabled"] = false.into();
    people.push(disabled);
    let mut noemail = person("noemail-announced");
    noemail["email"] = Value::Null;
    people.push(noemail);
    people.extend((0..8).map(|number| person(&at(format!("zz{number}")))));
    people
}

fn prepare(world: &World<'_>, field: &Field<'_>) -> Result<()> {
    // On a server, keydove's own tables are there from its first question on.
    field.try_sync(&["--user", &field.address("nobody")])?;
    world.system.execute(
        &[
            domain("tight.announced.example", "quota = 4096"),
            domain("few.announced.example", "mailboxes = 3"),
            domain("off.announced.example", "active = 0"),
            format!(
                "INSERT INTO alias (address, goto, domain) VALUES ('{}', 'x@announced.example', 'announced.example');",
                field.address("alias")
            ),
        ]
        .concat(),
    )?;
    let has_hash = |hash: &str| format!("name = 'By Hand', attributes = '{{\"attribute_hash\":\"{hash}\"}}'");
    for number in 0..APPLIED {
        world.mailbox(&field.address(&format!("applied{number:02}")), &has_hash(SEEDED_HASH))?;
    }
    for number in 0..3 {
        world.mailbox(&field.address(&format!("behind{number}")), &has_hash("another"))?;
    }
    for number in 0..2 {
        world.mailbox(&format!("old{number}@tight.announced.example"), "quota = 1")?;
    }
    Ok(())
}

/// Everything that a run may write.
fn rows(world: &World<'_>) -> Result<Vec<Vec<String>>> {
    let mut all = Vec::new();
    for statement in [
        "SELECT username, name, quota, active, attributes FROM mailbox WHERE domain LIKE '%announced.example' ORDER BY username",
        "SELECT mailbox, keycloak_id, template_name, template_fingerprint, missed_runs FROM keydove_person
          WHERE mailbox LIKE '%announced.example' ORDER BY mailbox",
        "SELECT mailbox, source_name, switched_to FROM keydove_sync
          WHERE mailbox LIKE '%announced.example' ORDER BY mailbox",
        "SELECT address, active FROM alias WHERE domain LIKE '%announced.example' ORDER BY address",
    ] {
        all.extend(world.system.query(statement)?);
    }
    Ok(all)
}

/// Both reports, but for what they say of themselves.
fn same(run: &str, announced: &Value, done: &Value) -> Result<()> {
    let plain = |report: &Value| {
        let mut report = report.clone();
        for key in ["dry_run", "seconds", "keycloak_seconds", "paused_seconds"] {
            report[key] = json!(null);
        }
        report
    };
    ensure(plain(announced) == plain(done), || {
        format!(
            "the {run} run did otherwise than it was announced:\n  announced {announced}\n  done      {done}"
        )
    })
}
