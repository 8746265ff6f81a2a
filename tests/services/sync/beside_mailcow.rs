//! mailcow writes the same rows: what its logins switch on again, and what its administrators read of a run.

use serde_json::{Value, json};

use super::field::{Field, counts, templated};
use super::leavers::company;
use crate::ensure;
use crate::mailcow::WorldCase;
use crate::mailcow::web_login::log_in;
use crate::mailcow::world::End::{Accept, Refuse};
use crate::mailcow::world::{Attempt, RIGHT, World, attempt_at, domain, person};
use crate::stage::redis::Redis;
use crate::stage::system::Database;
use crate::stage::{Failure, Result};

const IMPORT: &str = "\n[sync]\nimport = true\nimport_limit = 2\npause = \"0\"\n";
/// The name that mailcow gets of everybody here who logs in by single sign-on.
const FULL_NAME: &str = "Case Person";

pub const CASES: &[WorldCase] = &[
    // mailcow compares the name that it has at a login, which is none, with the mailbox's.
    ("a_first_login_gives_mailcow_no_cause_to_apply_the_template", |world| {
        let field = Field::new(world, "causeless", vec![person("a@causeless.example")], "")?;
        let name = "names = \"sync\"";
        let beside = field.beside("causeless-names", |text| {
            text.replace("[provisioning]\n", &format!("[provisioning]\n{name}\n"))
        })?;
        let address = field.address("a");
        attempt_at(&beside, Attempt::new(&address, RIGHT), Accept("keycloak"))?;
        state(world, &address, "1")?;
        ensure(!log_in(world, &address, "")?, || "mailcow applied the template".to_owned())?;
        // Somebody who was switched off by hand stays off.
        hand(world, &address, 0)?;
        ensure(!log_in(world, &address, "")?, || "mailcow applied the template".to_owned())?;
        let off = format!("SELECT active, name FROM mailbox WHERE username = '{address}'");
        world.rows(&off, &[&["0", ""]])?;
        // So it is with a name, in mailcow as well as here: the case would see it.
        world
            .system
            .execute(&format!("UPDATE mailbox SET name = '{FULL_NAME}' WHERE username = '{address}'"))?;
        ensure(log_in(world, &address, "")?, || "a name is no cause any more".to_owned())?;
        world.rows(&off, &[&["1", FULL_NAME]])
    }),
    ("mailcow_switches_a_leaver_on_again_and_the_next_run_off", |world| {
        let (field, people) = company(world, "reapplied", "receive-only", 12)?;
        let (disabled, gone) = (&people[0], &people[1]);
        field.admin.update(disabled, |user| user["enabled"] = false.into())?;
        field.admin.delete(gone)?;
        for _ in 0..2 {
            field.sync(&[])?;
        }
        let off = [("seen", 11), ("unchanged", 10), ("disabled", 1), ("deactivated", 2)];
        counts(&field.sync(&[])?, &off)?;
        for _ in 0..2 {
            // mailcow does not look whether somebody is disabled.
            for address in [disabled, gone] {
                state(world, address, "2")?;
                ensure(log_in(world, address, "")?, || "mailcow left it alone".to_owned())?;
                state(world, address, "1")?;
            }
            counts(&field.sync(&["--dry-run"])?, &off)?;
            counts(&field.sync(&[])?, &off)?;
        }
        for address in [disabled, gone] {
            state(world, address, "2")?;
        }
        // Who is back is on again, also if mailcow was quicker.
        field.admin.update(disabled, |user| user["enabled"] = true.into())?;
        log_in(world, disabled, "")?;
        counts(&field.sync(&[])?, &[("seen", 11), ("unchanged", 11)])?;
        state(world, disabled, "1")?;
        attempt_at(&field.keydove, Attempt::new(disabled, RIGHT), Accept("keycloak"))?;
        attempt_at(&field.keydove, Attempt::new(gone, RIGHT), Refuse("mailbox_disabled")).map(drop)
    }),
    ("the_log_of_cron_jobs_names_everybody_who_is_left_out_and_why", |world| {
        let redis = Redis::start_open(world.system.stage(), "cronlog")?;
        let at = |local: &str| format!("{local}@cronlog.example");
        let mut disabled = person(&at("disabled"));
        disabled["enabled"] = false.into();
        let mut noemail = person("noemail-cronlog");
        noemail["email"] = Value::Null;
        let users = vec![
            person(&at("default")),
            templated(&at("unmapped"), "nonsense"),
            templated(&at("mapped"), "limited"),
            templated(&at("new"), "gone"),
            disabled,
            noemail,
            person("x@off.cronlog.example"),
            templated(&at("zz1"), "limited"),
            templated(&at("zz2"), "limited"),
        ];
        let settings = format!("\n[redis]\nsocket = \"{}\"\n{IMPORT}", redis.socket().display());
        let field = Field::new(world, "cronlog", users, &settings)?;
        world.system.execute(&domain("off.cronlog.example", "active = 0"))?;
        for local in ["unmapped", "mapped"] {
            world.mailbox(&at(local), "")?;
        }
        field.sync(&[])?;
        let told = told(&redis)?;
        let expected = [
            "warning Using default template for user default@cronlog.example",
            "info Creating user default@cronlog.example",
            "warning Skipping user disabled@cronlog.example: disabled in Keycloak",
            "info Syncing attributes for user mapped@cronlog.example",
            "info Creating user new@cronlog.example",
            "err Could not create user new@cronlog.example: template_missing",
            "warning No email address in keycloak found for user noemail-cronlog",
            "warning No matching attribute mapping found for user unmapped@cronlog.example",
            "warning Skipping user x@off.cronlog.example: the domain is switched off",
            "info Creating user zz1@cronlog.example",
            "warning Skipping user zz2@cronlog.example: import_limit is reached; the next run goes on",
            "info DONE!",
        ];
        for line in expected {
            ensure(told.iter().any(|told| told == line), || format!("`{line}` is not in {told:#?}"))?;
        }
        // A mailbox that was unmapped before and whose name is known is said again in each run.
        field.sync(&[])?;
        let again = self::told(&redis)?;
        let line = "warning No matching attribute mapping found for user unmapped@cronlog.example";
        ensure(again.iter().filter(|told| *told == line).count() == 2, || format!("{again:#?}"))?;
        field.admin.update(&at("default"), |user| {
            user["attributes"]["mailcow_template"] = json!(["limited"]);
        })?;
        Ok(())
    }),
];

/// Each entry of mailcow's log as its priority and message.
fn told(redis: &Redis) -> Result<Vec<String>> {
    let lines = redis.ask(&["LRANGE", "CRON_LOG", "0", "-1"])?;
    let entry = |line: &str| {
        let entry: Value = serde_json::from_str(line).map_err(|error| Failure(format!("{error}: {line}")))?;
        let text = |key: &str| entry[key].as_str().unwrap_or("-").to_owned();
        Ok(format!("{} {}", text("priority"), text("message")))
    };
    lines.lines().map(entry).collect()
}

/// As an administrator does it, and SOGo's table with it.
fn hand(world: &World<'_>, address: &str, active: u8) -> Result<()> {
    world.system.execute(&format!(
        "UPDATE mailbox SET active = {active} WHERE username = '{address}';
         UPDATE alias SET active = {active} WHERE address = '{address}';"
    ))
}

/// Of the mailbox, of its alias, and of SOGo's row.
fn state(world: &World<'_>, address: &str, active: &str) -> Result<()> {
    world.rows(
        &format!(
            "SELECT m.active, a.active FROM mailbox m INNER JOIN alias a ON a.address = m.username
              WHERE m.username = '{address}'"
        ),
        &[&[active, active]],
    )?;
    if world.system.database() == Database::Sqlite {
        return Ok(());
    }
    let rows = world.count("_sogo_static_view", &format!("c_uid = '{address}'"))?;
    ensure(rows == usize::from(active == "1"), || format!("SOGo has {rows} rows of {address}"))
}
