//! Every page of the portal, in both languages, on a phone: nothing scrolls sideways, axe-core finds nothing, and nothing
//! needs JavaScript.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::super::stage::portal::Portal;
use super::super::stage::system::System;
use super::super::stage::{Result, attempt, source_tree};
use super::super::{LoneCase, ensure};
use super::administrators::let_administrate;
use super::browser::{Browser, Scripts};
use super::{ALICE, sign_in, start};

const PHONE: u32 = 360;

/// How wide the page is, and what stands out at its right.
const WIDE: &str = "\
    const out = [...document.body.querySelectorAll('*')].filter(one => one.getBoundingClientRect().right > 361 \
        || one.scrollWidth > one.clientWidth + 1 && getComputedStyle(one).display !== 'inline'); \
    return [document.documentElement.scrollWidth, ...out.map(one => one.outerHTML.slice(0, 150))]";

/// What a browser opens, by the path in the source, and with what a page of that path needs.
const PAGES: [(&str, &str); 20] = [
    ("/", ""),
    ("/help", ""),
    ("/device", "?program=thunderbird"),
    ("/app-passwords", ""),
    ("/sign-ins", ""),
    ("/sessions", ""),
    ("/confirm", ""),
    ("/signed-out", ""),
    ("/admin", ""),
    ("/admin/check", ""),
    ("/admin/person", "?user=bob%40example.org"),
    ("/admin/mailboxes", ""),
    ("/admin/domains", ""),
    ("/admin/domains/show", "?domain=example.org"),
    ("/admin/templates", ""),
    ("/admin/templates/show", "?name=Default"),
    ("/admin/identity-provider", ""),
    ("/admin/sync", ""),
    ("/admin/sync/run", "?number=1"),
    ("/admin/census", ""),
];

/// What is answered to GET, and is no page: files, what mail programs read, and the ways to Keycloak and back.
const OTHERS: [&str; 14] = [
    "/style.css",
    "/script.js",
    "/icon.svg",
    "/health",
    "/sign-in",
    "/sign-in/done",
    "/device/thunderbird.xpi",
    "/mail/config-v1.1.xml",
    "/.well-known/autoconfig/mail/config-v1.1.xml",
    "/autodiscover/autodiscover.xml",
    "/Autodiscover/Autodiscover.xml",
    "/autodiscover/autodiscover.json",
    "/autodiscover/autodiscover.json/v1.0/{address}",
    "/.well-known/user-agent-configuration.json",
];

pub const CASES: &[LoneCase] = &[
    ("every_page_of_the_portal_is_opened_by_some_case", |_| {
        let known: BTreeSet<&str> = PAGES.iter().map(|(path, _)| *path).chain(OTHERS).collect();
        let mut routes = BTreeSet::new();
        read_routes(&source_tree().join("portal/src"), &mut routes)?;
        ensure(routes.len() > 20, || format!("the source names no paths: {routes:?}"))?;
        let missing: Vec<_> = routes.iter().filter(|path| !known.contains(path.as_str())).collect();
        ensure(missing.is_empty(), || format!("no case opens {missing:?}"))
    }),
    ("every_page_fits_a_phone_in_both_languages_and_can_be_used_by_everybody", |system| {
        let (portal, browser) = prepare(system, Scripts::On)?;
        browser.show(PHONE, "light")?;
        for language in ["en", "de"] {
            speak(&browser, &portal, language)?;
            for (path, query) in PAGES {
                browser.open(&format!("{}{path}{query}", portal.address))?;
                let name = format!("{path} in {language}");
                let said = browser.script("return document.documentElement.lang")?;
                ensure(said == language, || format!("{name} is in {said}"))?;
                let wide = browser.script(WIDE)?;
                ensure(wide[0].as_u64().is_some_and(|wide| wide <= PHONE.into()), || {
                    format!("{name} is wider than a phone: {wide}")
                })?;
                let faults = browser.accessibility_faults()?;
                ensure(faults.is_empty(), || format!("{name}: {faults:#?}"))?;
            }
        }
        let complaints = browser.complaints()?;
        ensure(complaints.is_empty(), || format!("{complaints:?}"))
    }),
    ("every_page_is_whole_without_javascript", |system| {
        let (portal, browser) = prepare(system, Scripts::Off)?;
        for (path, query) in PAGES {
            browser.open(&format!("{}{path}{query}", portal.address))?;
            let heading = browser.text_of("main h1")?;
            ensure(!heading.is_empty() && browser.has("footer")?, || format!("{path}: {}", heading))?;
        }
        Ok(())
    }),
];

/// An administrator who is signed in, and one run of the sync in the log.
fn prepare(system: &mut System, scripts: Scripts) -> Result<(Portal, Browser)> {
    let portal = start(system)?;
    let long = "a-name-without-any-place-to-break-it@a-domain-with-a-long-name.example";
    system.execute(
        "INSERT INTO templates (template, type, attributes) VALUES ('Default', 'mailbox', '{\"quota\":\"1048576\"}')",
    )?;
    system.execute(&format!(
        "INSERT INTO keydove_run (id, node, started_by, dry_run, began, heard, ended, outcome, report, people) \
         VALUES (1, 'mail.a-domain-with-a-long-name.example:12345:0123456789abcdef', 'portal', 1, 1, 2, 2, 'incomplete', \
         '{{\"seen\":1,\"skipped\":{{\"no_address\":1}},\"sources\":[{{\"name\":\"main\",\"trouble\":\"it does not answer\"}}]}}', \
         '[{{\"address\":\"{long}\",\"outcome\":\"mailbox_quota_left_exceeded\"}}]')"
    ))?;
    let_administrate(&system.keycloak.admin(), true)?;
    let browser = Browser::start(system.stage(), "browser", scripts)?;
    sign_in(&browser, &portal, ALICE, "admin")?;
    Ok((portal, browser))
}

fn speak(browser: &Browser, portal: &Portal, language: &str) -> Result<()> {
    browser.open(&format!("{}/help", portal.address))?;
    browser.click(&format!("button[name=language][value={language}]"))
}

/// Every path of which the source says that GET is answered.
fn read_routes(folder: &Path, routes: &mut BTreeSet<String>) -> Result<()> {
    for entry in attempt("list", folder, fs::read_dir(folder))? {
        let path = attempt("list", folder, entry)?.path();
        if path.is_dir() {
            read_routes(&path, routes)?;
            continue;
        }
        let text = attempt("read", &path, fs::read_to_string(&path))?;
        for route in text.split(".route(\"").skip(1) {
            let Some((route, handler)) = route.split_once('"') else { continue };
            if handler.trim_start_matches([',', ' ', '\n']).starts_with("get(") {
                routes.insert(route.to_owned());
            }
        }
    }
    Ok(())
}
