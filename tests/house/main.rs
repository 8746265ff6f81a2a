//! Tests of the house itself, without any server: who may see whom, what the configuration says to mistakes, the commands,
//! and what the fuzzers have found so far.
#![expect(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may fail, and its clock may start anywhere"
)]

mod addresses;
mod ban_filters;
mod bench;
#[path = "../../fuzz/checks/mod.rs"]
mod checks;
mod closed_pipe;
mod code;
mod commands;
mod config;
mod corpus;
mod crates;
mod dangers;
mod database_file;
mod fields;
mod layers;
mod manual;
mod metrics;
mod packages;
mod pages;
mod schemes;
mod settings;
mod snippets;
mod statements;
mod terminal;
mod whole_files;
