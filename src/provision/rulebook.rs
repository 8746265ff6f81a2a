//! The rules and templates of one moment, for whoever looks at many people.

use super::reserved::Reserved;
use super::update::due_update;
use super::{Identity, Mapping, Names, NewMailbox, Provisioner, Template};
use crate::auth::{ProvisionRefusal, TempFail};
use crate::backend::sql::{Database, MailboxChanges, StoredPerson, StoredTemplate};

/// What would be done, without doing it.
#[derive(Clone, Debug)]
pub struct Rulebook {
    mapping: Mapping,
    reserved: Reserved,
    names: Names,
    stored: Vec<StoredTemplate>,
}

impl Provisioner {
    /// Reads the templates once.
    ///
    /// # Errors
    /// The rules are not known, or the database cannot be asked.
    pub async fn rulebook(&self, database: &Database) -> Result<Rulebook, TempFail> {
        let mapping = self.rules.get().mapping()?.clone();
        let stored = database.templates().await.map_err(|error| error.temp_fail())?;
        Ok(Rulebook { mapping, reserved: self.reserved.clone(), names: self.names, stored })
    }
}

impl Rulebook {
    /// What [`Provisioner::update_if_due`] would write for a person who has a mailbox, unless mailcow has: the database
    /// knows.
    #[must_use]
    pub fn due_update(&self, known: Option<&StoredPerson>, person: &Identity) -> Option<MailboxChanges> {
        due_update(&self.mapping, &self.stored, person, known).map(|due| due.changes)
    }

    /// Whether the names of mailboxes follow Keycloak.
    #[must_use]
    pub fn follows_names(&self) -> bool {
        self.names.in_sync()
    }

    /// The mailbox that a person would get.
    ///
    /// # Errors
    /// The rule that stands against it, as far as the database need not be asked.
    pub fn plan(&self, person: &Identity) -> Result<NewMailbox, ProvisionRefusal> {
        self.reserved.judge(&person.user)?;
        let name = self.mapping.for_new(person.template.as_deref())?;
        let plan = NewMailbox::plan(person, &Template::find(&self.stored, name)?)?;
        Ok(plan.named(self.names.in_sync()))
    }

    /// Whether no mapping fits a person, so that they get the default template or none.
    #[must_use]
    pub fn is_unmapped(&self, person: &Identity) -> bool {
        self.mapping.mapped(person.template.as_deref()).is_none()
    }
}
