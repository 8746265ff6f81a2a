//! People whom Keycloak deleted and took in again under new ids, as it does after its copies of a directory were removed:
//! who is proven to be the same by a mark that is remembered gets their mailbox back.

use std::collections::HashMap;

use serde::Serialize;

use super::walk::Walk;
use super::{Sync, Trouble};
use crate::auth::Username;
use crate::backend::keycloak::{Client, Entry, Person, Whereabouts};
use crate::backend::people::LiveSource;
use crate::backend::sql::MarkedOwner;

/// What became of it, or would.
#[derive(Debug, Default, Serialize)]
pub struct Readmission {
    /// Nothing was written.
    pub dry_run: bool,
    /// Everybody of every Keycloak was gone through. Where not, nobody of that Keycloak was readmitted.
    pub complete: bool,
    /// Those whose mailbox belongs to another Keycloak id.
    pub people: Vec<Readmitted>,
    /// Why a Keycloak was not gone through, by its name.
    pub troubles: Vec<(String, String)>,
}

/// One person.
#[derive(Debug, Serialize)]
pub struct Readmitted {
    /// The mailbox.
    pub address: String,
    /// What became of it.
    pub outcome: Readmittance,
    /// Whose it was.
    pub old_id: String,
    /// Who has the address now.
    pub new_id: String,
}

/// What became of one person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Readmittance {
    /// The mailbox is theirs again; in a dry run, it would be.
    Readmitted,
    /// No mark of the owner is remembered, so nobody knows whether this is the same person.
    NoMarkRemembered,
    /// A mark of another attribute is remembered.
    OtherAttribute,
    /// Keycloak shows no mark of this person.
    NoMarkInKeycloak,
    /// Another mark: another person.
    MarkDiffers,
    /// Keycloak still has the person to whom the mailbox belongs.
    OwnerIsThere,
    /// Several people have the address.
    SeveralPeople,
    /// Keycloak or the database could not tell, or something changed under way.
    Failed,
}

impl Readmittance {
    /// In words, for an administrator.
    #[must_use]
    pub fn words(self, dry_run: bool) -> &'static str {
        match self {
            Self::Readmitted if dry_run => "would be readmitted",
            Self::Readmitted => "readmitted",
            Self::NoMarkRemembered => "left: no mark is remembered",
            Self::OtherAttribute => "left: the mark of another attribute is remembered",
            Self::NoMarkInKeycloak => "left: Keycloak shows no mark",
            Self::MarkDiffers => "left: another mark, so another person",
            Self::OwnerIsThere => "left: the owner is still in Keycloak",
            Self::SeveralPeople => "left: several people have the address",
            Self::Failed => "left: could not be told; try again",
        }
    }
}

impl Readmission {
    /// Whether nobody is left who waits for an administrator.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.complete && self.people.iter().all(|person| person.outcome == Readmittance::Readmitted)
    }
}

/// Somebody who has an address whose mailbox belongs to another id.
struct Candidate {
    user: Username,
    id: String,
    mark: Option<String>,
    owner: MarkedOwner,
}

/// What speaks for or against it, before the old id is looked for.
fn judge(by: &str, owner: &MarkedOwner, mark: Option<&str>) -> Readmittance {
    match (&owner.mark, mark) {
        (None, _) => Readmittance::NoMarkRemembered,
        (Some(known), _) if known.attribute != by => Readmittance::OtherAttribute,
        (Some(_), None) => Readmittance::NoMarkInKeycloak,
        (Some(known), Some(mark)) if known.value != mark => Readmittance::MarkDiffers,
        (Some(_), Some(_)) => Readmittance::Readmitted,
    }
}

impl Sync {
    /// Gives mailboxes back to people with new ids whose mark in the attribute `by` is the one that is remembered, and
    /// whose old ids are gone. Nobody is guessed.
    ///
    /// # Errors
    /// The database cannot be asked. A Keycloak that cannot is named in the answer.
    pub async fn readmit(&self, by: &str, dry_run: bool) -> Result<Readmission, Trouble> {
        let mut all = Readmission { dry_run, ..Readmission::default() };
        let mut keycloaks = 0;
        for source in self.parts.sources.all() {
            let (name, end) = match source {
                LiveSource::NotKeycloak => continue,
                LiveSource::Unknown(trouble) => ("mailcow".to_owned(), Err(Trouble::Settings(trouble))),
                LiveSource::Keycloak { client, .. } => {
                    (client.name().to_owned(), self.readmit_people_of(&client, by, &mut all).await)
                }
            };
            keycloaks += 1;
            match end {
                Ok(()) => {}
                Err(Trouble::Database(error)) => return Err(Trouble::Database(error)),
                Err(trouble) => all.troubles.push((name, trouble.to_string())),
            }
        }
        all.complete = keycloaks > 0 && all.troubles.is_empty();
        Ok(all)
    }

    async fn readmit_people_of(
        &self,
        client: &Client,
        by: &str,
        all: &mut Readmission,
    ) -> Result<(), Trouble> {
        if client.mark_attribute() != by {
            return Err(Trouble::OtherMark {
                wanted: by.to_owned(),
                noted: client.mark_attribute().to_owned(),
            });
        }
        let (candidates, holders) = self.find_candidates(client).await?;
        for candidate in candidates {
            let outcome = match holders.get(&candidate.user) {
                Some(&holders) if holders > 1 => Readmittance::SeveralPeople,
                _ => judge(by, &candidate.owner, candidate.mark.as_deref()),
            };
            let outcome = match outcome {
                Readmittance::Readmitted => self.give_back(client, &candidate, all.dry_run).await?,
                outcome => outcome,
            };
            let Candidate { user, id, owner, .. } = candidate;
            if outcome == Readmittance::Readmitted && !all.dry_run {
                let user = user.as_str();
                tracing::warn!(
                    user,
                    old_id = owner.keycloak_id,
                    new_id = id,
                    "the mailbox is its owner's again"
                );
            }
            all.people.push(Readmitted {
                address: user.as_str().to_owned(),
                outcome,
                old_id: owner.keycloak_id,
                new_id: id,
            });
        }
        Ok(())
    }

    /// Everybody whose mailbox belongs to another id, and how many people have each address.
    async fn find_candidates(
        &self,
        client: &Client,
    ) -> Result<(Vec<Candidate>, HashMap<Username, u32>), Trouble> {
        let (mut candidates, mut holders) = (Vec::new(), HashMap::new());
        let mut walk = Walk::begin(client, self.config.pause.get()).await?;
        while let Some(page) = walk.next().await? {
            let mut people: Vec<Box<Person>> = Vec::new();
            for listed in page {
                match listed.entry {
                    Entry::Person(person) => people.push(person),
                    // They get nothing; but the address is theirs, too.
                    Entry::Doubtful(doubtful) => *holders.entry(doubtful.address().clone()).or_default() += 1,
                    _ => {}
                }
            }
            let addresses = people.iter().map(|person| person.address.clone()).collect();
            let standings = self.parts.database.standings(addresses).await.map_err(Trouble::Database)?;
            for (person, standing) in people.iter().zip(standings) {
                *holders.entry(person.address.clone()).or_default() += 1;
                let asks_here = self
                    .parts
                    .sources
                    .client_for(&person.address)
                    .is_ok_and(|own| own.name() == client.name());
                let is_keycloaks = standing.mailbox.is_some_and(|mailbox| mailbox.is_keycloaks);
                let is_another = standing.person.is_some_and(|known| known.keycloak_id != person.id());
                if asks_here && is_keycloaks && is_another {
                    candidates.extend(self.candidate(person).await?);
                }
            }
        }
        match walk.end().await?.doubt {
            Some(doubt) => Err(Trouble::Doubt(doubt)),
            None => Ok((candidates, holders)),
        }
    }

    async fn candidate(&self, person: &Person) -> Result<Option<Candidate>, Trouble> {
        let owner = self.parts.database.marked_owner(&person.address).await.map_err(Trouble::Database)?;
        Ok(owner.map(|owner| Candidate {
            user: person.address.clone(),
            id: person.id().to_owned(),
            mark: person.mark().map(|(_, value)| value.to_owned()),
            owner,
        }))
    }

    async fn give_back(
        &self,
        client: &Client,
        candidate: &Candidate,
        dry_run: bool,
    ) -> Result<Readmittance, Trouble> {
        let Candidate { user, id, owner, .. } = candidate;
        match client.find_id(&owner.keycloak_id).await {
            Ok(Whereabouts::Gone) => {}
            Ok(Whereabouts::There(_)) => return Ok(Readmittance::OwnerIsThere),
            Err(error) => {
                tracing::warn!(user = user.as_str(), %error, "nobody knows whether the old owner is gone");
                return Ok(Readmittance::Failed);
            }
        }
        if dry_run {
            return Ok(Readmittance::Readmitted);
        }
        let database = &self.parts.database;
        let is_given = database.readmit(user, owner, id, client.source()).await.map_err(Trouble::Database)?;
        Ok(if is_given { Readmittance::Readmitted } else { Readmittance::Failed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::sql::Mark;

    fn owner(mark: Option<(&str, &str)>) -> MarkedOwner {
        let mark = mark.and_then(|(attribute, value)| Mark::new(attribute, value));
        MarkedOwner { keycloak_id: "old".to_owned(), source: String::new(), mark }
    }

    #[test]
    fn nobody_is_guessed() {
        let known = owner(Some(("LDAP_ID", "7")));
        for (owner, mark, outcome) in [
            (&owner(None), Some("7"), Readmittance::NoMarkRemembered),
            (&owner(Some(("staffNumber", "7"))), Some("7"), Readmittance::OtherAttribute),
            (&known, None, Readmittance::NoMarkInKeycloak),
            (&known, Some("07"), Readmittance::MarkDiffers),
            (&known, Some("7"), Readmittance::Readmitted),
        ] {
            assert_eq!(judge("LDAP_ID", owner, mark), outcome);
        }
    }

    #[test]
    fn whoever_is_left_or_not_seen_makes_it_less_than_whole() {
        let person = |outcome| Readmitted {
            address: "a@example.org".to_owned(),
            outcome,
            old_id: "1".to_owned(),
            new_id: "2".to_owned(),
        };
        let mut all = Readmission { complete: true, ..Readmission::default() };
        assert!(all.is_whole());
        all.people.push(person(Readmittance::Readmitted));
        assert!(all.is_whole());
        all.people.push(person(Readmittance::MarkDiffers));
        assert!(!all.is_whole());
        assert!(!Readmission::default().is_whole());
    }
}
