//! `$3$$` of crypt(3): the hash that Windows keeps, as FreeBSD writes it. Weak.

use super::challenge;
use super::digest::{Hash, decode_hex};

/// Reads `$3$$` and hexadecimal digits.
pub(super) fn read(text: &[u8]) -> Option<Hash> {
    challenge::read_ntlm(&decode_hex(text.strip_prefix(b"$3$$")?)?)
}
