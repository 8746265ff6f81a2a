//! Memory: idle, of each person, and whether many of them make a login dearer.

use std::sync::Arc;

use keydove_load::Load;

use super::hot::{HEAD, show};
use super::keydove::{Keydove, NO_KEYCLOAK, Source};
use super::loads::{closed, each_once, run};
use super::machine::{median, resident_kib};
use super::plot::{Chart, Line};
use super::report::Report;
use super::stage::{Result, Stage};
use super::stand_in::StandIn;
use super::{Plan, people, say};

/// Room for a million, and no second look at the database while they log in; nothing is written behind the logins.
const MANY: &str = "[cache]\nmemory_mib = 8192\nmax_staleness = \"1h\"\nmailbox_staleness = \"1h\"\n\
    [bookkeeping]\nlogin_log = false\n";
const SIZE: (usize, usize) = (8, 16);
/// So many are known before one person's share is measured: buffers and threads are there then.
const FIRST: usize = 100;
const NAMES: [[&str; 2]; 3] =
    [["memory_mib_1e2", "cpu_us_1e2"], ["memory_mib_1e4", "cpu_us_1e4"], ["memory_mib_1e6", "cpu_us_1e6"]];

/// Measures. The hashes are of people whom Keycloak's double knows.
pub fn measure(
    plan: &Plan,
    stage: &Arc<Stage>,
    hashes: &Arc<Vec<String>>,
    report: &mut Report,
) -> Result<Chart> {
    with_keycloak(stage, hashes, report)?;
    say(&format!("\nmailboxes by the million, from SQLite, loads of {SIZE:?}\n{HEAD}"));
    let (mut used, mut idle) = (Vec::new(), 0.0);
    for (size, [memory, cpu]) in plan.sizes.iter().zip(NAMES) {
        let keydove = Keydove::start(stage, memory, NO_KEYCLOAK, MANY)?;
        let id = keydove.id()?;
        idle = resident_kib(id)?;
        let names: Vec<String> = (0..*size).map(people::name).collect();
        keydove.fill(names.iter().map(|name| (name.as_str(), Source::Row(people::CHEAP_HASH))))?;
        drop(names);
        let (socket, everybody) = (keydove.socket(), people::people(0..*size));
        run("filling the memory", &each_once(&socket, &everybody, SIZE), None, report)?;
        let mib = resident_kib(id)? / 1024.0;
        report.set(memory, mib);
        used.push(mib);
        let load = Load { warm_up: plan.warm_up, window: plan.window, ..closed(&socket, &everybody, SIZE) };
        let rounds: Result<Vec<_>> =
            (0..plan.rounds).map(|_| run("hot logins of many", &load, Some(id), report)).collect();
        let rounds = rounds?;
        show(&format!("{size:>9} people  {mib:>7.1} MiB"), &rounds);
        report.set(cpu, median(rounds.iter().map(|sample| sample.server_us)));
    }
    if let [.., last] = used[..] {
        let size = plan.sizes[plan.sizes.len() - 1];
        report.set("memory_kib_per_mailbox_1e6", (last * 1024.0 - idle) / size as f64);
    }
    for (name, more) in [("cpu_1e4_to_1e2", "cpu_us_1e4"), ("cpu_1e6_to_1e2", "cpu_us_1e6")] {
        if let (Some(few), Some(many)) = (report.get("cpu_us_1e2"), report.get(more)) {
            report.set(name, many / few);
        }
    }
    Ok(Chart {
        title: "memory over mailboxes",
        labels: plan.sizes.iter().map(|size| format!("{size} mailboxes")).collect(),
        unit: "MiB",
        lines: vec![Line {
            name: "keydove",
            points: (0..).zip(used).map(|(place, mib)| (f64::from(place), mib)).collect(),
        }],
    })
}

/// People with all that is remembered of one: what Keycloak said, the mailbox, and that the password fits.
fn with_keycloak(stage: &Arc<Stage>, hashes: &Arc<Vec<String>>, report: &mut Report) -> Result<()> {
    let stand_in = StandIn::start(hashes)?;
    let keydove = Keydove::start(stage, "memory", &stand_in.url(), "[bookkeeping]\nlogin_log = false\n")?;
    let id = keydove.id()?;
    report.set("memory_idle_mib", resident_kib(id)? / 1024.0);
    let names: Vec<String> = (0..hashes.len()).map(people::name).collect();
    keydove.fill(names.iter().map(|name| (name.as_str(), Source::Keycloak)))?;
    let socket = keydove.socket();
    let first = FIRST.min(hashes.len() / 2);
    run("the first people", &each_once(&socket, &people::people(0..first), SIZE), None, report)?;
    let before = resident_kib(id)?;
    run("the others", &each_once(&socket, &people::people(first..hashes.len()), SIZE), None, report)?;
    let each = (resident_kib(id)? - before) / (hashes.len() - first) as f64;
    report.set("memory_kib_per_person", each.max(0.0));
    Ok(())
}
