//! `{PLAIN}`: the password itself. Weak, hence off unless allowed.

use super::table;
use crate::auth::Secret;

pub(super) struct Hash(Secret);

pub(super) fn read(text: &[u8]) -> Option<table::Hash> {
    Some(table::Hash::Plain(Hash(Secret::new(text.to_vec()))))
}

impl Hash {
    /// Byte for byte: mailcow's `==` takes `0e1` and `0e2`, or `10` and `10.0`, for equal.
    pub(super) fn matches(&self, password: &[u8]) -> bool {
        self.0.matches(password)
    }
}
