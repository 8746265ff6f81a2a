//! App passwords: further passwords of one mailbox, each for the services, networks and time that its row says.

use std::time::SystemTime;

use serde::Deserialize;

use super::tried::{Tried, untried};
use super::{Passdb, Presented};
use crate::auth::{Denial, NotAccepted, Service, TempFail, Username, app_password_row_id, normalise_domain};
use crate::backend::sql::AppPassword;
use crate::settings::{Section, SettingFault};

const MAX_HASHES: usize = 10;

/// App passwords: passwords for single devices and programs.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AppPasswordConfig {
    /// Main passwords open nothing, and a wrong app password causes no call of Keycloak. Default `false`.
    pub only: bool,
    /// The same for these mail domains.
    pub only_domains: Vec<String>,
    /// How many hashes one attempt may cost, at least 1. A user with more app passwords gets a temporary failure,
    /// and the next attempt tries the others. Default `10`.
    pub max_hashes: usize,
}

impl Default for AppPasswordConfig {
    fn default() -> Self {
        Self { only: false, only_domains: Vec::new(), max_hashes: MAX_HASHES }
    }
}

impl AppPasswordConfig {
    /// Whether the main password of this mailbox opens nothing.
    pub(super) fn forbids_main_password(&self, user: &Username) -> bool {
        let is_users = |domain: &String| normalise_domain(domain).is_ok_and(|domain| domain == user.domain());
        self.only || self.only_domains.iter().any(is_users)
    }
}

impl Section for AppPasswordConfig {
    fn faults(&self) -> Vec<SettingFault> {
        let mut faults = Vec::new();
        if self.max_hashes == 0 {
            let sentence = "without a hash no app password could ever be right";
            faults.push(SettingFault::new("max_hashes", sentence, "10 is a good value"));
        }
        if self.only_domains.iter().any(|domain| normalise_domain(domain).is_err()) {
            faults.push(SettingFault::no_domain("only_domains"));
        }
        faults
    }
}

/// One attempt to use an app password.
#[derive(Clone, Copy, Debug)]
pub struct AppPasswordAttempt<'a> {
    /// What was presented, and from where.
    pub presented: Presented<'a>,
    /// For which service; `None` through the trusted webmail, where no switch counts.
    pub service: Option<&'a Service>,
    /// When, by the wall clock, because an app password may end on a day.
    pub wall: SystemTime,
}

impl Passdb {
    /// The row that a password names: keydove made it, so its text says which row it belongs to, and one hash is
    /// enough. `None` where none of these rows is named, or its hash can never match: then the others are tried.
    #[must_use]
    pub fn find_named<'a>(
        &self,
        rows: &'a [AppPassword],
        presented: Presented<'_>,
    ) -> Option<&'a AppPassword> {
        let id = app_password_row_id(presented.password.given()?.expose())?;
        let named = rows.iter().find(|row| row.id == id && row.names_itself)?;
        self.hasher.check(&named.password).is_ok().then_some(named)
    }

    /// Compares with the one row that the password names.
    ///
    /// # Errors
    /// Wrong, right but not for this, or nobody can tell.
    pub async fn check_named_app_password(
        &self,
        row: &AppPassword,
        attempt: &AppPasswordAttempt<'_>,
    ) -> Result<i64, NotAccepted> {
        match self.verify(&row.password, None, attempt.presented).await {
            Ok(()) => {}
            Err(NotAccepted::Refused(_)) => return Err(Denial::AppPasswordMismatch.into()),
            Err(unknown) => return Err(unknown),
        }
        if row.has_expired(attempt.wall) {
            return Err(Denial::AppPasswordExpired.into());
        }
        if !is_allowed(row, attempt) {
            return Err(Denial::AppPasswordForbidden.into());
        }
        Ok(row.id)
    }

    /// The rows whose hash can never match, each with why.
    #[must_use]
    pub fn unusable_app_passwords(&self, rows: &[AppPassword]) -> Vec<TempFail> {
        let unusable =
            |row: &AppPassword| Some(about_row(row, self.hasher.check(&row.password).err()?.temp_fail()));
        rows.iter().filter_map(unusable).collect()
    }

    /// Tries the app passwords that count here, the last used first.
    ///
    /// Rows that do not open this service cost nothing, and neither does a password that is known to be wrong, nor a hash
    /// that can never match, of which a warning tells. What one row is does not keep the others from being tried.
    ///
    /// # Errors
    /// None of those that could be tried fits, and one that could not might: no time to hash, or more rows than are
    /// tried at once.
    pub async fn try_app_passwords(
        &self,
        rows: &[AppPassword],
        attempt: &AppPasswordAttempt<'_>,
    ) -> Result<Tried, NotAccepted> {
        let password = attempt.presented.password.given();
        let mut hashes_left = self.app_passwords.max_hashes.max(1);
        let (mut compared, mut unusable, mut unknown) = (false, None, None);
        for row in usable_app_passwords(rows, attempt) {
            let known = password
                .and_then(|password| self.comparisons.recall(row.password.expose(), password.expose()));
            match known {
                Some(true) => return Ok(Tried::Fits(row.id)),
                Some(false) => {
                    compared = true;
                    continue;
                }
                None => {}
            }
            if let Err(error) = self.hasher.check(&row.password) {
                let trouble = about_row(row, error.temp_fail());
                self.warn_of_unusable(&format!("app password {}", row.id), &trouble);
                unusable = Some(trouble);
                continue;
            }
            // Those behind may be known to fit.
            if hashes_left == 0 {
                unknown.get_or_insert_with(untried);
                continue;
            }
            hashes_left -= 1;
            match self.verify(&row.password, None, attempt.presented).await {
                Ok(()) => return Ok(Tried::Fits(row.id)),
                Err(NotAccepted::Refused(_)) => compared = true,
                Err(NotAccepted::CannotTell(trouble)) if trouble.can_never_match() => {
                    unusable = Some(about_row(row, trouble));
                }
                Err(NotAccepted::CannotTell(trouble)) => unknown = Some(trouble),
            }
        }
        match (unknown, compared) {
            (Some(trouble), _) => Err(trouble.into()),
            (None, true) => Ok(Tried::Mismatch),
            (None, false) => Ok(Tried::Nothing(unusable)),
        }
    }
}

/// The rows that could open what is attempted, whatever the password.
pub fn usable_app_passwords<'a>(
    rows: &'a [AppPassword],
    attempt: &AppPasswordAttempt<'a>,
) -> impl Iterator<Item = &'a AppPassword> {
    let attempt = *attempt;
    rows.iter().filter(move |row| is_allowed(row, &attempt) && !row.has_expired(attempt.wall))
}

fn is_allowed(row: &AppPassword, attempt: &AppPasswordAttempt<'_>) -> bool {
    attempt.service.is_none_or(|service| row.allows(service)) && row.allows_from(attempt.presented.remote)
}

fn about_row(row: &AppPassword, trouble: TempFail) -> TempFail {
    TempFail::new(trouble.reason, format!("app password {}: {}", row.id, trouble.detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn main_passwords_are_forbidden_everywhere_or_by_domain() {
        let user = |name: &str| Username::parse(name.as_bytes()).unwrap();
        let config = |text: &str| toml::from_str::<AppPasswordConfig>(text).unwrap();
        assert!(!config("").forbids_main_password(&user("a@example.org")));
        assert!(config("only = true").forbids_main_password(&user("a@example.org")));
        let some = config("only_domains = ['Example.ORG', 'münchen.example']");
        for (name, forbidden) in [
            ("a@example.org", true),
            ("a@xn--mnchen-3ya.example", true),
            ("a@sub.example.org", false),
            ("a@example.net", false),
        ] {
            assert_eq!(some.forbids_main_password(&user(name)), forbidden, "{name}");
        }
    }
}
