//! Shadow mode: mailcow's answer, keydove's opinion.

use std::time::Duration;

use super::double::{MailcowDouble, Script};
use super::{NO, Served, YES, login, metric};
use crate::mailcow::WorldCase;
use crate::mailcow::provisioning::newcomer;
use crate::mailcow::world::{RIGHT, RIGHT_HASH, SETTINGS, World, domain};
use crate::stage::relay::Conduct;
use crate::stage::{Result, free_port};
use crate::{ensure, eventually, in_time};

const ACCEPTS: Script = Script::says("200 OK", YES);
const REFUSES: Script = Script::says("401 Unauthorized", NO);
const DIFFER: &str = "mailcow and keydove differ about a login";

pub const CASES: &[WorldCase] = &[
    ("http_login_shadow_agrees_with_a_mailcow_that_is_right", |world| {
        // A second keydove decides in mailcow's place, and makes mailboxes as mailcow does.
        let other = Served::start(world, "shadow-mc", PROVISIONING)?;
        let url = format!("http://127.0.0.1:{}", other.port);
        let (served, metrics) = shadow(world, "shadow-kd", &url, PROVISIONING)?;
        world.person_with_hash("shadow@case.example", RIGHT_HASH)?;
        world.person("shadow-first@case.example", |_| ())?;
        for (user, password, status) in [
            ("shadow@case.example", RIGHT, 200),
            ("shadow@case.example", "wrong", 401),
            ("shadow-first@case.example", RIGHT, 200),
            ("shadow-nobody@case.example", RIGHT, 401),
        ] {
            served.answers(&login(user, password, "imap"), status)?;
        }
        eventually(|| {
            let pairs = [pair(metrics, "accept", "accept")?, pair(metrics, "refuse", "refuse")?];
            ensure(pairs == [2, 2], || format!("{pairs:?}"))
        })?;
        ensure(!served.keydove.log().contains(DIFFER), || served.keydove.log())?;
        // Only the one that decides writes lines of logins.
        served.has_lines("shadow", 0)?;
        other.has_lines("door=http-login", 4)?;
        let mut keydove = served.keydove;
        keydove.stop()?;
        Ok(())
    }),
    ("http_login_shadow_changes_and_makes_nothing", |world| {
        let double = MailcowDouble::start(ACCEPTS)?;
        let (served, metrics) = shadow(world, "shadow-dry", &double.url, PROVISIONING)?;
        world.person("shadow-dry@case.example", |_| ())?;
        world.person_with_hash("shadow-old@case.example", RIGHT_HASH)?;
        served.answers(&login("shadow-dry@case.example", RIGHT, "imap"), 200)?;
        served.answers(&login("shadow-old@case.example", RIGHT, "imap"), 200)?;
        eventually(|| {
            let count = pair(metrics, "accept", "accept")?;
            ensure(count == 2, || format!("{count} agreed\n{}", served.keydove.log()))
        })?;
        std::thread::sleep(Duration::from_millis(1500));
        ensure(world.count("mailbox", "username = 'shadow-dry@case.example'")? == 0, || {
            "a mailbox was made".into()
        })?;
        let rows =
            world.count("sasl_log", "username IN ('shadow-dry@case.example', 'shadow-old@case.example')")?;
        ensure(rows == 0, || format!("{rows} rows in sasl_log"))
    }),
    ("http_login_shadow_tells_of_every_difference", |world| {
        let double = MailcowDouble::start(REFUSES)?;
        let (served, metrics) = shadow(world, "shadow-diff", &double.url, "")?;
        world.person_with_hash("shadow-diff@case.example", RIGHT_HASH)?;
        let body = login("shadow-diff@case.example", RIGHT, "imap");
        served.answers(&body, 401)?;
        differs(
            &served,
            "mailcow=\"refuse\" keydove=\"accept\" reason=\"ok\" row=\"mailcow_wrong\" user=\"shadow-diff@case.example\"",
        )?;
        double.turn(ACCEPTS);
        let wrong = login("shadow-diff@case.example", "a wrong one", "imap");
        served.answers(&wrong, 200)?;
        differs(&served, "mailcow=\"accept\" keydove=\"refuse\" reason=\"password_mismatch\"")?;
        // Whatever mailcow says is passed on as it is.
        let page = Script { kind: "text/html", ..Script::says("200 OK", "<b>Fatal error</b>") };
        double.turn(page);
        let answer = served.post(body.as_bytes())?;
        ensure(answer == (200, "text/html".to_owned(), page.body.to_owned()), || format!("{answer:?}"))?;
        differs(&served, "mailcow=\"none\" keydove=\"accept\"")?;
        let answer = served.post(br#"{"no":"login"}"#)?;
        ensure(answer.0 == 200 && answer.2 == page.body, || format!("{answer:?}"))?;
        let pairs = [
            pair(metrics, "refuse", "accept")?,
            pair(metrics, "accept", "refuse")?,
            pair(metrics, "none", "accept")?,
        ];
        ensure(pairs == [1, 1, 1], || format!("{pairs:?}"))?;
        ensure(!served.keydove.log().contains("a wrong one"), || "a password is in the log".to_owned())?;
        let mut keydove = served.keydove;
        keydove.stop()?;
        let log = keydove.log();
        ensure(log.contains("shadow mode so far: 3 logins, 3 differences"), || log.clone())
    }),
    ("http_login_shadow_shows_who_would_have_to_wait_and_holds_nobody_up", |world| {
        let double = MailcowDouble::start(REFUSES)?;
        let throttle = "[throttle]\nguesses = 3\n";
        let (served, _) = shadow_edited(world, "shadow-wait", &double.url, "", |text| {
            text.replace("[throttle]\nenabled = false\n", throttle)
        })?;
        world.person_with_hash("shadow-wait@case.example", RIGHT_HASH)?;
        let guess = |number: u32| login("shadow-wait@case.example", &format!("guess {number}"), "imap");
        for number in 0..3 {
            served.answers(&guess(number), 401)?;
        }
        // Each guess is counted beside the answer, which does not wait for it.
        eventually(|| {
            served.answers(&login("shadow-wait@case.example", RIGHT, "imap"), 401)?;
            let log = served.keydove.log();
            ensure(log.contains("reason=\"throttled\" row=\"guesses_held_up\""), || log.clone())
        })?;
        double.turn(ACCEPTS);
        served.answers(&login("shadow-wait@case.example", RIGHT, "imap"), 200)?;
        differs(&served, "mailcow=\"accept\" keydove=\"cannot_tell\" reason=\"throttled\" row=\"throttled\"")
    }),
    ("http_login_shadow_shows_limits_of_domains_switches_of_templates_and_aliases", |world| {
        let double = MailcowDouble::start(ACCEPTS)?;
        let (served, _) = shadow_edited(world, "shadow-rules", &double.url, SETTINGS, |text| {
            text.replace("[login]\n", "[login]\naliases = true\n")
        })?;
        world.system.execute(&format!(
            "{} INSERT INTO alias (address, goto, domain, active) VALUES
             ('shadow-alias@case.example', 'shadow-rules@case.example', 'case.example', 1);",
            domain("shadow-full.example", "mailboxes = 0"),
        ))?;
        world.person_with_hash("shadow-rules@case.example", RIGHT_HASH)?;
        newcomer(world, "shadow-off@case.example", Some("off"))?;
        newcomer(world, "shadow@shadow-full.example", None)?;
        for (user, words) in [
            ("shadow-off@case.example", "reason=\"mailbox_disabled\" row=\"mailbox_off\""),
            (
                "shadow@shadow-full.example",
                "reason=\"provision_max_mailbox_exceeded\" row=\"new_mailbox_refused\"",
            ),
        ] {
            served.answers(&login(user, RIGHT, "imap"), 200)?;
            differs(&served, words)?;
        }
        double.turn(REFUSES);
        served.answers(&login("shadow-alias@case.example", RIGHT, "imap"), 401)?;
        differs(&served, "keydove=\"accept\" reason=\"ok\" row=\"mailcow_wrong\"")?;
        let made = world
            .count("mailbox", "username IN ('shadow-off@case.example', 'shadow@shadow-full.example')")?;
        ensure(made == 0, || "a mailbox was made".to_owned())
    }),
    ("http_login_shadow_waits_for_mailcow_and_never_for_keydove", |world| {
        let double = MailcowDouble::start(ACCEPTS)?;
        let relay = world.system.keycloak.relay(Conduct::Hang)?;
        let (url, own) = (world.system.keycloak.url(), relay.url());
        let port = free_port()?;
        let settings = format!("shadow_url = \"{}\"\n\n[http]\nlisten = \"127.0.0.1:{port}\"\n", double.url);
        let served = Served::start_edited(world, "shadow-slow", &settings, |text| text.replace(&url, &own))?;
        world.person_with_hash("shadow-slow@case.example", RIGHT_HASH)?;
        let body = login("shadow-slow@case.example", RIGHT, "imap");
        let mut logins = 0;
        in_time(KEYCLOAKS, || {
            logins += 1;
            served.answers(&body, 200)
        })?;
        differs_times(&served, "mailcow=\"accept\" keydove=\"cannot_tell\"", logins)?;
        // After a silence Keycloak is left alone for a while: further logins have another reason.
        differs(&served, "reason=\"keycloak_timeout\"")?;
        // A mailcow that is slow is waited for; one that is away is said to be.
        double.turn(Script { pause: MAILCOWS, ..REFUSES });
        let took = in_time(crate::PATIENCE, || served.answers(&body, 401))?;
        ensure(took >= MAILCOWS, || "mailcow was not waited for".to_owned())?;
        double.turn(Script { is_away: true, ..ACCEPTS });
        served.answers(&body, 503)?;
        eventually(|| {
            let log = served.keydove.log();
            ensure(log.contains("mailcow's own login does not answer"), || log.clone())
        })
    }),
];

/// How long keydove waits for Keycloak here.
const KEYCLOAKS: Duration = Duration::from_secs(8);
/// How long a slow mailcow takes.
const MAILCOWS: Duration = Duration::from_millis(800);
const PROVISIONING: &str = "\n[provisioning]\nenabled = true\ndefault_template = \"Cases\"\n";

/// A keydove in shadow mode, and the port of its metrics.
fn shadow(world: &World<'_>, name: &'static str, url: &str, more: &str) -> Result<(Served, u16)> {
    shadow_edited(world, name, url, more, |text| text)
}

fn shadow_edited(
    world: &World<'_>,
    name: &'static str,
    url: &str,
    more: &str,
    edit: impl FnOnce(String) -> String,
) -> Result<(Served, u16)> {
    let port = free_port()?;
    let settings = format!("shadow_url = \"{url}\"\n\n[http]\nlisten = \"127.0.0.1:{port}\"\n{more}");
    Ok((Served::start_edited(world, name, &settings, edit)?, port))
}

fn pair(port: u16, mailcow: &str, keydove: &str) -> Result<u64> {
    let line = format!("keydove_shadow_logins_total{{mailcow=\"{mailcow}\",keydove=\"{keydove}\"}}");
    Ok(metric(port, &line)?.unwrap_or_default())
}

fn differs(served: &Served, words: &str) -> Result<()> {
    differs_times(served, words, 1)
}

fn differs_times(served: &Served, words: &str, times: usize) -> Result<()> {
    eventually(|| {
        let log = served.keydove.log();
        let count = log.lines().filter(|line| line.contains(DIFFER) && line.contains(words)).count();
        ensure(count == times, || format!("{count} lines with `{words}`\n{log}"))
    })
}
