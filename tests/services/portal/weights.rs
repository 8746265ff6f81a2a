//! What each page weighs and how long it takes, on loopback, when everything is warm; and what the portal keeps of it.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::super::stage::keycloak_admin::KeycloakAdmin;
use super::super::stage::portal::Portal;
use super::super::stage::system::System;
use super::super::stage::{Failure, PATIENCE, Result, attempt, source_tree};
use super::super::{LoneCase, ensure};
use super::administrators::let_administrate;
use super::browser::{Browser, Scripts};
use super::{ALICE, MOST_MEMORY_KIB, sign_in, start};

/// With its style sheet, its script and its icon, in bytes.
const MOST_BYTES: usize = 60 * 1024;
const MOST_TIME: Duration = Duration::from_millis(20);
/// Requests of which 99 of 100 must be so quick. Other programs may take the processors for a while, so there are several
/// tries; a page that is slow by itself is slow in all of them.
const REQUESTS: usize = 100;
const TRIES: usize = 30;
/// As many rows as a list shows on a page, and one more.
const ROWS: usize = 51;

/// `/admin/check` is missing: it waits for a new token of Keycloak's.
const PAGES: [&str; 16] = [
    "/help",
    "/device?program=thunderbird",
    "/app-passwords",
    "/sign-ins",
    "/sessions",
    "/admin",
    "/admin/person",
    "/admin/person?user=bob%40example.org",
    "/admin/mailboxes",
    "/admin/domains",
    "/admin/domains/show?domain=example.org",
    "/admin/templates",
    "/admin/templates/show?name=Default",
    "/admin/identity-provider",
    "/admin/sync",
    "/admin/census",
];

pub const CASES: &[LoneCase] = &[("every_page_is_light_and_quick_and_the_portal_stays_small", |system| {
    let portal = start(system)?;
    fill(system)?;
    let browser = Browser::start(system.stage(), "browser", Scripts::On)?;
    let_administrate(&KeycloakAdmin::new(&system.keycloak), true)?;
    sign_in(&browser, &portal, ALICE, "admin")?;
    let cookies = browser.cookies()?;
    let mut around = 0;
    for path in ["/style.css", "/script.js", "/icon.svg"] {
        around += get(&portal, path, &cookies)?.len();
    }
    let mut table = format!("{:<42} {:>7} {:>7} {:>7}\n", "page", "bytes", "p50 ms", "p99 ms");
    for path in PAGES {
        let weight = get(&portal, path, &cookies)?.len();
        ensure(weight + around <= MOST_BYTES, || format!("{path} weighs {weight}, and {around} around it"))?;
        let (half, most) = best(&portal, path, &cookies)?;
        let millis = |time: Duration| time.as_secs_f64() * 1000.0;
        let _ = writeln!(table, "{path:<42} {weight:>7} {:>7.1} {:>7.1}", millis(half), millis(most));
        ensure(most <= MOST_TIME, || {
            format!("{path} takes {most:?} in the best of {TRIES} tries:\n{table}")
        })?;
    }
    let memory = portal.memory_kib()?;
    let _ = writeln!(table, "around each page: {around} bytes; the portal's memory: {memory} KiB");
    let file = source_tree().join("target/portal/pages.txt");
    attempt("create", &file, fs::create_dir_all(source_tree().join("target/portal")))?;
    attempt("write", &file, fs::write(&file, &table))?;
    ensure(memory <= MOST_MEMORY_KIB, || format!("the portal takes {memory} KiB"))
})];

/// Full lists.
fn fill(system: &System) -> Result<()> {
    let mut rows = String::from(
        "INSERT INTO templates (template, type, attributes) VALUES ('Default', 'mailbox', '{\"quota\":\"1048576\"}');\n",
    );
    for number in 0..ROWS {
        let domain = format!("a-domain-with-a-long-name-{number}.example");
        let _ = writeln!(
            rows,
            "INSERT INTO domain (domain, description, aliases, mailboxes, defquota, maxquota, quota, active) \
             VALUES ('{domain}', 'a domain of the tests', 400, 10, 3072, 10240, 102400, 1);\n\
             INSERT INTO mailbox (username, password, name, local_part, domain, attributes, authsource) \
             VALUES ('somebody-with-a-long-name-{number}@{domain}', '', 'Somebody {number}', \
             'somebody-with-a-long-name-{number}', '{domain}', '{{}}', 'keycloak');"
        );
    }
    system.execute(&rows)
}

/// Half and 99 of 100 requests took no longer than this, in the best of the tries.
fn best(portal: &Portal, path: &str, cookies: &str) -> Result<(Duration, Duration)> {
    let mut best = (Duration::MAX, Duration::MAX);
    for _ in 0..TRIES {
        let mut took = Vec::with_capacity(REQUESTS);
        for _ in 0..REQUESTS {
            let since = Instant::now();
            get(portal, path, cookies)?;
            took.push(since.elapsed());
        }
        took.sort_unstable();
        let found = (took[REQUESTS / 2], took[REQUESTS * 99 / 100 - 1]);
        if found.1 < best.1 {
            best = found;
        }
        if best.1 <= MOST_TIME {
            break;
        }
    }
    Ok(best)
}

/// A page, by a connection of its own.
fn get(portal: &Portal, path: &str, cookies: &str) -> Result<Vec<u8>> {
    let host = portal.address.trim_start_matches("http://");
    let exchange = || -> std::io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(host.replace("localhost", "127.0.0.1"))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let request = format!("GET {path} HTTP/1.0\r\nHost: {host}\r\nCookie: {cookies}\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(answer)
    };
    let answer = exchange().map_err(|error| Failure(format!("GET {path}: {error}")))?;
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or_default();
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    ensure(head.split(' ').nth(1) == Some("200"), || format!("GET {path}: {head}"))?;
    Ok(answer[end + 4..].to_vec())
}
