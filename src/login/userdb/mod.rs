//! Where does this user's mail live? Templates of Dovecot's userdb fields, filled in per mailbox. No I/O here.

mod template;

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::auth::{UserFields, Username};
use crate::settings::{Section, SettingFault};

pub use template::{Template, UnknownVariable};

/// Where mail is stored. keydove tells Dovecot.
///
/// A *template* may hold `%u` or `%{user}` (the address), `%n` or `%{local_part}`, `%d` or `%{domain}`, `%{quota}`
/// (in bytes) and `%%`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The owner of the mail files: a number in quotes, or a name of this machine, of which keydove tells Dovecot
    /// the number. Not root.
    pub uid: Option<String>,
    /// The group of the mail files, likewise.
    pub gid: Option<String>,
    /// The home folder. Default: required with an `auth-master` listener.
    pub home: Option<Template>,
    /// The mail location for Dovecot 2.3, such as `maildir:~/Maildir`. Dovecot 2.4 ignores it.
    pub mail: Option<Template>,
    /// The mailbox format for Dovecot 2.4, such as `maildir`. Dovecot 2.3 ignores it.
    pub mail_driver: Option<Template>,
    /// The mail location for Dovecot 2.4, such as `~/Maildir`. Dovecot 2.3 ignores it.
    pub mail_path: Option<Template>,
    /// Further userdb fields or Dovecot settings, such as `quota_rule = "*:bytes=%{quota}"`.
    pub fields: BTreeMap<String, Template>,
}

impl Section for Config {
    fn faults(&self) -> Vec<SettingFault> {
        let mut faults = Vec::new();
        for key in self.fields.keys() {
            if ["uid", "gid", "home", "mail", "mail_driver", "mail_path"].contains(&key.as_str()) {
                let advice = format!("write it as {key} directly under [userdb]");
                faults.push(SettingFault::at(
                    &["fields", key],
                    "this field has a setting of its own",
                    advice,
                ));
            }
            if key.is_empty() || key.contains(|c: char| c.is_control() || c.is_whitespace() || c == '=') {
                let advice = "use the name of a userdb field or of a Dovecot setting";
                faults.push(SettingFault::at(&["fields", key], "this is no name of a field", advice));
            }
        }
        faults
    }
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
