//! Tokens taken apart, and put together wrongly.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::Value;

/// The token with one letter of its signature changed.
pub fn tampered(token: &str) -> String {
    let at = token.rfind('.').unwrap_or_default() + 10;
    let letter = if token[at..].starts_with('A') { "B" } else { "A" };
    format!("{}{letter}{}", &token[..at], &token[at + 1..])
}

pub(super) fn header(token: &str) -> Value {
    part(token, 0)
}

fn part(token: &str, index: usize) -> Value {
    let text = token.split('.').nth(index).unwrap_or_default();
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(text).unwrap_or_default()).unwrap_or_default()
}

fn with_part(token: &str, index: usize, change: impl FnOnce(&mut Value)) -> String {
    let mut value = part(token, index);
    change(&mut value);
    let encoded = BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let mut parts: Vec<&str> = token.split('.').collect();
    parts[index] = &encoded;
    parts.join(".")
}

/// The token with another header, and the signature of the first.
pub(super) fn with_header(token: &str, change: impl FnOnce(&mut Value)) -> String {
    with_part(token, 0, change)
}

/// The same with another claim.
pub(super) fn with_claim(token: &str, claim: &str, value: &str) -> String {
    with_part(token, 1, |claims| claims[claim] = value.into())
}
