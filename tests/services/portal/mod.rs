//! The portal in a real browser: Chromium in front, a real Keycloak beside it, keydove and Dovecot behind.

mod administrators;
pub mod browser;
mod errands;
mod every_page;
pub mod formats;
pub mod old_browser;
mod role;
mod stand;
mod weights;

use serde_json::json;

use super::clients::{Login, imap_login};
use super::stage::portal::{PROVISIONING, Portal, listener, take_mailbox};
use super::stage::system::System;
use super::stage::{Failure, Result};
use super::{LoneCase, ensure, eventually, expect};
use browser::{Browser, Scripts};

pub use administrators::{CASES as ADMIN_CASES, PAGES as ADMIN_PAGES};
pub use errands::CASES as ERRAND_CASES;
pub use every_page::CASES as EVERY_PAGE_CASES;
pub use role::CASES as ROLE_CASES;
pub use stand::become_portal;
pub use weights::CASES as WEIGHT_CASES;

/// The Keycloak password of the test people.
pub const PASSWORD: &str = "pw";
const NEWCOMER: &str = "notemplate@example.org";
const ALICE: &str = "alice@example.org";
/// What an idle portal may take.
const MOST_MEMORY_KIB: u64 = 25 * 1024;

pub const CASES: &[LoneCase] =
    &[("somebody_new_signs_in_and_reads_mail_with_an_app_password_until_it_is_revoked", |system| {
        let portal = start(system)?;
        let checked = portal.check()?;
        ensure(checked.matches(": good").count() == 3, || checked)?;
        let browser = Browser::start(system.stage(), "browser", Scripts::On)?;
        whole_way(system, &portal, &browser)?;
        let memory = portal.memory_kib()?;
        ensure(memory <= MOST_MEMORY_KIB, || format!("the portal takes {memory} KiB"))?;
        ensure(browser.complaints()?.is_empty(), || format!("{:?}", browser.complaints()))
    })];

/// What is the same on every database.
pub const PAGES: &[LoneCase] = &[
    ("all_of_it_works_without_javascript", |system| {
        let portal = start(system)?;
        let browser = Browser::start(system.stage(), "browser", Scripts::Off)?;
        whole_way(system, &portal, &browser)
    }),
    ("every_page_can_be_used_by_everybody_at_every_width_in_the_light_and_in_the_dark", |system| {
        let portal = start(system)?;
        let browser = Browser::start(system.stage(), "browser", Scripts::On)?;
        browser.show(1280, "light")?;
        look(&browser, "welcome", &format!("{}/", portal.address))?;
        look(&browser, "help", &format!("{}/help", portal.address))?;
        look(&browser, "problem", &format!("{}/nowhere", portal.address))?;
        sign_in(&browser, &portal, ALICE, "device")?;
        for program in ["thunderbird", "apple", "outlook", "android", "other"] {
            look(
                &browser,
                &format!("device-{program}"),
                &format!("{}/device?program={program}", portal.address),
            )?;
        }
        look(&browser, "device", &format!("{}/device", portal.address))?;
        make(&browser, &portal, "Thunderbird on my laptop")?;
        pictures(&browser, "made")?;
        browser.click("summary")?;
        pictures(&browser, "made-code")?;
        for page in ["app-passwords", "sign-ins", "sessions"] {
            look(&browser, page, &format!("{}/{page}", portal.address))?;
        }
        let complaints = browser.complaints()?;
        // A page that is not there is asked for on purpose.
        let others: Vec<_> = complaints.iter().filter(|line| !line.contains("/nowhere")).collect();
        ensure(others.is_empty(), || format!("{others:?}"))
    }),
    ("an_old_proof_is_renewed_at_keycloak_and_the_form_waits", |system| {
        let portal = start(system)?;
        let browser = Browser::start(system.stage(), "browser", Scripts::On)?;
        sign_in(&browser, &portal, ALICE, "app-passwords")?;
        let old = "UPDATE keydove_session SET auth_time = auth_time - 400";
        system.execute(old)?;
        browser.fill("#name", "my phone")?;
        browser.click("#make")?;
        // Keycloak remembers a sign-in of a minute ago, so it asks nothing, and the browser is back at once.
        let text = browser.text_of(".card [role=status]")?;
        ensure(text.contains("You have signed in again"), || text)?;
        browser.click("#make")?;
        let name = browser.text_of("dd bdi")?;
        ensure(name == "my phone", || name)?;
        // Nothing of the way back counts twice.
        browser.open(&format!("{}/sign-in/done?state=x&code=y", portal.address))?;
        let text = browser.text()?;
        ensure(text.contains("This sign-in is over"), || text)
    }),
    ("keycloak_ends_the_portals_sessions_and_a_disabled_person_is_out", |system| {
        let portal = start(system)?;
        let browser = Browser::start(system.stage(), "browser", Scripts::On)?;
        sign_in(&browser, &portal, ALICE, "sessions")?;
        system.keycloak.admin().log_out(ALICE)?;
        // Keycloak tells the portal after its answer to the administrator.
        eventually(|| {
            browser.open(&format!("{}/sessions", portal.address))?;
            let address = browser.address()?;
            ensure(address.contains("/protocol/openid-connect/auth"), || {
                format!("{address}\n{}", portal.log())
            })
        })?;
        sign_in(&browser, &portal, ALICE, "sessions")?;
        system.keycloak.admin().update(ALICE, |user| user["enabled"] = json!(false))?;
        eventually(|| {
            browser.open(&format!("{}/device", portal.address))?;
            let text = browser.text()?;
            ensure(
                text.contains("Your account is switched off")
                    || text.contains("Your mailbox is switched off"),
                || text,
            )
        })
    }),
    ("while_a_server_is_away_the_page_says_so_and_the_form_is_not_lost", |system| {
        let portal = start(system)?;
        let browser = Browser::start(system.stage(), "browser", Scripts::On)?;
        sign_in(&browser, &portal, ALICE, "app-passwords")?;
        browser.fill("#name", "my phone")?;
        system.keydove.stop()?;
        browser.click("#make")?;
        let text = browser.text()?;
        ensure(text.contains("The mail system does not answer"), || text)?;
        start_keydove(system)?;
        browser.click("main button")?;
        let name = browser.text_of("dd bdi")?;
        ensure(name == "my phone", || name)?;
        system.keycloak.stop()?;
        browser.open(&format!("{}/sign-ins", portal.address))?;
        // Who is signed in goes on; keydove says what it knows.
        let text = browser.text()?;
        ensure(text.contains("My sign-ins") || text.contains("does not answer"), || text)?;
        system.keycloak.start_again()
    }),
];

fn start(system: &mut System) -> Result<Portal> {
    system.dovecot.start();
    stand::start(system, |text| text + PROVISIONING)
}

/// keydove as [`start`] has it.
fn start_keydove(system: &mut System) -> Result<()> {
    let listener = listener(system.stage());
    system.keydove.start_changed(|text| format!("{listener}{text}{PROVISIONING}"))
}

/// Signs in with Keycloak, if it asks, and ends at a page of the portal.
pub fn sign_in(browser: &Browser, portal: &Portal, user: &str, page: &str) -> Result<()> {
    browser.open(&format!("{}/{page}", portal.address))?;
    if browser.address()?.contains("/protocol/openid-connect/") {
        prove(browser, user)?;
    }
    browser.wait_for_address(&format!("{}/{page}", portal.address))
}

/// Keycloak's own page.
fn prove(browser: &Browser, user: &str) -> Result<()> {
    if browser.has("#username")? {
        browser.fill("#username", user)?;
    }
    browser.fill("#password", PASSWORD)?;
    browser.click("#kc-login")
}

/// Makes an app password by the form, and reads it.
fn make(browser: &Browser, portal: &Portal, name: &str) -> Result<String> {
    browser.open(&format!("{}/app-passwords", portal.address))?;
    browser.fill("#name", name)?;
    browser.click("#make")?;
    browser.text_of("#password")
}

fn whole_way(system: &System, portal: &Portal, browser: &Browser) -> Result<()> {
    take_mailbox(system, NEWCOMER)?;
    browser.open(&portal.address)?;
    browser.click("main a.button")?;
    prove(browser, NEWCOMER)?;
    browser.wait_for_address(&format!("{}/device", portal.address))?;
    let rows = system.query(&format!("SELECT COUNT(*) FROM mailbox WHERE username = '{NEWCOMER}'"))?;
    ensure(rows == [["1"]], || format!("the first sign-in made {rows:?} mailboxes"))?;
    let text = browser.text()?;
    ensure(text.contains(NEWCOMER) && text.contains("Incoming mail (IMAP)"), || text)?;
    let password = make(browser, portal, "my laptop")?;
    let login = || imap_login(system.dovecot.imap, Login { user: NEWCOMER, password: &password });
    expect("an IMAP login with the new app password", login(), "OK")?;
    eventually(|| {
        browser.open(&format!("{}/app-passwords", portal.address))?;
        let text = browser.text_of(".list")?;
        let is_shown = text.contains("my laptop") && text.contains("last used") && text.contains("127.0.0.1");
        ensure(is_shown && !text.contains(&password), || text)
    })?;
    browser.open(&format!("{}/sign-ins", portal.address))?;
    let text = browser.text_of("#accepted")?;
    ensure(text.contains("app password \"my laptop\"") && text.contains("127.0.0.1"), || text.clone())?;
    ensure(text.contains("this portal") && text.contains("your sign-in"), || text.clone())?;
    browser.open(&format!("{}/app-passwords", portal.address))?;
    browser.click(".list button")?;
    let text = browser.text_of("[role=status]")?;
    ensure(text.contains("Revoked: 1."), || text)?;
    expect("an IMAP login with the revoked app password", login(), "NO")?;
    browser.click("header button")?;
    browser.wait_for_address("/signed-out")?;
    let log = portal.log();
    ensure(!log.contains(&password), || Failure(log).to_string())
}

/// Opens a page, and looks whether everybody can use it.
fn look(browser: &Browser, name: &str, address: &str) -> Result<()> {
    browser.open(address)?;
    pictures(browser, name)
}

/// Pictures at three widths in both schemes; none scrolls sideways, and axe-core finds nothing.
fn pictures(browser: &Browser, name: &str) -> Result<()> {
    for scheme in ["light", "dark"] {
        for width in [360, 768, 1280] {
            browser.show(width, scheme)?;
            let wide = browser.script("return document.documentElement.scrollWidth")?;
            ensure(wide.as_u64().is_some_and(|wide| wide <= width.into()), || {
                format!("{name} is {wide} wide in {width}")
            })?;
            browser.shoot(&format!("{name}-{width}-{scheme}"))?;
        }
        let faults = browser.accessibility_faults()?;
        ensure(faults.is_empty(), || format!("{name}, {scheme}: {faults:#?}"))?;
    }
    Ok(())
}
