//! How a login may end at mailcow and at keydove, and what a difference mostly means: the one table. The log line of a
//! difference names its row, and `docs/mailcow.md` has the table (`make docs`).

use std::fmt::Write;

/// A row.
#[derive(Debug, PartialEq, Eq)]
pub struct Difference {
    /// In the log line.
    pub name: &'static str,
    /// mailcow's verdict: `accept`, `refuse` or `none`.
    mailcow: &'static str,
    /// keydove's: `accept`, `refuse` or `cannot_tell`.
    keydove: &'static str,
    /// keydove's reason codes; one that ends in `*` is all that begin so, and none is any other.
    reasons: &'static [&'static str],
    /// What it mostly means, and what to do.
    pub meaning: &'static str,
}

const fn row(
    name: &'static str,
    (mailcow, keydove, reasons): (&'static str, &'static str, &'static [&'static str]),
    meaning: &'static str,
) -> Difference {
    Difference { name, mailcow, keydove, reasons, meaning }
}

/// The first row that fits counts.
const ROWS: [Difference; 24] = [
    row(
        "disabled_in_keycloak",
        (
            "accept",
            "refuse",
            &["user_disabled", "user_locked_out", "store_disabled", "provider_off", "organization_off"],
        ),
        "The user is disabled in Keycloak; mailcow does not look at that. This is intended.",
    ),
    row(
        "user_is_gone",
        ("accept", "refuse", &["user_gone", "user_unknown", "domain_unknown"]),
        "Keycloak has no such user. With an app password mailcow lets users in who are gone; this is intended. With a main \
         password mailcow's search found part of an address: look whose password it is, and see `keydove check` and `lookup`.",
    ),
    row(
        "another_user",
        ("accept", "refuse", &["user_conflict", "user_replaced", "password_mismatch", "password_missing"]),
        "mailcow's search in Keycloak finds parts of addresses too, and takes the first user. Look at that account: it may be \
         another user's password. `password_mismatch` also comes from a password whose comparison is loose in PHP (`007` and `7`).",
    ),
    row(
        "other_source",
        ("accept", "refuse", &["source_unsupported", "mail_passwords_off"]),
        "A main password of LDAP or OIDC, which keydove does not know. Stay in shadow mode, or give these users app passwords.",
    ),
    row(
        "mailbox_off",
        ("accept", "refuse", &["mailbox_disabled", "domain_disabled", "mailbox_is_resource"]),
        "The mailbox or its domain is off. mailcow's template switched the mailbox on again at its owner's login, or SOGo's single \
         sign-on opened it, for which mailcow does not look at the mailbox. keydove does neither.",
    ),
    row(
        "no_mailbox",
        ("accept", "refuse", &["mailbox_unknown"]),
        "mailcow made the mailbox at this login, and keydove's provisioning is off (`[provisioning] enabled`); or SOGo's single \
         sign-on asked for a mailbox that is gone.",
    ),
    row(
        "service_off",
        (
            "accept",
            "refuse",
            &["service_forbidden", "service_unknown", "app_password_forbidden", "app_password_expired"],
        ),
        "The service is switched off for this mailbox or app password. mailcow has no switch for the service that was named, or \
         the app password has a limit of keydove's own.",
    ),
    row(
        "demand",
        (
            "accept",
            "refuse",
            &[
                "email_unverified",
                "attribute_missing",
                "role_missing",
                "group_missing",
                "app_password_required",
                "app_password_mismatch",
            ],
        ),
        "A demand of keydove.toml on users or passwords, which mailcow does not have. This is intended.",
    ),
    row(
        "second_factor",
        ("accept", "refuse", &["second_factor_required"]),
        "A second factor became active between the two questions; it should not last.",
    ),
    row(
        "stricter",
        ("accept", "refuse", &[]),
        "keydove does not take this name or credential: the reason code says why.",
    ),
    row(
        "weak_hash",
        ("accept", "cannot_tell", &["hash_unusable", "hash_too_costly"]),
        "A stored password in a weak or costly scheme: `[hashing.schemes] allow_weak`, or a new password.",
    ),
    row(
        "new_mailbox_refused",
        ("accept", "cannot_tell", &["provision_*"]),
        "mailcow made a mailbox that keydove would not make, or it was there first: the reason code names the rule.",
    ),
    row(
        "service_account",
        (
            "accept",
            "cannot_tell",
            &[
                "keycloak_attribute_hidden",
                "keycloak_401",
                "keycloak_403",
                "keycloak_404",
                "keycloak_settings",
            ],
        ),
        "keydove's account in Keycloak lacks a role or an attribute: keycloak.md, and `keydove check`.",
    ),
    row(
        "throttled",
        ("accept", "cannot_tell", &["throttled"]),
        "After so many wrong passwords keydove makes this user or address wait (throttling.md); mailcow does not. In shadow mode it \
         only counts.",
    ),
    row(
        "keydove_outage",
        ("accept", "cannot_tell", &[]),
        "keydove could not reach Keycloak or the database in time, and mailcow could: `detail` says what failed.",
    ),
    row(
        "mailcow_wrong",
        ("refuse", "accept", &[]),
        "mailcow took an outage for a wrong password; or its search found another user; or it made the mailbox too late \
         (several first logins at once).",
    ),
    row(
        "hash_without_scheme",
        ("refuse", "cannot_tell", &["hash_unusable", "hash_too_costly"]),
        "A stored password without `{SCHEME}`, or in a scheme that neither knows: label it, or `[hashing.schemes] default_scheme`.",
    ),
    row(
        "first_login_refused",
        ("refuse", "cannot_tell", &["provision_*"]),
        "Neither makes this mailbox: a limit of the domain, an alias of the same name, no mapping. mailcow calls it a wrong \
         password; keydove says \"try again\", and its reason code names the rule.",
    ),
    row(
        "guesses_held_up",
        ("refuse", "cannot_tell", &["throttled"]),
        "Many wrong passwords: keydove makes this user or address wait (throttling.md). In shadow mode it only counts.",
    ),
    row(
        "outage",
        ("refuse", "cannot_tell", &["keycloak_*", "sql_*", "deadline", "stopping"]),
        "An outage: mailcow calls it a wrong password.",
    ),
    row(
        "undecided",
        ("refuse", "cannot_tell", &[]),
        "keydove could not decide, and mailcow refused: the reason code says why.",
    ),
    row(
        "php_away",
        ("none", "accept", &[]),
        "mailcow gave no answer: php-fpm is away (nginx answers 502), or the answer is a page of PHP errors. Its users get in with \
         keydove.",
    ),
    row("php_away_refused", ("none", "refuse", &[]), "The same, of a login that keydove refuses."),
    row(
        "php_away_undecided",
        ("none", "cannot_tell", &[]),
        "The same, while keydove could not decide either; a database that is away stops both.",
    ),
];

/// The row of a difference; none where both agree.
pub(super) fn find(mailcow: &str, keydove: &str, reason: &str) -> Option<&'static Difference> {
    let fits = |pattern: &str| match pattern.strip_suffix('*') {
        Some(beginning) => reason.starts_with(beginning),
        None => reason == pattern,
    };
    ROWS.iter().find(|row| {
        row.mailcow == mailcow
            && row.keydove == keydove
            && (row.reasons.is_empty() || row.reasons.iter().any(|pattern| fits(pattern)))
    })
}

/// The table of `docs/mailcow.md`.
#[must_use]
pub fn manual() -> String {
    let mut text = "| row | `mailcow` | `keydove` | mostly means |\n|---|---|---|---|\n".to_owned();
    for row in &ROWS {
        let reasons: Vec<String> = row.reasons.iter().map(|reason| format!("`{reason}`")).collect();
        let reasons = match &reasons[..] {
            [] => String::new(),
            all => format!(", {}", all.join(", ")),
        };
        let _ = writeln!(
            text,
            "| `{}` | `{}` | `{}`{reasons} | {} |",
            row.name, row.mailcow, row.keydove, row.meaning
        );
    }
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::auth::Reason;

    #[test]
    fn every_pair_that_differs_has_a_row_and_every_row_is_some_pairs() {
        let mut seen = BTreeSet::new();
        for mailcow in ["accept", "refuse", "none"] {
            for reason in Reason::all().filter(|reason| reason.code() != "sender_not_owned") {
                let (keydove, code) = (reason.verdict(), reason.code());
                if mailcow != keydove {
                    let row = find(mailcow, keydove, code);
                    assert!(row.is_some(), "{mailcow} {keydove} {code}");
                    seen.extend(row.map(|row| row.name));
                }
            }
        }
        assert_eq!(seen.len(), ROWS.len(), "{seen:?}");
    }

    #[test]
    fn a_reason_of_the_table_is_one_that_there_is() {
        for row in &ROWS {
            for pattern in row.reasons {
                let is_one = |reason: Reason| match pattern.strip_suffix('*') {
                    Some(beginning) => reason.code().starts_with(beginning),
                    None => reason.code() == *pattern,
                };
                let all = Reason::all().filter(|reason| is_one(*reason)).collect::<Vec<_>>();
                assert!(all.iter().any(|reason| reason.verdict() == row.keydove), "{} {pattern}", row.name);
            }
        }
    }

    #[test]
    fn the_first_row_that_fits_counts() {
        let name = |mailcow, keydove, reason| find(mailcow, keydove, reason).map(|row| row.name);
        assert_eq!(name("refuse", "cannot_tell", "provision_is_alias"), Some("first_login_refused"));
        assert_eq!(name("refuse", "cannot_tell", "keycloak_timeout"), Some("outage"));
        assert_eq!(name("accept", "refuse", "user_disabled"), Some("disabled_in_keycloak"));
        assert_eq!(name("none", "accept", "ok"), Some("php_away"));
        assert_eq!(name("accept", "accept", "ok"), None);
    }
}
