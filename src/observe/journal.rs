//! Priorities for systemd's journal: a line that begins with `<4>` is a warning there (sd-daemon(3)).

use std::borrow::Cow;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::OnceLock;

use nix::sys::stat::fstat;
use tracing::Metadata;
use tracing_subscriber::fmt::MakeWriter;

use super::LogLevel;

const ERROR: &str = "<3>";

static IN_USE: OnceLock<bool> = OnceLock::new();

/// From now on lines carry their priority, if standard error leads into the journal.
pub(super) fn find_out(stderr: &io::Stderr) {
    // A second call changes nothing.
    let _ = IN_USE.set(is_journal(stderr));
}

/// A complaint that is written to standard error and is no event: each of its lines as an error, if the journal gets it.
#[must_use]
pub fn complaint(text: &str) -> Cow<'_, str> {
    if is_journal(&io::stderr()) { as_errors(text).into() } else { text.into() }
}

fn as_errors(text: &str) -> String {
    text.split_inclusive('\n').flat_map(|line| [ERROR, line]).collect()
}

#[expect(
    clippy::disallowed_methods,
    reason = "systemd tells by it where standard error leads; nobody sets it"
)]
fn is_journal(stderr: &io::Stderr) -> bool {
    std::env::var("JOURNAL_STREAM").is_ok_and(|named| leads_into(stderr, &named))
}

/// Standard error, with each event's priority before its line where that is wanted.
pub(super) struct Stderr;

/// One event on its way out.
pub(super) struct Event(&'static str);

impl<'w> MakeWriter<'w> for Stderr {
    type Writer = Event;

    fn make_writer(&'w self) -> Event {
        Event("")
    }

    fn make_writer_for(&'w self, metadata: &Metadata<'_>) -> Event {
        Event(prefix((*metadata.level()).into()))
    }
}

impl Write for Event {
    /// The subscriber hands over whole events, so each gets one priority, and one call of the system.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match self.0 {
            "" => io::stderr().write_all(line)?,
            prefix => io::stderr().write_all(&[prefix.as_bytes(), line].concat())?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// What a line of this level begins with.
pub(super) fn prefix(level: LogLevel) -> &'static str {
    match (IN_USE.get(), level) {
        (None | Some(false), _) => "",
        (Some(true), LogLevel::Error) => ERROR,
        (Some(true), LogLevel::Warn) => "<4>",
        (Some(true), LogLevel::Info) => "<6>",
        (Some(true), LogLevel::Debug) => "<7>",
    }
}

/// The variable names the journal's stream as device and inode. A program that was started with another stream still
/// inherits the variable, so the name alone proves nothing.
fn leads_into(stream: &impl AsFd, named: &str) -> bool {
    fstat(stream).is_ok_and(|found| format!("{}:{}", found.st_dev, found.st_ino) == named)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn each_line_of_a_complaint_is_an_error() {
        assert_eq!(as_errors("keydove: a fault\n  |\n"), "<3>keydove: a fault\n<3>  |\n");
    }

    #[test]
    fn only_the_stream_that_is_named_is_the_journal() {
        let file = std::fs::File::open("Cargo.toml").unwrap();
        let metadata = file.metadata().unwrap();
        assert!(leads_into(&file, &format!("{}:{}", metadata.dev(), metadata.ino())));
        for named in ["", "0:0", &format!("{}:{}", metadata.dev(), metadata.ino() + 1)] {
            assert!(!leads_into(&file, named), "{named}");
        }
    }
}
