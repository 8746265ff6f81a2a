//! crypt(3)'s own way of writing bytes as text: 64 digits, six bits each, the lowest bits first.

/// The digits, which are not those of base64.
pub(super) const DIGITS: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

pub(super) fn is_text(text: &[u8]) -> bool {
    text.iter().all(|byte| DIGITS.contains(byte))
}

/// Three bytes become four digits; one and two at the end become two and three.
pub(super) fn encode(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes.len() * 4 / 3 + 2);
    for group in bytes.chunks(3) {
        let bits = group.iter().rev().fold(0, |bits, &byte| bits << 8 | usize::from(byte));
        text.extend((0..=group.len()).map(|digit| DIGITS[bits >> (6 * digit) & 0x3F]));
    }
    text
}

/// The number that up to five digits stand for.
pub(super) fn decode(text: &[u8]) -> Option<u32> {
    text.iter().rev().try_fold(0, |number, byte| {
        let digit = DIGITS.iter().position(|digit| digit == byte)?;
        Some(number << 6 | u32::try_from(digit).ok()?)
    })
}

/// The bytes that [`encode`] made this text of. Bits that are left over are zero.
pub(super) fn decode_bytes(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    for group in text.chunks(4) {
        let bits = decode(group)?;
        let whole = group.len() * 6 / 8;
        if whole == 0 || bits >> (8 * whole) != 0 {
            return None;
        }
        bytes.extend_from_slice(&bits.to_le_bytes()[..whole]);
    }
    Some(bytes)
}
