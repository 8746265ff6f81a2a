//! mailcow's HTTP login: its script asks with one JSON object and is answered with a status and another.
//!
//! | status | body | means |
//! |---|---|---|
//! | 200 | `{"success":true}` | accept |
//! | 401 | `{"success":false}` | refuse |
//! | 401 | `null` | cannot tell, where [`CannotTell`] says nothing else |
//! | 400, 403, 405, 408, 413 | `{"success":false}` | no login at all |
//!
//! * `request.rs`: the JSON object as a question to the decision.
//! * `answer.rs`: one request from its first byte to its answer. A login has the same decision, line, numbers and
//!   notes as in every other protocol, and a refusal waits as there: what it took here would tell who exists.
//! * `repeats.rs`: why a wrong password that is asked about twice is one line.
//! * `shadow.rs`: mailcow decides, and keydove is compared with it; `differences.rs`: the table of what may differ.
//! * `server.rs`, `tls.rs`: the port.

mod answer;
mod config;
mod differences;
mod repeats;
mod request;
mod server;
mod shadow;
mod tls;

use std::sync::Arc;

use crate::auth::Secret;
use crate::backend::records::Spawner;
use crate::login::LoginService;
use crate::login::service::Listener;
use crate::observe::metrics::ShadowMetrics;
use repeats::Repeats;
use shadow::Shadow;

pub use config::{CannotTell, Config};
pub use differences::manual as manual_of_differences;
pub use server::{Client, OpenError, Server, serve};
pub use shadow::{ShadowError, report as report_shadow};
pub use tls::TlsError;

/// What the connections to mailcow's login share.
pub struct HttpLogin {
    service: Arc<LoginService>,
    /// What the log calls it.
    listener: Listener,
    /// Starts tasks that are waited for when the daemon stops.
    spawner: Spawner,
    repeats: Repeats,
    shadow: Option<Arc<Shadow>>,
    cannot_tell: Option<CannotTell>,
    /// What whoever asks at the port must show.
    token: Option<Secret>,
}

/// Why mailcow's login cannot be offered.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// mailcow's own login cannot be asked.
    #[error(transparent)]
    Shadow(#[from] ShadowError),
    /// Random bytes.
    #[error("cannot read random bytes: {0}")]
    Random(#[from] getrandom::Error),
}

impl HttpLogin {
    /// Joins the parts.
    ///
    /// # Errors
    /// See [`SetupError`].
    pub fn new(
        (config, token): (&Config, Option<Secret>),
        (service, listener): (Arc<LoginService>, Listener),
        spawner: Spawner,
        metrics: Arc<ShadowMetrics>,
    ) -> Result<Self, SetupError> {
        let shadow = Shadow::new(config, metrics)?.map(Arc::new);
        let (repeats, cannot_tell) = (Repeats::new()?, config.cannot_tell);
        Ok(Self { service, listener, spawner, repeats, shadow, cannot_tell, token })
    }
}

/// Reads what the settings point at, for `keydove check`.
///
/// # Errors
/// What would keep it from being offered.
pub fn check(config: &Config) -> Result<(), Box<dyn std::error::Error>> {
    tls::of(config)?;
    Shadow::new(config, Arc::default())?;
    Ok(())
}
