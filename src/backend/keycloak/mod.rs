//! The identity server, as a client sees it: a service account that looks people up by address.
//!
//! One token is kept until shortly before it ends and is never introspected; connections are kept open. Every
//! failure is an [`Error`] with its own reason, and none of them says anything about a person. Of the tokens that people
//! present it knows the realm's public keys, which are kept, and, where that is wanted, whether a token is still active.
//!
//! [`Admin`] is another matter: an administrator's sign-in, with which `keydove setup` changes a realm.
//!
//! Caching of people and what a verdict makes of them are left to others.

mod account;
mod admin;
mod attribute;
mod client;
mod config;
#[cfg(test)]
mod double;
mod error;
mod events;
#[cfg(test)]
mod faults;
mod http;
mod introspection;
mod keys;
mod listing;
mod person;
mod profile;
mod realm;
mod saved;
mod search;
mod state;
mod store_id;
mod stores;
mod texts;
mod token;

pub use admin::{Admin, AdminSignIn, encode};
pub use attribute::Visibility;
pub use client::{Client, Unmet};
pub use config::{Address, Config, LookupBy, RealmName, ServerUrl};
pub use error::{Error, SetupError};
pub use events::{Changes, EventCursor, EventError};
pub use introspection::Activity;
pub use keys::Signature;
pub use listing::{Disabled, Doubtful, Entry, Listed, PAGE, Whereabouts};
pub use person::Person;
pub use profile::ProfileFlaw;
pub use realm::{MisspeltBase, RealmLook};
pub use saved::SavedPerson;
pub use search::Lookup;
pub use state::AccountState;
pub use store_id::StoreId;
pub use stores::{Absence, StoreSetup};
