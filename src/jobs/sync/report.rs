//! What a run has done: numbers, and a word about each person of whom there is something to say.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::auth::{ProvisionRefusal, Username};

/// So many people are named in a report; beyond, they are only counted.
const MOST_NAMED: usize = 1000;

/// The summary of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// Nothing was written.
    pub dry_run: bool,
    /// Everybody of every source was gone through.
    pub complete: bool,
    /// Entries of Keycloak's lists.
    pub seen: u64,
    /// Mailboxes made.
    pub created: u64,
    /// A dry run without `import`: mailboxes that would be made with it.
    pub importable: u64,
    /// Mailboxes changed.
    pub changed: u64,
    /// Mailboxes in which nothing differed.
    pub unchanged: u64,
    /// Mailboxes switched on again.
    pub restored: u64,
    /// Mailboxes switched off.
    pub deactivated: u64,
    /// People with a mailbox who were not in Keycloak's list, or are disabled there.
    pub missing: u64,
    /// How many mailboxes would have been switched off, had that not been too many at once.
    pub refused_deactivations: u64,
    /// People of whom nothing was done, by reason.
    pub skipped: BTreeMap<&'static str, u64>,
    /// Each Keycloak.
    pub sources: Vec<SourceReport>,
    /// How long the run took.
    pub seconds: f64,
    /// How long of that Keycloak worked for its list.
    pub keycloak_seconds: f64,
    /// How long of it Keycloak was left alone on purpose.
    pub paused_seconds: f64,
    /// Pages of that list.
    pub pages: u64,
    /// Those of whom there is something to say.
    pub people: Vec<PersonReport>,
}

/// How it went with one Keycloak.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SourceReport {
    /// Its name in metrics and logs.
    pub name: String,
    /// Why it was not gone through to the end, or not believed.
    pub trouble: Option<String>,
}

/// A word about one person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PersonReport {
    /// Whose.
    pub address: String,
    /// `created`, `changed`, `restored`, `deactivated`, or the reason why they were skipped.
    pub outcome: &'static str,
}

/// What became of one person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// They have a mailbox now.
    Created,
    /// Their mailbox follows its template or their name.
    Changed,
    /// Their mailbox is on again.
    Restored,
    /// Nothing differs.
    Unchanged,
    /// Nothing was done.
    Skipped(Skip),
}

/// Why nothing was done about a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skip {
    /// Nothing that could be a mail address.
    NoAddress,
    /// Something else stands where the address should be.
    BadAddress,
    /// Keycloak knows nobody with the address that was asked for.
    NotInKeycloak,
    /// A program's account.
    ServiceAccount,
    /// Keycloak's words about them cannot be read.
    Unreadable,
    /// Their account is disabled.
    Disabled,
    /// Their user store or organization is switched off in Keycloak.
    SwitchedOff,
    /// The domain belongs to another source.
    OtherSource,
    /// The domain is not hosted here.
    DomainUnknown,
    /// The domain is switched off.
    DomainInactive,
    /// The mailbox has a password of its own, or is a resource.
    LocalMailbox,
    /// The mailbox belongs to a person with another Keycloak id, or two people have the address.
    Conflict,
    /// They have a mailbox under another address.
    AddressChanged,
    /// They lack what the settings demand.
    Filtered,
    /// People without a mailbox are left alone: `import` is off.
    NotImported,
    /// `import_limit` is reached.
    ImportLimit,
    /// A rule stands against a mailbox or against its quota.
    Refused(ProvisionRefusal),
    /// A backend failed in the middle; the next run tries again.
    Failed,
}

impl Skip {
    /// The reason code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::NoAddress => "no_address",
            Self::BadAddress => "bad_address",
            Self::NotInKeycloak => "not_in_keycloak",
            Self::ServiceAccount => "service_account",
            Self::Unreadable => "unreadable",
            Self::Disabled => "disabled",
            Self::SwitchedOff => "switched_off",
            Self::OtherSource => "other_source",
            Self::DomainUnknown => "domain_unknown",
            Self::DomainInactive => "domain_inactive",
            Self::LocalMailbox => "local_mailbox",
            Self::Conflict => "conflict",
            Self::AddressChanged => "address_changed",
            Self::Filtered => "filtered",
            Self::NotImported => "not_imported",
            Self::ImportLimit => "import_limit",
            Self::Refused(refusal) => refusal.code(),
            Self::Failed => "failed",
        }
    }

    /// What follows a colon in a sentence for an administrator.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::NoAddress => "Keycloak has no address for them",
            Self::BadAddress => "what Keycloak has as their address is no mail address",
            Self::NotInKeycloak => "Keycloak does not know them",
            Self::ServiceAccount => "a program's account",
            Self::Unreadable => "keydove cannot read what Keycloak says of them",
            Self::Disabled => "disabled in Keycloak",
            Self::SwitchedOff => "their user store or organization is switched off in Keycloak",
            Self::OtherSource => "another source serves the domain",
            Self::DomainUnknown => "the domain is not here",
            Self::DomainInactive => "the domain is switched off",
            Self::LocalMailbox => "the mailbox has a password of its own",
            Self::Conflict => "somebody else has the mailbox",
            Self::AddressChanged => "their address has changed, and they have a mailbox under the old one",
            Self::Filtered => "they lack a role, group, attribute or verified address that keydove demands",
            Self::NotImported => "they have no mailbox, and nobody is imported",
            Self::ImportLimit => "import_limit is reached; the next run goes on",
            Self::Refused(refusal) => refusal.code(),
            Self::Failed => "the log of keydove says why; the next run tries again",
        }
    }
}

impl Report {
    /// Counts a person.
    pub(super) fn count(&mut self, user: Option<&Username>, outcome: Outcome) {
        let word = match outcome {
            Outcome::Created => {
                self.created += 1;
                "created"
            }
            Outcome::Changed => {
                self.changed += 1;
                "changed"
            }
            Outcome::Restored => {
                self.restored += 1;
                "restored"
            }
            Outcome::Unchanged => {
                self.unchanged += 1;
                return;
            }
            Outcome::Skipped(skip) => {
                *self.skipped.entry(skip.code()).or_default() += 1;
                skip.code()
            }
        };
        if let Some(user) = user {
            self.name(user.as_str(), word);
        }
    }

    /// Counts a mailbox that was switched off.
    pub(super) fn count_leaver(&mut self, mailbox: &str) {
        self.deactivated += 1;
        self.name(mailbox, "deactivated");
    }

    fn name(&mut self, address: &str, outcome: &'static str) {
        if self.people.len() < MOST_NAMED {
            self.people.push(PersonReport { address: address.to_owned(), outcome });
        }
    }

    /// What became of people, by its name.
    #[must_use]
    pub fn outcomes(&self) -> [(&'static str, u64); 6] {
        [
            ("created", self.created),
            ("changed", self.changed),
            ("unchanged", self.unchanged),
            ("restored", self.restored),
            ("deactivated", self.deactivated),
            ("missing", self.missing),
        ]
    }

    /// How many were skipped, all reasons together.
    #[must_use]
    pub fn skipped_in_all(&self) -> u64 {
        self.skipped.values().sum()
    }

    /// `filtered=2 no_address=1`; empty when nobody was skipped.
    #[must_use]
    pub fn reasons(&self) -> String {
        let reasons = self.skipped.iter().map(|(code, count)| format!("{code}={count}"));
        reasons.collect::<Vec<_>>().join(" ")
    }

    /// The one line of the log. `lease_number`: that of the lease under which it was written.
    pub(super) fn tell(&self, lease_number: Option<i64>) {
        let skipped = self.reasons();
        let whole = if self.complete { "complete" } else { "incomplete" };
        let seconds = (self.seconds * 1000.0).round() / 1000.0;
        tracing::info!(
            seen = self.seen,
            created = self.created,
            changed = self.changed,
            unchanged = self.unchanged,
            restored = self.restored,
            deactivated = self.deactivated,
            missing = self.missing,
            skipped,
            seconds,
            dry_run = self.dry_run,
            lease_number,
            "sync {whole}"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_person_counts_once_and_only_some_are_named() {
        let mut report = Report::default();
        let user = Username::parse(b"a@example.org").unwrap();
        for outcome in [Outcome::Unchanged, Outcome::Created, Outcome::Skipped(Skip::Filtered)] {
            report.count(Some(&user), outcome);
        }
        for _ in 0..MOST_NAMED {
            report.count(Some(&user), Outcome::Skipped(Skip::Refused(ProvisionRefusal::IsAlias)));
        }
        report.count(None, Outcome::Skipped(Skip::NoAddress));
        assert_eq!((report.unchanged, report.created, report.skipped_in_all()), (1, 1, 1002));
        assert_eq!(report.reasons(), "filtered=1 is_alias=1000 no_address=1");
        assert_eq!(report.people.len(), MOST_NAMED);
        assert_eq!(report.people[0].outcome, "created");
    }
}
