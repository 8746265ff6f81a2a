//! What the portal and the daemon say to each other on a socket `door = "portal"`: one JSON request a line, one JSON
//! answer a line. The first request of a connection is [`Request::Hello`].
//!
//! Times are seconds since 1970. A person is never named by the portal for themselves: requests carry the session, and the
//! daemon knows whose it is. Administrators name others ([`admin`]); the daemon knows who is one.

pub mod admin;
mod request;
mod response;

use serde::{Deserialize, Serialize};

pub use request::{Request, SignIn, WantedAppPassword};
pub use response::{
    Device, LastUse, Limits, Made, MailSignIn, NoSession, OwnAppPassword, RefusedSignIn, Rejection, Response,
    SentSecret, Session, SessionRow,
};

/// Both programs are of this version, or do not talk to each other.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Longest request in bytes, with its line end.
pub const MAX_REQUEST: usize = 16_384;
/// Longest answer in bytes, with its line end.
pub const MAX_ANSWER: usize = 1 << 20;
/// How old a proof of identity may be where a secret is shown, in seconds.
pub const RECENT: u64 = 300;

/// The SHA-256 of a session cookie's value, in lower-case hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionKey(pub String);
