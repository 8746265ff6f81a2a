//! `{PLAIN}` and `{PLAIN-TRUNC}`: the password itself, or its beginning. Weak, hence off unless allowed.

use crate::auth::Secret;

pub(super) struct Hash {
    text: Secret,
    /// How many bytes of a password are compared.
    limit: usize,
}

pub(super) fn read(text: &[u8]) -> Option<Hash> {
    Some(hash(text, usize::MAX))
}

/// Reads `N-text`: the first `N` bytes of the password are `text`. Without a dash it is the whole password.
///
/// All that follows the first dash is the text, as in Dovecot. `0-` would let every password in, and a text of
/// more than `N` bytes none; neither is a hash.
pub(super) fn read_truncated(text: &[u8]) -> Option<Hash> {
    let Some(dash) = text.iter().position(|&byte| byte == b'-') else { return read(text) };
    let (digits, text) = (&text[..dash], &text[dash + 1..]);
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let limit = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (1..=limit).contains(&text.len()).then(|| hash(text, limit))
}

fn hash(text: &[u8], limit: usize) -> Hash {
    Hash { text: Secret::new(text.to_vec()), limit }
}

impl Hash {
    /// Byte for byte: mailcow's `==` takes `0e1` and `0e2`, or `10` and `10.0`, for equal.
    pub(super) fn matches(&self, password: &[u8]) -> bool {
        self.text.matches(&password[..password.len().min(self.limit)])
    }
}
