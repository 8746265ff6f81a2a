//! Tokens as Keycloak issues them, for access, of who signed in and of who signed out: what is in one, who signed it,
//! for whom it is. Pure.
//!
//! Keys are fetched, and people looked up, by others. A token passes two steps: [`Claims::check`] with what it says
//! about itself, and `Key::verify` with who says so. Neither is worth anything without the other.

mod claims;
mod config;
mod identity;
mod jwt;
mod keys;

pub use claims::{Claims, Demands};
pub use config::Config;
pub use identity::{IdToken, IdentityFault, Logout, Recipient};
pub use jwt::{Algorithm, Token};
pub use keys::{Keys, Signer};
