//! Logins that need a hash, without Keycloak: mailboxes whose bcrypt hash is in their row.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use keydove::credential::scheme;
use keydove::credential::scheme::Policy;
use keydove_load::{Load, Pace, Turns};

use super::dovecot::{Dovecot, Passdb};
use super::hot::{HEAD, show};
use super::keydove::{Keydove, NO_KEYCLOAK, Source};
use super::loads::{Sample, closed, describe, each_once, run, run_any};
use super::machine::{cores, median, micros, millis, now};
use super::report::Report;
use super::stage::{Failure, Result, Stage};
use super::{Plan, optional, people, say};

const CONNECTIONS: (usize, usize) = (32, 1);
const ARRIVALS_PER_SECOND_AND_CORE: f64 = 14.0;
/// Hashes that each core computes with the crate in one round.
const BY_CRATE: usize = 8;
const WRONG_PER_SECOND: f64 = 500.0;
/// Whose guesses are wrong is not who logs in rightly.
const GUESSER: &str = "198.51.100.1";

/// Measures. The hashes are of everybody who logs in here. Returns a sample of logins that came at random, for the plot.
pub fn measure(plan: &Plan, stage: &Arc<Stage>, hashes: &[String], report: &mut Report) -> Result<Sample> {
    let names: Vec<String> = (0..hashes.len()).map(people::name).collect();
    let mailboxes = || names.iter().map(String::as_str).zip(hashes.iter().map(String::as_str));
    let mut keydove = Keydove::start(stage, "cold", NO_KEYCLOAK, "")?;
    let socket = keydove.socket();
    keydove.fill(mailboxes().map(|(name, hash)| (name, Source::Row(hash))))?;
    let dovecot = optional(Dovecot::start(stage, "dov-bcrypt", Passdb::PasswdFile, mailboxes()));
    say(&format!("\ncold logins of {} people, bcrypt cost {}, no Keycloak\n{HEAD}", names.len(), plan.cost));
    let everybody = people::people(0..names.len());
    let (mut cold, mut slow, mut to_crate, mut to_dovecot) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in 0..plan.rounds {
        let by_crate = rate_of_crate(plan.cost);
        keydove.start_again()?;
        let load = each_once(&socket, &everybody, CONNECTIONS);
        cold.push(run("cold logins", &load, Some(keydove.id()?), report)?);
        let rate = cold[round].rate();
        to_crate.push(rate / by_crate);
        let Some(dovecot) = &dovecot else { continue };
        // It hashes at every login, its cache does not help; it is slow, so fewer have a turn.
        let share = plan.dovecot_people;
        let some = people::people((round * share..(round + 1) * share).map(|number| number % names.len()));
        let load = each_once(dovecot.socket(), &some, CONNECTIONS);
        slow.push(run("Dovecot's passwd-file", &load, None, report)?);
        to_dovecot.push(rate / slow[round].rate());
    }
    show("   32 x 1  keydove, everybody once", &cold);
    show("   32 x 1  Dovecot's passwd-file", &slow);
    report.set("cold_to_bcrypt_crate", median(to_crate));
    report.set("cold_c32_to_dovecot_passwd_file", median(to_dovecot));
    let at_random = arrive(plan, &mut keydove, hashes, report)?;
    beside_wrong(plan, &keydove, names.len(), report)?;
    Ok(at_random)
}

/// The bare loop: hashes per second of the crate on all cores.
fn rate_of_crate(cost: u32) -> f64 {
    let begin = now();
    thread::scope(|scope| {
        for _ in 0..cores() {
            scope.spawn(|| {
                for _ in 0..BY_CRATE {
                    std::hint::black_box(bcrypt::bcrypt(cost, [7; 16], b"pw\0"));
                }
            });
        }
    });
    (BY_CRATE * cores()) as f64 / (now() - begin).as_secs_f64()
}

/// How long one hash takes when nothing else is to be done, in µs.
pub fn one_hash(stored: &str) -> Result<f64> {
    let usable = scheme::parse(stored.as_bytes()).and_then(|hash| hash.permit(&Policy::default()));
    let usable = usable.map_err(|error| Failure(format!("use a hash of one's own: {error}")))?;
    let begin = now();
    let fits = usable.matches(people::PASSWORD.as_bytes()).unwrap_or(false);
    let took = micros(now() - begin);
    if fits { Ok(took) } else { Err(Failure("a hash of one's own does not fit".to_owned())) }
}

/// Cold logins as they come in life: at random, beside one hash alone.
fn arrive(plan: &Plan, keydove: &mut Keydove, hashes: &[String], report: &mut Report) -> Result<Sample> {
    let socket = keydove.socket();
    let everybody = people::people(0..hashes.len());
    let pace = Pace::Open { per_second: ARRIVALS_PER_SECOND_AND_CORE * cores() as f64 };
    let (mut samples, mut ratios) = (Vec::new(), Vec::new());
    for _ in 0..plan.rounds {
        keydove.start_again()?;
        let alone: Result<Vec<f64>> = hashes.iter().take(plan.singles).map(|hash| one_hash(hash)).collect();
        let load = Load { pace, ..each_once(&socket, &everybody, (8, 1)) };
        let sample = run("cold logins at random", &load, Some(keydove.id()?), report)?;
        ratios.push(sample.quantile(950) / median(alone?));
        samples.push(sample);
    }
    show("   14 per second and core, at random", &samples);
    report.set("poisson_p95_to_hash", median(ratios));
    samples.pop().ok_or_else(|| Failure("no round was measured".to_owned()))
}

/// Right logins of people who are known, while others guess: more than the cores can hash, so some are told that nobody
/// can tell. Nobody may be let in, and no right login refused.
fn beside_wrong(plan: &Plan, keydove: &Keydove, count: usize, report: &mut Report) -> Result<()> {
    let socket = keydove.socket();
    let (known, guessed) = (people::people(0..count), people::people_from(0..count, GUESSER));
    run("everybody is known again", &each_once(&socket, &known, (8, 1)), None, report)?;
    let wrong = Load {
        pace: Pace::Open { per_second: WRONG_PER_SECOND },
        turns: Turns::Random,
        wrong_percent: 100,
        window: plan.storm,
        ..closed(&socket, &guessed, (64, 1))
    };
    // Begins later and ends earlier than the guesses.
    let right = Load { warm_up: plan.storm / 4, window: plan.storm / 2, ..closed(&socket, &known, (8, 1)) };
    let (guesses, logins) = thread::scope(|scope| {
        let guesses = scope.spawn(|| run_any("wrong guesses", &wrong, None));
        let logins = run_any("right logins beside wrong ones", &right, None);
        (guesses.join(), logins)
    });
    let guesses = guesses.map_err(|_| Failure("the load of wrong guesses panicked".to_owned()))??;
    let logins = logins?;
    if !logins.outcome.is_flawless() {
        report.fault(format!("right logins beside wrong ones: {}", describe(&logins.outcome)));
    }
    if guesses.outcome.unexpected + guesses.outcome.lost + guesses.outcome.ok > 0 {
        report.fault(format!("wrong guesses: {}", describe(&guesses.outcome)));
    }
    say(&format!(
        "    8 x 1  right beside wrong           {:>9.0} {:>9.1} {:>9.1}   of {} guesses {} were refused, {} not told",
        logins.rate(),
        logins.quantile(500),
        logins.quantile(990),
        guesses.outcome.sent,
        guesses.outcome.fail,
        guesses.outcome.temp
    ));
    report.set("hot_p99_ms_beside_wrong", millis(logins.outcome.latency.quantile(990)));
    report.set("wrong_p50_ms", one_wrong(&socket, &known, plan.storm)?);
    Ok(())
}

/// The latency of wrong passwords when they are few, in ms.
fn one_wrong(socket: &std::path::Path, people: &keydove_load::People, window: Duration) -> Result<f64> {
    let load = Load {
        pace: Pace::Open { per_second: 5.0 },
        wrong_percent: 100,
        window: window + Duration::from_secs(2),
        ..closed(socket, people, (1, 1))
    };
    let sample = run_any("wrong logins", &load, None)?;
    Ok(millis(sample.outcome.latency.quantile(500)))
}
