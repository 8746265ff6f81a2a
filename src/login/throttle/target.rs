//! Whom an administrator lets in again.

use super::client_network::ClientNetwork;
use crate::auth::Username;
use crate::settings::Network;

/// What is to be forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// An account, wherever it was tried.
    User(Username),
    /// An address or a network, with all that lies in it; and the network's own counter where an address is meant.
    Network(Network),
    /// Everything.
    All,
}

impl Target {
    /// Reads an account's address, an IP address, a network, or `all`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text == "all" {
            return Some(Self::All);
        }
        let network = || Network::parse(text).ok().map(Self::Network);
        network().or_else(|| Username::parse(text.as_bytes()).ok().map(Self::User))
    }

    pub(super) fn to_text(&self) -> String {
        match self {
            Self::User(user) => user.as_str().to_owned(),
            Self::Network(network) => network.to_string(),
            Self::All => "all".to_owned(),
        }
    }

    pub(super) fn concerns(&self, user: Option<&Username>, place: ClientNetwork) -> bool {
        match self {
            Self::User(wanted) => user == Some(wanted),
            Self::Network(network) => place.is_in(network) || place.covers(network),
            Self::All => true,
        }
    }
}
