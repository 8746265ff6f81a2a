//! Logins of people whom every server knows, beside the echo and Dovecot's cache, over connections and depth.
//!
//! keydove has them from Keycloak, with a bcrypt hash each. Dovecot's cache holds what a password is compared with most
//! quickly: at its best the plain text, compared by the auth process; as mailcow ships it the digest that a Lua script's
//! success leaves there, compared by a worker. Dovecot 2.4 looks nothing up at all.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use keydove_load::{Expect, Load, People, Reuse};

use super::dovecot::{Dovecot, Passdb};
use super::echo::Echo;
use super::keydove::{Keydove, Source};
use super::loads::{Sample, closed, each_once, percentiles, run};
use super::machine::median;
use super::plot::{Chart, Line};
use super::report::Report;
use super::stage::{Result, Stage};
use super::stand_in::StandIn;
use super::{Plan, optional, people, say};

const SIZES: [(usize, usize); 8] =
    [(1, 1), (1, 16), (8, 1), (32, 1), (32, 16), (256, 1), (256, 8), (256, 16)];
/// Where mailcow's setting is measured too, and Dovecot 2.4; elsewhere they would only make the run longer.
const WITH_ALL: [(usize, usize); 2] = [(32, 1), (256, 8)];
/// Connections at once where each serves one login.
const AT_ONCE: usize = 8;
const NAMES: [&str; 5] = ["echo", "keydove", "Dovecot's cache", "Dovecot as mailcow", "Dovecot 2.4"];
/// `{SHA1}` of the password, which Dovecot stores for a passdb that verifies by itself.
const DIGEST: &str = "{SHA1}GpHWL3ymc5liWkNopqtdSjuqYHM=";
const PLAIN: &str = "{PLAIN}pw";

struct Server {
    socket: PathBuf,
    /// Whose processor time counts.
    process: Option<u32>,
    expect: Expect,
}

/// Measures every combination. The hashes are of everybody who logs in here. Returns the rates, and latencies by percentile.
pub fn measure(
    plan: &Plan,
    stage: &Arc<Stage>,
    hashes: &Arc<Vec<String>>,
    report: &mut Report,
) -> Result<(Chart, Vec<Line>)> {
    let numbers = 0..plan.hot_people;
    let names: Vec<String> = numbers.clone().map(people::name).collect();
    let stand_in = StandIn::start(hashes)?;
    let echo = Echo::start(stage, &names[0])?;
    let keydove = Keydove::start(stage, "hot", &stand_in.url(), "")?;
    keydove.fill(names.iter().map(|name| (name.as_str(), Source::Keycloak)))?;
    let with = |hash| names.iter().map(move |name| (name.as_str(), hash));
    let best = optional(Dovecot::start(stage, "dov-best", Passdb::Cached, with(PLAIN)));
    let as_mailcow = optional(Dovecot::start(stage, "dov-mailcow", Passdb::CachedForWorker, with(DIGEST)));
    let newer = optional(Dovecot::start_2_4(stage, "dov-2-4", people::PASSWORD));
    let verdicts =
        |socket: &Path, process| Server { socket: socket.to_owned(), process, expect: Expect::Verdicts };
    let mut servers = vec![
        Server { socket: echo.socket().to_owned(), process: Some(echo.id()), expect: Expect::AlwaysOk },
        verdicts(&keydove.socket(), Some(keydove.id()?)),
    ];
    // Each has its place, so none comes where one before it is missing.
    let dovecots = [&best, &as_mailcow, &newer].into_iter().map_while(Option::as_ref);
    servers.extend(dovecots.map(|dovecot| verdicts(dovecot.socket(), None)));
    let people = people::people(numbers);
    for (name, server) in NAMES.iter().zip(&servers).skip(1) {
        run(&format!("{name}, warming up"), &each_once(&server.socket, &people, (8, 4)), None, report)?;
    }
    say(&format!("\nhot logins of {} people\n{HEAD}", plan.hot_people));
    let mut latencies = Vec::new();
    let mut lines = NAMES.map(|name| Line { name, points: Vec::new() });
    for (place, size) in SIZES.into_iter().enumerate() {
        let count = if WITH_ALL.contains(&size) { servers.len() } else { servers.len().min(3) };
        let rounds = rounds(plan, &servers[..count], &people, (size, Reuse::Kept), report)?;
        for (line, samples) in lines.iter_mut().zip(&rounds) {
            line.points.push((place as f64, median(samples.iter().map(Sample::rate))));
        }
        if size == (AT_ONCE, 1) {
            let last = [("echo, hot, 8 x 1", &rounds[0]), ("keydove, hot, 8 x 1", &rounds[1])];
            latencies.extend(
                last.into_iter().filter_map(|(name, samples)| Some(percentiles(name, samples.last()?))),
            );
        }
        take_numbers(size, &rounds, report);
    }
    let count = servers.len().min(3);
    let rounds = rounds(plan, &servers[..count], &people, ((AT_ONCE, 1), Reuse::PerLogin), report)?;
    report.set("per_login_connection_to_echo", to(&rounds[1], &rounds[0], Sample::rate));
    set_against(report, "per_login_connection_to_dovecot_cache", &rounds, 2);
    let rates = Chart {
        title: "hot logins per second, over connections x depth",
        labels: SIZES.iter().map(|(connections, depth)| format!("{connections}x{depth}")).collect(),
        unit: "logins per second",
        lines: lines.into(),
    };
    Ok((rates, latencies))
}

/// Each server's samples, taken in turns.
fn rounds(
    plan: &Plan,
    servers: &[Server],
    people: &People,
    (size, reuse): ((usize, usize), Reuse),
    report: &mut Report,
) -> Result<Vec<Vec<Sample>>> {
    let mut samples: Vec<Vec<Sample>> = servers.iter().map(|_| Vec::new()).collect();
    for _ in 0..plan.rounds {
        for ((server, samples), name) in servers.iter().zip(&mut samples).zip(NAMES) {
            let load = load_of(plan, server, people, size);
            samples.push(run(&format!("{name} {size:?}"), &Load { reuse, ..load }, server.process, report)?);
        }
    }
    let kind = if reuse == Reuse::Kept { "" } else { " connection each" };
    for (samples, name) in samples.iter().zip(NAMES) {
        show(&format!("{:>5} x {:<2} {name}{kind}", size.0, size.1), samples);
    }
    Ok(samples)
}

fn load_of<'a>(plan: &Plan, server: &'a Server, people: &'a People, size: (usize, usize)) -> Load<'a> {
    let socket: &Path = &server.socket;
    Load { warm_up: plan.warm_up, window: plan.window, expect: server.expect, ..closed(socket, people, size) }
}

fn take_numbers(size: (usize, usize), rounds: &[Vec<Sample>], report: &mut Report) {
    let (echo, keydove) = (&rounds[0], &rounds[1]);
    match size {
        (32, 1) => {
            report.set("hot_c32_d1_to_echo", to(keydove, echo, Sample::rate));
            set_against(report, "hot_c32_d1_to_dovecot_cache", rounds, 2);
            set_against(report, "hot_c32_d1_to_dovecot_as_mailcow", rounds, 3);
            set_against(report, "hot_c32_d1_to_dovecot_2_4", rounds, 4);
        }
        (256, 8) => {
            report.set("hot_c256_d8_to_echo", to(keydove, echo, Sample::rate));
            set_against(report, "hot_c256_d8_to_dovecot_cache", rounds, 2);
            set_against(report, "hot_c256_d8_to_dovecot_as_mailcow", rounds, 3);
            set_against(report, "hot_c256_d8_to_dovecot_2_4", rounds, 4);
        }
        (32, 16) => {
            report.set("hot_cpu_us_d16", median(keydove.iter().map(|sample| sample.server_us)));
            report.set("hot_cpu_to_echo_d16", to(keydove, echo, |sample| sample.server_us));
        }
        (8, 1) => report.set("hot_p99_c8_to_echo", to(keydove, echo, |sample| sample.quantile(990))),
        _ => {}
    }
}

/// keydove's rate to that of a Dovecot; nothing where there is none.
fn set_against(report: &mut Report, name: &'static str, rounds: &[Vec<Sample>], place: usize) {
    if let Some(dovecot) = rounds.get(place) {
        report.set(name, to(&rounds[1], dovecot, Sample::rate));
    }
}

/// The median of the rounds' ratios: what disturbs a round disturbs both.
fn to(samples: &[Sample], base: &[Sample], value: impl Fn(&Sample) -> f64) -> f64 {
    median(samples.iter().zip(base).map(|(sample, base)| value(sample) / value(base)))
}

/// The head over the lines of [`show`].
pub const HEAD: &str =
    "                                        logins/s    p50 us    p99 us  server us  client us";

/// One line: medians.
pub fn show(name: &str, samples: &[Sample]) {
    let of = |value: &dyn Fn(&Sample) -> f64| median(samples.iter().map(value));
    say(&format!(
        "{name:<38} {:>9.0} {:>9.1} {:>9.1} {:>10.2} {:>10.2}",
        of(&Sample::rate),
        of(&|sample| sample.quantile(500)),
        of(&|sample| sample.quantile(990)),
        of(&|sample| sample.server_us),
        of(&|sample| sample.client_us),
    ));
}
