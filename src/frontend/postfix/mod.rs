//! What Postfix asks beside logins: its policy protocol and its socketmap protocol.
//!
//! * [`PolicyService`]: `check_policy_service`. May whoever is logged in send under this address?
//! * [`Socketmap`]: lookup tables. Is this domain here, is there such a mailbox, where do aliases lead, whose is an
//!   address?
//!
//! Both are pure, as the auth protocol is. Neither ever closes a connection that is idle: Postfix would find out at its
//! next question, and wait a second.

mod in_order;
mod policy;
mod socketmap;

pub use policy::PolicyService;
pub use socketmap::Socketmap;
