//! The switches of mailcow's form of its identity provider: its sync, and whether certificates count.

use super::LoneCase;
use super::mailcow_mode::{check, fill_table, login, mailcow_mode, prepare_for_import, set, start};
use super::stage::keydove::Keydove;
use super::stage::redis::Redis;
use super::stage::system::System;
use super::stage::{Failure, Result};
use super::{ensure, eventually, expect};

const ALICE: &str = "alice@example.org";
const PLAIN: &str = "plain@example.org";
const ACCEPTED: &str = "OK\t1\tuser=";

pub const CASES: &[LoneCase] = &[
    ("mailcows_switches_drive_the_sync_while_keydove_runs", |system| {
        let redis = Redis::start_open(system.stage(), "redis-switches")?;
        let keydove = start_beside(system, "driven", &redis, "")?;
        prepare_for_import(system)?;
        ensure(count(system)? == 0, || "a mailbox was made with all switches off".to_owned())?;
        // Only new mailboxes are made: what is there stays as it is.
        set(system, "sync_interval", "1")?;
        set(system, "import_users", "1")?;
        eventually(|| ensure(count(system)? == 1, || keydove.log_so_far()))?;
        ensure(!is_in_line(system)?, || "a mailbox that was there was brought in line".to_owned())?;
        let shown = check(&keydove, 0)?;
        for line in [
            "periodic_sync (no such row): the sync brings mailboxes in line: off",
            "import_users: the sync makes mailboxes: on",
            "sync_interval: a run of the sync every 1 min",
            "client_secret: set (not shown)",
            "access_token: mailcow's own token; not read",
            "surprise: keydove does not know this row; not used",
        ] {
            ensure(shown.contains(line), || format!("no `{line}` in {shown}"))?;
        }
        for secret in ["s3cret", "theirs", "unheard-of"] {
            ensure(!shown.contains(secret), || format!("`{secret}` is in {shown}"))?;
        }
        // mailcow's own job says each minute that it is not its time yet.
        redis.ask(&["LPUSH", "CRON_LOG", &line_of_mailcows_job()])?;
        let shown = check(&keydove, 0)?;
        let said = "warning: mailcow's own job keycloak-sync.php runs beside keydove's sync";
        ensure(shown.contains(said), || format!("no `{said}` in {shown}"))
    }),
    ("the_daemon_tells_of_mailcows_own_job_and_brings_mailboxes_in_line", |system| {
        let redis = Redis::start_open(system.stage(), "redis-job")?;
        redis.ask(&["LPUSH", "CRON_LOG", &line_of_mailcows_job()])?;
        set(system, "sync_interval", "1")?;
        let keydove = start_beside(system, "job", &redis, "")?;
        prepare_for_import(system)?;
        set(system, "sync_interval", "1")?;
        set(system, "periodic_sync", "1")?;
        eventually(|| {
            let log = keydove.log_so_far();
            ensure(log.contains("mailcow's own job keycloak-sync.php runs beside"), || log.clone())
        })?;
        ensure(count(system)? == 0, || "a mailbox was made, though mailcow imports nobody".to_owned())?;
        ensure(is_in_line(system)?, || keydove.log())
    }),
    ("mailcows_switches_are_overridden_by_settings_and_not_followed_in_shadow_mode", |system| {
        prepare_for_import(system)?;
        fill_table(system)?;
        for (key, value) in [("periodic_sync", "1"), ("import_users", "1"), ("sync_interval", "7")] {
            set(system, key, value)?;
        }
        for (name, more, line) in [
            ("off", "[sync]\ninterval = \"0\"\n", "sync_interval: no run of the sync"),
            (
                "own",
                "[sync]\ninterval = \"20m\"\nimport = false\n",
                "import_users: overridden by [sync] import: the sync makes mailboxes: off",
            ),
            (
                "shadow",
                "[http_login]\nlisten = \"127.0.0.1:0\"\nshadow_url = \"http://127.0.0.1:1\"\n",
                "import_users: not followed in shadow mode: mailcow's own job goes on",
            ),
        ] {
            let keydove = system.keydove.beside(name, |text| mailcow_mode(text) + more)?;
            let shown = shown_by_check(&keydove)?;
            ensure(shown.contains(line), || format!("{name}: no `{line}` in {shown}"))?;
        }
        Ok(())
    }),
    ("ignored_certificates_are_mailcows_wish_and_the_administrators_word", |system| {
        fill_table(system)?;
        set(system, "server_url", &system.keycloak.https_url())?;
        set(system, "ignore_ssl_error", "1")?;
        let strict = system.keydove.beside("strict", mailcow_mode)?;
        expect(
            "verified",
            login(&strict, "strict.sock", ALICE),
            "FAIL\t1\tuser=alice@example.org\tcode=temp_fail",
        )?;
        ensure(strict.log().contains("keydove verifies Keycloak's certificate all the same"), || {
            strict.log()
        })?;
        let shown = shown_by_check(&strict)?;
        ensure(shown.contains("ignore_ssl_error: on, and not followed"), || shown.clone())?;
        let lax = |text: String| mailcow_mode(text) + "ignore_ssl_error = true\n";
        let lax = system.keydove.beside("lax", lax)?;
        expect("not verified", login(&lax, "lax.sock", ALICE), ACCEPTED)?;
        ensure(lax.log().contains("NO CERTIFICATE OF KEYCLOAK IS VERIFIED"), || lax.log())?;
        let shown = shown_by_check(&lax)?;
        ensure(shown.contains("warning: no certificate of Keycloak is verified"), || shown.clone())?;
        // Switched off in mailcow, it counts again at once.
        set(system, "ignore_ssl_error", "0")?;
        let refused = "FAIL\t1\tuser=plain@example.org\tcode=temp_fail";
        eventually(|| expect("verified again", login(&lax, "lax.sock", PLAIN), refused))
    }),
];

/// As `mailcow_mode` has it, with mailcow's Redis.
fn start_beside(system: &System, name: &'static str, redis: &Redis, more: &str) -> Result<Keydove> {
    let keydove = start(system, name)?;
    drop(keydove);
    set(system, "surprise", "unheard-of")?;
    let redis = format!("\n[redis]\nsocket = \"{}\"\n{more}", redis.socket().display());
    system.keydove.beside(name, |text| mailcow_mode(text) + &redis)
}

/// Whether a run has looked at the mailbox of somebody who did not log in.
fn is_in_line(system: &System) -> Result<bool> {
    let rows = system.query(&format!("SELECT mailbox FROM keydove_person WHERE mailbox = '{ALICE}'"))?;
    Ok(!rows.is_empty())
}

fn count(system: &System) -> Result<usize> {
    Ok(system.query(&format!("SELECT username FROM mailbox WHERE username = '{PLAIN}'"))?.len())
}

fn line_of_mailcows_job() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH);
    let seconds = now.map_or(0, |now| now.as_secs());
    serde_json::json!({
        "time": seconds, "priority": "warning", "task": "Keycloak Sync", "message": "Sync not ready (1.02min / 15min)",
    })
    .to_string()
}

/// Whatever else it finds.
fn shown_by_check(keydove: &Keydove) -> Result<String> {
    let output = keydove.command("check").output().map_err(|error| Failure(error.to_string()))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
