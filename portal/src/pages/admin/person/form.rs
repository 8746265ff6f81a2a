//! The forms of a person's page, each with the change that it asks for.

use keydove_words::portal::admin::{MailState, PasswordSource, PersonChange};

use super::SERVICES;
use crate::guard::Posted;
use crate::texts::AdminTexts;

/// A form of the page: the last part of its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Form {
    Revoke,
    RevokeAll,
    Source,
    State,
    Services,
    Forget,
    EndSessions,
}

impl Form {
    const ALL: [Self; 7] = [
        Self::Revoke,
        Self::RevokeAll,
        Self::Source,
        Self::State,
        Self::Services,
        Self::Forget,
        Self::EndSessions,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Revoke => "revoke",
            Self::RevokeAll => "revoke-all",
            Self::Source => "source",
            Self::State => "state",
            Self::Services => "services",
            Self::Forget => "forget",
            Self::EndSessions => "end-sessions",
        }
    }

    pub(in super::super) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|form| form.name() == name)
    }

    /// What it does.
    pub(in super::super) fn title(self, words: &AdminTexts) -> &'static str {
        let words = &words.person;
        match self {
            Self::Revoke => words.revoke,
            Self::RevokeAll => words.revoke_all,
            Self::Source => words.source,
            Self::State => words.state,
            Self::Services => words.set_services,
            Self::Forget => words.forget,
            Self::EndSessions => words.end_sessions,
        }
    }

    /// The change that a form asks for.
    pub(super) fn read(self, posted: &Posted) -> Option<PersonChange> {
        Some(match self {
            Self::Revoke => PersonChange::RevokeAppPassword(posted.field("id")?.parse().ok()?),
            Self::RevokeAll => PersonChange::RevokeAllAppPasswords,
            Self::Source => {
                let name = posted.field("source")?;
                let source = PasswordSource::ALL.into_iter().find(|source| source.name() == name)?;
                PersonChange::SetSource(source)
            }
            Self::State => {
                let name = posted.field("state")?;
                PersonChange::SetState(MailState::ALL.into_iter().find(|state| state.name() == name)?)
            }
            Self::Services => {
                let known = |name: &&str| SERVICES.contains(name);
                PersonChange::SetServices(
                    posted.fields("services").filter(known).map(str::to_owned).collect(),
                )
            }
            Self::Forget => PersonChange::Forget,
            Self::EndSessions => PersonChange::EndSessions,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn posted(fields: &[(&str, &str)]) -> Posted {
        Posted::of(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn a_form_asks_for_its_change_or_for_none() {
        let read = |form: Form, fields: &[(&str, &str)]| form.read(&posted(fields));
        assert_eq!(
            read(Form::Source, &[("source", "mailcow")]),
            Some(PersonChange::SetSource(PasswordSource::Mailcow))
        );
        assert_eq!(
            read(Form::Services, &[("services", "imap"), ("services", "x")]),
            Some(PersonChange::SetServices(vec!["imap".to_owned()]))
        );
        for (form, fields) in [
            (Form::Revoke, &[("id", "x")][..]),
            (Form::Revoke, &[]),
            (Form::Source, &[("source", "ldap")]),
            (Form::State, &[("state", "1")]),
        ] {
            assert_eq!(read(form, fields), None);
        }
        for form in Form::ALL {
            assert_eq!(Form::parse(form.name()), Some(form));
        }
    }
}
