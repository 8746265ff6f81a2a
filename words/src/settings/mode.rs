//! File modes such as `0660`.

use serde::Deserialize;

/// Permission bits of a socket, written as an octal string like in Dovecot's and Postfix's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct FileMode(u32);

/// A text that is no mode.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not an octal file mode such as `0660`")]
pub struct NotAMode(String);

impl FileMode {
    /// A default.
    #[must_use]
    pub const fn new(bits: u32) -> Self {
        Self(bits)
    }

    /// The permission bits.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }
}

impl TryFrom<String> for FileMode {
    type Error = NotAMode;

    fn try_from(text: String) -> Result<Self, NotAMode> {
        let octal = (3..=4).contains(&text.len()) && text.bytes().all(|b| (b'0'..=b'7').contains(&b));
        match u32::from_str_radix(&text, 8) {
            Ok(bits) if octal && bits <= 0o777 => Ok(Self(bits)),
            _ => Err(NotAMode(text)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_is_three_or_four_octal_digits() {
        assert_eq!(FileMode::try_from("0660".to_owned()).unwrap().bits(), 0o660);
        assert_eq!(FileMode::try_from("600".to_owned()).unwrap().bits(), 0o600);
        for text in ["", "66", "0999", "07777", "1777", "rw", "+660", "00660"] {
            assert!(FileMode::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
