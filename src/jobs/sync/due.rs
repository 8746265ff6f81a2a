//! What differs between what Keycloak says of somebody and their mailbox.

use super::report::{Outcome, Skip};
use crate::auth::Username;
use crate::backend::sql::{Mark, Standing, StandingMailbox};

/// What differs in a mailbox that is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Due {
    /// Nobody is remembered as its owner.
    pub(super) owner: bool,
    /// Keycloak's name is another one than was remembered.
    pub(super) name: bool,
    /// The mailbox gets it.
    pub(super) name_to_mailbox: bool,
    pub(super) template: bool,
    /// What stays when their id changes is not remembered.
    pub(super) mark: bool,
    /// The sync has switched it off, or had before somebody else changed that.
    pub(super) restore: bool,
}

impl Due {
    /// `name` is Keycloak's, empty where names are not followed.
    pub(super) fn find(
        mailbox: &StandingMailbox,
        standing: &Standing,
        (name, mark): (&str, Option<&Mark>),
        template: bool,
    ) -> Self {
        let is_new = !name.is_empty() && standing.source_name.as_deref() != Some(name);
        // What was written by hand stays until Keycloak says something new.
        let is_free = standing.source_name.is_some() || mailbox.name.trim().is_empty();
        Self {
            owner: standing.person.is_none(),
            name: is_new,
            name_to_mailbox: is_new && is_free && mailbox.name != name,
            template,
            mark: mark.is_some() && mark != standing.mark.as_ref(),
            restore: standing.switched_to.is_some(),
        }
    }

    /// What an administrator would see of it.
    pub(super) fn outcome(self) -> Outcome {
        match self {
            Self { restore: true, .. } => Outcome::Restored,
            Self { template: true, .. } | Self { name_to_mailbox: true, .. } => Outcome::Changed,
            _ => Outcome::Unchanged,
        }
    }
}

/// Trouble with one person, which the next run tries again.
pub(super) fn failed(user: &Username, error: &dyn std::fmt::Display) -> Skip {
    tracing::warn!(user = user.as_str(), %error, "the sync could not finish with a person");
    Skip::Failed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(mailbox_name: &str, source_name: Option<&str>, keycloak_name: &str) -> Due {
        let mailbox = StandingMailbox {
            stored: "a@example.org".to_owned(),
            name: mailbox_name.to_owned(),
            is_resource: false,
            is_keycloaks: true,
            active: 1,
        };
        let standing = Standing { source_name: source_name.map(str::to_owned), ..Standing::default() };
        Due { owner: false, ..Due::find(&mailbox, &standing, (keycloak_name, None), false) }
    }

    #[test]
    fn a_name_follows_keycloak_but_never_a_hand() {
        let nothing = Due::default();
        let known = Due { name: true, ..nothing };
        let written = Due { name: true, name_to_mailbox: true, ..nothing };
        assert_eq!(due("Ann Ode", Some("Ann Ode"), "Ann Ode"), nothing);
        // By hand, and Keycloak has said nothing new since.
        assert_eq!(due("Dr. Ode", Some("Ann Ode"), "Ann Ode"), nothing);
        assert_eq!(due("Dr. Ode", Some("Ann Ode"), "Ann Odessa"), written);
        // Seen for the first time.
        assert_eq!(due("", None, "Ann Ode"), written);
        assert_eq!(due("Dr. Ode", None, "Ann Ode"), known);
        // Edge case 58: no name in Keycloak empties no name here.
        assert_eq!(due("Dr. Ode", Some("Ann Ode"), ""), nothing);
    }

    #[test]
    fn what_only_keydove_remembers_is_no_change_of_a_mailbox() {
        assert_eq!(Due { owner: true, name: true, ..Due::default() }.outcome(), Outcome::Unchanged);
        assert_eq!(Due { template: true, ..Due::default() }.outcome(), Outcome::Changed);
        assert_eq!(Due { template: true, restore: true, ..Due::default() }.outcome(), Outcome::Restored);
    }
}
