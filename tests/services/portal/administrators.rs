//! Administrators in a real browser: why somebody cannot log in, and what a change does to a real login.

use super::super::clients::{Login, imap_login};
use super::super::mailcow::world::{OTHER, OTHER_HASH};
use super::super::stage::keycloak_admin::KeycloakAdmin;
use super::super::stage::portal::Portal;
use super::super::stage::system::System;
use super::super::stage::{Failure, Result};
use super::super::{LoneCase, ensure, eventually, expect};
use super::browser::{Browser, Scripts};
use super::{ALICE, look, pictures, sign_in, start};

pub(super) const BOB: &str = "bob@example.org";
/// The mail password of Bob in Keycloak.
const BOBS: &str = "bob-pw";
/// A proof of identity becomes too old for changes.
pub(super) const AGE: &str = "UPDATE keydove_session SET auth_time = auth_time - 400";
pub(super) const ONLY_FOR_ADMINISTRATORS: &str = "This page is for administrators";

pub const CASES: &[LoneCase] =
    &[("an_administrator_finds_out_why_and_changes_it_until_the_role_is_taken_away", |system| {
        let portal = start(system)?;
        let keycloak = system.keycloak.admin();
        let browser = Browser::start(system.stage(), "browser", Scripts::Off)?;
        sign_in(&browser, &portal, ALICE, "device")?;
        browser.open(&format!("{}/admin", portal.address))?;
        has(&browser, ONLY_FOR_ADMINISTRATORS)?;
        let_administrate(&keycloak, true)?;
        // Keycloak remembers Alice, and tells the roles of this moment.
        browser.click("main a.button")?;
        browser.wait_for_address("/device")?;
        browser.click("nav.admin a")?;
        has(&browser, "Database and Keycloak")?;
        browser.click("#check")?;
        has(&browser, "Keycloak and the database answer keydove.")?;
        switch_the_source(system, &portal, &browser)?;
        revoke_after_a_new_proof(system, &browser)?;
        find_by_the_lists(&portal, &browser)?;

        // The role is taken away between two clicks.
        browser.open(&person(&portal))?;
        let_administrate(&keycloak, false)?;
        browser.click("#set-services")?;
        has(&browser, ONLY_FOR_ADMINISTRATORS)?;
        browser.open(&format!("{}/admin", portal.address))?;
        has(&browser, ONLY_FOR_ADMINISTRATORS)?;
        browser.open(&format!("{}/device", portal.address))?;
        ensure(!browser.has("nav.admin")?, || "the menu is still there".to_owned())
    })];

/// What is the same on every database.
pub const PAGES: &[LoneCase] =
    &[("every_page_of_administrators_can_be_used_by_everybody_at_every_width", |system| {
        let portal = start(system)?;
        make_app_password(system)?;
        let browser = Browser::start(system.stage(), "browser", Scripts::On)?;
        let_administrate(&system.keycloak.admin(), true)?;
        sign_in(&browser, &portal, ALICE, "admin")?;
        look(&browser, "admin", &format!("{}/admin/check", portal.address))?;
        browser.open(&person(&portal))?;
        browser.click("summary")?;
        pictures(&browser, "admin-person")?;
        look(&browser, "admin-mailboxes", &format!("{}/admin/mailboxes", portal.address))?;
        look(&browser, "admin-domains", &format!("{}/admin/domains", portal.address))?;
        browser.open(&person(&portal))?;
        system.execute(AGE)?;
        browser.click("#forget")?;
        browser.wait_for_address("/confirm")?;
        pictures(&browser, "admin-confirm")?;
        browser.click("#confirm")?;
        shows(&browser, "[role=status]", "Done")?;
        let complaints = browser.complaints()?;
        ensure(complaints.is_empty(), || format!("{complaints:?}"))
    })];

pub(super) fn let_administrate(keycloak: &KeycloakAdmin, may: bool) -> Result<()> {
    keycloak.let_administrate_portal(ALICE, may)
}

pub(super) fn has(browser: &Browser, sentence: &str) -> Result<()> {
    shows(browser, "body", sentence)
}

/// A click may return before the page that follows is there.
fn shows(browser: &Browser, css: &str, sentence: &str) -> Result<()> {
    eventually(|| {
        let text = browser.text_of(css)?;
        ensure(text.contains(sentence), || format!("not in {css}: {sentence}\n{text}"))
    })
}

pub(super) fn person(portal: &Portal) -> String {
    format!("{}/admin/person?user=bob%40example.org", portal.address)
}

/// From the form to a real login that ends differently, and back.
fn switch_the_source(system: &System, portal: &Portal, browser: &Browser) -> Result<()> {
    let login = |password: &str| imap_login(system.dovecot.imap, Login { user: BOB, password });
    expect("a login with the password in Keycloak", login(BOBS), "OK")?;
    system.execute(&format!("UPDATE mailbox SET password = '{OTHER_HASH}' WHERE username = '{BOB}'"))?;
    browser.open(&format!("{}/admin/person", portal.address))?;
    browser.fill("#user", BOB)?;
    browser.click("#find")?;
    shows(browser, "#verdict", "would be accepted")?;
    browser.click("#source-mailcow")?;
    shows(browser, "#source-now", "the mailbox itself")?;
    expect("a login with the mailbox's own password", login(OTHER), "OK")?;
    expect("a login with the password in Keycloak", login(BOBS), "NO")?;
    browser.click("#source-keycloak")?;
    shows(browser, "#source-now", "Keycloak")?;
    expect("a login with the password in Keycloak", login(BOBS), "OK")
}

/// The form waits until the administrator has proven who they are.
fn revoke_after_a_new_proof(system: &System, browser: &Browser) -> Result<()> {
    let password = make_app_password(system)?;
    let login = || imap_login(system.dovecot.imap, Login { user: BOB, password: &password });
    expect("a login with an app password", login(), "OK")?;
    browser.click("#find")?;
    system.execute(AGE)?;
    browser.click("#app-passwords button")?;
    browser.wait_for_address("/confirm")?;
    has(browser, "Nothing has been changed yet")?;
    expect("a login with an app password that is not revoked yet", login(), "OK")?;
    browser.click("#confirm")?;
    browser.wait_for_address("/admin/person/revoke")?;
    shows(browser, "[role=status]", "Revoke an app password")?;
    expect("a login with the revoked app password", login(), "NO")?;
    let log = system.keydove.log();
    let is_noted =
        |line: &str| line.contains("wanted a change") && line.contains("action=\"revoke_app_password\"");
    ensure(log.lines().any(is_noted) && !log.contains(&password), || log.clone())
}

fn find_by_the_lists(portal: &Portal, browser: &Browser) -> Result<()> {
    browser.open(&format!("{}/admin/domains?search=example.org", portal.address))?;
    browser.click("#domains a[href$=\"domain=example.org\"]")?;
    browser.wait_for_address("/admin/mailboxes")?;
    browser.fill("#search", "bob@")?;
    browser.click("#find")?;
    browser.click("#mailboxes a[href$=\"user=bob%40example.org\"]")?;
    browser.wait_for_address("/admin/person?user=bob%40example.org")
}

fn make_app_password(system: &System) -> Result<String> {
    let mut command = system.keydove.command("app-password");
    command.args(["add", BOB, "--name", "phone"]);
    let output = command.output().map_err(|error| Failure(format!("run keydove app-password: {error}")))?;
    ensure(output.status.success(), || format!("{output:?}"))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
