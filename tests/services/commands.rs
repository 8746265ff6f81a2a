//! What keydove's commands print, and whose sessions its kick command ended.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::stage::keydove::Keydove;
use super::stage::{Failure, Result};

/// What a command printed, its complaints, and its exit code.
pub fn output(command: &mut Command) -> Result<(String, String, i32)> {
    let output = command.output().map_err(|error| Failure(format!("run keydove: {error}")))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok((text(&output.stdout), text(&output.stderr), output.status.code().unwrap_or(-1)))
}

/// The JSON that a command printed.
pub fn json(keydove: &Keydove, command: &str, arguments: &[&str]) -> Result<Value> {
    let (text, errors, _) = output(keydove.command(command).args(arguments))?;
    serde_json::from_str(&text)
        .map_err(|error| Failure(format!("keydove {command} {arguments:?} said {text}{errors}: {error}")))
}

/// For whom a kick command that makes a file `PREFIXuser` has run, in the order of their names.
pub fn kicked(prefix: &Path) -> Result<Vec<String>> {
    let folder = prefix.parent().unwrap_or(prefix);
    let prefix = prefix.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let entries = std::fs::read_dir(folder).map_err(|error| Failure(error.to_string()))?;
    let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut kicked: Vec<_> = names.filter_map(|name| name.strip_prefix(&prefix).map(str::to_owned)).collect();
    // `keydove check` tries the command on a mailbox that nobody has.
    kicked.retain(|user| !user.ends_with(".invalid"));
    kicked.sort();
    Ok(kicked)
}
