//! Every sentence that people read, in each language. A language is one value of [`Texts`], so a text that is missing in
//! one of them does not compile. `{}` stands for what a page puts in.

mod admin;
mod dates;
mod english;
mod german;
mod problems;
mod words;

use serde::{Deserialize, Serialize};

pub use admin::{
    AdminTexts, CensusTexts, HostingTexts, OverviewTexts, PersonTexts, ProviderTexts, SyncTexts,
    TemplateTexts,
};
pub use problems::{ProblemTexts, Told};
pub use words::{AppPasswordTexts, DeviceTexts, Frame, HelpTexts, ListTexts, ProgramTexts, Texts};

/// A language that the portal speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Language {
    /// English
    #[serde(rename = "en")]
    English,
    /// Deutsch
    #[serde(rename = "de")]
    German,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::English, Self::German];

    /// Its code of ISO 639.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
        }
    }

    /// What its speakers call it.
    #[must_use]
    pub fn own_name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::German => "Deutsch",
        }
    }

    /// Its sentences.
    #[must_use]
    pub fn texts(self) -> &'static Texts {
        match self {
            Self::English => &english::TEXTS,
            Self::German => &german::TEXTS,
        }
    }

    /// The one with this code.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.code().eq_ignore_ascii_case(code))
    }

    /// The one of these that a browser likes best (`Accept-Language`, RFC 9110, 12.5.4); without one, the first.
    #[must_use]
    pub fn choose(accepted: &str, offered: &[Self]) -> Self {
        let mut best = (0, offered.first().copied().unwrap_or(Self::English));
        for range in accepted.split(',').take(20) {
            let (tag, weight) = range.split_once(';').unwrap_or((range, "q=1"));
            let primary = tag.trim().split('-').next().unwrap_or_default();
            let weight =
                weight.trim().strip_prefix("q=").and_then(|weight| weight.parse::<f32>().ok()).unwrap_or(0.0);
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "it is between 0 and 1"
            )]
            let weight = (weight.clamp(0.0, 1.0) * 1000.0) as u32;
            if let Some(language) = Self::parse(primary).filter(|language| offered.contains(language))
                && weight > best.0
            {
                best = (weight, language);
            }
        }
        best.1
    }

    /// A day and a time, in UTC.
    #[must_use]
    pub fn moment(self, at: u64) -> String {
        dates::moment(self, at)
    }

    /// A day, in UTC.
    #[must_use]
    pub fn day(self, at: u64) -> String {
        dates::day(self, at)
    }
}

/// Puts something into a sentence.
#[must_use]
pub fn fill(sentence: &str, with: &str) -> String {
    sentence.replacen("{}", with, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_browsers_wish_counts_among_what_is_offered() {
        for (accepted, language) in [
            ("", Language::English),
            ("de", Language::German),
            ("de-AT,de;q=0.9,en;q=0.5", Language::German),
            ("fr, en;q=0.3, de;q=0.2", Language::English),
            ("fr, de;q=0.2", Language::German),
            ("de;q=0", Language::English),
            ("de;q=x", Language::English),
            ("*", Language::English),
        ] {
            assert_eq!(Language::choose(accepted, &Language::ALL), language, "{accepted}");
        }
        assert_eq!(Language::choose("en", &[Language::German]), Language::German);
        assert_eq!(Language::choose("", &[Language::German, Language::English]), Language::German);
    }

    #[test]
    fn dates_are_written_as_each_language_does() {
        assert_eq!(Language::English.moment(1_800_000_000), "15 Jan 2027, 08:00 UTC");
        assert_eq!(Language::German.moment(1_800_000_000), "15.01.2027, 08:00 UTC");
        assert_eq!(Language::English.day(0), "1 Jan 1970");
        assert_eq!(Language::German.day(u64::MAX), "?");
    }
}
