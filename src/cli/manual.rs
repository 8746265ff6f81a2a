//! Parts of the manual that are made from the source, so that they cannot drift: reason codes and commands.
//!
//! `docs/reasons.md` and `docs/commands.md` hold them between two marks; `tests/house/manual.rs` compares.

use std::fmt::Write;

use clap::{Arg, Command, CommandFactory};

use super::{examples, man};
use crate::auth::{Reason, TempFailReason};

/// The tables of `docs/reasons.md`: every reason code, what it means, and what to do.
#[must_use]
pub fn reasons() -> String {
    let is_rule = |reason: &Reason| matches!(reason, Reason::CannotTell(TempFailReason::Provisioning(_)));
    let (refusals, failures): (Vec<_>, Vec<_>) = Reason::all()
        .filter(|reason| *reason != Reason::Accepted)
        .partition(|reason| matches!(reason, Reason::Refused(_) | Reason::NotOwner));
    let (rules, faults): (Vec<_>, Vec<_>) = failures.into_iter().partition(is_rule);
    let mut text =
        String::from("## Refuse\n\n| reason code | meaning | what to do | guess |\n|---|---|---|---|\n");
    for reason in refusals {
        let guess = if reason.is_guess() { "yes" } else { "" };
        let _ = writeln!(text, "{} {guess} |", row(reason));
    }
    let chapters = [("Temporary failure", faults), ("Temporary failure: a rule prevents the mailbox", rules)];
    for (heading, reasons) in chapters {
        let _ = write!(text, "\n## {heading}\n\n| reason code | meaning | what to do |\n|---|---|---|\n");
        for reason in reasons {
            let _ = writeln!(text, "{}", row(reason));
        }
    }
    text
}

fn row(reason: Reason) -> String {
    let cell = |text: &str| text.replace('|', "\\|");
    format!("| `{}` | {} | {} |", reason.code(), cell(reason.meaning()), cell(reason.cure()))
}

/// The chapters of `docs/commands.md`: every command with its options and examples.
#[must_use]
pub fn commands() -> String {
    let mut command = super::Arguments::command().disable_help_subcommand(true);
    command.build();
    let mut text = String::new();
    for below in command.get_subcommands_mut() {
        describe(below, "", 2, &mut text);
    }
    let _ = writeln!(text, "## Exit codes\n\n| code | meaning |\n|---|---|");
    for (code, meaning) in man::EXIT_CODES {
        let _ = writeln!(text, "| {code} | {meaning} |");
    }
    text
}

fn describe(command: &mut Command, above: &str, level: usize, text: &mut String) {
    let name = format!("{above} {}", command.get_name()).trim_start().to_owned();
    let about = command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default();
    let _ = writeln!(text, "{} keydove {name}\n\n{}\n", "#".repeat(level), with_stop(&about));
    if command.has_subcommands() {
        for below in command.get_subcommands_mut() {
            describe(below, &name, level + 1, text);
        }
        return;
    }
    let usage = command.render_usage().to_string();
    let _ = writeln!(text, "    {}\n", usage.trim_start_matches("Usage: "));
    let arguments: Vec<_> = command.get_arguments().filter(|argument| is_its_own(argument)).collect();
    if !arguments.is_empty() {
        let _ = writeln!(text, "| option | meaning |\n|---|---|");
    }
    for argument in &arguments {
        let _ = writeln!(text, "| `{}` | {} |", written(argument), meaning(argument));
    }
    let examples = examples::of(&name);
    if !examples.is_empty() {
        let _ = writeln!(text, "{}Examples:\n", if arguments.is_empty() { "" } else { "\n" });
    }
    for (line, meaning) in examples {
        let comment = if meaning.is_empty() { String::new() } else { format!("    # {meaning}") };
        let _ = writeln!(text, "    {line}{comment}");
    }
    text.push('\n');
}

/// Whether it is no option of every command.
fn is_its_own(argument: &Arg) -> bool {
    !["help", "version", "config"].contains(&argument.get_id().as_str()) && !argument.is_hide_set()
}

/// As it is typed: `--name VALUE`, or `VALUE`.
fn written(argument: &Arg) -> String {
    let takes_value = argument.get_action().takes_values();
    let names = argument.get_value_names().unwrap_or_default();
    let value = names.iter().map(|name| name.replace('|', "\\|")).collect::<Vec<_>>().join(" ");
    match argument.get_long() {
        Some(long) if takes_value => format!("--{long} {value}"),
        Some(long) => format!("--{long}"),
        None => value,
    }
}

fn meaning(argument: &Arg) -> String {
    let help = argument.get_long_help().or(argument.get_help()).map(ToString::to_string).unwrap_or_default();
    let text = help.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|");
    let mut text = with_stop(&text);
    if !argument.get_action().takes_values() {
        return text;
    }
    let values = argument.get_possible_values();
    let values: Vec<_> = values.iter().map(|value| format!("`{}`", value.get_name())).collect();
    if !values.is_empty() {
        let _ = write!(text, " One of {}.", values.join(", "));
    }
    let defaults: Vec<_> =
        argument.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    if defaults.iter().any(|default| !default.is_empty()) {
        let _ = write!(text, " Default `{}`.", defaults.join(" "));
    }
    text
}

/// As a whole sentence; clap takes the full stop away.
fn with_stop(text: &str) -> String {
    let ends = text.is_empty() || text.ends_with(['.', '?', ':']);
    format!("{text}{}", if ends { "" } else { "." })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_command_and_each_code_has_a_row() {
        let commands = commands();
        for heading in ["## keydove serve\n", "### keydove domain add\n", "### keydove cache forget\n"] {
            assert!(commands.contains(heading), "{heading}: {commands}");
        }
        assert!(commands.contains("| `--user ADDRESS` |"), "{commands}");
        let reasons = reasons();
        for code in Reason::all().skip(1).map(Reason::code) {
            assert_eq!(reasons.matches(&format!("\n| `{code}` |")).count(), 1, "{code}");
        }
    }
}
