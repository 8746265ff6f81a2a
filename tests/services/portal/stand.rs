//! The portal of the cases: this very program.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use super::super::stage::portal::Portal;
use super::super::stage::system::System;
use super::super::stage::{Result, attempt};

/// The first argument of this program when it is to be the portal. Cargo gives a test the programs of its own package
/// only, and the portal is another; so the tests are built with the portal's code, and become it.
pub const AS_PORTAL: &str = "become-the-portal";

/// Becomes the portal, if that is what this process was started for.
pub fn become_portal() -> Option<ExitCode> {
    let mut words = std::env::args().skip(1);
    (words.next().as_deref() == Some(AS_PORTAL)).then(|| keydove_portal::cli::run_with(words))
}

/// Starts one for the people of the system.
pub fn start(system: &mut System, keydove: impl FnOnce(String) -> String) -> Result<Portal> {
    let own = attempt("find", &PathBuf::from("this program"), std::env::current_exe())?;
    Portal::start(system, vec![own.into(), OsString::from(AS_PORTAL)], keydove)
}
