//! One running system for many cases.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{OnceLock, PoisonError, RwLock};

use super::mailcow_cases::world::{Bench, World};
use super::reasons;
use super::stage::system::{Database, Plan, System};
use super::stage::{Failure, Result};

/// Short, so that many refusals do not make the tests long; that a refusal waits is tested by itself.
const FAILURE_DELAY: &str = "300ms";

/// Boots when it is first asked for. A boot that failed is not tried again: every case then fails with its reason.
pub struct Shared {
    database: Database,
    system: RwLock<State>,
}

enum State {
    NotAsked,
    Up(Box<Running>),
    Failed(String),
}

/// Ended in this order.
struct Running {
    /// What the cases of mailcow share, from the first of them on.
    bench: OnceLock<std::result::Result<Bench, String>>,
    system: System,
}

impl Shared {
    /// Nothing runs yet.
    pub fn new(database: Database) -> Self {
        Self { database, system: RwLock::new(State::NotAsked) }
    }

    /// Runs a case beside others.
    pub fn with(&self, case: fn(&System) -> Result<()>) -> Result<()> {
        loop {
            match &*self.system.read().unwrap_or_else(PoisonError::into_inner) {
                State::Up(running) => return case(&running.system),
                State::Failed(reason) => return Err(Failure(reason.clone())),
                State::NotAsked => {}
            }
            self.boot();
        }
    }

    /// Runs a case of mailcow beside others.
    pub fn with_world(&self, case: fn(&World<'_>) -> Result<()>) -> Result<()> {
        self.boot();
        match &*self.system.read().unwrap_or_else(PoisonError::into_inner) {
            State::Up(running) => {
                let system = &running.system;
                let bench = running.bench.get_or_init(|| Bench::prepare(system).map_err(|failure| failure.0));
                case(&World { system, bench: bench.as_ref().map_err(|reason| Failure(reason.clone()))? })
            }
            State::Failed(reason) => Err(Failure(reason.clone())),
            State::NotAsked => Err(Failure("the servers were not started".to_owned())),
        }
    }

    /// Runs a case while no other one runs.
    pub fn alone(&self, case: fn(&mut System) -> Result<()>) -> Result<()> {
        self.boot();
        match &mut *self.system.write().unwrap_or_else(PoisonError::into_inner) {
            State::Up(running) => case(&mut running.system),
            State::Failed(reason) => Err(Failure(reason.clone())),
            State::NotAsked => Err(Failure("the servers were not started".to_owned())),
        }
    }

    /// Ends the servers. After a failure their logs are kept. Returns the reasons that keydove's logs tell of.
    pub fn end(&self, failed: bool) -> BTreeSet<String> {
        let mut state = self.system.write().unwrap_or_else(PoisonError::into_inner);
        let seen = match &*state {
            State::Up(running) => reasons::in_folder(&running.system.stage().path("log")),
            State::NotAsked | State::Failed(_) => BTreeSet::new(),
        };
        if let (State::Up(running), true) = (&*state, failed) {
            running.system.stage().keep();
        }
        *state = State::NotAsked;
        seen
    }

    fn boot(&self) {
        if !matches!(*self.system.read().unwrap_or_else(PoisonError::into_inner), State::NotAsked) {
            return;
        }
        let mut state = self.system.write().unwrap_or_else(PoisonError::into_inner);
        if matches!(*state, State::NotAsked) {
            let binary = Path::new(env!("CARGO_BIN_EXE_keydove"));
            let plan =
                Plan { binary, database: self.database, failure_delay: FAILURE_DELAY, remembers: false };
            *state = match System::boot(&plan, &|_| ()) {
                Ok(system) => State::Up(Box::new(Running { bench: OnceLock::new(), system })),
                Err(Failure(reason)) => State::Failed(reason),
            };
        }
    }
}
