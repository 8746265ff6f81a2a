//! An administrator's role at Keycloak counts with each request, and not only as the sign-in told of it.

use super::super::mailcow::world::OTHER_HASH;
use super::super::stage::portal::{PROVISIONING, Portal, listener};
use super::super::stage::system::System;
use super::super::stage::{Failure, Result};
use super::super::{LoneCase, ensure, eventually};
use super::administrators::{BOB, ONLY_FOR_ADMINISTRATORS, has, let_administrate, person};
use super::browser::{Browser, Scripts};
use super::{ALICE, sign_in, start};

const GROUP: &str = "postmasters";
/// What the switch of the source writes.
const SOURCE: &str = "SELECT authsource FROM mailbox WHERE username = 'bob@example.org'";

pub const CASES: &[LoneCase] = &[
    ("a_role_that_is_taken_away_ends_changes_at_once_and_pages_within_seconds", |system| {
        let (portal, browser) = signed_in(system)?;
        browser.open(&person(&portal))?;
        let_administrate(&system.keycloak.admin(), false)?;
        // The page was there a moment ago; the change asks anew.
        browser.click("#source-mailcow")?;
        has(&browser, ONLY_FOR_ADMINISTRATORS)?;
        is_untouched(system)?;
        let log = system.keydove.log();
        ensure(log.contains("no administrator asked for what only administrators may do"), || log.clone())?;
        eventually(|| {
            browser.open(&format!("{}/admin", portal.address))?;
            let text = browser.text()?;
            ensure(text.contains(ONLY_FOR_ADMINISTRATORS), || text)
        })?;
        browser.open(&format!("{}/device", portal.address))?;
        ensure(!browser.has("nav.admin")?, || "the menu is still there".to_owned())?;
        // It is the session of a user still, and the role that comes back is enough.
        let_administrate(&system.keycloak.admin(), true)?;
        eventually(|| {
            browser.open(&format!("{}/admin", portal.address))?;
            let text = browser.text()?;
            ensure(text.contains("Database and Keycloak"), || text)
        })
    }),
    ("a_role_that_a_group_gives_counts_and_ends_with_the_membership", |system| {
        let portal = start(system)?;
        let_bob_have_a_password(system)?;
        let keycloak = system.keycloak.admin();
        keycloak.make_group(GROUP)?;
        keycloak.let_group_administrate_portal(GROUP, true)?;
        keycloak.join_group(ALICE, GROUP)?;
        let browser = Browser::start(system.stage(), "browser", Scripts::Off)?;
        sign_in(&browser, &portal, ALICE, "admin")?;
        browser.open(&person(&portal))?;
        keycloak.leave_group(ALICE, GROUP)?;
        browser.click("#source-mailcow")?;
        has(&browser, ONLY_FOR_ADMINISTRATORS)?;
        is_untouched(system)
    }),
    ("while_keycloak_is_away_an_administrator_is_told_so_and_nothing_is_changed", |system| {
        let (portal, browser) = signed_in(system)?;
        browser.open(&person(&portal))?;
        system.keycloak.stop()?;
        browser.click("#source-mailcow")?;
        let text = browser.text()?;
        ensure(text.contains("does not answer") && !text.contains(ONLY_FOR_ADMINISTRATORS), || text)?;
        is_untouched(system)?;
        system.keycloak.start_again()?;
        eventually(|| {
            browser.open(&person(&portal))?;
            let text = browser.text()?;
            ensure(text.contains(BOB), || text)
        })
    }),
    ("without_the_realms_role_the_sign_in_counts_and_check_warns", |system| {
        let portal = start(system)?;
        let without = |text: String| {
            let lines = text.lines().filter(|line| !line.starts_with("administrator_realm_role"));
            lines.fold(String::new(), |text, line| text + line + "\n")
        };
        system.keydove.stop()?;
        let listener = listener(system.stage());
        system.keydove.start_changed(|text| without(format!("{listener}{text}{PROVISIONING}")))?;
        let_administrate(&system.keycloak.admin(), true)?;
        let browser = Browser::start(system.stage(), "browser", Scripts::Off)?;
        sign_in(&browser, &portal, ALICE, "admin")?;
        let_administrate(&system.keycloak.admin(), false)?;
        browser.open(&person(&portal))?;
        has(&browser, BOB)?;
        let log = system.keydove.log();
        let warning = "portal.administrator_realm_role is missing";
        ensure(log.contains(warning), || log.clone())
    }),
];

/// Alice, who is an administrator.
fn signed_in(system: &mut System) -> Result<(Portal, Browser)> {
    let portal = start(system)?;
    let_bob_have_a_password(system)?;
    let_administrate(&system.keycloak.admin(), true)?;
    let browser = Browser::start(system.stage(), "browser", Scripts::Off)?;
    sign_in(&browser, &portal, ALICE, "admin")?;
    Ok((portal, browser))
}

/// Without a password of its own a mailbox is not switched over, whoever asks.
fn let_bob_have_a_password(system: &System) -> Result<()> {
    system.execute(&format!("UPDATE mailbox SET password = '{OTHER_HASH}' WHERE username = '{BOB}'"))
}

fn is_untouched(system: &System) -> Result<()> {
    let rows = system.query(SOURCE)?;
    match rows == [["keycloak"]] {
        true => Ok(()),
        false => Err(Failure(format!("the source of {BOB} is {rows:?}"))),
    }
}
