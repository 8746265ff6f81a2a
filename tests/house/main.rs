//! Tests of the house itself, without any server: who may see whom, what the configuration says to mistakes,
//! and what the fuzzers have found so far.
#![expect(clippy::disallowed_methods, reason = "a test's clock may start anywhere")]

#[path = "../../fuzz/checks/mod.rs"]
mod checks;
mod config;
mod corpus;
mod layers;
