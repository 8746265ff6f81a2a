//! `keydove completions`: what a shell needs to complete commands and options, made from their definitions.

use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::Shell;

use super::output::say;
use super::{FAILED, fail};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut super::Arguments::command(), "keydove", &mut script);
    match String::from_utf8(script) {
        Ok(script) => {
            say(script.trim_end());
            ExitCode::SUCCESS
        }
        Err(error) => fail(FAILED, &error),
    }
}
