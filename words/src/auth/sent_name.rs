//! A login name as somebody sent it.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::{InvalidName, Username};

/// The bytes of a login name, whatever they are. Copies share them.
///
/// Nearly every name is sent in normal form. Then it is read once, and its [`Username`] is the same text.
#[derive(Clone)]
pub struct SentName(Form);

#[derive(Clone)]
enum Form {
    Normal(Username),
    Other(Arc<[u8]>),
}

impl SentName {
    /// Takes a name as it came.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        Self(Username::of_plain(bytes).map_or_else(|| Form::Other(bytes.into()), Form::Normal))
    }

    /// The mailbox that it names.
    ///
    /// # Errors
    /// As for [`Username::parse`].
    pub fn parse(&self) -> Result<Username, InvalidName> {
        match &self.0 {
            Form::Normal(user) => Ok(user.clone()),
            Form::Other(bytes) => Username::parse(bytes),
        }
    }

    /// Its text, where it was sent in normal form and needs no quotes anywhere: of small letters, digits and single `.`, `-`,
    /// `_`, `+`, `@` between them, at most 64 bytes.
    #[must_use]
    pub fn plain(&self) -> Option<&str> {
        match &self.0 {
            Form::Normal(user) => Some(user.as_str()),
            Form::Other(_) => None,
        }
    }
}

impl Deref for SentName {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Form::Normal(user) => user.as_str().as_bytes(),
            Form::Other(bytes) => bytes,
        }
    }
}

impl From<&[u8]> for SentName {
    fn from(bytes: &[u8]) -> Self {
        Self::new(bytes)
    }
}

impl From<Vec<u8>> for SentName {
    fn from(bytes: Vec<u8>) -> Self {
        Self::new(&bytes)
    }
}

impl From<&str> for SentName {
    fn from(text: &str) -> Self {
        Self::new(text.as_bytes())
    }
}

impl PartialEq for SentName {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for SentName {}

impl fmt::Debug for SentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// What was sent stays as it was, and is the mailbox that its bytes name.
        #[test]
        fn it_is_its_bytes(name in "[a-zA-Z0-9.@_+ -]{0,12}@?[a-zü0-9.-]{0,9}[a-z.-]{0,3}") {
            let sent = SentName::from(&*name);
            prop_assert_eq!(&*sent, name.as_bytes());
            prop_assert_eq!(sent.parse(), Username::parse(name.as_bytes()));
        }
    }
}
