//! Where does this user's mail live? Templates of Dovecot's userdb fields, filled in per mailbox. No I/O here.

mod template;

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::auth::{UserFields, Username};

pub use template::{Template, UnknownVariable};

/// `[userdb]`: what Dovecot's mail processes, LMTP and doveadm are told about each mailbox.
///
/// Values may hold `%u` (address), `%n` (local part), `%d` (domain) and `%{quota}` (bytes, 0 = unlimited).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// User id of the mail files: a number, or a name of this machine. Dovecot is told the number.
    pub uid: Option<String>,
    /// Group id of the mail files, likewise.
    pub gid: Option<String>,
    /// Home folder.
    pub home: Option<Template>,
    /// Mail location (`mail` of Dovecot 2.3).
    pub mail: Option<Template>,
    /// The form of the mail, such as `maildir` (`mail_driver` of Dovecot 2.4).
    pub mail_driver: Option<Template>,
    /// Where it lies (`mail_path` of Dovecot 2.4).
    pub mail_path: Option<Template>,
    /// Any other userdb field or setting to override, such as `quota_rule`.
    pub fields: BTreeMap<String, Template>,
}

/// The filled-in form.
#[derive(Clone, Debug)]
pub struct Userdb {
    fields: Vec<(String, Template)>,
}

impl Userdb {
    /// Puts the templates in the order in which they are sent.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let fixed = [
            ("uid", config.uid.as_deref().map(Template::literal)),
            ("gid", config.gid.as_deref().map(Template::literal)),
            ("home", config.home.clone()),
            ("mail", config.mail.clone()),
            ("mail_driver", config.mail_driver.clone()),
            ("mail_path", config.mail_path.clone()),
        ];
        let fixed = fixed.into_iter().filter_map(|(name, template)| Some((name.to_owned(), template?)));
        let extra = config.fields.iter().map(|(name, template)| (name.clone(), template.clone()));
        Self { fields: fixed.chain(extra).collect() }
    }

    /// The fields of one mailbox. `quota` is in bytes.
    #[must_use]
    pub fn fields(&self, user: &Username, quota: u64) -> UserFields {
        let mut fields = UserFields::default();
        for (name, template) in &self.fields {
            fields.push(name, &template.fill(user, quota));
        }
        fields
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_filled_in_and_keep_their_order() {
        let config: Config = toml::from_str(
            r#"uid = "vmail"
               gid = "5000"
               home = "/var/vmail/%d/%n"
               mail = "maildir:~/Maildir"
               [fields]
               quota_rule = "*:bytes=%{quota}"
               note = "100%% %u""#,
        )
        .unwrap();
        let user = Username::parse(b"Alice@Example.org").unwrap();
        let fields = Userdb::new(&config).fields(&user, 1024);
        let fields: Vec<_> = fields.iter().collect();
        let expected = [
            ("uid", "vmail"),
            ("gid", "5000"),
            ("home", "/var/vmail/example.org/alice"),
            ("mail", "maildir:~/Maildir"),
            ("note", "100% alice@example.org"),
            ("quota_rule", "*:bytes=1024"),
        ];
        assert_eq!(fields, expected);
    }
}
