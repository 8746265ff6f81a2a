//! First logins beside programs that read the database file, with kill -9 in between; and names that get no mailbox by
//! themselves.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::json;

use super::mailcow::world::End::{Accept, CannotTell, Refuse};
use super::mailcow::world::{Attempt, End, OTHER, RIGHT, RIGHT_HASH, attempt_at, prompt};
use super::stage::keydove::Keydove;
use super::stage::system::{Database, System};
use super::stage::{Failure, Result, attempt};
use super::{LoneCase, ensure, eventually};

/// How often keydove is killed, and how many people log in for the first time before each.
const KILLS: usize = 3;
const FIRST_LOGINS: usize = 4;
const DOMAIN: &str = "files.example";
const ATTRIBUTES: &str =
    r#"{"quota":"1048576","active":"1","imap_access":"1","quarantine_category":"reject"}"#;
const SETTINGS: &str = "[provisioning]\nenabled = true\ndefault_template = \"Files\"\nretry_after = \"1s\"\n";

pub const CASES: &[LoneCase] = &[
    ("first_logins_that_were_answered_outlive_foreign_readers_and_kills", |system| {
        if system.database() != Database::Sqlite {
            return Ok(());
        }
        let mut keydove = start(system, "files", "")?;
        let file = system.stage().path("keydove/keydove.sqlite");
        let mut made = Vec::new();
        let over = AtomicBool::new(false);
        let end = thread::scope(|scope| {
            let reader = scope.spawn(|| read_all_the_time(&file, &over));
            let end = first_logins(system, &mut keydove, &mut made);
            over.store(true, Ordering::Relaxed);
            let read = reader.join().map_err(|_| Failure("the reader panicked".to_owned()))?;
            end.and(read)
        });
        end?;
        for address in &made {
            let rows = system.query(&format!("SELECT active FROM mailbox WHERE username = '{address}'"))?;
            ensure(rows == [["1"]], || format!("{address} was answered OK and is lost: {rows:?}"))?;
        }
        ensure(made.len() == KILLS * FIRST_LOGINS, || format!("{made:?}"))
    }),
    ("a_reserved_name_gets_no_mailbox_at_a_first_login", |system| {
        let keydove = start(system, "reserved", "")?;
        for name in ["postmaster", "Hostmaster", "admin+x"] {
            let address = format!("{name}@{DOMAIN}");
            person(system, &address.to_lowercase())?;
            ends(&keydove, &address, OTHER, Refuse("password_mismatch"))?;
            ends(&keydove, &address, RIGHT, CannotTell("provision_reserved_name"))?;
        }
        // The sync's import obeys the same rule.
        let _ = keydove.command("sync").output();
        let rows = system.query(&format!("SELECT username FROM mailbox WHERE domain = '{DOMAIN}' AND local_part IN ('postmaster', 'hostmaster', 'admin+x')"))?;
        ensure(rows.is_empty(), || format!("made: {rows:?}"))?;
        // One that is there logs in as ever.
        let mut add = keydove.command("mailbox");
        let output = attempt(
            "run",
            Path::new("keydove"),
            add.args(["add", &format!("postmaster@{DOMAIN}")]).output(),
        )?;
        ensure(output.status.success(), || String::from_utf8_lossy(&output.stderr).into_owned())?;
        eventually(|| ends(&keydove, &format!("PostMaster@{DOMAIN}"), RIGHT, Accept("keycloak")))?;
        // And where the administrator allows it, it is made.
        let allowed = start(system, "reserved-allowed", "allow_reserved_names = [\"hostmaster\"]\n")?;
        ends(&allowed, &format!("hostmaster@{DOMAIN}"), RIGHT, Accept("keycloak"))?;
        ends(&allowed, &format!("admin+x@{DOMAIN}"), RIGHT, CannotTell("provision_reserved_name"))
    }),
];

fn start(system: &System, name: &'static str, more: &str) -> Result<Keydove> {
    system.execute(&format!(
        "DELETE FROM templates WHERE template = 'Files';
         INSERT INTO templates (template, type, attributes) VALUES ('Files', 'mailbox', '{ATTRIBUTES}');
         DELETE FROM domain WHERE domain = '{DOMAIN}';
         INSERT INTO domain (domain, active, mailboxes, maxquota, quota) VALUES ('{DOMAIN}', 1, 1000, 10240, 102400);"
    ))?;
    system.keydove.beside(name, |text| format!("{}\n{SETTINGS}{more}", prompt(&text)))
}

fn person(system: &System, address: &str) -> Result<()> {
    let person = json!({
        "email": address, "username": address, "enabled": true, "firstName": "First", "lastName": "Last",
        "attributes": { "mailcow_password": [RIGHT_HASH] },
    });
    system.keycloak.admin().import(&[person])
}

fn ends(keydove: &Keydove, address: &str, password: &str, end: End<'_>) -> Result<()> {
    attempt_at(keydove, Attempt::new(address, password), end).map(drop)
}

fn first_logins(system: &System, keydove: &mut Keydove, made: &mut Vec<String>) -> Result<()> {
    for round in 0..KILLS {
        for number in 0..FIRST_LOGINS {
            let address = format!("first{round}{number}@{DOMAIN}");
            person(system, &address)?;
            ends(keydove, &address, RIGHT, Accept("keycloak"))?;
            made.push(address);
        }
        keydove.kill()?;
        keydove.start_again()?;
    }
    Ok(())
}

/// Debian's `sqlite3`, again and again: a question, and a copy.
fn read_all_the_time(file: &PathBuf, over: &AtomicBool) -> Result<()> {
    let copy = file.with_extension("copy");
    while !over.load(Ordering::Relaxed) {
        for words in ["SELECT COUNT(*) FROM mailbox", &format!(".backup '{}'", copy.display())] {
            let mut program = Command::new("sqlite3");
            let output = attempt(
                "run",
                Path::new("sqlite3"),
                program.arg(file).arg(".timeout 20000").arg(words).output(),
            )?;
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            // When the last user of the file is killed, SQLite recovers its journal and may turn others away.
            ensure(output.status.success() || said.contains("locked") || said.contains("busy"), || said)?;
        }
    }
    Ok(())
}
