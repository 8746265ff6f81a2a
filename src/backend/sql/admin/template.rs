//! Mailbox templates: names and JSON. What the JSON means is `provision`'s business.

use super::obstacle::{Obstacle, Outcome};
use crate::backend::sql::StoredTemplate;
use crate::backend::sql::names::texts;
use crate::backend::sql::retry::Fault;
use crate::backend::sql::row::Parameter;
use crate::backend::sql::session::{Kind, LostCommit, Session, Work};

const FIND: &str = "SELECT id, template, attributes FROM templates WHERE type = 'mailbox' ORDER BY id";
const INSERT: &str = "INSERT INTO templates (template, type, attributes) VALUES (?, 'mailbox', ?)";
const UPDATE: &str = "UPDATE templates SET attributes = ? WHERE id = ?";

/// The template that counts under a name: the first one.
async fn find<S: Session>(session: &mut S, name: &str) -> Result<Option<(i64, StoredTemplate)>, Fault> {
    let statement = format!("{FIND}{}", S::DIALECT.for_update());
    for mut row in session.query(&statement, Vec::new()).await? {
        let (id, template) = row.read("templates", name, |row| {
            let attributes = row.text(2)?.unwrap_or_default();
            Ok((row.number(0)?, StoredTemplate { name: row.words(1)?, attributes }))
        })?;
        if template.is_named(name) {
            return Ok(Some((id, template)));
        }
    }
    Ok(None)
}

pub(super) struct AddTemplate {
    pub(super) name: String,
    pub(super) attributes: String,
}

impl Work for AddTemplate {
    const ATTEMPT: &'static str = "adding a template";
    const KIND: Kind = Kind::Writes(LostCommit::Tell);
    const OUTDATES: bool = false;
    type Output = Outcome<()>;

    async fn run<S: Session>(&self, session: &mut S) -> Result<Outcome<()>, Fault> {
        if let Some((_, template)) = find(session, &self.name).await? {
            return Ok(Err(Obstacle::TemplateExists(template.name)));
        }
        session.query(INSERT, texts([self.name.clone(), self.attributes.clone()])).await?;
        Ok(Ok(()))
    }
}

pub(super) struct SetTemplate {
    pub(super) name: String,
    pub(super) was: String,
    pub(super) attributes: String,
}

impl Work for SetTemplate {
    const ATTEMPT: &'static str = "changing a template";
    const KIND: Kind = Kind::Writes(LostCommit::Tell);
    const OUTDATES: bool = false;
    type Output = Outcome<()>;

    async fn run<S: Session>(&self, session: &mut S) -> Result<Outcome<()>, Fault> {
        let Some((id, template)) = find(session, &self.name).await? else {
            return Ok(Err(Obstacle::TemplateUnknown(self.name.clone())));
        };
        if template.attributes != self.was {
            return Ok(Err(Obstacle::TemplateChanged(template.name)));
        }
        session.query(UPDATE, vec![self.attributes.as_str().into(), Parameter::Integer(id)]).await?;
        Ok(Ok(()))
    }
}
