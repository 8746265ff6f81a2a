//! The settings of kicks.

use serde::Deserialize;

/// What stands for the mailbox in `command`.
pub(super) const USER: &str = "{user}";

/// `[kick]`: how open sessions are ended. Without it they live on until the mail client goes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// A program, by its whole path, and its arguments; `{user}` in them stands for the mailbox.
    pub command: Vec<String>,
    /// Whether a new password ends sessions too. Default true.
    #[serde(default = "yes")]
    pub password_changes: bool,
}

/// A command that cannot be.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`command` must begin with the whole path of a program and hold `{{user}}` as an argument")]
pub struct BadCommand;

fn yes() -> bool {
    true
}

impl Config {
    /// Finds a command that cannot be.
    ///
    /// # Errors
    /// It has no whole path, or nothing in it stands for the mailbox.
    pub fn validate(&self) -> Result<(), BadCommand> {
        let Some((program, arguments)) = self.command.split_first() else { return Err(BadCommand) };
        let names_user = arguments.iter().any(|argument| argument.contains(USER));
        if program.starts_with('/') && names_user { Ok(()) } else { Err(BadCommand) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_has_a_path_and_names_the_mailbox() {
        let read = |text: &str| toml::from_str::<Config>(text).unwrap().validate();
        assert_eq!(read("command = ['/bin/doveadm', 'kick', '{user}']"), Ok(()));
        assert_eq!(read("command = ['/bin/curl', '-d', 'user={user}']"), Ok(()));
        for text in ["[]", "['doveadm', 'kick', '{user}']", "['/bin/doveadm', 'kick']", "['/bin/{user}']"] {
            assert_eq!(read(&format!("command = {text}")), Err(BadCommand), "{text}");
        }
    }
}
