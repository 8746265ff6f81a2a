//! Colours on a terminal, for the few words that matter: what is well, what is doubtful, what is wrong.
//!
//! Answers are made without colours. They are painted where a person reads them, so that scripts, files and tests see
//! plain text.

use std::ffi::OsString;

/// Between two columns of a table.
const GAP: &str = "  ";
const PLAIN: &str = "\u{1b}[0m";

/// Whether a person reads what is written there, and wants colours: `NO_COLOR` is not set (no-color.org), and the
/// terminal is not a dumb one. `variable` is of the environment.
pub(super) fn is_wanted(is_terminal: bool, variable: impl Fn(&str) -> Option<OsString>) -> bool {
    let says_no = variable("NO_COLOR").is_some_and(|value| !value.is_empty());
    let is_dumb = variable("TERM").is_none_or(|value| value == "dumb");
    is_terminal && !says_no && !is_dumb
}

/// Paints words that stand alone in a column, or that a line begins with.
pub(super) fn paint(text: &str) -> String {
    let mut painted = String::with_capacity(text.len() + 64);
    for (number, line) in text.split('\n').enumerate() {
        if number > 0 {
            painted.push('\n');
        }
        paint_line(line, &mut painted);
    }
    painted
}

fn paint_line(line: &str, painted: &mut String) {
    if let Some((word, rest)) = line.split_once(':')
        && let Some(colour) = colour_of_beginning(word)
    {
        painted.extend([colour, word, ":", PLAIN, rest]);
        return;
    }
    if let Some(rest) = line.strip_prefix("accept with ") {
        painted.extend([GOOD, "accept", PLAIN, " with ", rest]);
        return;
    }
    for (number, column) in line.split(GAP).enumerate() {
        if number > 0 {
            painted.push_str(GAP);
        }
        let word = column.trim();
        match colour_of(word) {
            // An odd blank stays outside.
            Some(colour) => painted.push_str(&column.replace(word, &format!("{colour}{word}{PLAIN}"))),
            None => painted.push_str(column),
        }
    }
}

const GOOD: &str = "\u{1b}[32m";
const DOUBTFUL: &str = "\u{1b}[33m";
const BAD: &str = "\u{1b}[1;31m";

fn colour_of_beginning(word: &str) -> Option<&'static str> {
    match word {
        "accept" => Some(GOOD),
        "warning" | "cannot tell" => Some(DOUBTFUL),
        "fault" | "refuse" | "keydove" => Some(BAD),
        _ => None,
    }
}

fn colour_of(word: &str) -> Option<&'static str> {
    match word {
        "ok" | "accept" | "good" | "asked" | "nothing stands against logins" => Some(GOOD),
        "cannot_tell" | "cheap" | "stale" | "tried again" | "closed" => Some(DOUBTFUL),
        "STOP" | "refuse" | "weak" | "unusable" | "left alone" => Some(BAD),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_matter_stand_out_and_others_do_not() {
        for (plain, painted) in [
            ("fault: no socket", "\u{1b}[1;31mfault:\u{1b}[0m no socket"),
            ("name   ok    x", "name   \u{1b}[32mok\u{1b}[0m    x"),
            ("imap  refuse  password_mismatch", "imap  \u{1b}[1;31mrefuse\u{1b}[0m  password_mismatch"),
            ("ok is well\n\n  it answers", "ok is well\n\n  it answers"),
            (r#"{"verdict":"accept"}"#, r#"{"verdict":"accept"}"#),
            (r#"  "level": "fine","#, r#"  "level": "fine","#),
        ] {
            assert_eq!(paint(plain), painted, "{plain}");
        }
    }

    #[test]
    fn whoever_wants_no_colours_gets_none() {
        for (terminal, no_color, term, wanted) in [
            (true, None, Some("xterm"), true),
            (true, Some(""), Some("xterm"), true),
            (true, Some("1"), Some("xterm"), false),
            (true, None, Some("dumb"), false),
            (true, None, None, false),
            (false, None, Some("xterm"), false),
        ] {
            let variable = |name: &str| if name == "TERM" { term } else { no_color }.map(OsString::from);
            assert_eq!(is_wanted(terminal, variable), wanted, "{terminal} {no_color:?} {term:?}");
        }
    }
}
