//! Rounds → medians → the table on the terminal and the file of ratios.

use std::fmt::Write as _;
use std::io;
use std::path::Path;
use std::time::Duration;

use super::client::Outcome;

/// What several rounds of one load came to: medians, except where a sum or an extreme says more.
#[derive(Debug)]
pub struct Summary {
    /// Decided logins per second.
    pub rate: f64,
    /// Latency that half of all stay within.
    pub p50: Duration,
    /// Latency that 99 % stay within.
    pub p99: Duration,
    /// The longest of all rounds.
    pub max: Duration,
    /// Processor time of the server per login, in µs.
    pub cpu: f64,
    counts: [u64; 5],
}

impl Summary {
    /// Of at least one round.
    pub fn of(rounds: &[Outcome]) -> Self {
        let mut counts = [0; 5];
        for round in rounds {
            let these = [round.ok, round.fail, round.temp, round.unexpected, round.lost];
            counts.iter_mut().zip(these).for_each(|(sum, count)| *sum += count);
        }
        let quantile = |per_mille| {
            let seconds = |round: &Outcome| round.latency.quantile(per_mille).as_secs_f64();
            Duration::from_secs_f64(median(rounds.iter().map(seconds)))
        };
        Self {
            rate: median(rounds.iter().map(Outcome::rate)),
            p50: quantile(500),
            p99: quantile(990),
            max: rounds.iter().map(|round| round.latency.max()).max().unwrap_or_default(),
            cpu: median(rounds.iter().map(Outcome::cpu_per_login)),
            counts,
        }
    }

    /// Whether something came that must not come, or did not come that must.
    pub fn is_faulty(&self) -> bool {
        let [ok, fail, _, unexpected, lost] = self.counts;
        unexpected > 0 || lost > 0 || ok + fail == 0
    }

    /// Whether the server could not tell somewhere.
    pub fn had_trouble(&self) -> bool {
        self.counts[2] > 0
    }

    /// The cells of one row.
    pub fn cells(&self) -> String {
        let [ok, fail, temp, unexpected, lost] = self.counts;
        format!(
            "{:>9.0} {:>9.1} {:>9.1} {:>9.1} {:>8.2}  {ok:>8} {fail:>7} {temp:>5} {unexpected:>6} {lost:>5}",
            self.rate,
            micros(self.p50),
            micros(self.p99),
            micros(self.max),
            self.cpu
        )
    }
}

/// The head over [`Summary::cells`].
pub const CELLS_HEAD: &str =
    " logins/s    p50 us    p99 us    max us  cpu us        ok    fail  temp unexp.  lost";

/// Named numbers for `ratios.tsv`.
#[derive(Debug, Default)]
pub struct Ratios(String);

impl Ratios {
    /// Adds a number. There are no goals yet, so that column holds `-`.
    pub fn add(&mut self, name: &str, value: f64) {
        // Writing into a `String` does not fail.
        let _ = writeln!(self.0, "{name}\t{value:.4}\t-");
    }

    /// Writes name, value and goal, tab-separated, one number a line.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(path, &self.0)
    }
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => 0.0,
        length if length % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}
