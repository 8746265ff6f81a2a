//! The words that every other module speaks. They depend on nobody.
//!
//! * A **service** is what a person wants to use: IMAP, POP3, SMTP submission, ManageSieve ([`Service`]).
//! * A **mechanism** is the SASL method of one exchange: PLAIN, LOGIN, OAUTHBEARER, XOAUTH2 ([`Mechanism`]).
//! * A **credential** is what a person presents: a password or a token ([`Credential`]).
//! * The **authcid** is who proves who they are, the **authzid** as whom they want to act (RFC 4616).
//! * A **verdict** ends a decision ([`Verdict`]): *accept* with a [`Grant`], *refuse* with a [`Denial`],
//!   or *cannot tell* with a [`TempFail`]. A refusal is a value; only ignorance is a failure; and no failure
//!   can turn into a refusal, because no error type converts into [`Denial`].
//! * A **secret** is anything that would open a mailbox or the identity server ([`Secret`]).

mod app_password;
mod fields;
mod mail;
mod mask;
mod name;
mod proxied;
mod reason;
mod request;
mod secret;
mod sent_name;
mod service;
mod temp_fail;
mod verdict;

pub use app_password::{APP_PASSWORD_BYTES, make_app_password, row_id as app_password_row_id};
pub use fields::UserFields;
pub use mail::{MailMap, MapRequest, SenderRequest, SenderVerdict};
pub use mask::UserMask;
pub use name::{DefaultDomain, InvalidName, Username, normalise_domain};
pub use proxied::{MailHost, ProxiedLogin};
pub use reason::{
    Denial, Guess, HashTrouble, MainPassword, Outdated, ProvisionRefusal, Reason, Telling, TempFailReason,
};
pub use request::{AuthRequest, Credential, Mechanism, Origin, ProvenIdentity, UserLookup, UserRequest};
pub use secret::Secret;
pub use sent_name::SentName;
pub use service::{BadServiceName, Service, ServiceNames};
pub use temp_fail::TempFail;
pub use verdict::{Grant, NotAccepted, Source, Told, Verdict};
