//! Beside mailcow, with a database user that has exactly the rights that `keydove grants` prints: in shadow mode, deciding,
//! provisioning, and with the sync.

use serde_json::Value;

use super::double::{MailcowDouble, Script};
use super::{Served, YES, login, metric};
use crate::mailcow::WorldCase;
use crate::mailcow::provisioning::newcomer;
use crate::mailcow::world::{RIGHT, RIGHT_HASH, World};
use crate::stage::{Failure, Result, free_port};
use crate::{ensure, eventually};

/// The database user of these cases.
const NARROW: &str = "'narrow'@'localhost'";
const ACCEPTS: Script = Script::says("200 OK", YES);
const MAKES: &str = "\n[provisioning]\nenabled = true\ndefault_template = \"Cases\"\nretry_after = \"1s\"\n";

pub const CASES: &[WorldCase] = &[
    ("shadow_mode_needs_reading_and_nothing_else", |world| {
        let double = MailcowDouble::start(ACCEPTS)?;
        let port = free_port()?;
        let settings =
            format!("shadow_url = \"{}\"\n\n[http]\nlisten = \"127.0.0.1:{port}\"\n{MAKES}", double.url);
        // No other door asks about logins.
        let only =
            |text: String| text.replace("door = \"auth-client\"\nrole = \"dovecot\"", "door = \"control\"");
        let served = granted(world, "granted-shadow", &settings, only)?;
        let printed = grants(&served)?;
        ensure(printed.iter().all(|statement| is_reading(statement)), || printed.join("\n"))?;
        world.person_with_hash("shadowed@case.example", RIGHT_HASH)?;
        newcomer(world, "shadow-new@case.example", None)?;
        for user in ["shadowed@case.example", "shadow-new@case.example"] {
            served.answers(&login(user, RIGHT, "imap"), 200)?;
        }
        // Both logins are compared, and neither differs: the first login, too, is foreseen without a right to write.
        eventually(|| {
            let same = "keydove_shadow_logins_total{mailcow=\"accept\",keydove=\"accept\"}";
            let same = metric(port, same)?;
            ensure(same == Some(2), || format!("{same:?} agree\n{}", served.keydove.log()))
        })?;
        let made = world.count("mailbox", "username = 'shadow-new@case.example'")?;
        ensure(made == 0, || "shadow mode made a mailbox".to_owned())
    }),
    ("deciding_needs_the_login_history", |world| {
        let served = granted(world, "granted-decides", "", |text| text)?;
        world.person_with_hash("decided@case.example", RIGHT_HASH)?;
        served.answers(&login("decided@case.example", RIGHT, "imap"), 200)?;
        eventually(|| {
            let rows = world.count("sasl_log", "username = 'decided@case.example'")?;
            ensure(rows == 1, || format!("{rows} rows in sasl_log:\n{}", served.keydove.log()))
        })?;
        nothing_was_denied(&served)
    }),
    ("a_first_login_needs_the_rows_of_a_mailbox", |world| {
        let served = granted(world, "granted-makes", MAKES, |text| text)?;
        let (first, second) = ("first-granted@case.example", "second-granted@case.example");
        for user in [first, second] {
            newcomer(world, user, None)?;
        }
        served.answers(&login(first, RIGHT, "imap"), 200)?;
        for (table, column) in [
            ("mailbox", "username"),
            ("alias", "address"),
            ("user_acl", "username"),
            ("_sogo_static_view", "c_uid"),
        ] {
            let rows = world.count(table, &format!("{column} = '{first}'"))?;
            ensure(rows == 1, || format!("{rows} rows in {table}"))?;
        }
        nothing_was_denied(&served)?;
        // Without one of them a first login is a temporary failure, and `check` is not content.
        let database = database(world)?;
        world.system.execute(&format!("REVOKE INSERT ON {database}.quota2 FROM {NARROW}"))?;
        let output = check(&served)?;
        ensure(output.contains("lacks rights") && output.contains("INSERT on quota2"), || output.clone())?;
        let mut served = served;
        again(&mut served)?;
        served.answers(&login(second, RIGHT, "imap"), 503)?;
        ensure(world.count("mailbox", &format!("username = '{second}'"))? == 0, || {
            "half a mailbox".to_owned()
        })
    }),
    ("the_sync_needs_what_it_switches", |world| {
        let sync = format!(
            "{MAKES}\n[sync]\nimport = true\nimport_limit = 3\ndeactivate = \"receive-only\"\nmissed_runs = 1\n"
        );
        let served = granted(world, "granted-sync", &sync, |text| text)?;
        let (user, gone) = ("synced-granted@case.example", "gone-granted@case.example");
        newcomer(world, user, None)?;
        world.mailbox(gone, "")?;
        run(&served, "sync", &["--user", user])?;
        ensure(world.count("mailbox", &format!("username = '{user}'"))? == 1, || {
            "it made no mailbox".to_owned()
        })?;
        world.system.execute(&format!(
            "INSERT INTO keydove_person (mailbox, keycloak_id) VALUES ('{gone}', 'nobody');
             INSERT INTO _sogo_static_view (c_uid, domain, c_name, mail, aliases)
             VALUES ('{gone}', 'case.example', '{gone}', '{gone}', '');"
        ))?;
        let text = run(&served, "sync", &["--json"])?;
        let report: Value =
            serde_json::from_str(&text).map_err(|error| Failure(format!("{error}: {text}")))?;
        ensure(report["complete"] == true && report["skipped"].get("failed").is_none(), || text.clone())?;
        world.rows(&format!("SELECT active FROM mailbox WHERE username = '{gone}'"), &[&["2"]])?;
        let rows = world.count("_sogo_static_view", &format!("c_uid = '{gone}'"))?;
        ensure(rows == 0, || "SOGo still knows the leaver".to_owned())
    }),
];

/// A keydove whose database user has what `keydove grants` prints for its configuration.
fn granted(
    world: &World<'_>,
    name: &'static str,
    settings: &str,
    edit: impl FnOnce(String) -> String,
) -> Result<Served> {
    // The password is that of keydove's other database user.
    world.system.execute(&format!(
        "CREATE OR REPLACE USER {NARROW} IDENTIFIED BY '{}'",
        crate::stage::mariadb::PASSWORD
    ))?;
    let mut served = Served::start_edited(world, name, settings, |text| {
        edit(text.replace("user = \"keydove\"", "user = \"narrow\""))
    })?;
    for statement in grants(&served)? {
        world.system.execute(&statement)?;
    }
    again(&mut served)?;
    let output = check(&served)?;
    ensure(output.contains("has every right on"), || output)?;
    Ok(served)
}

/// Rights count for new connections.
fn again(served: &mut Served) -> Result<()> {
    served.keydove.stop()?;
    served.keydove.start_again()?;
    let port = served.port;
    eventually(|| {
        crate::transport(std::net::TcpStream::connect((std::net::Ipv4Addr::LOCALHOST, port))).map(drop)
    })
}

/// For mailcow's tables, SOGo's included.
fn grants(served: &Served) -> Result<Vec<String>> {
    let text = run(served, "grants", &["--json", "--from", "localhost"])?;
    let printed: Value = serde_json::from_str(&text).map_err(|error| Failure(format!("{error}: {text}")))?;
    let of = |key: &str| printed[key].as_array().cloned().unwrap_or_default();
    let statements = [of("statements"), of("where_mailcow_has_the_table")].concat();
    Ok(statements.iter().filter_map(|statement| statement.as_str().map(str::to_owned)).collect())
}

fn is_reading(statement: &str) -> bool {
    let columns = statement.split(['(', ')']).step_by(2).collect::<String>();
    columns.starts_with("GRANT SELECT  ON ")
}

/// From the last start on: the first one was before the rights were given.
fn nothing_was_denied(served: &Served) -> Result<()> {
    let log = served.keydove.log();
    let since = log.rsplit("keydove is ready").next().unwrap_or_default();
    ensure(!since.contains("denied"), || log.clone())
}

fn check(served: &Served) -> Result<String> {
    let output = served.keydove.command("check").output();
    let output = output.map_err(|error| Failure(format!("run keydove check: {error}")))?;
    Ok(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

fn run(served: &Served, command: &str, arguments: &[&str]) -> Result<String> {
    crate::stage::process::run(served.keydove.command(command).args(arguments))
}

fn database(world: &World<'_>) -> Result<String> {
    Ok(world.system.query("SELECT DATABASE()")?.concat().concat())
}
