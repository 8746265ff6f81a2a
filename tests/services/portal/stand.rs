//! The portal of the cases: this very program.

use std::process::ExitCode;

use super::super::stage::Result;
use super::super::stage::portal::{Portal, asked_to_be_portal, this_program};
use super::super::stage::system::System;

/// Becomes the portal, if that is what this process was started for.
pub fn become_portal() -> Option<ExitCode> {
    asked_to_be_portal().map(keydove_portal::cli::run_with)
}

/// Starts one for the people of the system.
pub fn start(system: &mut System, keydove: impl FnOnce(String) -> String) -> Result<Portal> {
    Portal::start(system, this_program()?, keydove)
}
