//! Whether mailboxes are made, and which template they get, as far as that may change while keydove runs.

use super::{Config, Mapping};
use crate::auth::TempFail;

/// The rules as they are known now.
#[derive(Clone, Debug)]
pub enum Rules {
    /// As they are written.
    Known {
        /// Whether a first login makes a mailbox.
        enabled: bool,
        /// Which template it gets.
        mapping: Mapping,
    },
    /// They stand in mailcow's table, which could not be read yet.
    Unknown(TempFail),
}

impl Rules {
    /// The rules of keydove's own settings: off unless switched on.
    pub(super) fn of(config: &Config) -> Self {
        Self::Known { enabled: config.enabled.unwrap_or(false), mapping: config.mapping() }
    }

    /// Rules that are not known may allow it.
    pub(super) fn may_make(&self) -> bool {
        matches!(self, Self::Known { enabled: true, .. } | Self::Unknown(_))
    }

    /// The mapping, or why nobody can tell.
    pub(super) fn mapping(&self) -> Result<&Mapping, TempFail> {
        match self {
            Self::Known { mapping, .. } => Ok(mapping),
            Self::Unknown(trouble) => Err(trouble.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::TempFailReason;

    #[test]
    fn what_is_not_known_is_no_no() {
        let unknown = Rules::Unknown(TempFail::new(TempFailReason::SqlUnreachable, "the server is down"));
        assert!(unknown.may_make());
        assert_eq!(unknown.mapping().unwrap_err().reason, TempFailReason::SqlUnreachable);
        for (enabled, may_make) in [(None, false), (Some(false), false), (Some(true), true)] {
            assert_eq!(Rules::of(&Config { enabled, ..Config::default() }).may_make(), may_make);
        }
    }
}
