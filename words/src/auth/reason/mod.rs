//! Why a login ended as it did. The codes stand in one [table]; everything else asks it.

mod columns;
mod table;

pub use columns::{Guess, HashTrouble, MainPassword, Outdated, Telling};
pub use table::{Denial, ProvisionRefusal, TempFailReason};

/// The reason of any verdict, as log lines, metrics and the manual name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The login is accepted.
    Accepted,
    /// A definite no.
    Refused(Denial),
    /// A definite no to Postfix, which asked whose a sender address is. Logins do not end so.
    NotOwner,
    /// A temporary failure.
    CannotTell(TempFailReason),
}

impl Reason {
    /// Every one of them, in an order that stays while the process runs.
    pub fn all() -> impl Iterator<Item = Self> {
        let refused = Denial::ALL.into_iter().map(Self::Refused);
        let troubles = TempFailReason::all().map(Self::CannotTell);
        [Self::Accepted].into_iter().chain(refused).chain(troubles).chain([Self::NotOwner])
    }

    /// Its place in [`all`](Self::all).
    #[must_use]
    pub fn index(self) -> usize {
        match self {
            Self::Accepted => 0,
            Self::Refused(denial) => 1 + denial as usize,
            Self::CannotTell(reason) => 1 + Denial::ALL.len() + reason.index(),
            Self::NotOwner => 1 + Denial::ALL.len() + TempFailReason::all().count(),
        }
    }

    /// The reason with this code.
    #[must_use]
    pub fn of_code(code: &str) -> Option<Self> {
        Self::all().find(|reason| reason.code() == code)
    }

    /// `accept`, `refuse` or `cannot_tell`.
    #[must_use]
    pub fn verdict(self) -> &'static str {
        match self {
            Self::Accepted => "accept",
            Self::Refused(_) | Self::NotOwner => "refuse",
            Self::CannotTell(_) => "cannot_tell",
        }
    }

    /// The reason code of log lines and metrics.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.texts().code
    }

    /// What it means, for administrators: whole sentences.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        self.texts().meaning.trim_start()
    }

    /// What to look at or to change; empty where there is nothing to do.
    #[must_use]
    pub fn cure(self) -> &'static str {
        self.texts().cure
    }

    /// Whether it counts as a guess, which throttling and ban tools go by.
    #[must_use]
    pub fn is_guess(self) -> bool {
        matches!(self, Self::Refused(denial) if denial.is_guess())
    }

    /// The row without what it implies.
    fn texts(self) -> columns::Row<()> {
        match self {
            Self::Accepted => table::ACCEPTED,
            Self::NotOwner => table::NOT_OWNER,
            Self::Refused(denial) => denial.row().texts(),
            Self::CannotTell(reason) => reason.row().texts(),
        }
    }
}

impl Denial {
    /// Every one of them, in the order of the table.
    pub const ALL: [Self; Self::ROWS.len()] = Self::ROWS;

    /// The reason code of log lines and metrics.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.row().code
    }

    /// What was guessed, if this refuses a guess.
    #[must_use]
    pub fn guess(self) -> Option<Guess> {
        self.row().implies.guess
    }

    /// Whether it refuses a secret that was compared and did not fit, or a name that nobody has.
    #[must_use]
    pub fn is_guess(self) -> bool {
        self.guess().is_some()
    }

    /// What may have put it out of date.
    #[must_use]
    pub fn outdated(self) -> Outdated {
        self.row().implies.outdated
    }

    /// What it says about the main password.
    #[must_use]
    pub fn main_password(self) -> MainPassword {
        self.row().implies.main_password
    }
}

impl TempFailReason {
    /// Every one of them, in an order that stays while the process runs.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::ROWS.into_iter().chain(ProvisionRefusal::ROWS.map(Self::Provisioning))
    }

    /// Its place in [`all`](Self::all).
    #[must_use]
    pub fn index(self) -> usize {
        Self::all().position(|reason| reason == self).unwrap_or_default()
    }

    /// The reason code of log lines and metrics.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.row().code
    }

    /// How a mail client hears of it.
    ///
    /// A fault of a backend is told at once, although during an outage it tells that a name may exist: it must never
    /// look like a refusal.
    #[must_use]
    pub fn telling(self) -> Telling {
        self.row().implies.telling
    }

    /// What it says about the stored hash that was looked at.
    #[must_use]
    pub fn stored_hash(self) -> HashTrouble {
        self.row().implies.stored_hash
    }
}

impl ProvisionRefusal {
    /// The rule's name, without the `provision_` that log lines and metrics put in front.
    #[must_use]
    pub fn code(self) -> &'static str {
        let code = self.row().code;
        code.strip_prefix("provision_").unwrap_or(code)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_reason_has_a_code_of_its_own_a_meaning_and_a_cure() {
        let codes: BTreeSet<_> = Reason::all().map(Reason::code).collect();
        assert_eq!(codes.len(), Reason::all().count());
        for (index, reason) in Reason::all().enumerate() {
            assert_eq!(reason.index(), index, "{reason:?}");
            assert_eq!(Reason::of_code(reason.code()), Some(reason));
            assert!(reason.meaning().ends_with('.'), "{reason:?}");
            assert_eq!(reason.cure().is_empty(), reason == Reason::Accepted, "{reason:?}");
            let is_rule = matches!(reason, Reason::CannotTell(TempFailReason::Provisioning(_)));
            assert_eq!(reason.code().starts_with("provision_"), is_rule, "{reason:?}");
        }
        assert_eq!(Reason::of_code("keycloak"), None);
    }

    /// The list is closed: a new guess is added here, in the ban filters and in the manual.
    #[test]
    fn these_are_the_guesses() {
        let guesses: Vec<_> = Reason::all().filter(|reason| reason.is_guess()).map(Reason::code).collect();
        let expected = [
            "name_invalid",
            "domain_unknown",
            "mailbox_unknown",
            "user_unknown",
            "password_mismatch",
            "app_password_mismatch",
            "master_user_mismatch",
        ];
        assert_eq!(guesses, expected);
    }

    #[test]
    fn these_say_that_the_main_password_is_off() {
        let off: Vec<_> = Denial::ALL
            .into_iter()
            .filter(|denial| denial.main_password() == MainPassword::Off)
            .map(Denial::code)
            .collect();
        let expected = [
            "service_forbidden",
            "source_unsupported",
            "mail_passwords_off",
            "second_factor_required",
            "user_gone",
            "app_password_required",
        ];
        assert_eq!(off, expected);
        for denial in Denial::ALL {
            // A switch that counted as a guess would count users who know the password.
            let is_off = denial.main_password() == MainPassword::Off;
            assert!(!(is_off && denial.is_guess()), "{denial:?}");
            assert!(!is_off || denial.outdated() != Outdated::Never, "{denial:?}");
        }
    }
}
