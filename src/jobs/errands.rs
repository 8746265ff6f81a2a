//! What administrators have this program do in the portal that takes longer than an answer: its own commands `sync`,
//! `check` and `census`, each in a process of its own. So a run in the portal is the run of the command line, and what it
//! needs of memory and of connections goes with it.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
// Tokio's clock instead of std's, as elsewhere.
use tokio::time::Instant;

/// So much of what a process complains about is kept, in characters.
const COMPLAINT: usize = 1000;
/// Larger than any document that these commands print, in bytes.
const MOST_PRINTED: u64 = 16 << 20;
/// Before the document a run of the sync prints how far it is, a line each time.
const PROGRESS: &str = "progress";
/// `sync` and `check` end so when they did all of it, and something is wrong.
const FOUND_SOMETHING: i32 = 1;

/// What may be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errand {
    /// A run of the sync.
    Sync,
    /// The same, and nothing is written.
    DryRun,
    /// What stands against logins.
    Check,
    /// Users and passwords, counted.
    Census,
}

impl Errand {
    fn words(self) -> &'static [&'static str] {
        match self {
            Self::Sync => &["sync", "--json", "--watched"],
            Self::DryRun => &["sync", "--json", "--watched", "--dry-run"],
            Self::Check => &["check", "--json", "--no-mail-servers"],
            Self::Census => &["census", "--json"],
        }
    }

    /// Whether two of them do the same work.
    fn is_like(self, other: Self) -> bool {
        let is_sync = |one| matches!(one, Self::Sync | Self::DryRun);
        self == other || (is_sync(self) && is_sync(other))
    }
}

/// One that is under way.
#[derive(Clone, Debug)]
pub struct Running {
    /// What.
    pub errand: Errand,
    /// Since when.
    pub since: Instant,
    /// How far it is, as it said last.
    pub progress: Value,
}

/// One that has ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// What.
    pub errand: Errand,
    /// When.
    pub at: Instant,
    /// What it printed.
    pub end: Result<Value, String>,
}

/// Somebody else has begun the same, and it is not over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnderWay;

/// All of them.
#[derive(Debug, Default)]
pub struct Errands {
    program: PathBuf,
    config: PathBuf,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    running: Vec<Running>,
    /// The last one of each kind.
    ended: Vec<Ended>,
}

impl Errands {
    /// Prepares; nothing runs yet. `program` is this one, and `config` its configuration.
    #[must_use]
    pub fn new(program: PathBuf, config: PathBuf) -> Self {
        Self { program, config, known: Mutex::default() }
    }

    /// Begins.
    ///
    /// # Errors
    /// It is under way already.
    pub fn start(self: &Arc<Self>, errand: Errand) -> Result<(), UnderWay> {
        let mut known = self.known();
        if known.running.iter().any(|running| running.errand.is_like(errand)) {
            return Err(UnderWay);
        }
        known.running.push(Running { errand, since: Instant::now(), progress: Value::Null });
        drop(known);
        let errands = Arc::clone(self);
        // It waits for another process and has no part in the reactor.
        std::thread::spawn(move || {
            let end = errands.carry_out(errand);
            errands.note(Ended { errand, at: Instant::now(), end });
        });
        Ok(())
    }

    /// What is under way of this kind.
    #[must_use]
    pub fn running(&self, errand: Errand) -> Option<Running> {
        self.known().running.iter().find(|running| running.errand.is_like(errand)).cloned()
    }

    /// What has ended of this kind last. What runs of the sync did is in their log.
    #[must_use]
    pub fn ended(&self, errand: Errand) -> Option<Ended> {
        self.known().ended.iter().find(|ended| ended.errand.is_like(errand)).cloned()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn carry_out(&self, errand: Errand) -> Result<Value, String> {
        let mut command = Command::new(&self.program);
        command.args(errand.words()).arg("--config").arg(&self.config);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let cannot = |error: std::io::Error| format!("cannot run {}: {error}", self.program.display());
        let mut child = command.spawn().map_err(cannot)?;
        // It ends when this end of its input is closed: together with this process.
        let _leash = child.stdin.take();
        let complaint = child.stderr.take().map(|stderr| std::thread::spawn(move || last_words(stderr)));
        let printed = self.listen(errand, &mut child);
        let status = child.wait().map_err(cannot)?;
        let complaint = complaint.and_then(|thread| thread.join().ok()).unwrap_or_default();
        let is_done = status.success() || status.code() == Some(FOUND_SOMETHING);
        match serde_json::from_str(&printed) {
            Ok(document) if is_done => Ok(document),
            _ if complaint.is_empty() => Err(status.to_string()),
            _ => Err(complaint),
        }
    }

    /// Takes note of how far it is. Returns the document.
    fn listen(&self, errand: Errand, child: &mut Child) -> String {
        let mut document = String::new();
        let Some(stdout) = child.stdout.take() else { return document };
        for line in BufReader::new(stdout.take(MOST_PRINTED)).lines().map_while(Result::ok) {
            let progress =
                serde_json::from_str::<Value>(&line).ok().filter(|line| line.get(PROGRESS).is_some());
            match progress {
                Some(mut line) => {
                    let mut known = self.known();
                    if let Some(running) = known.running.iter_mut().find(|one| one.errand == errand) {
                        running.progress = line[PROGRESS].take();
                    }
                }
                None => {
                    document.push_str(&line);
                    document.push('\n');
                }
            }
        }
        document
    }

    fn note(&self, ended: Ended) {
        let mut known = self.known();
        known.running.retain(|running| running.errand != ended.errand);
        known.ended.retain(|one| !one.errand.is_like(ended.errand));
        known.ended.push(ended);
    }
}

/// The end of what a process complains about: the cause is mostly in the last lines.
fn last_words(stderr: impl Read) -> String {
    let mut text = Vec::new();
    let _ = stderr.take(MOST_PRINTED).read_to_end(&mut text);
    let text = String::from_utf8_lossy(&text);
    let text = text.trim();
    let skipped = text.chars().count().saturating_sub(COMPLAINT);
    text.chars().skip(skipped).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errands() -> Arc<Errands> {
        Arc::new(Errands::new("/nonexistent/keydove".into(), "/x".into()))
    }

    #[test]
    fn the_last_of_each_kind_is_remembered_and_a_dry_run_is_of_the_kind_of_a_run() {
        let errands = errands();
        for number in 0..9 {
            let sync = if number % 2 == 0 { Errand::Sync } else { Errand::DryRun };
            for (errand, number) in [(sync, number), (Errand::Check, 100 + number)] {
                errands.note(Ended { errand, at: Instant::now(), end: Ok(number.into()) });
            }
        }
        let last = |errand| errands.ended(errand).and_then(|one| one.end.ok());
        assert_eq!((last(Errand::Sync), last(Errand::DryRun)), (Some(8.into()), Some(8.into())));
        assert_eq!((last(Errand::Check), last(Errand::Census)), (Some(108.into()), None));
    }

    #[test]
    fn a_second_run_waits_for_the_first_and_a_program_that_is_gone_is_told() {
        let errands = errands();
        let since = Instant::now();
        errands.known().running.push(Running { errand: Errand::DryRun, since, progress: Value::Null });
        assert_eq!(errands.start(Errand::Sync), Err(UnderWay));
        assert_eq!(errands.running(Errand::Sync).map(|running| running.errand), Some(Errand::DryRun));
        assert_eq!(errands.start(Errand::Census), Ok(()));
        let told = loop {
            if let Some(ended) = errands.ended(Errand::Census) {
                break ended.end;
            }
            std::thread::yield_now();
        };
        assert!(told.unwrap_err().contains("cannot run /nonexistent/keydove"));
        assert!(errands.running(Errand::Census).is_none());
    }
}
