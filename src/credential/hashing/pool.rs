//! What the callers and the threads share, and what the threads do.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::HashingError;
use super::calibrate::calibrate;
use super::network::Network;
use super::queue::{FairQueue, Kind, Ticket};
use crate::auth::Secret;
use crate::credential::scheme::{Effort, Lanes, MAX_LANES, Usable};

/// The load of a worker that takes nothing.
const FULL: usize = usize::MAX;

pub(super) type Reply = oneshot::Sender<Result<bool, HashingError>>;

/// One password to be hashed.
pub(super) struct Job {
    pub(super) hash: Usable,
    pub(super) password: Secret,
    pub(super) reply: Reply,
}

impl Job {
    /// If the caller left meanwhile, nobody wants the answer.
    fn answer(self, answer: Result<bool, HashingError>) {
        let _ = self.reply.send(answer);
    }
}

/// Waiting jobs, and how busy the workers with lanes are.
pub(super) struct Pool {
    queue: Mutex<Queue>,
    /// Workers with lanes sleep here while they have none.
    lane_jobs: Condvar,
    /// The other threads sleep here.
    long_jobs: Condvar,
    /// How many jobs wait for a lane: whether it is worth a worker's while to look, between two steps.
    waiting: AtomicUsize,
    /// Busy lanes of each worker, or [`FULL`].
    loads: Vec<AtomicUsize>,
    /// Lanes of all workers that have begun; a worker that has not measured has one.
    lanes: AtomicUsize,
    /// Some worker needs a second lane, and does not know how many suit its core: all measure now.
    measuring: AtomicBool,
    /// Jobs that were turned away, or left for others.
    shed: AtomicU64,
}

struct Queue {
    jobs: FairQueue<Job>,
    stopped: bool,
}

/// What a worker with lanes does next.
enum Next {
    Begin(Box<Job>),
    GoOn,
    Measure,
    Stop,
}

impl Pool {
    /// For so many workers, each of which must run [`Pool::work_on_lanes`] under its own number.
    pub(super) fn new(workers: usize, capacity: usize) -> Self {
        Self {
            queue: Mutex::new(Queue { jobs: FairQueue::new(capacity), stopped: false }),
            lane_jobs: Condvar::new(),
            long_jobs: Condvar::new(),
            waiting: AtomicUsize::new(0),
            loads: (0..workers).map(|_| AtomicUsize::new(0)).collect(),
            lanes: AtomicUsize::new(0),
            measuring: AtomicBool::new(false),
            shed: AtomicU64::new(0),
        }
    }

    /// Lets a job wait for its thread.
    pub(super) fn push(&self, network: Network, job: Job) -> Result<Ticket, HashingError> {
        let kind = match job.hash.effort(job.password.expose()) {
            Effort::Lane => Kind::Lane,
            Effort::Long | Effort::Instant => Kind::Long,
        };
        let mut queue = self.lock();
        if queue.stopped {
            return Err(HashingError::Stopped);
        }
        let (ticket, shed) = queue.jobs.push(kind, network, job).map_err(|_| {
            self.shed.fetch_add(1, Relaxed);
            HashingError::Overloaded
        })?;
        self.count(&queue);
        drop(queue);
        match kind {
            Kind::Lane => self.lane_jobs.notify_one(),
            Kind::Long => self.long_jobs.notify_one(),
        }
        if let Some(shed) = shed {
            self.shed.fetch_add(1, Relaxed);
            shed.answer(Err(HashingError::Overloaded));
        }
        Ok(ticket)
    }

    /// Takes a job back that still waits; one that has begun notices by itself that nobody waits for it.
    pub(super) fn abandon(&self, ticket: Ticket) {
        let mut queue = self.lock();
        let job = queue.jobs.remove(ticket);
        self.count(&queue);
        drop(queue);
        drop(job);
    }

    /// Tells the threads to leave.
    pub(super) fn stop(&self) {
        self.lock().stopped = true;
        self.lane_jobs.notify_all();
        self.long_jobs.notify_all();
    }

    /// The life of a worker with lanes; 0 lanes means as many as suit its core.
    pub(super) fn work_on_lanes(&self, worker: usize, lanes: usize) {
        let mut limit = (lanes > 0).then_some(lanes.min(MAX_LANES));
        self.lanes.fetch_add(limit.unwrap_or(1), Relaxed);
        let mut lanes = Lanes::new();
        loop {
            match self.next_lane_job(worker, lanes.len(), limit) {
                Next::Begin(job) => begin(&mut lanes, *job),
                Next::GoOn => {
                    lanes.step(|reply: Reply, matched| {
                        let _ = reply.send(Ok(matched));
                    });
                    lanes.retain(|reply| !reply.is_closed());
                }
                Next::Measure => {
                    let measured = calibrate();
                    limit = Some(measured);
                    self.lanes.fetch_add(measured - 1, Relaxed);
                    tracing::debug!(worker, lanes = measured, "bcrypt is computed on this many lanes");
                }
                Next::Stop => return,
            }
        }
    }

    /// Sleeps while there is neither a busy lane nor a job.
    ///
    /// A worker leaves a job to those with fewer busy lanes, all of whom look here before 50 µs have passed: two
    /// logins on two cores shall not share one. So the first worker that needs a second lane does so when all others
    /// are busy, and all measure with it.
    fn next_lane_job(&self, worker: usize, busy: usize, limit: Option<usize>) -> Next {
        let load = if limit.is_none_or(|limit| busy < limit) { busy } else { FULL };
        self.loads[worker].store(load, Relaxed);
        let shall_measure = || limit.is_none() && self.measuring.load(Relaxed);
        if busy > 0 && !shall_measure() && (load == FULL || self.waiting.load(Relaxed) == 0) {
            return Next::GoOn;
        }
        let mut queue = self.lock();
        loop {
            if queue.stopped {
                return Next::Stop;
            }
            if shall_measure() {
                // Nobody leaves it a job meanwhile.
                self.loads[worker].store(FULL, Relaxed);
                return Next::Measure;
            }
            let is_least_busy = self.loads.iter().all(|other| load <= other.load(Relaxed));
            if is_least_busy && limit.is_none() && busy > 0 && queue.jobs.waiting(Kind::Lane) > 0 {
                self.measuring.store(true, Relaxed);
                self.lane_jobs.notify_all();
                continue;
            }
            if is_least_busy && let Some(job) = queue.jobs.pop(Kind::Lane) {
                self.count(&queue);
                self.loads[worker].store(busy + 1, Relaxed);
                return Next::Begin(Box::new(job));
            }
            if busy > 0 {
                return Next::GoOn;
            }
            queue = self.lane_jobs.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The life of a thread that computes everything else, one job after the other.
    pub(super) fn work_on_long_jobs(&self) {
        while let Some(job) = self.next_long_job() {
            if !job.reply.is_closed() {
                let answer = job.hash.matches(job.password.expose());
                job.answer(answer.map_err(HashingError::Unusable));
            }
        }
    }

    fn next_long_job(&self) -> Option<Job> {
        let mut queue = self.lock();
        loop {
            if queue.stopped {
                return None;
            }
            if let Some(job) = queue.jobs.pop(Kind::Long) {
                return Some(job);
            }
            queue = self.long_jobs.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// No code panics while it holds the lock, and the queue is sound after every statement.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, queue: &Queue) {
        self.waiting.store(queue.jobs.waiting(Kind::Lane), Relaxed);
    }

    /// How many jobs wait.
    pub(super) fn waiting(&self) -> usize {
        self.lock().jobs.len()
    }

    #[cfg(test)]
    pub(super) fn has_measured(&self) -> bool {
        self.measuring.load(Relaxed)
    }

    pub(super) fn lanes(&self) -> usize {
        self.lanes.load(Relaxed)
    }

    pub(super) fn shed(&self) -> u64 {
        self.shed.load(Relaxed)
    }
}

fn begin(lanes: &mut Lanes<Reply>, job: Job) {
    if job.reply.is_closed() {
        return;
    }
    if let Err(reply) = lanes.add(&job.hash, job.password.expose(), job.reply) {
        // No lane takes a password that can never match, and no hash but bcrypt's.
        let answer = job.hash.matches(job.password.expose());
        let _ = reply.send(answer.map_err(HashingError::Unusable));
    }
}
