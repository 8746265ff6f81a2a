//! People in Keycloak, as they are remembered.
//!
//! * [`Sources`]: which Keycloak realm has the people of which mail domain.
//! * [`People`]: their records, fetched once and kept for a while (`person_record.rs` fetches one).
//! * [`Entitled`]: the proof that a person may log in now; an app password needs it too.
//! * [`Loss`]: somebody lost access, and open sessions have to end.
//! * [`KnownPerson`]: what is remembered about one address, for an administrator.

mod entitled;
mod known_person;
mod losses;
mod person_record;
mod records;
mod sources;

pub use entitled::Entitled;
pub use known_person::KnownPerson;
pub use losses::{Loss, OnLoss};
pub use records::People;
pub(crate) use sources::DomainSource;
pub use sources::{LiveSource, Sources};
