//! What Dovecot and Postfix ask over the Dovecot auth protocol, and over which socket.
//!
//! * [`AuthClient`]: the *untrusted* side. Login processes and `smtpd` bring SASL exchanges.
//! * [`AuthMaster`]: the *trusted* side. Mail processes, LMTP and doveadm ask where users live.
//! * [`PendingLogins`]: what joins them. A login process hands its success to a mail process, which
//!   redeems it here, once.
//!
//! All of it is pure: lines in, questions out; answers in, lines out. Time comes in as a parameter.

mod auth_client;
mod auth_master;
mod escaping;
mod line;
mod pending;
mod proxy;

pub use auth_client::{AuthClient, Role};
pub use auth_master::{AuthMaster, MasterAnswer, MasterQuestion, Peer};
pub use escaping::{escape, unescape};
pub use line::Fields;
// The lookup protocol has parameters of the same form.
pub(super) use auth_client::{read_address, read_service, read_text};
pub(super) use line::{split_parameter, write_fields};
pub use pending::{Cookie, PendingLogin, PendingLogins};

/// What all connections of one server process share on the wire.
///
/// Dovecot's mail processes compare the SPID of the login socket with that of the master socket and give a
/// login up when they differ ("Auth server restarted"), so it is new and random at each start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerId(u32);

impl ServerId {
    /// Makes an id of random bits: 1 to 2³¹−1, because clients read it as a process id.
    #[must_use]
    pub fn from_random(bits: u32) -> Self {
        Self((bits & 0x7FFF_FFFF).max(1))
    }
}
