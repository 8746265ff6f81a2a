//! The lines of logins on their way out: formatted once, written in batches.
//!
//! A login is the one event that a busy server has thousands of in a second. Its line does not take the way of all
//! others through `tracing`, where its facts would be formatted twice; it is put together here, and the lines of all
//! logins of one millisecond leave with one call of the system, which [`run`] makes.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};

use super::{LogLevel, LoginRecord, addresses, journal};

/// More than this is not kept back, whatever the batch.
const MOST_BYTES: usize = 64 * 1024;

/// What is written within so long a time is written together: the call of the system costs more than a known person's
/// login.
const PAUSE: Duration = Duration::from_millis(1);

static LINES: OnceLock<Lines> = OnceLock::new();

/// Where lines wait.
pub(super) struct Lines {
    level: LogLevel,
    waiting: Mutex<Waiting>,
    /// Told when the first line waits.
    something_waits: Notify,
}

#[derive(Default)]
struct Waiting {
    text: String,
    /// When the first of these lines was written, as it stands in all of them.
    time: String,
    /// With this begins each line of a verdict, which nearly all are.
    verdict_begins: String,
}

/// From now on the lines of logins go here, as text.
pub(super) fn take_over(level: LogLevel) {
    // A second call changes nothing, and the first one's words hold.
    let _ = LINES.set(Lines::new(level));
}

/// Takes a login's line, if lines go here.
pub(super) fn take(record: &LoginRecord<'_>, level: LogLevel) -> bool {
    let Some(lines) = LINES.get() else { return false };
    lines.add(record, level);
    true
}

/// Writes lines soon after they were made, until it is told to stop.
pub async fn run(stop: CancellationToken) {
    let Some(lines) = LINES.get() else { return };
    let write_for_ever = async {
        loop {
            lines.something_waits.notified().await;
            sleep(PAUSE).await;
            flush();
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = write_for_ever => {}
    }
    flush();
}

/// Writes what waits, for whoever is about to end.
pub fn flush() {
    if let Some(lines) = LINES.get() {
        lines.write_to(&mut std::io::stderr());
    }
}

impl Lines {
    fn new(level: LogLevel) -> Self {
        Self { level, waiting: Mutex::default(), something_waits: Notify::new() }
    }

    /// The same line that `tracing` would make of it.
    fn add(&self, record: &LoginRecord<'_>, level: LogLevel) {
        if level > self.level {
            return;
        }
        let mut waiting = self.lock();
        let Waiting { text, time, verdict_begins } = &mut *waiting;
        let is_first = text.is_empty();
        if is_first {
            time.clear();
            // Writing into a `String` does not fail.
            let _ = SystemTime.format_time(&mut Writer::new(time));
            verdict_begins.clear();
            push_begin(LogLevel::Info, time, verdict_begins);
        }
        match level {
            LogLevel::Info => text.push_str(verdict_begins),
            level => push_begin(level, time, text),
        }
        record.push_to(text, addresses::chosen());
        text.push('\n');
        let is_much = text.len() > MOST_BYTES;
        drop(waiting);
        if is_much {
            self.write_to(&mut std::io::stderr());
        } else if is_first {
            self.something_waits.notify_one();
        }
    }

    /// A log that cannot be written is no reason to stop answering.
    fn write_to(&self, out: &mut impl std::io::Write) {
        let mut waiting = self.lock();
        if !waiting.text.is_empty() {
            let _ = out.write_all(waiting.text.as_bytes());
            waiting.text.clear();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // No code panics while it holds the lock.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As `tracing` begins a line.
fn push_begin(level: LogLevel, time: &str, line: &mut String) {
    for piece in [journal::prefix(level), time, " ", level.name(), " "] {
        line.push_str(piece);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::LogFormat;
    use crate::observe::log::tests::capture;
    use crate::observe::login_record::tests::{accepted, with_record};

    #[test]
    fn a_line_is_the_one_that_tracing_makes() {
        let lines = Lines::new(LogLevel::Info);
        for name in [&b"alice@example.org"[..], b"x\" remote=1\nlogin verdict=accept", b"\xFF\x1b"] {
            let mut written = Vec::new();
            let traced = with_record(name, &accepted(), |record| {
                lines.add(record, LogLevel::Info);
                capture(LogFormat::Text, LogLevel::Info, || record.trace())
            });
            lines.write_to(&mut written);
            let written = String::from_utf8(written).unwrap();
            let (time, line) = written.split_once(' ').unwrap();
            assert_eq!(Some(line), traced.split_once(' ').map(|(_, line)| line));
            assert!(time.ends_with('Z') && time.contains('T'), "{time}");
        }
    }

    #[test]
    fn what_is_less_important_than_the_level_is_not_written() {
        let lines = Lines::new(LogLevel::Warn);
        with_record(b"a@example.org", &accepted(), |record| lines.add(record, LogLevel::Info));
        assert!(lines.lock().text.is_empty());
        with_record(b"a@example.org", &accepted(), |record| lines.add(record, LogLevel::Warn));
        assert_eq!(lines.lock().text.lines().count(), 1);
    }
}
