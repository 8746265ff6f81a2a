//! Whose each field of a mailbox is: what follows a template, what its user chose, and what an administrator set.
//!
//! mailcow writes most of these fields from three places: its templates, its users' pages, and its administrators' pages.
//! Who applies a template must know which of them is the last word. docs/templates.md shows this table.

/// Who has the last word about a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// The field follows the template whenever the template says something new about it. What an administrator sets
    /// meanwhile stays until then.
    Template,
    /// Users set it themselves. It follows the template only while it is as the template, or mailcow, left it.
    User,
    /// No template and no sync touches it, except as the table says.
    Administrator,
}

/// Where a field is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldPlace {
    /// `table.column`.
    Column(&'static str),
    /// A key of `mailbox.attributes`.
    Attribute(&'static str),
    /// Rows of a table.
    Rows(&'static str),
    /// The mailbox's field of a hash in mailcow's Redis.
    Redis(&'static str),
}

/// A field of a mailbox.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Where it is.
    pub place: FieldPlace,
    /// Whose it is.
    pub holder: Holder,
    /// What keydove does with it beyond that; may be empty.
    pub note: &'static str,
}

use FieldPlace::{Attribute, Column, Redis, Rows};
use Holder::{Administrator, Template, User};

const fn field(place: FieldPlace, holder: Holder, note: &'static str) -> Field {
    Field { place, holder, note }
}

const AT_CREATION: &str = "written when keydove creates the mailbox, never later";
const NEVER: &str = "keydove never writes it";

/// Every field.
pub const FIELDS: &[Field] = &[
    field(Column("mailbox.quota"), Template, "if it fits the domain; else it is tried again"),
    field(Attribute("imap_access"), Template, ""),
    field(Attribute("pop3_access"), Template, ""),
    field(Attribute("smtp_access"), Template, ""),
    field(Attribute("sieve_access"), Template, ""),
    field(Attribute("eas_access"), Template, ""),
    field(Attribute("dav_access"), Template, ""),
    field(Attribute("sogo_access"), Template, ""),
    field(Attribute("force_tfa"), Template, ""),
    field(Rows("user_acl"), Template, "each right by itself"),
    field(Rows("tags_mailbox"), Template, "new tags are added, none is removed"),
    field(Redis("RL_VALUE"), Template, "the rate limit"),
    field(Attribute("tls_enforce_in"), User, ""),
    field(Attribute("tls_enforce_out"), User, ""),
    field(Attribute("quarantine_notification"), User, ""),
    field(Attribute("quarantine_category"), User, ""),
    field(Redis("RCPT_WANTS_SUBFOLDER_TAG"), User, AT_CREATION),
    field(Redis("RCPT_WANTS_SUBJECT_TAG"), User, AT_CREATION),
    field(Rows("app_passwd"), User, NEVER),
    field(Rows("spamalias"), User, NEVER),
    field(Rows("tfa"), User, NEVER),
    field(Rows("sieve_filters"), User, NEVER),
    field(Rows("filterconf"), User, NEVER),
    field(Rows("imapsync"), User, NEVER),
    field(Rows("pushover"), User, NEVER),
    field(Attribute("recovery_email"), User, NEVER),
    field(
        Column("mailbox.active"),
        Administrator,
        "the sync switches leavers off, and on again if they return",
    ),
    field(
        Column("mailbox.name"),
        Administrator,
        "it follows Keycloak when the name there changes, or when it is empty: `names`",
    ),
    field(Column("mailbox.description"), Administrator, NEVER),
    field(Column("mailbox.custom_attributes"), Administrator, NEVER),
    field(Column("mailbox.authsource"), Administrator, AT_CREATION),
    field(Attribute("relayhost"), Administrator, AT_CREATION),
    field(Attribute("force_pw_update"), Administrator, AT_CREATION),
    field(Attribute("mailbox_format"), Administrator, AT_CREATION),
    field(Rows("alias"), Administrator, "its own alias is switched with `mailbox.active`"),
    field(Rows("sender_acl"), Administrator, NEVER),
];

/// Whose a key of `mailbox.attributes` is. One that is not in the table is nobody's whom keydove may speak for.
pub(super) fn holder_of_attribute(key: &str) -> Holder {
    let is_meant = |field: &&Field| matches!(field.place, Attribute(name) if name == key);
    FIELDS.iter().find(is_meant).map_or(Administrator, |field| field.holder)
}

impl FieldPlace {
    /// As the documentation writes it.
    #[must_use]
    pub fn words(self) -> String {
        match self {
            Column(name) => format!("`{name}`"),
            Attribute(key) => format!("`mailbox.attributes`: `{key}`"),
            Rows(table) => format!("`{table}`"),
            Redis(hash) => format!("Redis: `{hash}`"),
        }
    }
}

impl Holder {
    /// As the documentation writes it.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Template => "template",
            User => "user",
            Administrator => "administrator",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provision::{TemplateText, template::SWITCHES};

    #[test]
    fn each_field_is_there_once_and_what_templates_set_is_there() {
        for (at, field) in FIELDS.iter().enumerate() {
            assert!(FIELDS[..at].iter().all(|other| other.place != field.place), "{field:?}");
        }
        for key in SWITCHES.iter().chain(&["quarantine_notification", "quarantine_category"]) {
            assert_ne!(holder_of_attribute(key), Administrator, "{key}");
            assert!(TemplateText::kind(key).is_some(), "{key}");
        }
    }
}
