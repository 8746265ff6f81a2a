//! *Census*: which schemes and costs of passwords are in use, and what is odd about users.

use serde::{Deserialize, Serialize};

use super::{Effect, Work};

/// What may be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CensusRequest {
    /// What the last count found. → [`CensusCard`]
    Show,
    /// Begins a count.
    Count,
}

impl CensusRequest {
    /// What it does.
    #[must_use]
    pub fn effect(&self) -> Effect {
        match self {
            Self::Show | Self::Count => Effect::Reads,
        }
    }

    /// One of each kind.
    #[must_use]
    pub fn examples() -> Vec<Self> {
        vec![Self::Show, Self::Count]
    }
}

/// A count of all users and passwords.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CensusCard {
    /// Whether one is under way.
    pub count: Work,
    /// Everybody was gone through.
    pub complete: bool,
    /// Users in Keycloak.
    pub seen: u64,
    /// Those of them whom keydove leaves out.
    pub set_aside: u64,
    /// Why a Keycloak was not gone through to the end.
    pub troubles: Vec<String>,
    /// Passwords, by how they are stored.
    pub passwords: Vec<PasswordLine>,
    /// What is odd about users.
    pub findings: Vec<CensusFinding>,
}

/// Passwords that are stored in one way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordLine {
    /// How keydove judges them, such as `good` or `weak`.
    pub grade: String,
    /// Where they are.
    pub place: String,
    /// Their scheme.
    pub scheme: String,
    /// Its cost.
    pub cost: String,
    /// How many.
    pub count: u64,
    /// Some of them.
    pub examples: Vec<String>,
}

/// Something that is odd about some users.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CensusFinding {
    /// What.
    pub code: String,
    /// How many.
    pub count: u64,
    /// Some of them.
    pub examples: Vec<String>,
}
