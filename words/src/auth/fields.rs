//! Extra fields that travel with an answer.

/// Where a user's mail lives, as Dovecot's userdb fields: `uid`, `gid`, `home`, `mail`, settings to override.
///
/// They go out on the master socket only. A login process never sees them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserFields(Vec<(Box<str>, Box<str>)>);

impl UserFields {
    /// Adds a field. Order is kept.
    pub fn push(&mut self, name: &str, value: &str) {
        self.0.push((name.into(), value.into()));
    }

    /// All fields, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }
}
