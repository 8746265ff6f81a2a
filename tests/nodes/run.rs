//! One run: boot, clients, faults, mending, and the checker.

mod checks;
mod looks;
mod visits;

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::book::Book;
use crate::checker::{ALL, Limits, Verdict, judge};
use crate::clients::Client;
use crate::cluster::Cluster;
use crate::configuration::STALE_LIMIT;
use crate::front::Front;
use crate::history::{Act, Event, Outcome, to_lines};
use crate::portal;
use crate::recorder::Recorder;
use crate::schedule::{Fault, NODES, Part, Step};
use crate::stage::dovecot::Release;
use crate::stage::{Failure, PATIENCE, Result, attempt, source_tree};
use crate::tokens;

/// What the history is judged by. Promised are two seconds for a revocation and a new app password on nodes that reach the
/// database, and none for a session. The rest is for a machine that does much else, and that is none of the faults; the measured
/// maxima say how long it really took.
const LIMITS: Limits = Limits {
    revocation: 10_000,
    disabled: 10_000,
    revocation_cut_off: STALE_LIMIT + 60_000,
    new_password: 10_000,
    sign_out: 10_000,
    healing: 60_000,
    recovery: 15_000,
    guesses: 10,
    guesses_heard: 6_000,
};
/// Clients that only log in, at each node.
const VISITORS: u64 = 2;
/// A node's guesses before the budget is used up, and after it.
const GUESSES: u64 = 12;
const GUESSES_LATER: u64 = 3;
/// So many of the last app passwords and sessions are tried in the end.
const AGAIN: usize = 12;
/// How long a run is, and what it breaks.
pub struct Plan {
    /// Decides everything that could be otherwise.
    pub seed: u64,
    /// What is broken.
    pub steps: Vec<Step>,
    /// How many people have mailboxes from the beginning.
    pub residents: usize,
    /// Between two of whatever happens seldom: newcomers, people who are disabled.
    pub pace: Duration,
}

/// Runs it, and says what the checker found.
///
/// # Errors
/// Something does not start, or a fault cannot be mended.
pub fn run(binary: &Path, plan: &Plan) -> Result<Verdict> {
    let since = Instant::now();
    let say = |what: &str| eprintln!("nodes: {:.1} s: {what}", since.elapsed().as_secs_f64());
    let residents: Vec<_> = (0..plan.residents).map(|number| format!("r{number}@example.org")).collect();
    let newcomers: Vec<_> =
        (0..plan.residents * 2).map(|number| format!("new{number}@example.org")).collect();
    let cluster = Cluster::boot(binary, &residents, &newcomers, &say)?;
    let result = run_on((binary, &cluster), plan, residents, &newcomers, &say);
    if result.as_ref().map_or(true, |verdict| !verdict.violations.is_empty()) {
        cluster.keep();
    }
    result
}

fn run_on(
    (binary, cluster): (&Path, &Cluster),
    plan: &Plan,
    residents: Vec<String>,
    newcomers: &[String],
    say: &dyn Fn(&str),
) -> Result<Verdict> {
    let ids = cluster.administer(|admin| residents.iter().map(|user| admin.id(user)).collect())?;
    let tokens = cluster.administer(|admin| tokens::make(admin, &residents))?;
    cluster.administer(portal::make_client)?;
    let (book, recorder) = (Book::new(residents, ids, tokens), Recorder::new());
    // Galera takes its time for the checks, and they need no clients.
    let release = if plan.seed.is_multiple_of(2) { Release::V2_3 } else { Release::V2_4 };
    let front = thread::scope(|scope| {
        let front = scope.spawn(|| cluster.start_front(binary, release));
        checks::checks(cluster)?;
        front.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })?;
    say(&format!("`keydove check` knows the cluster, and proxies of {release:?} are before it"));
    let play = Play {
        cluster,
        front: &front,
        book: &book,
        recorder: &recorder,
        numbers: AtomicU64::new(1),
        is_over: AtomicBool::new(false),
    };
    play.know_everybody(plan.seed)?;
    say("everybody was there once");
    let faults = thread::scope(|scope| {
        for place in 0..NODES.len() {
            for visitor in 0..=VISITORS {
                let play = &play;
                scope.spawn(move || play.live(place, visitor, plan.seed));
            }
        }
        scope.spawn(|| play.live_in_front(plan.seed));
        scope.spawn(|| play.arrivals(newcomers, plan));
        scope.spawn(|| play.leavers(plan));
        let end = play.guesses().and_then(|()| play.faults(&plan.steps, say)).and_then(|()| play.heal(say));
        play.is_over.store(true, Ordering::Relaxed);
        end
    });
    let end = faults.and_then(|()| play.settle(say)).and_then(|()| play.look());
    play.turns();
    let history = recorder.history();
    let path = source_tree().join(format!("target/nodes-history-{}.jsonl", plan.seed));
    let lines = to_lines(&history).map_err(|error| Failure(error.to_string()))?;
    attempt("write", &path, std::fs::write(&path, lines))?;
    say(&format!("{} operations, in {}", history.len(), path.display()));
    end?;
    Ok(judge(&history, &LIMITS))
}

struct Play<'a> {
    cluster: &'a Cluster,
    front: &'a Front,
    book: &'a Book,
    recorder: &'a Recorder,
    /// For names that are like no other.
    numbers: AtomicU64,
    is_over: AtomicBool,
}

impl<'a> Play<'a> {
    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    fn client(&self, place: usize, seed: u64) -> Client<'a> {
        Client { guest: self.guest(place, seed), node: &self.cluster.nodes[place], place }
    }

    /// One client at one node, until it is over. The last one of a node changes things, the others log in.
    fn live(&self, place: usize, visitor: u64, seed: u64) {
        // A node that is gone ends the run elsewhere.
        let _ = self.cluster.at(place, |_| {
            let mut client = self.client(place, seed ^ (place as u64 * 16 + visitor + 1));
            while !self.is_over() {
                let pause = if visitor < VISITORS {
                    client.come();
                    30 + client.guest.dice.below(60)
                } else {
                    client.change(self.number());
                    200 + client.guest.dice.below(500)
                };
                thread::sleep(Duration::from_millis(pause as u64));
            }
        });
    }

    /// One client at the proxies, until it is over.
    fn live_in_front(&self, seed: u64) {
        let mut guest = self.guest(NODES.len(), !seed);
        let _ = self.cluster.network.inside(guest.machine, || {
            while !self.is_over() {
                // There is no portal here.
                guest.come();
                thread::sleep(Duration::from_millis(30 + guest.dice.below(60) as u64));
            }
        });
    }

    /// Newcomers, each at all nodes and through the proxies at one time.
    fn arrivals(&self, newcomers: &[String], plan: &Plan) {
        for user in newcomers {
            if !self.pause(plan.pace) {
                return;
            }
            self.book.arrived().push(user.clone());
            // A machine that is gone ends the run elsewhere.
            let _ = self.arrive(user, plan.seed);
        }
    }

    /// People whom Keycloak is told to disable; half of them stay.
    fn leavers(&self, plan: &Plan) {
        let leavers: Vec<_> =
            self.book.residents.iter().skip(self.book.residents.len() / 2).cloned().collect();
        for user in leavers {
            if !self.pause(plan.pace) || !self.pause(plan.pace) {
                return;
            }
            self.book.disabled().insert(user.clone());
            self.recorder.record("keycloak", Act::Disable { user: user.clone() }, || {
                let disabled = self
                    .cluster
                    .administer(|admin| admin.update(&user, |person| person["enabled"] = false.into()));
                disabled.map_or(Outcome::NoAnswer, |()| Outcome::Yes)
            });
        }
    }

    /// Waits, and says whether to go on.
    fn pause(&self, time: Duration) -> bool {
        let since = Instant::now();
        while since.elapsed() < time && !self.is_over() {
            thread::sleep(Duration::from_millis(50));
        }
        !self.is_over()
    }

    /// One client tries passwords of one account at every node, and again when each node must have heard of it.
    fn guesses(&self) -> Result<()> {
        let user = "r0@example.org";
        for (round, number) in [GUESSES, GUESSES_LATER].into_iter().enumerate() {
            thread::scope(|scope| {
                for place in 0..NODES.len() {
                    scope.spawn(move || {
                        self.cluster.at(place, |_| {
                            let mut client = self.client(place, 0);
                            for guess in 0..number {
                                client.guess(user, &format!("guess {round}-{place}-{guess}"));
                            }
                        })
                    });
                }
            });
            if round == 0 {
                thread::sleep(Duration::from_millis(LIMITS.guesses_heard + 100));
            }
        }
        Ok(())
    }

    /// One fault after the other. Each ends when every database is whole again.
    fn faults(&self, steps: &[Step], say: &dyn Fn(&str)) -> Result<()> {
        for Step { fault, lasts, rest } in steps {
            say(&fault.to_string());
            let begin = self.recorder.now();
            self.cluster.break_by(*fault)?;
            thread::sleep(*lasts);
            self.cluster.mend(*fault)?;
            eventually(|| self.cluster.is_synced(), "every MariaDB is synced again")?;
            let node = fault.node().map_or(ALL, |place| NODES[place]).to_owned();
            let what = fault.to_string();
            let act = Act::Fault { what };
            self.recorder.note(Event { begin, end: self.recorder.now(), node, act, result: Outcome::Yes });
            thread::sleep(*rest);
        }
        Ok(())
    }

    fn heal(&self, say: &dyn Fn(&str)) -> Result<()> {
        // Nothing is broken any more; what was started again may be catching up.
        for place in 0..NODES.len() {
            self.cluster.mend(Fault::Unplug(place))?;
            self.cluster.mend(Fault::HalfOpen(place))?;
            self.cluster.mend(Fault::Freeze(Part::Keydove, place))?;
        }
        self.recorder.record(ALL, Act::Healed, || Outcome::Yes);
        say("everything is mended");
        thread::sleep(Duration::from_secs(3));
        Ok(())
    }

    /// Everybody with everything at each node, until all is as it is to be, or the time for it is over.
    fn settle(&self, say: &dyn Fn(&str)) -> Result<()> {
        let since = Instant::now();
        while !self.everybody_again()? {
            if since.elapsed() > Duration::from_millis(LIMITS.healing + 15_000) {
                say("the nodes do not agree");
                return Ok(());
            }
        }
        say("the nodes agree");
        Ok(())
    }
}

/// Waits until it holds.
fn eventually(mut holds: impl FnMut() -> bool, what: &str) -> Result<()> {
    let since = Instant::now();
    while !holds() {
        if since.elapsed() > PATIENCE {
            return Err(Failure(format!("{what}: not after {} s", PATIENCE.as_secs())));
        }
        thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// A seed of this moment, or the given one.
#[must_use]
pub fn seed_of(given: Option<String>) -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    given.and_then(|seed| seed.parse().ok()).unwrap_or_else(|| u64::from(now.subsec_nanos()))
}
