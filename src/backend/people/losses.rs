//! Whose access has ended: what Keycloak said before, beside what it says now.
//!
//! Nothing is taken for an end that a broken Keycloak can show: an attribute that is hidden, a list that is empty.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::person_record::{Finding, PersonRecord};
use crate::auth::Username;
use crate::backend::keycloak::{AccountState, Client, Unmet, Whereabouts};
use crate::backend::kick::Cause;
use crate::backend::records::{Records, Spawner, Watch};

/// What was forgotten is asked for again after this: a change can be seen a moment later than the event that tells of it,
/// and then it is forgotten once more.
const LOOK_AGAIN: Duration = Duration::from_millis(1500);
/// So often; then whoever cannot be asked for is compared when they log in next, if at all.
const MOST_LOOKS: usize = 20;
/// So often somebody is asked for by their id whom a search does not show. Few, because an account whose address was
/// changed is there for good.
const MOST_ASKS: usize = 5;
/// So many of those who were forgotten at once are asked for again.
const MOST: usize = 1000;

/// Is told whose access has ended, and why. It must not wait for anything.
pub type OnLoss = Arc<dyn Fn(&Username, Loss) + Send + Sync>;

/// Why sessions that began before must not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// The account is disabled.
    Disabled,
    /// Everybody of the account's user store or organization is shut out.
    SwitchedOff,
    /// Keycloak shows nobody of the account's user store, or nobody may ask whether it does.
    StoreUnseen,
    /// The account is deleted.
    Gone,
    /// The role or group that is demanded was taken, or the address is no longer verified.
    Unentitled,
    /// The address is another person's now.
    AnotherPerson,
    /// There is a new password.
    NewPassword,
}

impl Loss {
    /// For the log.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::SwitchedOff => "switched_off",
            Self::StoreUnseen => "store_not_seen",
            Self::Gone => "deleted",
            Self::Unentitled => "no_longer_entitled",
            Self::AnotherPerson => "another_person",
            Self::NewPassword => "new_password",
        }
    }

    /// Whether others lost access by the same.
    #[must_use]
    pub fn cause(self) -> Cause {
        match self {
            Self::SwitchedOff | Self::StoreUnseen => Cause::Shared,
            Self::Disabled | Self::Gone | Self::Unentitled | Self::AnotherPerson | Self::NewPassword => {
                Cause::Own
            }
        }
    }

    /// Of an account that is not in use.
    fn of(state: AccountState) -> Self {
        // Everybody of a store or of an organization at once is a switch, and most likely the wrong one.
        if state.is_of_one_person() { Self::Disabled } else { Self::SwitchedOff }
    }

    /// Whether, and why, access ended between two answers.
    fn between(older: &PersonRecord, younger: &PersonRecord) -> Option<Self> {
        let Finding::Person(before, None) = &older.finding else { return None };
        // Behind a switch that shut out everybody at once, sessions may still be open.
        let is_shut_out = matches!(&younger.finding, Finding::Person(now, _) if now.state.is_of_one_person());
        if before.state.is_of_one_person() || !before.state.is_enabled() && !is_shut_out {
            return None;
        }
        match &younger.finding {
            Finding::Unknown(absence) if absence.hides(before.id()) => Some(Self::SwitchedOff),
            Finding::Unknown(_) => Some(Self::Gone),
            // An administrator's mistake more often than not; nobody new gets in meanwhile.
            Finding::Conflict => None,
            Finding::Person(now, _) if now.id() != before.id() => Some(Self::AnotherPerson),
            Finding::Person(now, _) if !now.state.is_enabled() => Some(Self::of(now.state)),
            // Attributes can be hidden from everybody at once.
            Finding::Person(_, Some(Unmet::Attribute)) => None,
            Finding::Person(_, Some(_)) => Some(Self::Unentitled),
            Finding::Person(now, None) => match (&before.password, &now.password) {
                (Some(before), Some(now)) if !before.matches(now.expose()) => Some(Self::NewPassword),
                _ => None,
            },
        }
    }
}

/// Why somebody lost access whom a search has just not shown; `None` where they have not, as far as can be told.
///
/// A look-up by id may be answered out of Keycloak's own memory, which a search is not: it shows for a while who is gone.
async fn find_out(client: &Client, id: &str) -> Option<Loss> {
    for _ in 0..MOST_ASKS {
        match client.find_id(id).await {
            // A store without copies that is switched off shows nobody, as if they all were deleted.
            Ok(Whereabouts::Gone) if !client.shows_store_of(id).await => return Some(Loss::StoreUnseen),
            Ok(Whereabouts::Gone) => return Some(Loss::Gone),
            Ok(Whereabouts::There(state)) if !state.is_enabled() => return Some(Loss::of(state)),
            Ok(Whereabouts::There(_)) | Err(_) => sleep(LOOK_AGAIN).await,
        }
    }
    None
}

/// Who was forgotten, and what was known.
type Forgotten = (Username, Arc<PersonRecord>);

/// Finds losses and tells of them.
#[derive(Clone)]
pub(super) struct Losses {
    on_loss: OnLoss,
    spawner: Spawner,
}

impl Losses {
    pub(super) fn new(on_loss: OnLoss, spawner: Spawner) -> Self {
        Self { on_loss, spawner }
    }

    fn compare(&self, user: &Username, older: &PersonRecord, younger: &PersonRecord) {
        self.tell(user, older, Loss::between(older, younger));
    }

    fn tell(&self, user: &Username, older: &PersonRecord, loss: Option<Loss>) {
        match (loss, &older.finding) {
            (Some(Loss::Gone), Finding::Person(before, _)) => {
                let (own, user) = (self.clone(), user.clone());
                let (client, id) = (Arc::clone(&older.client), before.id().to_owned());
                // That a list does not show somebody is no proof; the account itself is looked for.
                (self.spawner)(Box::pin(async move {
                    if let Some(loss) = find_out(&client, &id).await {
                        (own.on_loss)(&user, loss);
                    }
                }));
            }
            (Some(loss), _) => (self.on_loss)(user, loss),
            (None, _) => {}
        }
    }

    /// Asks again for people who were just forgotten, in a task of its own: they may have sessions, and nobody need log in
    /// soon.
    pub(super) fn look_again(&self, records: &Records<PersonRecord>, mut forgotten: Vec<Forgotten>) {
        forgotten
            .retain(|(_, record)| matches!(&record.finding, Finding::Person(person, None) if !person.state.is_of_one_person()));
        if forgotten.len() > MOST {
            tracing::warn!(
                people = forgotten.len(),
                "too many people changed at once; the open sessions of some are not looked after"
            );
            forgotten.truncate(MOST);
        }
        if forgotten.is_empty() {
            return;
        }
        let (own, records) = (self.clone(), records.clone());
        (self.spawner)(Box::pin(async move {
            for _ in 0..MOST_LOOKS {
                sleep(LOOK_AGAIN).await;
                let mut untold = Vec::new();
                for (user, older) in forgotten {
                    match records.get(&user).await {
                        // Should it be forgotten under way, it comes back here as the older one.
                        Ok(held) if held.stale.is_none() => own.compare(&user, &older, &held.record),
                        Ok(_) | Err(_) => untold.push((user, older)),
                    }
                }
                forgotten = untold;
                if forgotten.is_empty() {
                    return;
                }
            }
        }));
    }
}

impl Watch<PersonRecord> for Losses {
    fn replaced(&self, user: &Username, older: &PersonRecord, younger: &PersonRecord) {
        self.compare(user, older, younger);
    }

    /// There may be a session that began with it: the next change has to be compared with something.
    fn dropped(&self, records: &Records<PersonRecord>, user: &Username, record: &Arc<PersonRecord>) {
        self.look_again(records, vec![(user.clone(), Arc::clone(record))]);
    }
}

impl std::fmt::Debug for Losses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Losses(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Secret;
    use crate::backend::keycloak::{AccountState, Client, Config, Person};

    fn record(state: AccountState) -> PersonRecord {
        let text = "server_url = 'http://127.0.0.1:9'\nrealm = 'mail'\nclient_id = 'mailcow'";
        let config: Config = toml::from_str(text).unwrap();
        let client = Client::new(config.address().unwrap(), &config, Secret::from("s3cret")).unwrap();
        PersonRecord::new(Finding::Person(Person::in_state(state), None), Arc::new(client))
    }

    #[test]
    fn a_switch_that_is_about_all_is_no_disabled_person_and_hides_none_that_follows() {
        use AccountState::{Disabled, Enabled, LockedOut, OrganizationOff, ProviderOff, StoreDisabled};
        let of_one = [Disabled, LockedOut, StoreDisabled];
        for before in AccountState::ALL {
            for now in AccountState::ALL {
                let ends = !of_one.contains(&before) && of_one.contains(&now);
                let loss = Loss::between(&record(before), &record(now));
                assert_eq!(loss == Some(Loss::Disabled), ends, "{before:?} {now:?}");
                assert!(loss.is_none() || before == Enabled || ends, "{before:?} {now:?} {loss:?}");
            }
        }
        assert!([Enabled, OrganizationOff, ProviderOff].iter().all(|state| !state.is_of_one_person()));
    }
}
