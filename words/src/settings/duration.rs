//! Durations such as `500ms` and `12h`.

use std::time::Duration;

use serde::Deserialize;

/// A length of time: a whole number and one of `ms`, `s`, `m`, `h`, `d`; a bare `0` is nothing at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Period(Duration);

/// A text that is no duration.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a duration such as `500ms`, `30s`, `5m` or `12h`")]
pub struct NotADuration(String);

impl Period {
    /// A default in milliseconds.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }

    /// A default in seconds.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// The duration itself.
    #[must_use]
    pub const fn get(self) -> Duration {
        self.0
    }
}

impl TryFrom<String> for Period {
    type Error = NotADuration;

    fn try_from(text: String) -> Result<Self, NotADuration> {
        parse(&text).map(Self).ok_or(NotADuration(text))
    }
}

fn parse(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let number: u64 = text[..digits].parse().ok()?;
    let millis = match &text[digits..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(millis).map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_and_a_unit_make_a_duration() {
        let cases =
            [("500ms", 500), ("2s", 2_000), ("5m", 300_000), ("12h", 43_200_000), ("0", 0), ("0s", 0)];
        for (text, millis) in cases {
            assert_eq!(parse(text), Some(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in
            ["", "30", "s", "-1s", "1.5s", "2 s", "2S", "99999999999999999999s", "18446744073709551615d"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
