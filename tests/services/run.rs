//! One run of the cases: each has a system of its own, and they run side by side, in an order that a seed decides.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use libtest_mimic::{Arguments, Conclusion, Failed, Trial};

use super::mailcow::world::{Bench, World};
use super::reasons;
use super::stage::keycloak::chosen_version;
use super::stage::shared::Shared;
use super::stage::system::{Database, Plan, System, Tenancy};
use super::stage::{Failure, Result};

/// Short, so that many refusals do not make the tests long; that a refusal waits is tested by itself.
const FAILURE_DELAY: &str = "300ms";
/// The order of the cases, when it is to be that of an earlier run.
const SEED: &str = "KEYDOVE_TEST_SEED";
/// Cases that run at one time for each processor, where `--test-threads` does not say how many do. They mostly wait: for
/// delays, and for servers.
const SIDE_BY_SIDE: usize = 4;
/// How many of the slowest cases are named.
const SLOWEST: usize = 10;

/// What a case is.
#[derive(Clone, Copy)]
pub enum Body {
    /// Logs in and looks.
    Looks(fn(&System) -> Result<()>),
    /// Stops and starts servers.
    Acts(fn(&mut System) -> Result<()>),
    /// Asks one keydove, which is set up as mailcow's is.
    Asks(fn(&World<'_>) -> Result<()>),
}

/// Where a case runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// It reads or writes rows.
    BothDatabases,
    /// Rows do not matter to it.
    Sqlite,
    /// The same, and it stops MariaDB.
    BothWithOwnMariaDb,
    /// It is about MariaDB, and stops it.
    OwnMariaDb,
}

/// What all cases of a run share, started with the first of them.
#[derive(Default)]
pub struct Run {
    shared: OnceLock<std::result::Result<Arc<Shared>, String>>,
    /// The reasons that the logs tell of.
    seen: Mutex<BTreeSet<String>>,
    times: Mutex<Vec<(Duration, String)>>,
    /// Cases that have not ended.
    left: AtomicUsize,
    ended: (Mutex<()>, Condvar),
}

impl Run {
    /// The case, once for each database that it is for.
    pub fn trials(self: &Arc<Self>, subject: &str, on: On, name: &str, case: Body) -> Vec<Trial> {
        let databases: &[(&str, Database)] = match on {
            On::BothDatabases | On::BothWithOwnMariaDb => {
                &[("::sqlite", Database::Sqlite), ("::mariadb", Database::MariaDb)]
            }
            On::Sqlite => &[("", Database::Sqlite)],
            On::OwnMariaDb => &[("", Database::MariaDb)],
        };
        let tenancy = match on {
            On::BothDatabases | On::Sqlite => Tenancy::Shared,
            On::BothWithOwnMariaDb | On::OwnMariaDb => Tenancy::Own,
        };
        let trial = |&(end, database): &(&str, Database)| {
            let (name, run) = (format!("{subject}::{name}{end}"), Arc::clone(self));
            Trial::test(name.clone(), move || run.timed(&name, || run.play(database, tenancy, case)))
        };
        databases.iter().map(trial).collect()
    }

    /// Runs those of the trials that the arguments ask for. A whole run also shows that every reason code was met.
    pub fn conclude(self: &Arc<Self>, mut arguments: Arguments, mut trials: Vec<Trial>) -> Conclusion {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        arguments.test_threads.get_or_insert(processors * SIDE_BY_SIDE);
        // With a version that was chosen only some cases run.
        let whole = arguments.filter.is_none()
            && arguments.skip.is_empty()
            && !arguments.ignored
            && chosen_version().is_none();
        if !arguments.list {
            let seed = seed();
            eprintln!("the cases run in the order of {SEED}={seed}");
            shuffle(&mut trials, seed);
        }
        let chosen = trials.iter().filter(|trial| is_chosen(&arguments, trial.name())).count();
        self.left.store(chosen, Ordering::SeqCst);
        if whole {
            let run = Arc::clone(self);
            trials.push(Trial::test("every_reason_code_is_met_by_some_case", move || {
                run.all_reasons_were_seen()
            }));
        }
        let conclusion = libtest_mimic::run(&arguments, trials);
        if let (Some(Ok(shared)), true) = (self.shared.get(), conclusion.has_failed()) {
            shared.keep();
        }
        conclusion
    }

    fn play(&self, database: Database, tenancy: Tenancy, case: Body) -> Result<()> {
        let shared = self.shared.get_or_init(|| Shared::start().map_err(|failure| failure.0));
        let shared = shared.as_ref().map_err(|reason| Failure(reason.clone()))?;
        let binary = Path::new(env!("CARGO_BIN_EXE_keydove"));
        let plan = Plan { binary, database, failure_delay: FAILURE_DELAY, remembers: false };
        let mut system = System::join(shared, &plan, tenancy)?;
        let end = match case {
            Body::Looks(case) => case(&system),
            Body::Acts(case) => case(&mut system),
            Body::Asks(case) => {
                Bench::prepare(&system).and_then(|bench| case(&World { system: &system, bench: &bench }))
            }
        };
        lock(&self.seen).extend(reasons::in_folder(&system.stage().path("log")));
        if end.is_err() {
            system.stage().keep();
        }
        end
    }

    fn timed(&self, name: &str, case: impl FnOnce() -> Result<()>) -> std::result::Result<(), Failed> {
        /// Counts a case as ended, even one that panicked.
        struct Ended<'a>(&'a Run);
        impl Drop for Ended<'_> {
            fn drop(&mut self) {
                if self.0.left.fetch_sub(1, Ordering::SeqCst) == 1 {
                    self.0.tell_the_slowest();
                }
                let _turn = lock(&self.0.ended.0);
                self.0.ended.1.notify_all();
            }
        }
        let _ended = Ended(self);
        let start = Instant::now();
        let end = case();
        lock(&self.times).push((start.elapsed(), name.to_owned()));
        if let Err(failure) = &end {
            // At once: the list of failures comes when all have ended.
            eprintln!("{name} failed: {failure}");
        }
        Ok(end?)
    }

    fn tell_the_slowest(&self) {
        let mut times = lock(&self.times);
        if times.len() < SLOWEST {
            return;
        }
        times.sort_by(|one, other| other.cmp(one));
        let lines = times.iter().take(SLOWEST);
        let lines: String =
            lines.map(|(time, name)| format!("{:>8.1} s  {name}\n", time.as_secs_f64())).collect();
        eprintln!("\nthe slowest of {} cases:\n{lines}", times.len());
    }

    /// Waits for all other cases.
    fn all_reasons_were_seen(&self) -> std::result::Result<(), Failed> {
        let mut turn = lock(&self.ended.0);
        while self.left.load(Ordering::SeqCst) > 0 {
            turn = self.ended.1.wait(turn).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(reasons::all_were_seen(&lock(&self.seen))?)
    }
}

/// As `libtest-mimic` chooses.
fn is_chosen(arguments: &Arguments, name: &str) -> bool {
    let matches = |part: &String| if arguments.exact { name == part } else { name.contains(part.as_str()) };
    arguments.filter.as_ref().is_none_or(matches) && !arguments.skip.iter().any(matches)
}

/// From the environment, or of this moment.
#[expect(clippy::disallowed_methods, reason = "a test program has no configuration")]
fn seed() -> u64 {
    let given = std::env::var(SEED).ok().and_then(|seed| seed.parse().ok());
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.subsec_nanos());
    given.unwrap_or_else(|| u64::from(now()))
}

/// Fisher and Yates, with the numbers of `SplitMix64`.
fn shuffle<T>(items: &mut [T], mut seed: u64) {
    for last in (1..items.len()).rev() {
        seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        number ^= number >> 31;
        let place = number % (last as u64 + 1);
        items.swap(last, usize::try_from(place).unwrap_or_default());
    }
}

/// A case that panicked leaves nothing half done here.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
