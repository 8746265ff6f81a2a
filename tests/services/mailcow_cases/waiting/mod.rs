//! Cases of features that are being built. They are listed and not run, until `is_there` says so.

pub mod app_passwords;
mod identity_provider;
mod login_log;
mod outage;
mod person_id;
mod redis;
mod template_updates;
mod webmail;

use super::WorldCase;

/// A feature and its cases.
pub struct Waiting {
    /// What they wait for.
    pub feature: &'static str,
    /// Whether they run.
    pub is_there: bool,
    /// The cases.
    pub cases: &'static [WorldCase],
}

pub const ALL: &[Waiting] = &[
    Waiting { feature: "app passwords", is_there: true, cases: app_passwords::CASES },
    Waiting { feature: "webmail", is_there: true, cases: webmail::CASES },
    Waiting { feature: "login history", is_there: true, cases: login_log::CASES },
    Waiting { feature: "redis", is_there: true, cases: redis::CASES },
    Waiting { feature: "identity provider", is_there: true, cases: identity_provider::CASES },
    Waiting { feature: "person id", is_there: true, cases: person_id::CASES },
    Waiting { feature: "template updates", is_there: true, cases: template_updates::CASES },
    Waiting { feature: "stale records", is_there: true, cases: outage::CASES },
];
