//! *Templates*: what new mailboxes get, and who gets which.

use serde::{Deserialize, Serialize};

use super::{Audited, Effect, ProviderSetting};

/// What may be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum TemplatesRequest {
    /// All of them, and the attribute mapping. → [`TemplateList`]
    List,
    /// One. → [`TemplateCard`]
    Show {
        /// Its name.
        name: String,
    },
    /// Adds one with mailcow's defaults.
    Add {
        /// Its name.
        name: String,
    },
    /// Changes what differs. New mailboxes get it so.
    Set {
        /// Its name.
        name: String,
        /// Keys and values, as [`TemplateField`] has them.
        values: Vec<(String, String)>,
    },
    /// What would differ if the whole template were this text. → [`TemplateDifferences`]
    Compare {
        /// Its name.
        name: String,
        /// JSON, as a file has it.
        text: String,
    },
    /// Stores this text as the template, as it is.
    Replace {
        /// Its name.
        name: String,
        /// JSON, as a file has it.
        text: String,
        /// [`TemplateDifferences::of`], as it was shown: a template that was changed meanwhile stays.
        of: String,
    },
}

impl TemplatesRequest {
    /// What it does.
    #[must_use]
    pub fn effect(&self) -> Effect {
        match self {
            Self::List | Self::Show { .. } | Self::Compare { .. } => Effect::Reads,
            Self::Add { name } => {
                Effect::Changes(Audited { action: "add_template", row: name.clone(), value: String::new() })
            }
            Self::Set { name, values } => {
                let pairs = values.iter().map(|(key, value)| format!("{key}={value}"));
                let value = pairs.collect::<Vec<_>>().join(" ");
                Effect::Changes(Audited { action: "set_template", row: name.clone(), value })
            }
            Self::Replace { name, text, .. } => Effect::Changes(Audited {
                action: "replace_template",
                row: name.clone(),
                value: text.clone(),
            }),
        }
    }

    /// One of each kind.
    #[must_use]
    pub fn examples() -> Vec<Self> {
        vec![
            Self::List,
            Self::Show { name: "Default".to_owned() },
            Self::Add { name: "Staff".to_owned() },
            Self::Set {
                name: "Default".to_owned(),
                values: vec![("pop3_access".to_owned(), "0".to_owned())],
            },
            Self::Compare { name: "Default".to_owned(), text: "{}".to_owned() },
            Self::Replace { name: "Default".to_owned(), text: "{}".to_owned(), of: String::new() },
        ]
    }
}

/// All templates, and who gets which.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateList {
    /// In the order in which they were made.
    pub templates: Vec<TemplateLine>,
    /// The attribute mapping: which value of which attribute selects which template, and where that stands.
    pub mapping: Vec<ProviderSetting>,
}

/// A template of the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateLine {
    /// Its name.
    pub name: String,
    /// In bytes; 0 is none.
    pub quota: u64,
    /// The services that are on.
    pub services: Vec<String>,
}

/// A template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateCard {
    /// Its name.
    pub name: String,
    /// Every key that it may have.
    pub fields: Vec<TemplateField>,
    /// All of it, as it is stored.
    pub text: String,
}

/// What would differ if a template were another text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateDifferences {
    /// Stands for what is stored.
    pub of: String,
    /// By key; none where the two say the same.
    pub keys: Vec<TemplateDifference>,
}

/// A key that differs. Values are JSON; nothing where the key is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateDifference {
    /// The key.
    pub key: String,
    /// What is stored.
    pub before: Option<String>,
    /// What would be.
    pub after: Option<String>,
}

/// A key of a template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateField {
    /// The key. The quota is in MiB, and tags have commas between them.
    pub key: String,
    /// Its value as text; empty where it is not set.
    pub value: String,
    /// What it may be; none where it is a number or a text.
    pub choices: Vec<String>,
}
