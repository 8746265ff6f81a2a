//! Everybody in Keycloak and every stored password, counted: which schemes and costs are in use, and what is odd about
//! people. Nothing is written, and no hash leaves this file.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::report::SourceReport;
use super::walk::Walk;
use super::{Sync, Trouble};
use crate::auth::{Secret, Username};
use crate::backend::keycloak::{Client, Disabled, Entry, Listed, Person};
use crate::backend::people::LiveSource;
use crate::backend::sql::StoredIn;
use crate::credential::scheme::{Policy, Strength, Unusable};

/// Examples of one kind.
const EXAMPLES: usize = 10;
/// Rows of one question.
const ROWS: usize = 500;

/// What was counted.
#[derive(Debug, Default, Serialize)]
pub struct Census {
    /// Everybody of every source was gone through.
    pub complete: bool,
    /// Entries of Keycloak's lists.
    pub seen: u64,
    /// Of these, accounts that are disabled or a program's; nothing else is counted of them.
    pub set_aside: u64,
    /// Kinds of stored passwords, the least worth first, and of those the most frequent.
    pub passwords: Vec<PasswordCount>,
    /// What is odd, by code.
    pub findings: BTreeMap<&'static str, Sighting>,
    /// Each Keycloak.
    pub sources: Vec<SourceReport>,
}

/// One kind of stored passwords.
#[derive(Debug, Serialize)]
pub struct PasswordCount {
    /// What kind.
    #[serde(flatten)]
    pub kind: Found,
    /// How many, and whose.
    #[serde(flatten)]
    pub sighting: Sighting,
}

/// A kind of stored passwords.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Found {
    /// What they are worth.
    pub grade: Grade,
    /// `keycloak`, `mailbox` or `app-password`.
    pub place: &'static str,
    /// The scheme's name, or why there is none.
    pub scheme: &'static str,
    /// What verifying costs, `rounds 5000` for instance; empty for one digest and for plain text.
    pub cost: String,
}

/// What a stored password is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Grade {
    /// Plain, MD5, without a salt: refused unless the configuration allows the scheme.
    Weak,
    /// Quickly tried.
    Cheap,
    /// It opens nothing, whatever the password is.
    Unusable,
    /// As it should be.
    Good,
}

/// How often something was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sighting {
    /// So often.
    pub count: u64,
    /// Addresses, or Keycloak's ids of those who have none; 10 at the most.
    pub examples: BTreeSet<String>,
}

impl Grade {
    /// As in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Weak => "weak",
            Self::Cheap => "cheap",
            Self::Unusable => "unusable",
            Self::Good => "good",
        }
    }
}

impl Sighting {
    fn add(&mut self, whose: &str) {
        self.count += 1;
        if self.examples.len() < EXAMPLES {
            self.examples.insert(whose.to_owned());
        }
    }
}

/// The counts while they grow: a few rows for each scheme, however many people there are.
#[derive(Default)]
struct Tally {
    /// What a password without a label is taken for.
    schemes: Policy,
    passwords: BTreeMap<Found, Sighting>,
    findings: BTreeMap<&'static str, Sighting>,
    seen: u64,
    set_aside: u64,
}

impl Tally {
    fn note(&mut self, code: &'static str, whose: &str) {
        self.findings.entry(code).or_default().add(whose);
    }

    fn judge(&mut self, place: &'static str, password: &Secret, whose: &str) {
        let (grade, scheme, cost) = match self.schemes.parse(password.expose()) {
            Ok(stored) => {
                let grade = match stored.strength() {
                    Strength::Weak => Grade::Weak,
                    Strength::Cheap => Grade::Cheap,
                    Strength::Good => Grade::Good,
                };
                let costs = stored.costs().into_iter().map(|(what, cost)| format!("{what} {cost}"));
                (grade, stored.scheme().name(), costs.collect::<Vec<_>>().join(", "))
            }
            Err(trouble) => (Grade::Unusable, why_unusable(&trouble), String::new()),
        };
        self.passwords.entry(Found { grade, place, scheme, cost }).or_default().add(whose);
    }

    fn finish(self, sources: Vec<SourceReport>) -> Census {
        let mut passwords: Vec<PasswordCount> =
            self.passwords.into_iter().map(|(kind, sighting)| PasswordCount { kind, sighting }).collect();
        passwords.sort_by_key(|row| (row.kind.grade, std::cmp::Reverse(row.sighting.count)));
        Census {
            complete: !sources.is_empty() && sources.iter().all(|source| source.trouble.is_none()),
            seen: self.seen,
            set_aside: self.set_aside,
            passwords,
            findings: self.findings,
            sources,
        }
    }
}

/// In words that hold nothing of the stored string: a label may be a password that somebody put into braces.
fn why_unusable(trouble: &Unusable) -> &'static str {
    match trouble {
        Unusable::NoScheme => "(no scheme)",
        Unusable::UnknownScheme(_) => "(unknown scheme)",
        Unusable::Malformed(scheme) => scheme.name(),
        Unusable::NotAllowed(_)
        | Unusable::TooCostly { .. }
        | Unusable::OutOfMemory(_)
        | Unusable::NoOwner(_) => "(other)",
    }
}

impl Sync {
    /// Counts everybody in Keycloak, then the passwords of mailboxes and app passwords. `schemes` says what those without
    /// a label are.
    ///
    /// # Errors
    /// The database cannot be asked. A Keycloak that cannot is named in the census.
    pub async fn census(&self, schemes: Policy) -> Result<Census, Trouble> {
        let mut tally = Tally { schemes, ..Tally::default() };
        let mut sources = Vec::new();
        for source in self.parts.sources.all() {
            let (name, end) = match source {
                LiveSource::NotKeycloak => continue,
                LiveSource::Unknown(trouble) => ("mailcow".to_owned(), Err(Trouble::Settings(trouble))),
                LiveSource::Keycloak { client, .. } => {
                    (client.name().to_owned(), self.count_people(&client, &mut tally).await)
                }
            };
            let trouble = match end {
                Ok(()) => None,
                Err(Trouble::Database(error)) => return Err(Trouble::Database(error)),
                Err(trouble) => Some(trouble.to_string()),
            };
            sources.push(SourceReport { name, trouble });
        }
        for (place, name) in [(StoredIn::Mailbox, "mailbox"), (StoredIn::AppPassword, "app-password")] {
            self.count_stored(place, name, &mut tally).await?;
        }
        Ok(tally.finish(sources))
    }

    async fn count_people(&self, client: &Client, tally: &mut Tally) -> Result<(), Trouble> {
        let disabled = client.list_disabled().await?;
        let mut walk = Walk::begin(client, self.config.pause.get()).await?;
        while let Some(page) = walk.next().await? {
            self.count_page(client, (page, &disabled), tally).await?;
        }
        match walk.end().await?.doubt {
            Some(doubt) => Err(Trouble::Doubt(doubt)),
            None => Ok(()),
        }
    }

    async fn count_page(
        &self,
        client: &Client,
        (page, disabled): (Vec<Listed>, &Disabled),
        tally: &mut Tally,
    ) -> Result<(), Trouble> {
        let mut people: Vec<Box<Person>> = Vec::new();
        for listed in page {
            tally.seen += 1;
            match listed.entry {
                Entry::ServiceAccount => tally.set_aside += 1,
                Entry::Doubtful(doubtful) => {
                    tally.set_aside += 1;
                    if disabled.get(doubtful.id()).is_none() {
                        tally.note("account_doubtful", doubtful.address().as_str());
                    }
                }
                _ if !listed.is_in_use && !matches!(listed.entry, Entry::Unreadable) => tally.set_aside += 1,
                Entry::Person(person) => people.push(person),
                Entry::NoAddress => tally.note("no_address", &listed.id),
                Entry::BadAddress => tally.note("bad_address", &listed.id),
                Entry::Unreadable => tally.note("unreadable", &listed.id),
            }
        }
        let users: Vec<Username> = people.iter().map(|person| person.address.clone()).collect();
        let standings = self.parts.database.standings(users).await.map_err(Trouble::Database)?;
        for (person, standing) in people.iter().zip(standings) {
            let address = person.address.as_str();
            match standing.domain {
                None => tally.note("domain_unknown", address),
                Some(false) => tally.note("domain_inactive", address),
                Some(true) => {}
            }
            let asks_here =
                self.parts.sources.client_for(&person.address).is_ok_and(|own| own.name() == client.name());
            if standing.domain.is_some() && !asks_here {
                tally.note("other_source", address);
            }
            if person.password_values > 1 {
                tally.note("several_password_values", address);
            }
            match &person.password {
                Some(password) => tally.judge("keycloak", password, address),
                None => tally.note("no_password_attribute", address),
            }
            let has_mailbox = standing.mailbox.is_some_and(|mailbox| mailbox.is_keycloaks);
            if has_mailbox && person.template().is_none() {
                tally.note("no_template", address);
            }
        }
        Ok(())
    }

    async fn count_stored(
        &self,
        place: StoredIn,
        name: &'static str,
        tally: &mut Tally,
    ) -> Result<(), Trouble> {
        let mut after = String::new();
        loop {
            let page = self.parts.database.stored_hashes(place, &after, ROWS).await;
            let page = page.map_err(Trouble::Database)?;
            let Some(last) = page.last() else { return Ok(()) };
            after.clone_from(&last.key);
            for stored in page.iter().filter(|stored| !stored.is_resource) {
                match &stored.password {
                    Some(password) => tally.judge(name, password, &stored.mailbox),
                    None => tally.note("no_stored_password", &stored.mailbox),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_worth_comes_first_and_no_part_of_a_hash_is_kept() {
        let mut tally = Tally::default();
        for number in 0..12 {
            tally.judge("keycloak", &Secret::from("{PLAIN}marker"), &format!("p{number:02}@example.org"));
        }
        tally.judge("keycloak", &Secret::from("{MARKER}marker"), "odd@example.org");
        tally.judge("mailbox", &Secret::from("marker"), "bare@example.org");
        tally.judge(
            "mailbox",
            &Secret::from(format!("{{SSHA}}{}", "A".repeat(32)).as_str()),
            "x@example.org",
        );
        tally.note("no_address", "id-1");
        let census = tally.finish(vec![SourceReport { name: "keycloak".to_owned(), trouble: None }]);
        let kinds: Vec<_> = census
            .passwords
            .iter()
            .map(|row| (row.kind.grade, row.kind.scheme, row.sighting.count))
            .collect();
        assert_eq!(
            kinds,
            [
                (Grade::Weak, "PLAIN", 12),
                (Grade::Cheap, "SSHA", 1),
                (Grade::Unusable, "(unknown scheme)", 1),
                (Grade::Unusable, "(no scheme)", 1),
            ]
        );
        assert_eq!(census.passwords[0].sighting.examples.len(), EXAMPLES);
        let json = serde_json::to_string(&census).unwrap();
        assert!(census.complete && !json.to_ascii_lowercase().contains("marker"), "{json}");
    }
}
