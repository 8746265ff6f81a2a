//! App passwords: further passwords of one mailbox, each for the services, networks and time that its row says.

use std::time::SystemTime;

use serde::Deserialize;

use super::{Passdb, Presented};
use crate::auth::{
    Denial, NotAccepted, Service, TempFail, TempFailReason, Username, app_password_row_id, normalise_domain,
};
use crate::sql::AppPassword;

const MAX_HASHES: usize = 10;

/// `[app_passwords]`
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AppPasswordConfig {
    /// Main passwords open nothing; a wrong app password then causes no call of Keycloak. Default false.
    pub only: bool,
    /// The same for these mail domains.
    pub only_domains: Vec<String>,
    /// How many hashes one attempt may cost; whoever has more app passwords is asked to try again, and the next
    /// attempt goes on with the others. Default 10, at least 1.
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

/// The row that a password names: keydove made it, so its text says which row it belongs to, and one hash is
/// enough. `None` where none of these rows is named.
#[must_use]
pub fn find_named<'a>(rows: &'a [AppPassword], presented: Presented<'_>) -> Option<&'a AppPassword> {
    let id = app_password_row_id(presented.password.given()?.expose())?;
    rows.iter().find(|row| row.id == id && row.names_itself)
}

impl Passdb {
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

    /// Looks for the app password that fits, the last used first. `None` when none does.
    ///
    /// Rows that do not open this service cost nothing, and neither does a password that is known to be wrong.
    ///
    /// # Errors
    /// Nobody can tell: a hash that cannot be used, no time to hash, or more rows than are tried at once.
    pub async fn find_app_password(
        &self,
        rows: &[AppPassword],
        attempt: &AppPasswordAttempt<'_>,
    ) -> Result<Option<i64>, NotAccepted> {
        let password = attempt.presented.password.given();
        let mut hashes_left = self.app_passwords.max_hashes.max(1);
        let mut unknown = None;
        for row in usable_app_passwords(rows, attempt) {
            let known = password
                .and_then(|password| self.comparisons.recall(row.password.expose(), password.expose()));
            if known == Some(false) {
                continue;
            }
            if known.is_none() {
                if hashes_left == 0 {
                    let detail = "the mailbox has more app passwords than [app_passwords] max_hashes";
                    return Err(TempFail::new(TempFailReason::AppPasswordsUntried, detail).into());
                }
                hashes_left -= 1;
            }
            match self.verify(&row.password, None, attempt.presented).await {
                Ok(()) => return Ok(Some(row.id)),
                Err(NotAccepted::Refused(_)) => {}
                Err(NotAccepted::CannotTell(trouble)) if trouble.is_of_one_hash() => {
                    unknown = Some(about_row(row, trouble));
                }
                Err(trouble) => return Err(trouble),
            }
        }
        unknown.map_or(Ok(None), |trouble| Err(trouble.into()))
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
