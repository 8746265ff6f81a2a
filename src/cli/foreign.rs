//! Text that others chose, made harmless for a terminal: names from Keycloak, the database and mail clients.
//!
//! It moves no cursor, turns no direction of writing, hides nothing and makes no table wide. [`super::output`] puts all
//! that the commands say through [`printable`]; cells of tables go through [`cell`] before.

use std::borrow::Cow;
use std::fmt::Write;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::observe::is_hidden;

/// What stands where a text was cut.
const CUT: &str = "...";
/// A cut text keeps so many columns of its end, where addresses have their domain.
const END: usize = 24;

/// Shows control, format and other invisible characters as `\uNNNN`, which JSON takes for the same text. Line breaks and
/// tabs stay.
pub(super) fn printable(text: &str) -> Cow<'_, str> {
    escape(text, |c| is_hidden(c) && !matches!(c, '\n' | '\t'))
}

/// The same in one cell of so many columns at the most: line breaks and tabs are shown too, and a text that is too wide
/// loses its middle.
pub(super) fn cell(text: &str, columns: usize) -> String {
    let text = escape(text, is_hidden);
    if width(&text) <= columns {
        return text.into_owned();
    }
    let end = fit(text.chars().rev(), END.min(columns / 2)).rev().collect::<String>();
    let start = columns.saturating_sub(width(&end) + CUT.len());
    format!("{}{CUT}{end}", fit(text.chars(), start).collect::<String>())
}

/// How many columns a terminal gives this text.
pub(super) fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

fn escape(text: &str, is_shown: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&is_shown) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    let mut units = [0; 2];
    for c in text.chars() {
        if !is_shown(c) {
            escaped.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut units) {
            // Writing to a string does not fail.
            let _ = write!(escaped, "\\u{unit:04x}");
        }
    }
    Cow::Owned(escaped)
}

/// As many characters as fit.
fn fit(chars: impl Iterator<Item = char>, columns: usize) -> std::vec::IntoIter<char> {
    let mut left = columns;
    let fitting = chars.take_while(|&c| {
        let columns = c.width().unwrap_or(0);
        let fits = columns <= left;
        left = left.saturating_sub(columns);
        fits
    });
    fitting.collect::<Vec<_>>().into_iter()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_moves_turns_or_hides_is_shown() {
        for (text, shown) in [
            ("a\u{1b}[2J", "a\\u001b[2J"),
            ("a\u{202e}gpj.exe\u{2066}\u{200f}", "a\\u202egpj.exe\\u2066\\u200f"),
            ("a\u{200b}\u{200d}\u{feff}\u{ad}\u{2060}", "a\\u200b\\u200d\\ufeff\\u00ad\\u2060"),
            ("a\u{2028}\u{2029}\u{85}\u{9b}\u{7f}", "a\\u2028\\u2029\\u0085\\u009b\\u007f"),
            ("a\u{e0041}\u{378}\u{e000}", "a\\udb40\\udc41\\u0378\\ue000"),
            ("a\u{3164}\u{115f}\u{2800}\u{301}", "a\\u3164\\u115f\\u2800\\u0301"),
            ("größe \"x\" 'y' \\ \u{4f60}", "größe \"x\" 'y' \\ \u{4f60}"),
        ] {
            assert_eq!(printable(text), shown);
            assert_eq!(cell(text, 200), shown);
        }
        assert_eq!(
            (printable("a\tb\n"), cell("a\tb\n", 200).as_str()),
            ("a\tb\n".into(), "a\\u0009b\\u000a")
        );
    }

    #[test]
    fn a_wide_cell_loses_its_middle_and_keeps_its_domain() {
        let name = format!("{}@example.org", "a".repeat(300));
        let shown = cell(&name, 64);
        assert_eq!(width(&shown), 64);
        assert!(shown.starts_with("aaaa") && shown.ends_with("@example.org"), "{shown}");
        assert!(width(&cell(&"\u{4f60}".repeat(100), 64)) <= 64);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_text_fits_its_cell_and_is_the_same_json(text: String, columns in 8..80_usize) {
            let shown = cell(&text, columns);
            prop_assert!(width(&shown) <= columns, "{}", shown);
            prop_assert!(!shown.contains(is_hidden));
            let json = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(serde_json::from_str::<String>(&printable(&json)).unwrap(), text);
        }
    }
}
