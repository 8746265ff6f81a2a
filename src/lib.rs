//! keydove: may this person use this service, and where does their mail live?

pub mod auth;
pub mod cli;
pub mod config;
pub mod daemon;
pub mod decision;
pub mod frontend;
pub mod hashing;
pub mod keycloak;
pub mod observe;
pub mod passdb;
pub mod provision;
pub mod sasl;
pub mod scheme;
pub mod settings;
pub mod sql;
pub mod userdb;
