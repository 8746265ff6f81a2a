//! The two places that write to the terminal.

/// Writes an answer to standard output.
#[expect(clippy::print_stdout, reason = "the home of answers")]
pub(super) fn say(text: &str) {
    println!("{text}");
}

/// Writes a complaint to standard error.
#[expect(clippy::print_stderr, reason = "the home of complaints")]
pub(super) fn say_error(text: &str) {
    eprintln!("{text}");
}
