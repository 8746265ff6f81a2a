//! What is written for one request, and base64 as clients write it.

use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use base64::{Engine as _, alphabet};
use zeroize::{Zeroize, Zeroizing};

use super::super::line::write_shown;
use super::super::proxy::write_proxied_login;
use super::Received;
use super::requests::{Open, end_early};
use crate::auth::{Denial, Grant};

/// Clients differ in whether they send base64 padding. Dovecot insists on it; nothing is ambiguous without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Decoded bytes of nearly every response, which need no place on the heap.
const SHORT: usize = 192;

/// Lends out what was encoded, and wipes it. `None`: it is no base64.
pub(super) fn with_decoded<T>(base64: &[u8], look: impl FnOnce(&[u8]) -> T) -> Option<T> {
    if base64.len() <= SHORT {
        let mut bytes = [0; SHORT];
        let end = BASE64.decode_slice(base64, &mut bytes).ok().map(|length| look(&bytes[..length]));
        // As a slice, which is wiped at once and not byte by byte.
        bytes[..].zeroize();
        return end;
    }
    let bytes = Zeroizing::new(BASE64.decode(base64).ok()?);
    Some(look(&bytes))
}

pub(super) fn write_challenge(id: u32, text: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(format!("CONT\t{id}\t{}\n", STANDARD.encode(text)).as_bytes());
}

pub(super) fn succeed(id: u32, grant: &Grant, out: &mut Vec<u8>) {
    out.extend_from_slice(b"OK\t");
    out.extend_from_slice(itoa::Buffer::new().format(id).as_bytes());
    // A name in normal form holds nothing that a line would escape.
    out.extend_from_slice(b"\tuser=");
    out.extend_from_slice(grant.user.as_str().as_bytes());
    if let Some(proxied) = &grant.proxied {
        write_proxied_login(proxied, grant.master_user.as_deref(), out);
    }
    out.push(b'\n');
}

pub(super) fn fail(id: u32, user: &[u8], parameters: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"FAIL\t");
    out.extend_from_slice(itoa::Buffer::new().format(id).as_bytes());
    if !user.is_empty() {
        out.extend_from_slice(b"\tuser=");
        write_shown(user, out);
    }
    if !parameters.is_empty() {
        out.push(b'\t');
        out.extend_from_slice(parameters.as_bytes());
    }
    out.push(b'\n');
}

/// Ends an exchange whose response is no base64.
pub(super) fn refuse_malformed(id: u32, open: Open, out: &mut Vec<u8>) -> Received {
    fail(id, b"", "code=invalid_base64\treason=Invalid base64 data", out);
    Received::Ended(end_early(open, Denial::ResponseMalformed))
}
