//! mailcow mode: Keycloak's settings come from mailcow's own table, so that nothing is configured twice.
//!
//! * [`IdentityProvider`]: what the rows of the table `identity_provider` mean.
//! * [`Refresher`]: reads them again and again, and puts them in the place of what
//!   [`Sources`](crate::backend::people::Sources) and [`provision`](crate::provision) used before.
//!
//! keydove never writes to that table. What a mail login needs of a Keycloak client beyond mailcow's settings
//! (timeouts, `ca_file`, demands on people) stays in `[keycloak]`.

mod config;
mod identity_provider;
mod refresher;

pub use config::Config;
pub use identity_provider::{IdentityProvider, Unusable};
pub use refresher::Refresher;
