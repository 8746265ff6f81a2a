//! One run of the load client, with what it costs the server.

use std::path::Path;
use std::time::Duration;

use keydove_load::{Expect, Load, Moment, Outcome, Pace, People, Reuse, Turns};

use super::machine::{micros, own_processor_time, processor_time};
use super::plot::Line;
use super::report::Report;
use super::stage::{Failure, Result};

/// Longer than keydove's deadline for a login, which is 5 s, and than its failure delay, which is 2 s.
const GRACE: Duration = Duration::from_secs(8);
/// Nobody waits so long: a load in which everybody has a turn ends by itself.
const LONGEST: Duration = Duration::from_secs(300);

/// What one run came to.
pub struct Sample {
    pub outcome: Outcome,
    /// Processor time of the server per reply in the measured time, in µs.
    pub server_us: f64,
    /// The client's own.
    pub client_us: f64,
}

impl Sample {
    pub fn rate(&self) -> f64 {
        self.outcome.rate()
    }

    /// In µs.
    pub fn quantile(&self, per_mille: u64) -> f64 {
        micros(self.outcome.latency.quantile(per_mille))
    }
}

/// The percentiles of a chart of latencies.
pub const PER_MILLE: [u64; 6] = [100, 500, 900, 950, 990, 999];

/// A sample as a line of such a chart.
pub fn percentiles(name: &'static str, sample: &Sample) -> Line {
    let points = (0..).zip(PER_MILLE);
    Line {
        name,
        points: points.map(|(place, per_mille)| (f64::from(place), sample.quantile(per_mille))).collect(),
    }
}

/// A load of right passwords in a closed loop.
pub fn closed<'a>(socket: &'a Path, people: &'a People, (connections, depth): (usize, usize)) -> Load<'a> {
    Load {
        socket,
        people,
        connections,
        pace: Pace::Closed { depth },
        reuse: Reuse::Kept,
        turns: Turns::Random,
        wrong_percent: 0,
        warm_up: Duration::ZERO,
        window: Duration::ZERO,
        grace: GRACE,
        expect: Expect::Verdicts,
    }
}

/// Everybody once, as fast as the server takes them.
pub fn each_once<'a>(socket: &'a Path, people: &'a People, size: (usize, usize)) -> Load<'a> {
    Load { turns: Turns::EachOnce, window: LONGEST, ..closed(socket, people, size) }
}

/// Runs a load on a server, of which `process` is the one that costs. A reply that is not right is a fault.
pub fn run(name: &str, load: &Load<'_>, process: Option<u32>, report: &mut Report) -> Result<Sample> {
    let sample = run_any(name, load, process)?;
    if !sample.outcome.is_flawless() {
        report.fault(format!("{name}: {}", describe(&sample.outcome)));
    }
    Ok(sample)
}

/// The same without a look at the replies.
pub fn run_any(name: &str, load: &Load<'_>, process: Option<u32>) -> Result<Sample> {
    let read = || -> Result<(Duration, Duration)> {
        Ok((process.map_or(Ok(Duration::ZERO), processor_time)?, own_processor_time()))
    };
    let (mut before, mut after) = (None, None);
    let outcome = keydove_load::run(load, &mut |moment, outcome| match moment {
        Moment::Measures => before = Some((read(), outcome.replies())),
        Moment::Measured => after = Some((read(), outcome.replies())),
        Moment::Begins | Moment::Ticks => {}
    });
    let outcome = outcome.map_err(|error| Failure(format!("load {name}: {error}")))?;
    let (Some((before, first)), Some((after, last))) = (before, after) else {
        return Err(Failure(format!("load {name}: the server hung up: {}", describe(&outcome))));
    };
    let (before, after) = (before?, after?);
    let per_reply = |before: Duration, after: Duration| {
        micros(after.saturating_sub(before)) / (last - first).max(1) as f64
    };
    Ok(Sample { outcome, server_us: per_reply(before.0, after.0), client_us: per_reply(before.1, after.1) })
}

/// The counts, for a complaint.
pub fn describe(outcome: &Outcome) -> String {
    let Outcome { sent, ok, fail, temp, unexpected, lost, closed, .. } = outcome;
    format!(
        "of {sent} logins {ok} accepted, {fail} refused, {temp} cannot tell, {unexpected} unexpected, {lost} lost; {closed} hung up"
    )
}
