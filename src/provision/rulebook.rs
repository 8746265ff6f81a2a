//! The rules and templates of one moment, for whoever looks at many people.

use super::reserved::Reserved;
use super::update::is_due;
use super::{Identity, Mapping, NewMailbox, Provisioner, Template};
use crate::auth::{ProvisionRefusal, TempFail};
use crate::backend::sql::{Database, StoredPerson, StoredTemplate};

/// What would be done, without doing it.
#[derive(Clone, Debug)]
pub struct Rulebook {
    mapping: Mapping,
    reserved: Reserved,
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
        Ok(Rulebook { mapping, reserved: self.reserved.clone(), stored })
    }
}

impl Rulebook {
    /// Whether [`Provisioner::update_if_due`] would have something to write for a person who has a mailbox.
    #[must_use]
    pub fn is_update_due(&self, known: Option<&StoredPerson>, person: &Identity) -> bool {
        self.mapped(person).is_some_and(|template| is_due(known, person, &template))
    }

    /// The mailbox that a person would get.
    ///
    /// # Errors
    /// The rule that stands against it, as far as the database need not be asked.
    pub fn plan(&self, person: &Identity) -> Result<NewMailbox, ProvisionRefusal> {
        self.reserved.judge(&person.user)?;
        let name = self.mapping.for_new(person.template.as_deref())?;
        NewMailbox::plan(person, &Template::find(&self.stored, name)?)
    }

    /// Whether no mapping fits a person, so that they get the default template or none.
    #[must_use]
    pub fn is_unmapped(&self, person: &Identity) -> bool {
        self.mapping.mapped(person.template.as_deref()).is_none()
    }

    fn mapped(&self, person: &Identity) -> Option<Template> {
        let name = self.mapping.mapped(person.template.as_deref())?;
        Template::find(&self.stored, name).ok()
    }
}
