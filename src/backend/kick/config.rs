//! The settings of kicks.

use std::time::Duration;

use serde::Deserialize;

use crate::settings::{Period, Section, SettingFault};

/// What stands for the mailbox in `command`.
pub(super) const USER: &str = "{user}";
const SHORTEST_WINDOW: Duration = Duration::from_secs(1);
const LONGEST_WINDOW: Duration = Duration::from_secs(86_400);

/// How keydove ends open sessions of users who lost access: docs/off-boarding.md. Without this table sessions go on
/// until the mail client ends them.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// A program by its absolute path, and its arguments; `{user}` in them is the mailbox. It does not run through
    /// a shell, runs for at most 10 s, and one at a time. keydove does not run it for a mailbox whose name holds
    /// `*`, `?`, `"` or `\`, or begins with `-`.
    pub command: Vec<String>,
    /// Whether a new password ends sessions too, also those that began with it a moment before. Default `true`.
    #[serde(default = "yes")]
    pub password_changes: bool,
    /// How many per cent of the users whom keydove knows may lose their sessions within `window`, though always 5.
    /// If there are more, keydove holds all of them until `keydove kick release`. 100 never holds. Default `10`.
    #[serde(default = "ten")]
    pub max_percent: u64,
    /// The time span for `max_percent`: `"1s"` to `"1d"`. Default `"10m"`.
    #[serde(default = "ten_minutes")]
    pub window: Period,
}

fn yes() -> bool {
    true
}

fn ten() -> u64 {
    10
}

fn ten_minutes() -> Period {
    Period::from_secs(600)
}

impl Config {
    /// This command, and all else by default.
    #[cfg(test)]
    pub(super) fn of(command: Vec<String>) -> Self {
        Self { command, password_changes: yes(), max_percent: ten(), window: ten_minutes() }
    }
}

impl Section for Config {
    fn faults(&self) -> Vec<SettingFault> {
        let mut faults = Vec::new();
        let mut complain = |key, sentence, advice| faults.push(SettingFault::new(key, sentence, advice));
        let names_user = self.command.iter().skip(1).any(|argument| argument.contains(USER));
        if !names_user || !self.command.first().is_some_and(|program| program.starts_with('/')) {
            complain(
                "command",
                "`command` must begin with the whole path of a program and hold `{user}` as an argument",
                "for instance [\"/usr/bin/doveadm\", \"kick\", \"{user}\"]",
            );
        }
        if self.max_percent > 100 {
            complain("max_percent", "`max_percent` must be at most 100", "10 is a good value");
        }
        if !(SHORTEST_WINDOW..=LONGEST_WINDOW).contains(&self.window.get()) {
            complain("window", "`window` must be between `1s` and `1d`", "10m is a good value");
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<(), String> {
        let config: Config = toml::from_str(text).unwrap();
        config.faults().into_iter().next().map_or(Ok(()), |fault| Err(fault.keys.join(".")))
    }

    #[test]
    fn a_command_has_a_path_and_names_the_mailbox() {
        assert_eq!(read("command = ['/bin/doveadm', 'kick', '{user}']"), Ok(()));
        assert_eq!(read("command = ['/bin/curl', '-d', 'user={user}']"), Ok(()));
        for text in ["[]", "['doveadm', 'kick', '{user}']", "['/bin/doveadm', 'kick']", "['/bin/{user}']"] {
            assert_eq!(read(&format!("command = {text}")), Err("command".to_owned()), "{text}");
        }
    }

    #[test]
    fn the_bound_of_kicks_at_once_can_be() {
        let with = |rest: &str| read(&format!("command = ['/bin/doveadm', 'kick', '{{user}}']\n{rest}"));
        assert_eq!(with("max_percent = 0\nwindow = '1d'"), Ok(()));
        assert_eq!(with("max_percent = 101"), Err("max_percent".to_owned()));
        assert_eq!(with("window = '0'"), Err("window".to_owned()));
        assert_eq!(with("window = '2d'"), Err("window".to_owned()));
    }
}
