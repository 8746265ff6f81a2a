//! The places that write to the terminal. What others chose cannot command it.

use std::io::{IsTerminal, Write, stderr, stdout};

use super::colour::{is_wanted, paint};
use super::foreign::printable;

/// Writes an answer to standard output, in colours if a person reads it.
#[expect(clippy::print_stdout, reason = "the home of answers")]
pub(super) fn say(text: &str) {
    let text = &printable(text);
    match is_wanted(stdout().is_terminal(), |name| std::env::var_os(name)) {
        true => println!("{}", paint(text)),
        false => println!("{text}"),
    }
}

/// Writes a complaint to standard error, in colours if a person reads it.
#[expect(clippy::print_stderr, reason = "the home of complaints")]
pub(super) fn say_error(text: &str) {
    let text = &printable(text);
    match is_wanted(stderr().is_terminal(), |name| std::env::var_os(name)) {
        true => eprintln!("{}", paint(text)),
        false => eprintln!("{text}"),
    }
}

/// Writes what a terminal is to do, such as to wipe its screen.
pub(super) fn control(sequence: &str) {
    let mut terminal = stdout().lock();
    // A terminal that has gone away is no reason to stop.
    let _ = terminal.write_all(sequence.as_bytes()).and_then(|()| terminal.flush());
}
