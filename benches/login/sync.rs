//! The sync of many people through a real Keycloak: where its time goes, what it takes, and what logins feel of it.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use keydove::provision::TemplateText;
use keydove_load::{Load, Pace};
use rusqlite::Connection;
use serde_json::Value;

use super::hot::{HEAD, show};
use super::keydove::Keydove;
use super::loads::{Sample, closed, each_once, run};
use super::machine::{median, peak_kib};
use super::report::Report;
use super::stage::keycloak::Keycloak;
use super::stage::{Failure, Result, Stage, attempt};
use super::{Plan, people, say};

/// As one import, so that Keycloak answers in time.
const PORTION: usize = 250;
const WITHOUT_PAUSE: &str = "pause = \"0\"\n";
const SETTINGS: &str = "[provisioning]\nenabled = true\ndefault_template = \"Default\"\n\
    [sync]\nimport = true\nimport_limit = 100000\n";
/// How often people log in beside a run: far from what keydove can do, so that what is measured is waiting.
const LOGINS_PER_SECOND: f64 = 200.0;
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Measures, with a Keycloak that may know people already.
pub fn measure(plan: &Plan, stage: &Arc<Stage>, keycloak: &Keycloak, report: &mut Report) -> Result<()> {
    say(&format!("\nKeycloak takes {} people in ...", plan.synced));
    let keydove = Keydove::start(stage, "sync", &keycloak.url(), &format!("{SETTINGS}{WITHOUT_PAUSE}"))?;
    prepare(&keydove)?;
    let few = plan.synced / 10;
    import(keycloak, 0..few)?;
    let first_of_few = one_run(&keydove, few)?;
    import(keycloak, few..plan.synced)?;
    let first = one_run(&keydove, plan.synced)?;
    let again = one_run(&keydove, plan.synced)?;
    let wrote: u64 =
        ["created", "changed", "restored", "deactivated"].iter().map(|what| count(&again, what)).sum();
    report.set("sync_keycloak_share", share(&again));
    report.set("sync_first_run_to_second", seconds(&first) / seconds(&again));
    report.set("sync_second_run_writes", wrote as f64);
    report.set("sync_memory_mib", first.peak_kib / 1024.0);
    report.set("sync_memory_more_than_of_a_tenth_mib", (first.peak_kib - first_of_few.peak_kib) / 1024.0);
    for (name, run) in [("a first", &first), ("a second", &again)] {
        say(&format!(
            "{name} run over {} people: {:.0} s, {:.0} of them pauses, {:.0} % of the rest Keycloak's; at most {:.1} MiB",
            plan.synced,
            seconds(run),
            paused(run),
            100.0 * share(run),
            run.peak_kib / 1024.0
        ));
    }
    logins_meanwhile(plan, &keydove, report)
}

/// A domain with room for everybody, and mailcow's template.
fn prepare(keydove: &Keydove) -> Result<()> {
    let path = keydove.database();
    let write = || -> rusqlite::Result<()> {
        let connection = Connection::open(&path)?;
        connection.busy_timeout(Duration::from_secs(10))?;
        let template = TemplateText::seeded().to_string();
        let statement = "INSERT INTO templates (template, type, attributes) VALUES ('Default', 'mailbox', ?)";
        connection.execute(statement, [template])?;
        let statement =
            "INSERT INTO domain (domain, mailboxes, quota) VALUES ('example.org', 100000, 1000000000)";
        connection.execute(statement, []).map(drop)
    };
    attempt("write", &path, write())
}

fn import(keycloak: &Keycloak, numbers: std::ops::Range<usize>) -> Result<()> {
    let admin = keycloak.admin();
    let everybody: Vec<Value> =
        numbers.map(|number| people::representation(number, people::CHEAP_HASH)).collect();
    everybody.chunks(PORTION).try_for_each(|portion| admin.import(portion))
}

/// What a run said, and the most memory it had.
struct Run {
    report: Value,
    peak_kib: f64,
}

/// One run of the command, after which so many people must have a mailbox.
fn one_run(keydove: &Keydove, people: usize) -> Result<Run> {
    let failed = |error: std::io::Error| Failure(format!("run keydove sync: {error}"));
    let mut child = start(keydove, "keydove.toml")?;
    let mut most: f64 = 0.0;
    while child.try_wait().map_err(failed)?.is_none() {
        // It may have ended meanwhile.
        most = most.max(peak_kib(child.id()).unwrap_or(0.0));
        sleep(LOOK_AGAIN);
    }
    let mut text = String::new();
    if let Some(mut output) = child.stdout.take() {
        output.read_to_string(&mut text).map_err(failed)?;
    }
    let report: Value =
        serde_json::from_str(&text).map_err(|error| Failure(format!("keydove sync said {text}: {error}")))?;
    let run = Run { report, peak_kib: most };
    let there = count(&run, "created") + count(&run, "unchanged");
    if run.report["complete"] != true || there < people as u64 {
        return Err(Failure(format!("keydove sync was to give {people} people a mailbox: {}", run.report)));
    }
    Ok(run)
}

fn start(keydove: &Keydove, configuration: &str) -> Result<Child> {
    let mut command = keydove.command("sync", configuration);
    let command = command.arg("--json").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    command.spawn().map_err(|error| Failure(format!("start keydove sync: {error}")))
}

fn count(run: &Run, what: &str) -> u64 {
    run.report[what].as_u64().unwrap_or(0)
}

fn seconds(run: &Run) -> f64 {
    run.report["seconds"].as_f64().unwrap_or(f64::NAN)
}

fn paused(run: &Run) -> f64 {
    run.report["paused_seconds"].as_f64().unwrap_or(f64::NAN)
}

/// Of the time that is no pause on purpose.
fn share(run: &Run) -> f64 {
    run.report["keycloak_seconds"].as_f64().unwrap_or(f64::NAN) / (seconds(run) - paused(run))
}

/// Logins of known people without and with a run beside them, in turns; the run pauses as it does by default.
fn logins_meanwhile(plan: &Plan, keydove: &Keydove, report: &mut Report) -> Result<()> {
    let gently = keydove.file("gently.toml");
    let text = keydove.file("keydove.toml");
    let text = attempt("read", &text, fs::read_to_string(&text))?.replace(WITHOUT_PAUSE, "");
    attempt("write", &gently, fs::write(&gently, text))?;
    let socket = keydove.socket();
    let known = people::people(0..plan.hot_people.min(plan.synced));
    run("logins before", &each_once(&socket, &known, (8, 1)), None, report)?;
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    for _ in 0..plan.rounds {
        alone.push(logins(plan, &socket, &known, report)?);
        let mut child = start(keydove, "gently.toml")?;
        let sample = logins(plan, &socket, &known, report);
        let ended = child.try_wait();
        let _ = child.kill();
        let _ = child.wait();
        if let Ok(Some(status)) = ended
            && !plan.is_trial
        {
            return Err(Failure(format!("keydove sync was to run beside logins, and ended with {status}")));
        }
        // Whoever is killed keeps the lease for a while.
        give_lease_back(keydove)?;
        beside.push(sample?);
    }
    say(&format!("\nlogins of known people, {LOGINS_PER_SECOND} a second\n{HEAD}"));
    show("        alone", &alone);
    show("        beside a run of the sync", &beside);
    let p99 = |samples: &[Sample]| median(samples.iter().map(|sample| sample.quantile(990)));
    report.set("sync_logins_p99_to_alone", p99(&beside) / p99(&alone));
    Ok(())
}

fn logins(plan: &Plan, socket: &Path, known: &keydove_load::People, report: &mut Report) -> Result<Sample> {
    let pace = Pace::Open { per_second: LOGINS_PER_SECOND };
    let load = Load { pace, warm_up: plan.warm_up, window: plan.storm, ..closed(socket, known, (8, 1)) };
    run("logins beside the sync", &load, None, report)
}

fn give_lease_back(keydove: &Keydove) -> Result<()> {
    let path = keydove.database();
    let write = || -> rusqlite::Result<usize> {
        let connection = Connection::open(&path)?;
        connection.busy_timeout(Duration::from_secs(10))?;
        connection.execute("UPDATE keydove_lease SET holder = '', expires = 0", [])
    };
    attempt("write", &path, write()).map(drop)
}
