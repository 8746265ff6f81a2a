//! The label of a stored password: which scheme, and how the bytes of the hash are written as text.
//!
//! Dovecot lets every scheme be followed by `.HEX`, `.B64` or `.BASE64`. Without one, each scheme has a form of its
//! own; digests of a fixed length may then be written in either way, and their length tells in which.

use std::borrow::Cow;

use base64::Engine;

use super::Scheme;
use super::digest::{BASE64, decode_hex};

/// The longest label, in bytes. What is longer is no label, and may be a hash that someone put into braces.
const MAX_LABEL: usize = 32;

/// How a scheme writes its hashes where the label does not say it.
#[derive(Clone, Copy)]
pub(super) enum Form {
    /// As text of its own.
    Text,
    /// So many bytes in hexadecimal digits, or else in base64.
    Hex(usize),
    /// So many bytes in base64, or else in hexadecimal digits.
    Base64(usize),
    /// Base64 of a digest and a salt of any length.
    Salted,
}

/// How a label says that the hash is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    /// `.HEX`
    Hex,
    /// `.B64`, `.BASE64`
    Base64,
}

/// What stands in the braces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Label {
    pub(super) scheme: Scheme,
    pub(super) encoding: Option<Encoding>,
}

impl Label {
    /// Reads a scheme's name with or without an encoding; letter case does not matter.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let Some((name, encoding)) = text.split_once('.') else {
            return Scheme::parse(text).map(|scheme| Self { scheme, encoding: None });
        };
        let encoding = match encoding.to_ascii_uppercase().as_str() {
            "HEX" => Encoding::Hex,
            "B64" | "BASE64" => Encoding::Base64,
            _ => return None,
        };
        Scheme::parse(name).map(|scheme| Self { scheme, encoding: Some(encoding) })
    }

    /// Whether white space is a part of the password.
    pub(super) fn is_verbatim(self) -> bool {
        self.scheme.is_verbatim() && self.encoding.is_none()
    }

    /// The bytes that the text behind the label stands for. White space at its end is dropped, unless it may belong to
    /// a plain password.
    pub(super) fn decode(self, text: &[u8]) -> Option<Cow<'_, [u8]>> {
        let trimmed = text.trim_ascii_end();
        let hex = || decode_hex(trimmed).map(Cow::Owned);
        let base64 = || BASE64.decode(trimmed).ok().map(Cow::Owned);
        match (self.encoding, self.scheme.form()) {
            (Some(Encoding::Hex), _) => hex(),
            (Some(Encoding::Base64), _) | (None, Form::Salted) => base64(),
            (None, Form::Hex(bytes) | Form::Base64(bytes)) if trimmed.len() == 2 * bytes => {
                hex().or_else(base64)
            }
            (None, Form::Hex(_) | Form::Base64(_)) => base64(),
            (None, Form::Text) if self.is_verbatim() => Some(Cow::Borrowed(text)),
            (None, Form::Text) => Some(Cow::Borrowed(trimmed)),
        }
    }
}

/// The text in the braces, and what follows them. The first `}` ends the label, as in Dovecot, so that a plain password
/// may contain one.
pub(super) fn split(stored: &[u8]) -> Option<(&str, &[u8])> {
    let rest = stored.trim_ascii_start().strip_prefix(b"{")?;
    let end = rest.iter().take(MAX_LABEL + 1).position(|&byte| byte == b'}')?;
    let label = std::str::from_utf8(&rest[..end]).ok()?;
    let plausible = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (!label.is_empty() && label.bytes().all(plausible)).then(|| (label, &rest[end + 1..]))
}
