//! The portal of the cases: this very program.

use std::process::ExitCode;

use super::super::stage::Result;
use super::super::stage::portal::{AS_PORTAL, Portal, this_program};
use super::super::stage::system::System;

/// Becomes the portal, if that is what this process was started for.
pub fn become_portal() -> Option<ExitCode> {
    let mut words = std::env::args().skip(1);
    (words.next().as_deref() == Some(AS_PORTAL)).then(|| keydove_portal::cli::run_with(words))
}

/// Starts one for the people of the system.
pub fn start(system: &mut System, keydove: impl FnOnce(String) -> String) -> Result<Portal> {
    Portal::start(system, this_program()?, keydove)
}
