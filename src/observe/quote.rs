//! Text that somebody else chose, made safe for one line of a log.
//!
//! A name with a line break, a quote or a fake ` rip=` in it must not become a second line or a second field.

use std::borrow::Cow;
use std::fmt::{self, Write};

use crate::auth::SentName;

/// Mailbox names end at 255 bytes; what is longer is an attempt at something else.
const MAX_BYTES: usize = 255;

/// What stands at the end of a text that was cut.
const CUT: &str = "...";

/// Text as a peer sent it: escaped, at most 255 bytes, on one line, with no bare quote in it.
///
/// Bytes that are not UTF-8 show as `\xNN`, control and invisible characters as `\u{...}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentText<'a>(Cow<'a, str>);

impl<'a> SentText<'a> {
    /// Takes the bytes as they came.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self::bounded(bytes, MAX_BYTES)
    }

    /// Takes a name, which is not looked through again where that was done when it came.
    #[must_use]
    pub fn of_name(name: &'a SentName) -> Self {
        name.plain().map_or_else(|| Self::new(name), |plain| Self(Cow::Borrowed(plain)))
    }

    /// The same with another bound, in bytes of the escaped text.
    #[must_use]
    pub(super) fn bounded(bytes: &'a [u8], limit: usize) -> Self {
        // Nearly every name: nothing to escape, nothing to cut.
        let is_plain = |&byte: &u8| matches!(byte, b' '..=b'~') & (byte != b'"') & (byte != b'\\');
        if bytes.len() <= limit
            // Looked at without an early end, which takes a few instructions for all bytes.
            && bytes.iter().fold(true, |plain, byte| plain & is_plain(byte))
            && let Ok(text) = std::str::from_utf8(bytes)
        {
            return Self(Cow::Borrowed(text));
        }
        let mut text = String::new();
        let mut piece = String::new();
        for chunk in bytes.utf8_chunks() {
            for c in chunk.valid().chars() {
                piece.clear();
                escape_char(c, &mut piece);
                if !push(&mut text, &piece, limit) {
                    return Self(Cow::Owned(text));
                }
            }
            for byte in chunk.invalid() {
                if !push(&mut text, &format!("\\x{byte:02x}"), limit) {
                    return Self(Cow::Owned(text));
                }
            }
        }
        Self(Cow::Owned(text))
    }

    /// The escaped text, without quotes around it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Adds the text in double quotes.
    pub(super) fn push_to(&self, line: &mut String) {
        line.push('"');
        line.push_str(&self.0);
        line.push('"');
    }
}

impl fmt::Display for SentText<'_> {
    /// The text in double quotes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        f.write_str(&self.0)?;
        f.write_char('"')
    }
}

/// Adds a piece, or the mark of a cut when it does not fit.
fn push(text: &mut String, piece: &str, limit: usize) -> bool {
    if text.len() + piece.len() <= limit - CUT.len() {
        text.push_str(piece);
        return true;
    }
    text.push_str(CUT);
    false
}

fn escape_char(c: char, out: &mut String) {
    // Writing to a string does not fail.
    let _ = match c {
        '\'' => out.write_char(c),
        _ => write_escaped(c, out),
    };
}

fn write_escaped(c: char, out: &mut impl Write) -> fmt::Result {
    match c.escape_debug() {
        // Shown as nothing by fonts, but printable by its class.
        same if same.len() == 1 && is_hidden(c) => write!(out, "{}", c.escape_unicode()),
        escaped => write!(out, "{escaped}"),
    }
}

/// Whether a reader would not see the character, or would see the text around it in another place or order: control and
/// format characters, marks that join the letter before them, line breaks, and what is not assigned.
#[must_use]
pub fn is_hidden(c: char) -> bool {
    match c {
        ' '..='~' => false,
        // Letters and a symbol by their class, which fonts show as nothing.
        '\u{115f}' | '\u{1160}' | '\u{2800}' | '\u{3164}' | '\u{ffa0}' => true,
        // Escaped for debugging is what is not printable: Unicode's classes Cc, Cf, Cn, Co, Zl, Zp and marks.
        _ => c.escape_debug().len() > 1,
    }
}

/// Escapes line breaks and other invisible characters, and leaves quotes and backslashes as they are.
///
/// For messages of our own, which may hold the error text of a library.
pub(super) fn write_on_one_line(text: &str, out: &mut impl Write) -> fmt::Result {
    for c in text.chars() {
        match c {
            '"' | '\'' | '\\' => out.write_char(c)?,
            _ => write_escaped(c, out)?,
        }
    }
    Ok(())
}

/// The bytes that need no quotes, in a table: each login's session is looked through.
static BARE: [bool; 256] = {
    let mut bare = [false; 256];
    let mut byte: u8 = 0;
    while byte < 128 {
        let is_mark = matches!(byte, b'.' | b'_' | b':' | b'/' | b'+' | b'-' | b'@' | b'[' | b']' | b'%');
        bare[byte as usize] = byte.is_ascii_alphanumeric() || is_mark;
        byte += 1;
    }
    bare
};

/// Writes a value bare if it cannot be mistaken for anything else, and quoted otherwise.
pub(super) fn write_value(value: &str, out: &mut impl Write) -> fmt::Result {
    if !value.is_empty() && value.bytes().all(|byte| BARE[usize::from(byte)]) {
        return out.write_str(value);
    }
    write!(out, "{}", SentText::bounded(value.as_bytes(), 4 * MAX_BYTES))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value(text: &str) -> String {
        let mut out = String::new();
        write_value(text, &mut out).unwrap();
        out
    }

    #[test]
    fn a_name_cannot_leave_its_quotes() {
        assert_eq!(SentText::new(b"a\" rip=1.2.3.4 x=\"").to_string(), r#""a\" rip=1.2.3.4 x=\"""#);
        assert_eq!(SentText::new(b"a\nlogin verdict=accept").to_string(), r#""a\nlogin verdict=accept""#);
        assert_eq!(SentText::new(b"\\\"").to_string(), r#""\\\"""#);
    }

    #[test]
    fn bytes_that_are_not_text_are_shown_as_numbers() {
        assert_eq!(SentText::new(b"\xFFa\0\x1b[31m").as_str(), r"\xffa\0\u{1b}[31m");
        assert_eq!(
            SentText::new("m\u{fc}ller\u{202e}\u{2028}".as_bytes()).as_str(),
            "m\u{fc}ller\\u{202e}\\u{2028}"
        );
    }

    #[test]
    fn a_value_is_bare_only_when_it_is_harmless() {
        assert_eq!(value("imap"), "imap");
        assert_eq!(value("2001:db8::1"), "2001:db8::1");
        assert_eq!(value(""), "\"\"");
        assert_eq!(value("a b"), "\"a b\"");
        assert_eq!(value("a=b"), "\"a=b\"");
    }

    proptest! {
        #[test]
        fn any_bytes_stay_on_one_bounded_line(bytes: Vec<u8>) {
            let text = SentText::new(&bytes);
            prop_assert!(text.as_str().len() <= MAX_BYTES);
            prop_assert!(!text.as_str().contains(|c: char| c.is_control()));
            // Every quote inside is escaped: an odd number of backslashes stands before it.
            let bytes = text.as_str().as_bytes();
            for at in (0..bytes.len()).filter(|at| bytes[*at] == b'"') {
                let slashes = bytes[..at].iter().rev().take_while(|b| **b == b'\\').count();
                prop_assert_eq!(slashes % 2, 1);
            }
        }

        #[test]
        fn a_name_is_shown_as_its_bytes_are(name in "[a-zA-Z0-9.@_\"\u{fc}-]{0,70}") {
            let sent = SentName::from(&*name);
            prop_assert_eq!(SentText::of_name(&sent), SentText::new(name.as_bytes()));
        }

        #[test]
        fn long_names_are_cut(name in "[a-z\u{fc}\n]{300,600}") {
            let text = SentText::new(name.as_bytes());
            prop_assert!(text.as_str().len() <= MAX_BYTES && text.as_str().ends_with("..."));
        }
    }
}
