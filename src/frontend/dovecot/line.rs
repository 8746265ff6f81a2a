//! The line of the auth protocol: TAB-separated fields, escaped with 0x01.

use super::escape;
use crate::auth::UserFields;

/// Longest name or reason that goes out; SQL columns hold 255 characters.
const MAX_SHOWN: usize = 255;

/// Splits a line into its fields, still escaped. A trailing CR is dropped: Dovecot 2.4.2 and later end some
/// requests with CRLF.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> Fields<'a> {
    /// Starts at the first field of a line without its LF.
    #[must_use]
    pub fn of(line: &'a [u8]) -> Self {
        Self { rest: Some(line.strip_suffix(b"\r").unwrap_or(line)) }
    }

    /// Whether there is no further field.
    pub(super) fn is_at_end(&self) -> bool {
        self.rest.is_none()
    }

    /// The next field as a number that fits in 32 bits.
    pub fn next_number(&mut self) -> Option<u32> {
        parse_number(self.next()?)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest?;
        match find_tab(rest) {
            Some(tab) => {
                self.rest = Some(&rest[tab + 1..]);
                Some(&rest[..tab])
            }
            None => {
                self.rest = None;
                Some(rest)
            }
        }
    }
}

/// Where the first TAB stands. Eight bytes are looked at together: what finds a byte in a long text begins more slowly than
/// most fields end.
fn find_tab(bytes: &[u8]) -> Option<usize> {
    const EACH: u64 = u64::from_le_bytes([1; 8]);
    let (words, rest) = bytes.as_chunks();
    for (number, &word) in words.iter().enumerate() {
        // A byte that is a TAB is 0 now, and 0 is the only byte that borrows from its highest bit and has none itself. A
        // byte behind it may look so, too; the first does not err.
        let word = u64::from_le_bytes(word) ^ (EACH * u64::from(b'\t'));
        let tabs = word.wrapping_sub(EACH) & !word & (EACH << 7);
        if tabs != 0 {
            return Some(8 * number + tabs.trailing_zeros() as usize / 8);
        }
    }
    let place = rest.iter().position(|&byte| byte == b'\t')?;
    Some(8 * words.len() + place)
}

/// A decimal number without sign, at most 2³²−1.
pub(super) fn parse_number(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    // Ten digits and no more fit, and 64 bits hold ten.
    let number = digits.iter().try_fold(0_u64, |number, digit| {
        (number <= u64::from(u32::MAX)).then(|| 10 * number + u64::from(digit - b'0'))
    })?;
    u32::try_from(number).ok()
}

/// Splits `name=value` at the first `=`; a bare flag has no value.
pub(in crate::frontend) fn split_parameter(field: &[u8]) -> (&[u8], Option<&[u8]>) {
    match field.iter().position(|&byte| byte == b'=') {
        Some(equals) => (&field[..equals], Some(&field[equals + 1..])),
        None => (field, None),
    }
}

/// Appends each field as `TAB name=value`.
pub(in crate::frontend) fn write_fields(fields: &UserFields, out: &mut Vec<u8>) {
    for (name, value) in fields.iter() {
        out.push(b'\t');
        escape(name.as_bytes(), out);
        out.push(b'=');
        escape(value.as_bytes(), out);
    }
}

/// Appends a name for a log field of the peer: bounded, control bytes shown as `?`.
///
/// Postfix never un-escapes, so what it is sent must need no escaping.
pub(super) fn write_shown(value: &[u8], out: &mut Vec<u8>) {
    let text = String::from_utf8_lossy(value);
    let mut shown = 0;
    for c in text.chars() {
        let c = if c.is_control() { '?' } else { c };
        shown += c.len_utf8();
        if shown > MAX_SHOWN {
            break;
        }
        out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::unescape;
    use super::*;

    #[test]
    fn the_five_bytes_are_escaped_as_dovecot_does() {
        let mut out = Vec::new();
        escape(b"a\0b\x01c\td\re\nf", &mut out);
        assert_eq!(out, b"a\x010b\x011c\x01td\x01re\x01nf");
    }

    #[test]
    fn an_unknown_escape_stands_for_itself() {
        assert_eq!(unescape(b"a\x01xb\x01"), b"axb");
    }

    #[test]
    fn fields_are_cut_at_tabs_and_the_cr_is_dropped() {
        let fields: Vec<_> = Fields::of(b"OK\t1\tuser=a@b\t\r").collect();
        assert_eq!(fields, [&b"OK"[..], b"1", b"user=a@b", b""]);
    }

    #[test]
    fn numbers_fit_in_32_bits() {
        assert_eq!(parse_number(b"4294967295"), Some(u32::MAX));
        for bad in [&b""[..], b"4294967296", b"-1", b"+1", b"1x", b" 1"] {
            assert_eq!(parse_number(bad), None);
        }
    }

    #[test]
    fn shown_names_hold_no_control_bytes_and_are_bounded() {
        let mut out = Vec::new();
        write_shown(b"us\x01er\tx\xFF", &mut out);
        assert_eq!(out, "us?er?x\u{FFFD}".as_bytes());
        out.clear();
        write_shown("ü".repeat(400).as_bytes(), &mut out);
        assert_eq!(out.len(), 254);
    }

    proptest! {
        #[test]
        fn the_first_tab_is_found_wherever_it_stands(line in "[\t\n\x08\u{89}\u{9}a]{0,40}") {
            let line = line.as_bytes();
            prop_assert_eq!(find_tab(line), line.iter().position(|&byte| byte == b'\t'));
        }

        #[test]
        fn unescape_undoes_escape(value: Vec<u8>) {
            let mut out = Vec::new();
            escape(&value, &mut out);
            prop_assert!(!out.iter().any(|b| matches!(b, 0 | b'\t' | b'\r' | b'\n')));
            prop_assert_eq!(unescape(&out), value);
        }

        #[test]
        fn two_values_never_share_an_escaped_form(a: Vec<u8>, b: Vec<u8>) {
            let (mut x, mut y) = (Vec::new(), Vec::new());
            escape(&a, &mut x);
            escape(&b, &mut y);
            prop_assert_eq!(a == b, x == y);
        }
    }
}
