//! What takes administrators longer than a click, in a real browser: a dry run, a run of the sync, the connection test
//! with a planted fault, a census.

use serde_json::json;

use super::super::stage::portal::{Portal, take_mailbox};
use super::super::stage::system::System;
use super::super::stage::{Failure, Result};
use super::super::{LoneCase, ensure, eventually};
use super::administrators::{AGE, has, let_administrate};
use super::browser::{Browser, Scripts};
use super::{ALICE, NEWCOMER, look, sign_in, stand};

/// A sync that makes mailboxes, and none by itself while the case looks.
const IMPORT: &str = "\n[provisioning]\nenabled = true\ndefault_template = \"Default\"\n\n[sync]\ninterval = \"0\"\nimport = true\nimport_limit = 1000\n";

pub const CASES: &[LoneCase] = &[
    ("an_administrator_rehearses_and_does_a_sync_tests_the_connection_and_counts", |system| {
        walk(system, Scripts::On)
    }),
    ("what_takes_long_works_without_javascript", |system| walk(system, Scripts::Off)),
];

fn walk(system: &mut System, scripts: Scripts) -> Result<()> {
    system.dovecot.start();
    let portal = stand::start(system, |text| text + IMPORT)?;
    take_mailbox(system, NEWCOMER)?;
    let keycloak = system.keycloak.admin();
    keycloak
        .import(&[json!({ "username": "nowhere", "email": "nowhere@elsewhere.example", "enabled": true })])?;
    let browser = Browser::start(system.stage(), "browser", scripts)?;
    let_administrate(&keycloak, true)?;
    sign_in(&browser, &portal, ALICE, "admin/sync")?;
    rehearse(system, &browser)?;
    run(system, &portal, &browser)?;
    test(system, &portal, &browser)?;
    count(&portal, &browser)?;
    templates(system, &portal, &browser)?;
    if scripts == Scripts::On {
        for page in ["sync", "identity-provider", "census", "templates"] {
            look(&browser, &format!("admin-{page}"), &format!("{}/admin/{page}", portal.address))?;
        }
        let complaints = browser.complaints()?;
        // A value that cannot be is sent on purpose.
        let others: Vec<_> =
            complaints.iter().filter(|line| !line.contains("/admin/templates/set")).collect();
        ensure(others.is_empty(), || format!("{others:?}"))?;
    }
    Ok(())
}

/// How many mailboxes the newcomer has.
fn mailboxes(system: &System) -> Result<String> {
    let rows = system.query(&format!("SELECT COUNT(*) FROM mailbox WHERE username = '{NEWCOMER}'"))?;
    rows.concat().pop().ok_or_else(|| Failure("the database counts nothing".to_owned()))
}

/// Waits until the page, which shows itself again, has this.
fn wait_for(browser: &Browser, css: &str) -> Result<()> {
    eventually(|| ensure(browser.has(css)?, || format!("no {css}:\n{}", browser.text().unwrap_or_default())))
}

fn rehearse(system: &System, browser: &Browser) -> Result<()> {
    has(browser, "There has been no run yet.")?;
    browser.click("#rehearse")?;
    wait_for(browser, "#runs")?;
    browser.click("#runs a")?;
    browser.wait_for_address("/admin/sync/run")?;
    has(browser, "dry run, nothing written")?;
    let people = browser.text_of("#people")?;
    let of =
        |address: &str| people.lines().find(|line| line.contains(address)).unwrap_or_default().to_owned();
    ensure(of(NEWCOMER).contains("mailbox made"), || people.clone())?;
    ensure(of("nowhere@elsewhere.example").contains("the domain is not here"), || people.clone())?;
    let count = mailboxes(system)?;
    ensure(count == "0", || format!("a dry run made {count} mailboxes"))
}

/// It needs a proof of a moment ago.
fn run(system: &System, portal: &Portal, browser: &Browser) -> Result<()> {
    browser.open(&format!("{}/admin/sync", portal.address))?;
    system.execute(AGE)?;
    browser.click("#start")?;
    browser.wait_for_address("/confirm")?;
    has(browser, "Start a run")?;
    browser.click("#confirm")?;
    browser.wait_for_address("/admin/sync")?;
    eventually(|| {
        let count = mailboxes(system)?;
        ensure(count == "1", || format!("{count} mailboxes"))
    })?;
    eventually(|| {
        let text = browser.text()?;
        ensure(browser.has("#start")? && text.matches("begun in the portal").count() == 2, || text)
    })?;
    let log = system.keydove.log();
    let is_noted = |line: &str| line.contains("wanted a change") && line.contains("action=\"sync\"");
    ensure(log.lines().any(is_noted), || log.clone())
}

fn test(system: &System, portal: &Portal, browser: &Browser) -> Result<()> {
    let page = format!("{}/admin/identity-provider", portal.address);
    browser.open(&page)?;
    let settings = browser.text_of("#settings")?;
    for part in ["server_url", ".toml, [keycloak] server_url", "set, and never shown", "[sync] import"] {
        ensure(settings.contains(part), || format!("no `{part}` in {settings}"))?;
    }
    browser.click("#test")?;
    wait_for(browser, "#findings")?;
    let before = browser.text_of("#findings")?;
    ensure(before.contains("Keycloak"), || before)?;
    // A template that nobody has keeps everybody new out.
    system.execute("DELETE FROM templates WHERE template = 'Default'")?;
    browser.click("#test")?;
    eventually(|| {
        let text = browser.text()?;
        ensure(browser.has("#ill")? && text.contains("Default"), || text)
    })?;
    let found = browser.text_of("#findings li.ill")?;
    ensure(found.contains("fault") && found.contains("What to do:"), || found)
}

fn count(portal: &Portal, browser: &Browser) -> Result<()> {
    browser.open(&format!("{}/admin/census", portal.address))?;
    has(browser, "There has been no count since keydove started.")?;
    browser.click("#count")?;
    wait_for(browser, "#counted")?;
    let text = browser.text()?;
    ensure(text.contains("Everybody was counted.") && browser.has("#passwords")?, || text)
}

/// From the list to a changed template, in the database that logins read.
fn templates(system: &System, portal: &Portal, browser: &Browser) -> Result<()> {
    browser.open(&format!("{}/admin/templates", portal.address))?;
    has(browser, "default_template")?;
    system.execute(AGE)?;
    browser.fill("#name", "Staff")?;
    browser.click("#add")?;
    browser.wait_for_address("/confirm")?;
    browser.click("#confirm")?;
    let list = browser.text_of("#templates")?;
    ensure(list.contains("Staff"), || list)?;
    browser.open(&format!("{}/admin/templates/show?name=Staff", portal.address))?;
    browser.fill("#quota", "2048")?;
    browser.fill("#tags", "staff, berlin")?;
    browser.click("#save")?;
    has(browser, "Mailboxes get it as it is now")?;
    let rows = system.query("SELECT attributes FROM templates WHERE template = 'Staff'")?.concat().concat();
    ensure(rows.contains("\"quota\":2147483648") && rows.contains("[\"staff\",\"berlin\"]"), || {
        rows.clone()
    })?;
    browser.fill("#quota", "much")?;
    browser.click("#save")?;
    let text = browser.text_of("[role=alert]")?;
    ensure(text.contains("Nothing was changed") && text.contains("`quota` cannot be `much`"), || text)
}
