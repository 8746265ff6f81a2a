//! What every component's settings have in common: they say themselves which of them cannot be.

use std::path::Path;

/// A setting that cannot be. `config` shows it with file, line, column and a caret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingFault {
    /// The way to the setting, below the section's own table; empty for the table itself. A number is an index into a
    /// list.
    pub keys: Vec<String>,
    /// What is wrong.
    pub sentence: String,
    /// What to do about it.
    pub advice: String,
}

impl SettingFault {
    /// A fault of one setting.
    #[must_use]
    pub fn new(key: &str, sentence: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::at(&[key], sentence, advice)
    }

    /// A fault of a setting further down; without keys, of the table as a whole.
    #[must_use]
    pub fn at(keys: &[&str], sentence: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            keys: keys.iter().map(|&key| key.to_owned()).collect(),
            sentence: sentence.into(),
            advice: advice.into(),
        }
    }

    /// What should be a mail domain is none.
    #[must_use]
    pub fn no_domain(key: &str) -> Self {
        Self::new(key, "this is no mail domain", "write it as in mail addresses, without the @")
    }

    /// The same fault, seen from the table above.
    #[must_use]
    pub fn under(mut self, table: &str) -> Self {
        self.keys.insert(0, table.to_owned());
        self
    }
}

/// The settings of one component: a table of the file.
pub trait Section {
    /// The settings that cannot be, all of them. What depends on other sections is checked by `config`.
    fn faults(&self) -> Vec<SettingFault> {
        Vec::new()
    }

    /// Files that are read once, at the start. No secrets, and nothing that is read again when it changes.
    fn files(&self) -> Vec<&Path> {
        Vec::new()
    }
}

/// A table that may be missing.
impl<S: Section> Section for Option<S> {
    fn faults(&self) -> Vec<SettingFault> {
        self.iter().flat_map(Section::faults).collect()
    }

    fn files(&self) -> Vec<&Path> {
        self.iter().flat_map(Section::files).collect()
    }
}

/// A table that is written once for each of its kind.
impl<S: Section> Section for Vec<S> {
    fn faults(&self) -> Vec<SettingFault> {
        let of_each = self.iter().enumerate().flat_map(|(index, section)| {
            section.faults().into_iter().map(move |fault| fault.under(&index.to_string()))
        });
        of_each.collect()
    }

    fn files(&self) -> Vec<&Path> {
        self.iter().flat_map(Section::files).collect()
    }
}
