//! What Dovecot's and Postfix's own tools print of their settings.

use std::process::Command;

/// A setting in lines of `name = value`: one that is not indented.
pub(super) fn value_of<'a>(settings: &'a str, name: &str) -> Option<&'a str> {
    settings.lines().find_map(|line| Some(line.strip_prefix(name)?.trim_start().strip_prefix('=')?.trim()))
}

/// Why there is nothing to judge.
pub(super) enum Silence {
    /// The tool is not on this machine.
    NotHere,
    /// It has failed, in its own words.
    Failed(String),
}

/// What another program prints.
pub(super) fn output_of(command: &mut Command) -> Result<String, Silence> {
    let output = command.output().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Silence::NotHere,
        _ => Silence::Failed(error.to_string()),
    })?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(Silence::Failed(String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; "))),
    }
}
