//! Keycloak's settings from mailcow's table, at a second keydove whose file says no more than that.

use std::thread;
use std::time::Duration;

use super::LoneCase;
use super::auth_socket::AuthSocket;
use super::mailcow::identity_provider::without_keycloak;
use super::stage::keydove::Keydove;
use super::stage::mariadb::MariaDb;
use super::stage::system::System;
use super::stage::{Failure, Result, attempt};
use super::{ensure, expect};

const ALICE: &str = "alice@example.org";
/// Has the template attribute `default`.
const PLAIN: &str = "plain@example.org";
/// Has no template attribute.
const NOTEMPLATE: &str = "notemplate@example.org";
const SETTINGS: &str = "[mailcow]\nidentity_provider = true\nrefresh = \"200ms\"\n";
const ACCEPTED: &str = "OK\t1\tuser=";
const UNAVAILABLE: &str = "code=temp_fail";
const TOOK_SETTINGS: &str = "took Keycloak's settings from mailcow's table";

pub const CASES: &[LoneCase] = &[
    ("nothing_but_mailcows_table_is_configured", |system| {
        let keydove = start(system, "mode")?;
        expect("alice", login(&keydove, "mode.sock", ALICE), ACCEPTED)?;
        // Some refreshes later, everything is still as it was taken first.
        thread::sleep(Duration::from_secs(1));
        expect("alice, again", login(&keydove, "mode.sock", ALICE), ACCEPTED)?;
        let taken = keydove.log().matches(TOOK_SETTINGS).count();
        ensure(taken == 1, || format!("the settings were taken {taken} times:\n{}", keydove.log()))?;
        ensure(!keydove.log().contains("s3cret"), || "the client secret is in the log".to_owned())
    }),
    ("check_shows_mailcows_settings", |system| {
        let keydove = start(system, "shown")?;
        let shown = check(&keydove, 0)?;
        let realm = system.keycloak.names().realm("mail");
        let url = format!("server_url {}, realm `{realm}`, client_id `mailcow`\n", system.keycloak.url());
        for part in ["come from mailcow's table", &url, "mail passwords on, provisioning off, 0 mappings"] {
            ensure(shown.contains(part), || format!("`{part}` is not in\n{shown}"))?;
        }
        ensure(!shown.contains("s3cret"), || "the client secret is shown".to_owned())?;
        system.execute("ALTER TABLE identity_provider RENAME TO gone")?;
        let shown = check(&keydove, 1);
        system.execute("ALTER TABLE gone RENAME TO identity_provider")?;
        let shown = shown?;
        ensure(shown.matches("fault: mailcow's settings of Keycloak cannot be read: ").count() == 1, || {
            shown.clone()
        })
    }),
    ("main_passwords_are_switched_in_mailcow", |system| {
        let keydove = start(system, "flow")?;
        expect("switched on", login(&keydove, "flow.sock", ALICE), ACCEPTED)?;
        set(system, "mailpassword_flow", "0")?;
        wait(&keydove, "flow.sock", ALICE, "reason=mail_passwords_off")?;
        expect("switched off", login(&keydove, "flow.sock", ALICE), "FAIL\t1\tuser=alice@example.org")?;
        set(system, "mailpassword_flow", "1")?;
        wait_for_answer(&keydove, "flow.sock", ALICE, ACCEPTED)
    }),
    ("a_wrong_secret_in_mailcow_is_no_refusal", |system| {
        let keydove = start(system, "secret")?;
        set(system, "client_secret", "wrong")?;
        wait(&keydove, "secret.sock", ALICE, "reason=keycloak_401")?;
        expect_temp_fail("a wrong secret", login(&keydove, "secret.sock", ALICE))?;
        set(system, "client_secret", "s3cret")?;
        wait_for_answer(&keydove, "secret.sock", ALICE, ACCEPTED)
    }),
    ("a_missing_setting_in_mailcow_is_no_refusal", |system| {
        let keydove = start(system, "missing")?;
        set(system, "client_id", "")?;
        wait(&keydove, "missing.sock", ALICE, "reason=keycloak_settings")?;
        expect_temp_fail("no client id", login(&keydove, "missing.sock", ALICE))?;
        ensure(keydove.log().contains("has no `client_id`"), || keydove.log())?;
        set(system, "client_id", "mailcow")?;
        wait_for_answer(&keydove, "missing.sock", ALICE, ACCEPTED)
    }),
    ("another_identity_provider_in_mailcow_is_a_reason", |system| {
        let keydove = start(system, "ldap")?;
        set(system, "authsource", "ldap")?;
        wait(&keydove, "ldap.sock", ALICE, "reason=source_unsupported")?;
        expect("ldap", login(&keydove, "ldap.sock", ALICE), "FAIL\t1\tuser=alice@example.org")?;
        set(system, "authsource", "keycloak")?;
        wait_for_answer(&keydove, "ldap.sock", ALICE, ACCEPTED)
    }),
    ("a_first_login_uses_mailcows_mapping", |system| {
        let keydove = start(system, "mapping")?;
        // As mailcow stores a form whose middle row was left blank.
        system.execute(
            "DELETE FROM identity_provider WHERE `key` = 'login_provisioning';
             INSERT INTO identity_provider (`key`, value) VALUES ('default_template', 'Closed'),
             ('mappers', '{\"0\":\"other\",\"2\":\"default\"}'), ('templates', '{\"0\":\"Closed\",\"2\":\"Open\"}');",
        )?;
        remove_mailboxes(system)?;
        wait_for_answer(&keydove, "mapping.sock", PLAIN, ACCEPTED)?;
        wait(&keydove, "mapping.sock", NOTEMPLATE, "reason=service_forbidden")?;
        let made = keydove.log().matches("made a mailbox at the first login").count();
        system.execute(&format!("UPDATE mailbox SET attributes = '{{}}' WHERE username = '{NOTEMPLATE}'"))?;
        ensure(made == 2, || format!("{made} mailboxes were made"))
    }),
    ("first_logins_are_switched_in_mailcow", |system| {
        let keydove = start(system, "switch")?;
        set(system, "default_template", "Open")?;
        remove_mailboxes(system)?;
        // Taken at the start, and after each change.
        for (off, taken) in [("", 2), ("0", 3)] {
            set(system, "login_provisioning", off)?;
            crate::eventually(|| {
                let log = keydove.log();
                ensure(log.matches(TOOK_SETTINGS).count() == taken, || log.clone())
            })?;
            let answer = login(&keydove, "switch.sock", NOTEMPLATE);
            expect("switched off", answer, "FAIL\t1\tuser=notemplate@example.org")?;
        }
        ensure(keydove.log().matches("reason=mailbox_unknown").count() == 2, || keydove.log())?;
        system.execute("DELETE FROM identity_provider WHERE `key` = 'login_provisioning'")?;
        wait_for_answer(&keydove, "switch.sock", NOTEMPLATE, ACCEPTED)?;
        wait_for_answer(&keydove, "switch.sock", PLAIN, ACCEPTED)
    }),
];

/// Cases that only a database server has.
pub const SERVER_CASES: &[LoneCase] = &[("mailcows_settings_are_taken_when_the_database_comes", |system| {
    fill_table(system)?;
    mariadb(system)?.stop()?;
    let keydove = system.keydove.beside("early", mailcow_mode);
    let early = keydove.and_then(|keydove| {
        let answer = login(&keydove, "early.sock", ALICE);
        expect_temp_fail("without a database", answer)?;
        Ok(keydove)
    });
    mariadb(system)?.start_again()?;
    let keydove = early?;
    ensure(keydove.log().contains("cannot read Keycloak's settings"), || keydove.log())?;
    wait_for_answer(&keydove, "early.sock", ALICE, ACCEPTED)
})];

fn mariadb(system: &mut System) -> Result<&mut MariaDb> {
    system.mariadb().ok_or_else(|| Failure("this system has no database server".to_owned()))
}

/// A keydove that knows of Keycloak by mailcow's table only.
pub fn start(system: &System, name: &'static str) -> Result<Keydove> {
    fill_table(system)?;
    system.keydove.beside(name, mailcow_mode)
}

/// The table as mailcow's form fills it, for the Keycloak that runs.
pub fn fill_table(system: &System) -> Result<()> {
    system.execute(&format!(
        "DELETE FROM identity_provider;
         INSERT INTO identity_provider (`key`, value) VALUES ('authsource', 'keycloak'),
         ('server_url', '{}/'), ('realm', '{}'), ('client_id', 'mailcow'), ('client_secret', 's3cret'),
         ('mailpassword_flow', '1'), ('login_provisioning', ''), ('access_token', 'theirs');",
        system.keycloak.url(),
        system.keycloak.names().realm("mail")
    ))
}

pub fn mailcow_mode(text: String) -> String {
    without_keycloak(&text) + SETTINGS
}

pub fn set(system: &System, key: &str, value: &str) -> Result<()> {
    system.execute(&format!(
        "BEGIN; DELETE FROM identity_provider WHERE `key` = '{key}';
         INSERT INTO identity_provider (`key`, value) VALUES ('{key}', '{value}'); COMMIT;"
    ))
}

/// Takes two mailboxes away, so that their people log in for the first time. One template allows IMAP.
fn remove_mailboxes(system: &System) -> Result<()> {
    let attributes = |imap: u8| {
        format!(
            r#"{{"quota":"1048576","active":"1","imap_access":"{imap}","pop3_access":"1","smtp_access":"1","sieve_access":"1","quarantine_category":"reject"}}"#
        )
    };
    let people = format!("('{PLAIN}', '{NOTEMPLATE}')");
    system.execute(&format!(
        "DELETE FROM templates WHERE template IN ('Closed', 'Open');
         INSERT INTO templates (template, type, attributes) VALUES
         ('Closed', 'mailbox', '{}'), ('Open', 'mailbox', '{}');
         UPDATE domain SET mailboxes = 1000, maxquota = 10240, quota = 102400 WHERE domain = 'example.org';
         DELETE FROM user_acl WHERE username IN {people};
         DELETE FROM tags_mailbox WHERE username IN {people};
         DELETE FROM alias WHERE address IN {people};
         DELETE FROM mailbox WHERE username IN {people};",
        attributes(0),
        attributes(1),
    ))
}

/// Logs in until the answer is the one that is waited for.
fn wait_for_answer(keydove: &Keydove, socket: &str, user: &str, beginning: &str) -> Result<()> {
    wait_until(keydove, socket, user, |answer| answer.starts_with(beginning))
}

/// Logs in until the log tells this reason.
fn wait(keydove: &Keydove, socket: &str, user: &str, reason: &str) -> Result<()> {
    wait_until(keydove, socket, user, |_| keydove.log().contains(reason))
}

fn wait_until(keydove: &Keydove, socket: &str, user: &str, is_there: impl Fn(&str) -> bool) -> Result<()> {
    crate::eventually(|| {
        let answer = login(keydove, socket, user);
        ensure(answer.is_ok_and(|answer| is_there(&answer)), || {
            format!("what was waited for did not come:\n{}", keydove.log_so_far())
        })
    })
}

fn expect_temp_fail(what: &str, answer: std::io::Result<String>) -> Result<()> {
    let answer = answer.map_err(|error| Failure(format!("{what}: {error}")))?;
    let temporary = answer.starts_with("FAIL\t1\t") && answer.contains(UNAVAILABLE);
    ensure(temporary, || format!("{what}: got `{answer}`"))
}

pub fn login(keydove: &Keydove, socket: &str, user: &str) -> std::io::Result<String> {
    let path = keydove.socket(socket).map_err(|failure| std::io::Error::other(failure.0))?;
    let mut socket = AuthSocket::client(path, 7100)?;
    socket.login(1, user, "pw")?;
    socket.line()
}

/// What `keydove check` prints; it must end with this code.
pub fn check(keydove: &Keydove, code: i32) -> Result<String> {
    let mut command = keydove.command("check");
    let output = attempt("run", std::path::Path::new("keydove check"), command.output())?;
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure(output.status.code() == Some(code), || {
        format!("check ended with {}: {shown}{}", output.status, String::from_utf8_lossy(&output.stderr))
    })?;
    Ok(shown)
}

/// One person has no mailbox.
pub fn prepare_for_import(system: &System) -> Result<()> {
    let attributes = r#"{"quota":"1048576","active":"1","imap_access":"1","pop3_access":"1","smtp_access":"1","sieve_access":"1","quarantine_category":"reject"}"#;
    set(system, "default_template", "Open")?;
    system.execute(&format!(
        "DELETE FROM templates WHERE template = 'Open';
         INSERT INTO templates (template, type, attributes) VALUES ('Open', 'mailbox', '{attributes}');
         UPDATE domain SET mailboxes = 1000, maxquota = 10240, quota = 102400 WHERE domain = 'example.org';
         DELETE FROM keydove_person WHERE mailbox = '{ALICE}';
         DELETE FROM user_acl WHERE username = '{PLAIN}';
         DELETE FROM tags_mailbox WHERE username = '{PLAIN}';
         DELETE FROM alias WHERE address = '{PLAIN}';
         DELETE FROM mailbox WHERE username = '{PLAIN}';"
    ))
}
