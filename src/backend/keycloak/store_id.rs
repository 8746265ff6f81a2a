//! The id of a user store behind Keycloak.

/// Keycloak's id of a store.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StoreId(Box<str>);

impl StoreId {
    /// As Keycloak writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whose store this id of a person names, if they live in one without being copied: `f:STORE:name`.
    #[must_use]
    pub fn of_person(id: &str) -> Option<Self> {
        let store = id.strip_prefix("f:")?.split_once(':')?.0;
        Self::new(store)
    }

    pub(super) fn new(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| Self(text.into()))
    }
}
