//! The user stores behind a Keycloak (LDAP, Active Directory): a run believes a list only while all of them answer, and
//! takes nobody for gone whose whole store is not to be seen.

use std::collections::HashSet;

use super::Trouble;
use super::run::Run;
use crate::backend::keycloak::{AccountState, Client, Doubtful, Error, Person, StoreId};

impl Run<'_> {
    /// Asks the stores of people who have mailboxes: of people without copies Keycloak shows nobody while their store is
    /// down, and then nothing else would tell that there is one.
    pub(super) async fn ask_known_stores(&self, client: &Client) -> Result<HashSet<StoreId>, Trouble> {
        let prefixes = self.sync.parts.database.remembered_stores(client.source()).await?;
        let stores: HashSet<StoreId> =
            prefixes.iter().filter_map(|prefix| StoreId::of_person(prefix)).collect();
        for store in &stores {
            client.probe_now(store).await?;
        }
        Ok(stores)
    }

    /// Nobody of a store was listed whose people have mailboxes: it is switched off or empty, unless it was taken away.
    pub(super) async fn look_for_hidden(
        &self,
        client: &Client,
        known: HashSet<StoreId>,
        seen: &HashSet<StoreId>,
    ) -> Result<(), Trouble> {
        let hidden: Vec<StoreId> = known.into_iter().filter(|store| !seen.contains(store)).collect();
        if hidden.is_empty() || self.request.allow_mass_change {
            return Ok(());
        }
        let is_there = |store: &StoreId, listed: &Option<Vec<crate::backend::keycloak::StoreSetup>>| {
            listed.as_ref().is_none_or(|listed| listed.iter().any(|setup| setup.id == *store))
        };
        let listed = client.list_stores().await?;
        match hidden.into_iter().find(|store| is_there(store, &listed)) {
            Some(store) => Err(Trouble::HiddenStore(store.as_str().to_owned())),
            None => Ok(()),
        }
    }

    /// Finds out what the list could not tell of somebody. `None`: nobody can tell of this one person.
    pub(super) async fn judge(
        &mut self,
        client: &Client,
        doubtful: Doubtful,
    ) -> Result<Option<Person>, Trouble> {
        let disabled = match self.sight.disabled.take() {
            Some(disabled) => disabled,
            None => client.list_disabled().await?,
        };
        let end = client.judge_listed(doubtful, &disabled).await;
        self.sight.disabled = Some(disabled);
        match end {
            Ok(person) => {
                let is_shared =
                    matches!(person.state, AccountState::ProviderOff | AccountState::OrganizationOff);
                self.sight.switched_off += u64::from(is_shared);
                Ok(Some(person))
            }
            Err(Error::Wavering { .. } | Error::TooManyHits) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether everybody of the list could be judged by what is true of them alone.
    pub(super) fn check_sight(&self) -> Result<(), Trouble> {
        match self.sight.switched_off {
            0 => Ok(()),
            people => Err(Trouble::SwitchedOff(people)),
        }
    }
}
