//! Strikes and words to ban tools, on a real channel of a real Redis.

use serde_json::json;

use crate::ensure;
use crate::mailcow::world::End::{Accept, CannotTell, Refuse};
use crate::mailcow::world::{
    Attempt, End, OTHER, OTHER_HASH, RIGHT, RIGHT_HASH, World, attempt_at, domain, prompt, quote,
};
use crate::mailcow::{WorldCase, app_password};
use crate::stage::Result;
use crate::stage::keydove::Keydove;
use crate::stage::redis::Redis;
use crate::throttling::shipped_patterns;

const OFFICE: &str = "203.0.113.77";
const ATTACKER: &str = "198.51.100.77";
const CHANNEL: &str = "F2B_CHANNEL";
const LONG: &str = "first_wait = \"15m\"\n";

pub const CASES: &[WorldCase] = &[
    ("twenty_colleagues_at_switches_shut_nobody_out_and_no_ban_tool_hears_of_them", |world| {
        let redis = Redis::start_open(world.system.stage(), "guesses-office")?;
        let mut ears = redis.listen(CHANNEL)?;
        let keydove = beside(world, "guesses-office", &redis)?;
        world.system.execute(&domain("guesses-off.example", "active = 0"))?;
        world.system.execute(&domain("guesses-only.example", ""))?;
        for number in 0..4 {
            at_switches(world, &keydove, number)?;
        }
        let newcomer = "guesses-new@case.example";
        world.person_with_hash(newcomer, RIGHT_HASH)?;
        from(&keydove, OFFICE, newcomer, RIGHT, Accept("keycloak"))?;
        // The channel does hear of a guess, and of nothing before it.
        from(&keydove, ATTACKER, newcomer, "a guess", Refuse("password_mismatch"))?;
        let heard = ears.hear()?;
        ensure(heard.contains(ATTACKER) && heard.contains("Password mismatch"), || heard.clone())?;
        let log = keydove.log();
        for pattern in shipped_patterns()? {
            let found = log.lines().filter(|line| pattern.is_match(line)).count();
            ensure(found == 1, || format!("{pattern} matches {found} lines of\n{log}"))?;
        }
        Ok(())
    }),
    ("colleagues_whose_keycloak_is_away_shut_nobody_out", |world| {
        let redis = Redis::start_open(world.system.stage(), "guesses-away")?;
        let mut ears = redis.listen(CHANNEL)?;
        let url = world.system.keycloak.url();
        let keydove = world.system.keydove.beside("guesses-away", |text| {
            settings(&prompt(&text).replace(&url, "http://127.0.0.1:9"), &redis)
        })?;
        for number in 0..22 {
            let name = format!("guesses-away{number}@case.example");
            world.mailbox(&name, "")?;
            from(&keydove, OFFICE, &name, RIGHT, CannotTell("keycloak_refused"))?;
        }
        let local = "guesses-local@case.example";
        world.mailbox(local, &format!("authsource = 'mailcow', password = '{RIGHT_HASH}'"))?;
        from(&keydove, OFFICE, local, RIGHT, Accept("mailbox"))?;
        from(&keydove, ATTACKER, local, "a guess", Refuse("password_mismatch"))?;
        let heard = ears.hear()?;
        ensure(heard.contains(ATTACKER), || heard.clone())
    }),
    ("the_same_wrong_password_is_one_word_to_ban_tools_and_a_line_each", |world| {
        let redis = Redis::start_open(world.system.stage(), "guesses-phone")?;
        let mut ears = redis.listen(CHANNEL)?;
        let keydove = beside(world, "guesses-phone", &redis)?;
        let phone = "guesses-phone@case.example";
        world.person_with_hash(phone, RIGHT_HASH)?;
        for _ in 0..30 {
            from(&keydove, OFFICE, phone, "the old one", Refuse("password_mismatch"))?;
        }
        from(&keydove, ATTACKER, phone, "the old one", Refuse("password_mismatch"))?;
        from(&keydove, OFFICE, phone, "another", Refuse("password_mismatch"))?;
        for _ in 0..5 {
            from(&keydove, OFFICE, "guesses-nobody@case.example", OTHER, Refuse("mailbox_unknown"))?;
        }
        let heard = [ears.hear()?, ears.hear()?, ears.hear()?, ears.hear()?];
        let expected = [OFFICE, ATTACKER, OFFICE, OFFICE];
        let fits = heard.iter().zip(expected).all(|(line, place)| line.contains(place));
        ensure(fits && heard[3].contains("unknown user"), || format!("{heard:?}"))?;
        ears.silent()?;
        let log = keydove.log();
        let lines: Vec<_> = log.lines().filter(|line| line.contains("login verdict=refuse")).collect();
        let repeated = lines.iter().filter(|line| line.contains(" repeated=true ")).count();
        ensure((lines.len(), repeated) == (37, 33), || log.clone())?;
        for pattern in shipped_patterns()? {
            let found = lines.iter().filter(|line| pattern.is_match(line)).count();
            ensure(found == 4, || format!("{pattern} matches {found} lines of\n{log}"))?;
        }
        Ok(())
    }),
    ("an_app_password_that_can_never_match_hides_no_guess", |world| {
        let redis = Redis::start_open(world.system.stage(), "guesses-rows")?;
        let keydove = beside(world, "guesses-rows", &redis)?;
        for (number, hash) in ["", "{SOMETHING}else", "{LDAP-MD5}vtEoNlIWwBmYiRXtOt11+w=="].iter().enumerate()
        {
            let name = format!("guesses-row{number}@case.example");
            world.mailbox(&name, &format!("authsource = 'mailcow', password = '{RIGHT_HASH}'"))?;
            app_password(world, &name, &format!("password = {}", quote(hash)))?;
            guess(&keydove, &name, Refuse("password_mismatch"))?;
            from(&keydove, ATTACKER, &name, RIGHT, CannotTell("throttled"))?;
            from(&keydove, OFFICE, &name, RIGHT, Accept("mailbox"))?;
        }
        let told = keydove.log().matches("a stored hash can never match").count();
        ensure(told == 3, || format!("{told} warnings in {}", keydove.log()))?;
        // The other way round, and where nothing but such a hash is there.
        let main = "guesses-main@case.example";
        world.mailbox(main, "authsource = 'mailcow', password = '{SOMETHING}else'")?;
        from(&keydove, OFFICE, main, "a guess", CannotTell("hash_unusable"))?;
        app_password(world, main, "active = 1")?;
        from(&keydove, OFFICE, main, OTHER, Accept("app_password"))?;
        guess(&keydove, main, Refuse("app_password_mismatch"))?;
        from(&keydove, ATTACKER, main, OTHER, CannotTell("throttled"))
    }),
    ("guessing_app_passwords_at_a_switched_off_service_is_guessing", |world| {
        let redis = Redis::start_open(world.system.stage(), "guesses-switch")?;
        let keydove = beside(world, "guesses-switch", &redis)?;
        let name = "guesses-switch@case.example";
        world.person_with_hash(name, RIGHT_HASH)?;
        world.system.execute(&format!(
            "UPDATE mailbox SET attributes = '{{\"imap_access\":\"0\"}}' WHERE username = '{name}';"
        ))?;
        // Nothing is compared, so nothing is learnt and nobody is counted.
        guess(&keydove, name, Refuse("service_forbidden"))?;
        app_password(world, name, "active = 1")?;
        for _ in 0..12 {
            from(&keydove, ATTACKER, name, RIGHT, Refuse("service_forbidden"))?;
        }
        guess(&keydove, name, Refuse("app_password_mismatch"))?;
        from(&keydove, ATTACKER, name, OTHER, CannotTell("throttled"))?;
        from(&keydove, OFFICE, name, OTHER, Accept("app_password"))
    }),
];

/// Eight people, each with the right password where it does not count.
fn at_switches(world: &World<'_>, keydove: &Keydove, number: usize) -> Result<()> {
    let name = |what: &str| format!("guesses-{what}{number}@case.example");
    let (pop3, factor, off, disabled, hashless) =
        (name("pop3"), name("tfa"), name("off"), name("disabled"), name("hashless"));
    let elsewhere = format!("guesses{number}@guesses-off.example");
    let (only, gone) = (format!("guesses{number}@guesses-only.example"), name("gone"));
    let of_row = format!("authsource = 'mailcow', password = '{RIGHT_HASH}'");
    world.person_with_hash(&pop3, RIGHT_HASH)?;
    world.mailbox(&factor, &of_row)?;
    world.mailbox(&off, &format!("{of_row}, active = 0"))?;
    world.mailbox(&elsewhere, &of_row)?;
    world.mailbox(&only, &of_row)?;
    // Of a deleted person, or of one whose user store is switched off and keeps no copies.
    world.mailbox(&gone, "")?;
    world.person(&disabled, |user| {
        user["attributes"]["mailcow_password"] = json!([RIGHT_HASH]);
        user["enabled"] = false.into();
    })?;
    world.mailbox(&disabled, "")?;
    world.person(&hashless, |user| user["attributes"]["mailcow_password"] = json!([]))?;
    world.mailbox(&hashless, "")?;
    world.system.execute(&format!(
        "UPDATE mailbox SET attributes = '{{\"pop3_access\":\"0\"}}' WHERE username = '{pop3}';
         INSERT INTO tfa (key_id, username, authmech, active) VALUES ('key', '{factor}', 'totp', 1);"
    ))?;
    // Whoever has a second factor has app passwords; theirs is another one.
    app_password(world, &factor, &format!("password = '{OTHER_HASH}'"))?;
    let by_pop3 = Attempt { service: "pop3", remote: Some(OFFICE), ..Attempt::new(&pop3, RIGHT) };
    attempt_at(keydove, by_pop3, Refuse("service_forbidden"))?;
    from(keydove, OFFICE, &factor, RIGHT, Refuse("second_factor_required"))?;
    from(keydove, OFFICE, &off, RIGHT, Refuse("mailbox_disabled"))?;
    from(keydove, OFFICE, &elsewhere, RIGHT, Refuse("domain_disabled"))?;
    from(keydove, OFFICE, &disabled, RIGHT, Refuse("user_disabled"))?;
    from(keydove, OFFICE, &hashless, RIGHT, Refuse("password_missing"))?;
    from(keydove, OFFICE, &gone, RIGHT, Refuse("user_gone"))?;
    // Where only app passwords count there may be none yet, none for this, or another one.
    from(keydove, OFFICE, &only, RIGHT, Refuse("app_password_required"))?;
    from(keydove, OFFICE, &only, OTHER, Refuse("app_password_required"))?;
    app_password(world, &only, &format!("password = '{OTHER_HASH}'"))?;
    from(keydove, OFFICE, &only, RIGHT, Refuse("app_password_required"))
}

/// Ten different passwords, which is as many as may be wrong.
fn guess(keydove: &Keydove, user: &str, end: End<'_>) -> Result<()> {
    (0..10).try_for_each(|number| from(keydove, ATTACKER, user, &format!("guess {number}"), end))
}

fn from(keydove: &Keydove, remote: &str, user: &str, password: &str, end: End<'_>) -> Result<()> {
    attempt_at(keydove, Attempt { remote: Some(remote), ..Attempt::new(user, password) }, end).map(drop)
}

fn beside(world: &World<'_>, name: &'static str, redis: &Redis) -> Result<Keydove> {
    world.system.keydove.beside(name, |text| settings(&prompt(&text), redis))
}

fn settings(text: &str, redis: &Redis) -> String {
    let text = text.replace("[throttle]\nenabled = false\n", &format!("[throttle]\n{LONG}"));
    let text = format!("{text}\n[app_passwords]\nonly_domains = [\"guesses-only.example\"]\n");
    format!("{text}\n[redis]\nsocket = \"{}\"\nban_channel = \"{CHANNEL}\"\n", redis.socket().display())
}
