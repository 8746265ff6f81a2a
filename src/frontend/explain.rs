//! What `keydove explain` asks and is told.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::auth::{AuthRequest, Credential, Mechanism, Origin, Secret, Service};
use crate::login::decision::Explanation;

/// A login that an administrator wants explained.
#[derive(Debug)]
pub struct ExplainRequest {
    /// The name.
    pub user: String,
    /// For which service.
    pub service: String,
    /// The mail client's address, where the answer depends on it.
    pub remote: Option<IpAddr>,
    /// The password, to be tried out.
    pub password: Option<Secret>,
}

impl ExplainRequest {
    /// The login, and whether it has a password. Without one its credential does not matter.
    pub(super) fn into_login(self) -> (AuthRequest, bool) {
        let has_password = self.password.is_some();
        let request = AuthRequest {
            authcid: self.user.into_bytes(),
            authzid: Vec::new(),
            credential: Credential::Password(self.password.unwrap_or_else(|| Secret::from(""))),
            service: Service::parse(&self.service),
            service_name: self.service.into(),
            mechanism: Mechanism::Plain,
            origin: Origin { remote: self.remote, secured: true, session: None },
            wants_fields: false,
        };
        (request, has_password)
    }
}

/// How a login would end, and how the last ones did.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explained {
    /// Now.
    pub explanation: Explanation,
    /// Attempts that were not accepted since keydove started, the last first.
    pub failures: Vec<Attempt>,
    /// The login history, the last first; `None` where it cannot be read.
    pub logins: Option<Vec<Attempt>>,
}

/// One attempt of the past.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// When: for failures in UTC (RFC 3339), for the login history by the clock of the database.
    pub at: String,
    /// For what.
    pub service: String,
    /// From where, if that is known.
    pub remote: Option<String>,
    /// `accept`, `refuse` or `cannot_tell`.
    pub verdict: String,
    /// The reason code; for `accept` which password it was.
    pub reason: String,
}
