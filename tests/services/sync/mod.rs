//! The sync, against real servers: what it makes, what it leaves alone, and whom it switches off.

mod beside_mailcow;
mod census;
mod dry_run;
mod field;
mod holders;
mod leavers;
mod many;
mod runs;
mod stopped;

use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::mailcow::WorldCase;
use crate::mailcow::world::End::{Accept, Refuse};
use crate::mailcow::world::{Attempt, RIGHT, SETTINGS, attempt_at, domain, person};
use crate::run::On;
use crate::stage::Failure;
use crate::stage::process::run;
use crate::stage::redis::Redis;
use crate::{Group, ensure};
pub use field::realm;
use field::{Field, counts, templated};

const IMPORT: &str = "\n[sync]\nimport = true\nimport_limit = 5000\npause = \"0\"\n";

pub const GROUPS: &[Group<WorldCase>] = &[
    ("sync", On::BothDatabases, IMPORTS),
    ("sync", On::BothDatabases, census::CASES),
    ("sync", On::BothDatabases, leavers::CASES),
    ("sync", On::BothDatabases, many::CASES),
    ("sync", On::BothDatabases, runs::CASES),
    ("sync", On::BothDatabases, stopped::CASES),
    ("sync", On::BothDatabases, beside_mailcow::CASES),
    ("sync", On::BothDatabases, dry_run::CASES),
    ("sync", On::BothDatabases, holders::CASES),
];

const IMPORTS: &[WorldCase] = &[
    ("of_a_realm_with_one_person_of_each_kind_the_right_ones_get_mailboxes", |world| {
        let at = |local: &str| format!("{local}@want13.example");
        let with = |email: &str, key: &str, value: Value| {
            let mut user = templated(email, "gold");
            user[key] = value;
            user
        };
        let mut nulls = person(&at("nulls"));
        for key in ["firstName", "lastName", "attributes"] {
            nulls[key] = Value::Null;
        }
        let mut noemail = person("noemail13");
        noemail["email"] = Value::Null;
        let users = vec![
            templated(&at("new"), "gold"),
            templated(&at("changed"), "gold"),
            person(&at("same")),
            templated(&at("local"), "gold"),
            templated(&at("conflict"), "gold"),
            templated(&at("alias"), "gold"),
            templated(&at("gone"), "gone"),
            with(&at("disabled"), "enabled", json!(false)),
            with(&at("filtered"), "emailVerified", json!(false)),
            nulls,
            noemail,
            templated("foreign@elsewhere.invalid", "gold"),
            templated("off@off.want13.example", "gold"),
            templated("full@full.want13.example", "gold"),
            templated("big@small.want13.example", "limited"),
        ];
        let field = Field::demanding(world, "want13", users, "require_verified_email = true", IMPORT)?;
        // On a server, keydove's own tables are there from its first question on.
        counts(&field.try_sync(&["--user", &at("nobody")])?, &[("not_in_keycloak", 1)])?;
        world.system.execute(
            &[
                domain("off.want13.example", "active = 0"),
                domain("full.want13.example", "mailboxes = 1"),
                domain("small.want13.example", "maxquota = 1023"),
                format!(
                    "INSERT INTO alias (address, goto, domain) VALUES ('{}', 'x@want13.example', 'want13.example');
                     INSERT INTO keydove_person (mailbox, keycloak_id) VALUES ('{}', 'another');",
                    at("alias"),
                    at("conflict")
                ),
            ]
            .concat(),
        )?;
        for address in [at("changed"), at("same"), at("conflict"), "first@full.want13.example".to_owned()] {
            world.mailbox(&address, "name = 'By Hand'")?;
        }
        world.mailbox(&at("local"), "authsource = 'mailcow'")?;
        let expected: &[(&str, u64)] = &[
            ("seen", 15),
            ("created", 2),
            ("changed", 1),
            ("unchanged", 1),
            ("local_mailbox", 1),
            ("conflict", 1),
            ("is_alias", 1),
            ("template_missing", 1),
            ("disabled", 1),
            ("filtered", 1),
            ("no_address", 1),
            ("domain_unknown", 1),
            ("domain_inactive", 1),
            ("max_mailbox_exceeded", 1),
            ("mailbox_quota_exceeded", 1),
        ];
        let before = field.mailboxes("1 = 1")?;
        counts(&field.sync(&["--dry-run"])?, expected)?;
        ensure(field.mailboxes("1 = 1")? == before, || "a dry run has written".to_owned())?;
        counts(&field.sync(&[])?, expected)?;
        // What was made is there now, and nothing differs any more.
        let again: Vec<_> = expected
            .iter()
            .filter_map(|&(name, count)| match name {
                "created" | "changed" => None,
                "unchanged" => Some((name, 4)),
                _ => Some((name, count)),
            })
            .collect();
        counts(&field.sync(&[])?, &again)?;
        let log = field.keydove.log();
        ensure(!log.contains("panicked"), || log)
    }),
    ("a_second_run_writes_nothing_and_hands_keep_what_they_set", |world| {
        let people: Vec<_> =
            (0..5).map(|number| templated(&format!("p{number}@want22.example"), "limited")).collect();
        let field = Field::new(world, "want22", people, IMPORT)?;
        counts(&field.sync(&[])?, &[("seen", 5), ("created", 5)])?;
        counts(&field.sync(&[])?, &[("seen", 5), ("unchanged", 5)])?;
        field.watch_writes()?;
        counts(&field.sync(&[])?, &[("seen", 5), ("unchanged", 5)])?;
        let writes = field.writes()?;
        ensure(writes.is_empty(), || format!("a run over an unchanged realm wrote {writes:?}"))?;
        // By hand, and kept; what Keycloak says anew is followed.
        world.system.execute(
            "UPDATE mailbox SET quota = 4711, name = 'Dr. Hand' WHERE username = 'p0@want22.example';",
        )?;
        counts(&field.sync(&[])?, &[("seen", 5), ("unchanged", 5)])?;
        field.admin.update("p1@want22.example", |user| user["lastName"] = "Changed".into())?;
        counts(&field.sync(&[])?, &[("seen", 5), ("unchanged", 4), ("changed", 1)])?;
        let names =
            "SELECT name, quota FROM mailbox WHERE username IN ('p0@want22.example', 'p1@want22.example')
                     ORDER BY username";
        world.rows(names, &[&["Dr. Hand", "4711"], &["Case Changed", "1073741824"]])?;
        // One person alone.
        field.admin.update("p2@want22.example", |user| user["lastName"] = "Alone".into())?;
        counts(&field.sync(&["--user", "P2@want22.example"])?, &[("seen", 1), ("changed", 1)])
    }),
    ("names_that_are_missing_empty_nothing", |world| {
        let mut user = person("case58@case58.example");
        (user["firstName"], user["lastName"]) = (Value::Null, Value::Null);
        let field = Field::new(world, "case58", vec![user], IMPORT)?;
        counts(&field.sync(&[])?, &[("seen", 1), ("created", 1)])?;
        world.rows("SELECT name FROM mailbox WHERE username = 'case58@case58.example'", &[&[""]])?;
        world.system.execute("UPDATE mailbox SET name = 'Hand' WHERE username = 'case58@case58.example'")?;
        counts(&field.sync(&[])?, &[("seen", 1), ("unchanged", 1)])?;
        world.rows("SELECT name FROM mailbox WHERE username = 'case58@case58.example'", &[&["Hand"]])
    }),
    ("only_who_has_the_role_gets_a_mailbox", |world| {
        let people: Vec<_> =
            ["in", "out"].iter().map(|name| person(&format!("{name}@want14s.example"))).collect();
        let field = Field::demanding(world, "want14s", people, "required_role = \"mail\"", IMPORT)?;
        field.admin.make_role("mail")?;
        field.admin.make_group("staff")?;
        field.admin.map_role("staff", "mail", true)?;
        field.admin.join_group("in@want14s.example", "staff")?;
        counts(&field.sync(&[])?, &[("seen", 2), ("created", 1), ("filtered", 1)])?;
        ensure(field.mailboxes("username LIKE 'in@%'")? == 1, || "the wrong one".to_owned())
    }),
    ("before_import_is_on_a_dry_run_says_how_many_they_are", |world| {
        let people: Vec<_> =
            ["a", "b"].iter().map(|name| person(&format!("{name}@trap50.example"))).collect();
        let field = Field::new(world, "trap50", people, "")?;
        let report = field.sync(&["--dry-run"])?;
        ensure(report["importable"] == 2 && report["created"] == 0, || report.to_string())?;
        counts(&field.sync(&[])?, &[("seen", 2), ("not_imported", 2)])?;
        ensure(field.mailboxes("1 = 1")? == 0, || "a mailbox was made".to_owned())
    }),
    ("a_changed_address_makes_no_second_mailbox_and_a_newcomer_waits", |world| {
        let field = Field::new(world, "renames", vec![person("old@renames.example")], IMPORT)?;
        counts(&field.sync(&[])?, &[("seen", 1), ("created", 1)])?;
        field.admin.update("old@renames.example", |user| user["email"] = "new@renames.example".into())?;
        counts(&field.sync(&[])?, &[("seen", 1), ("address_changed", 1)])?;
        ensure(field.mailboxes("1 = 1")? == 1, || "a second mailbox was made".to_owned())?;
        // Somebody new with the old address gets neither mailbox nor mail until an administrator says so.
        field.admin.delete("new@renames.example")?;
        field.admin.import(&[person("old@renames.example")])?;
        counts(&field.sync(&[])?, &[("seen", 1), ("conflict", 1)])?;
        let login = || Attempt::new("old@renames.example", RIGHT);
        attempt_at(&field.keydove, login(), Refuse("user_replaced"))?;
        let id = field.admin.id("old@renames.example")?;
        run(field.keydove.command("mailbox").args(["adopt", "old@renames.example", "--id", &id]))?;
        attempt_at(&field.keydove, login(), Accept("keycloak")).map(drop)
    }),
    ("a_sync_trusts_a_private_authority_when_it_is_named", |world| {
        let field = Field::new(world, "want28", vec![person("a@want28.example")], IMPORT)?;
        let (plain, tls) = (world.system.keycloak.url(), world.system.keycloak.https_url());
        let over_tls = |name, setting: &str| {
            let realm = format!("realm = \"want28\"\nname = \"want28\"\n{setting}");
            world.system.keydove.beside(name, |text| {
                text.replace(&plain, &tls).replace("realm = \"mail\"", &realm) + SETTINGS + IMPORT
            })
        };
        let unknown = over_tls("want28-unknown", "")?;
        let mut command = unknown.command("sync");
        let output = command.arg("--json").output().map_err(|error| Failure(error.to_string()))?;
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        ensure(!output.status.success() && said.contains("TLS"), || format!("{}: {said}", output.status))?;
        ensure(field.mailboxes("1 = 1")? == 0, || "somebody was believed".to_owned())?;
        let ca_file = format!("ca_file = \"{}\"", world.system.keycloak.authority().display());
        let named = over_tls("want28-named", &ca_file)?;
        run(&mut named.command("sync"))?;
        ensure(field.mailboxes("active = 1")? == 1, || "no mailbox was made".to_owned())?;
        attempt_at(&named, Attempt::new("a@want28.example", RIGHT), Accept("keycloak")).map(drop)
    }),
    // mailcow's cases 71 to 73, and what keydove words otherwise: its own log says why.
    ("mailcows_log_of_cron_jobs_tells_the_same", |world| {
        let redis = Redis::start_open(world.system.stage(), "redis71")?;
        let mut noemail = person("noemail71");
        noemail["email"] = Value::Null;
        let users = vec![
            templated("new@case71.example", "gold"),
            templated("local@case71.example", "gold"),
            templated("u@foreign.invalid", "gold"),
            noemail,
        ];
        let settings = format!("\n[redis]\nsocket = \"{}\"\n{IMPORT}", redis.socket().display());
        let field = Field::new(world, "case71", users, &settings)?;
        world.mailbox("local@case71.example", "authsource = 'mailcow'")?;
        field.sync(&["--dry-run"])?;
        ensure(redis.ask(&["LLEN", "CRON_LOG"])?.trim() == "0", || "a dry run wrote".to_owned())?;
        field.sync(&[])?;
        let lines = redis.ask(&["LRANGE", "CRON_LOG", "0", "-1"])?;
        let entries: Vec<Value> = lines.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let mut told: Vec<_> = entries
            .iter()
            .map(|entry| format!("{} {}", entry["priority"].as_str().unwrap_or("-"), entry["message"]))
            .collect();
        ensure(told.first().is_some_and(|last| last == "info \"DONE!\""), || lines.clone())?;
        told.sort();
        let expected = [
            "err \"Could not create user u@foreign.invalid: the domain is not here\"",
            "info \"Creating user new@case71.example\"",
            "info \"Creating user u@foreign.invalid\"",
            "info \"DONE!\"",
            "info \"Skipping user local@case71.example\"",
            "warning \"No email address in keycloak found for user noemail71\"",
        ];
        ensure(told == expected, || format!("{told:#?}"))?;
        let whole = entries.iter().all(|entry| entry["task"] == "Keycloak Sync" && entry["time"].is_i64());
        ensure(whole, || lines.clone())?;
        field.admin.change_realm(&json!({ "enabled": false }))?;
        field.try_sync(&[])?;
        let last = redis.ask(&["LINDEX", "CRON_LOG", "0"])?;
        ensure(last.contains("\"err\"") && last.contains("Received HTTP 403"), || last)
    }),
    ("the_daemon_does_it_by_itself", |world| {
        let interval = IMPORT.replace("[sync]\n", "[sync]\ninterval = \"10s\"\n");
        let control = world.system.stage().path("keydove/scheduled.ctl");
        let control = format!(
            "\n[[listener]]\ndoor = \"control\"\nmode = \"0600\"\npath = \"{}\"\n",
            control.display()
        );
        let interval = interval + &control;
        let field = Field::new(world, "scheduled", vec![person("a@scheduled.example")], &interval)?;
        crate::eventually(|| {
            let made = field.mailboxes("1 = 1")?;
            thread::sleep(Duration::from_millis(200));
            ensure(made == 1, || format!("no mailbox was made:\n{}", field.keydove.log_so_far()))
        })?;
        crate::eventually(|| {
            let log = field.keydove.log_so_far();
            ensure(log.contains("sync complete"), || log)
        })?;
        let output = field.keydove.command("status").output();
        let output = output.map_err(|error| Failure(format!("run keydove status: {error}")))?;
        let shown = String::from_utf8_lossy(&output.stdout);
        ensure(shown.contains("\nsync: ") && shown.contains("last complete, 0 min "), || shown.to_string())
    }),
];
