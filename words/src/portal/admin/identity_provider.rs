//! *Identity Provider*: the settings by which users come from Keycloak, and the connection test.

use serde::{Deserialize, Serialize};

use super::{Effect, Work};

/// What may be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentityProviderRequest {
    /// The settings, and how the last test ended. → [`ProviderCard`]
    Show,
    /// Begins a connection test: what `keydove check` finds.
    Test,
}

impl IdentityProviderRequest {
    /// What it does.
    #[must_use]
    pub fn effect(&self) -> Effect {
        match self {
            Self::Show | Self::Test => Effect::Reads,
        }
    }

    /// One of each kind.
    #[must_use]
    pub fn examples() -> Vec<Self> {
        vec![Self::Show, Self::Test]
    }
}

/// Where users come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderCard {
    /// In the order of mailcow's page, then what keydove has besides.
    pub settings: Vec<ProviderSetting>,
    /// The connection test.
    pub test: Work,
    /// What it found, faults first.
    pub findings: Vec<Finding>,
}

/// One setting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderSetting {
    /// Its name on mailcow's page, such as `server_url`.
    pub name: String,
    /// Its value. Nothing where it is not set, and of a secret.
    pub value: Option<String>,
    /// It is a secret that is set, and never shown.
    pub is_secret: bool,
    /// Where it stands: the file, and the table and key in it; or the row of mailcow's table.
    pub place: String,
}

/// One finding of `keydove check`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What was looked at, such as `database`.
    pub area: String,
    /// `fine`, `warning` or `fault`.
    pub level: String,
    /// What was found.
    pub what: String,
    /// The step that mends it.
    pub cure: Option<String>,
}
