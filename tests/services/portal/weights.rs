//! What each page weighs and how long it takes, on loopback, when everything is warm; and what the portal keeps of it.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use super::super::stage::keydove::remembering;
use super::super::stage::portal::{PROVISIONING, Portal};
use super::super::stage::system::System;
use super::super::stage::{Failure, PATIENCE, Result, attempt, source_tree};
use super::super::{LoneCase, ensure};
use super::administrators::let_administrate;
use super::browser::{Browser, Scripts};
use super::{ALICE, MOST_MEMORY_KIB, sign_in, stand};

/// With its style sheet, its script and its icon, in bytes.
const MOST_BYTES: usize = 60 * 1024;
/// Three times what the portal's design allows: the programs of the tests are built without optimisation, and others compete
/// with them for the processors' caches.
const MOST_TIME: Duration = Duration::from_millis(60);
/// How often each page is asked for.
const REQUESTS: u32 = 100;
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
    system.dovecot.start();
    // Warm: the test's keydove remembers nobody otherwise, and asks Keycloak for each page.
    let portal = stand::start(system, |text| remembering(&text) + PROVISIONING)?;
    fill(system)?;
    let browser = Browser::start(system.stage(), "browser", Scripts::On)?;
    let_administrate(&system.keycloak.admin(), true)?;
    sign_in(&browser, &portal, ALICE, "admin")?;
    let cookies = browser.cookies()?;
    let mut around = 0;
    for path in ["/style.css", "/script.js", "/icon.svg"] {
        around += get(&portal, path, &cookies)?.len();
    }
    // The time that passes is written down, and means something on a quiet machine. What the two programs compute for a page does
    // not depend on what else runs, so that is what must hold.
    let mut table =
        format!("{:<42} {:>7} {:>7} {:>7} {:>7}\n", "page", "bytes", "p50 ms", "p99 ms", "cpu ms");
    let mut slow = Vec::new();
    for path in PAGES {
        let weight = get(&portal, path, &cookies)?.len();
        ensure(weight + around <= MOST_BYTES, || format!("{path} weighs {weight}, and {around} around it"))?;
        let Took { half, most, computed } = ask(&portal, system, path, &cookies)?;
        let millis = |time: Duration| time.as_secs_f64() * 1000.0;
        let _ = writeln!(
            table,
            "{path:<42} {weight:>7} {:>7.1} {:>7.1} {:>7.1}",
            millis(half),
            millis(most),
            millis(computed)
        );
        if computed > MOST_TIME {
            slow.push(path);
        }
    }
    let memory = portal.memory_kib()?;
    let _ = writeln!(table, "around each page: {around} bytes; the portal's memory: {memory} KiB");
    let file = source_tree().join("target/portal/pages.txt");
    attempt("create", &file, fs::create_dir_all(source_tree().join("target/portal")))?;
    attempt("write", &file, fs::write(&file, &table))?;
    ensure(slow.is_empty(), || format!("{slow:?} take longer than {MOST_TIME:?}:\n{table}"))?;
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

/// What a page took.
struct Took {
    /// Half of the requests took no longer.
    half: Duration,
    /// 99 of 100.
    most: Duration,
    /// The processors' time of the portal and of keydove, for one request.
    computed: Duration,
}

fn ask(portal: &Portal, system: &System, path: &str, cookies: &str) -> Result<Took> {
    let processes = [portal.process(), system.keydove.process()];
    let before = computed(processes)?;
    let mut took = Vec::new();
    for _ in 0..REQUESTS {
        let since = Instant::now();
        get(portal, path, cookies)?;
        took.push(since.elapsed());
    }
    took.sort_unstable();
    let computed = computed(processes)?.saturating_sub(before) / REQUESTS;
    Ok(Took { half: took[took.len() / 2], most: took[took.len() * 99 / 100 - 1], computed })
}

/// The processors' time that these have had so far, to a hundredth of a second.
fn computed(processes: [u32; 2]) -> Result<Duration> {
    let mut ticks = 0;
    for process in processes {
        let path = format!("/proc/{process}/stat");
        let text = attempt("read", Path::new(&path), fs::read_to_string(&path))?;
        // Behind the name: the 14th and 15th field of the line, counted from 1.
        let fields = text.rsplit(')').next().unwrap_or_default();
        let times = fields.split_whitespace().skip(11).take(2);
        ticks += times.filter_map(|field| field.parse::<u64>().ok()).sum::<u64>();
    }
    Ok(Duration::from_millis(ticks * 10))
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
