//! How a value stands on a line of Dovecot's protocols. `keydove-checkpassword` is built from this file as well, so it
//! needs nothing but std.

/// Appends a value, escaping the five bytes that would break a line: NUL, 0x01, TAB, CR, LF.
pub fn escape(value: &[u8], out: &mut Vec<u8>) {
    if !value.iter().any(|byte| matches!(byte, 0 | 1 | b'\t' | b'\r' | b'\n')) {
        out.extend_from_slice(value);
        return;
    }
    for &byte in value {
        let code = match byte {
            0 => b'0',
            1 => b'1',
            b'\t' => b't',
            b'\r' => b'r',
            b'\n' => b'n',
            _ => {
                out.push(byte);
                continue;
            }
        };
        out.extend([1, code]);
    }
}

/// Undoes [`escape`]. Any other byte after 0x01 stands for itself; a trailing 0x01 is dropped.
#[must_use]
pub fn unescape(field: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(field.len());
    let mut bytes = field.iter();
    while let Some(&byte) = bytes.next() {
        if byte != 1 {
            value.push(byte);
            continue;
        }
        match bytes.next() {
            Some(b'0') => value.push(0),
            Some(b'1') => value.push(1),
            Some(b't') => value.push(b'\t'),
            Some(b'r') => value.push(b'\r'),
            Some(b'n') => value.push(b'\n'),
            Some(&other) => value.push(other),
            None => {}
        }
    }
    value
}
