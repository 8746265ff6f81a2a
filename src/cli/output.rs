//! The places that write to the terminal. Nothing here panics: whoever reads may go away at any time, as `head` does. What
//! others chose cannot command the terminal.

use std::io::{ErrorKind, IsTerminal, Write, stderr, stdout};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU8, Ordering};

use super::colour::{is_wanted, paint};
use super::foreign::printable;
use crate::observe::journal;

/// As a shell counts the programs that SIGPIPE ended. Rust's programs do not get that signal.
const CLOSED_PIPE: u8 = 128 + 13;

/// What became of standard output.
static OUTPUT: AtomicU8 = AtomicU8::new(IS_OPEN);
const IS_OPEN: u8 = 0;
const IS_CLOSED: u8 = 1;
const HAS_FAILED: u8 = 2;

/// Writes an answer to standard output, in colours if a person reads it.
pub(super) fn say(text: &str) {
    let text = printable(text);
    let text = match is_wanted(stdout().is_terminal(), |name| std::env::var_os(name)) {
        true => paint(&text).into(),
        false => text,
    };
    write(&format!("{text}\n"));
}

/// Writes a complaint to standard error, in colours if a person reads it.
pub(super) fn say_error(text: &str) {
    let text = printable(text);
    let text = match is_wanted(stderr().is_terminal(), |name| std::env::var_os(name)) {
        true => paint(&text).into(),
        false => text,
    };
    let text = format!("{text}\n");
    // Where nobody reads complaints, there is nobody to complain to.
    let _ = stderr().lock().write_all(journal::complaint(&text).as_bytes());
}

/// Writes a question, behind which somebody types the answer.
pub(super) fn prompt(question: &str) {
    write(&format!("{}: ", printable(question)));
}

/// Writes what a terminal is to do, such as to wipe its screen.
pub(super) fn control(sequence: &str) {
    write(sequence);
}

/// Whether an answer has still got somebody who reads it.
pub(super) fn is_open() -> bool {
    OUTPUT.load(Ordering::Relaxed) == IS_OPEN
}

/// The exit code of a command, in view of what became of its answer.
pub(super) fn judge(code: ExitCode) -> ExitCode {
    match OUTPUT.load(Ordering::Relaxed) {
        IS_OPEN => code,
        IS_CLOSED => CLOSED_PIPE.into(),
        _ => super::FAILED.into(),
    }
}

fn write(text: &str) {
    let mut out = stdout().lock();
    let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush()) else { return };
    let state = if error.kind() == ErrorKind::BrokenPipe { IS_CLOSED } else { HAS_FAILED };
    if OUTPUT.swap(state, Ordering::Relaxed) == IS_OPEN && state == HAS_FAILED {
        say_error(&format!("keydove: the answer cannot be written to standard output: {error}"));
    }
}
