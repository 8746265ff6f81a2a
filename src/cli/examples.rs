//! Examples of the commands, for `--help` and the man pages.

use std::fmt::Write;

use clap::Command;

/// A command as it is typed, and what it is for.
type Example = (&'static str, &'static str);

/// By the command that they belong to; the empty one is `keydove` itself.
const EXAMPLES: &[(&str, &[Example])] = &[
    (
        "",
        &[
            ("keydove check", "does all that a login needs work?"),
            ("keydove explain ann@example.org", "why can she log in, or why not?"),
            ("keydove status --watch", "what is going on?"),
        ],
    ),
    (
        "check",
        &[
            ("keydove check", "before a start, and after a change"),
            ("keydove check --user ann@example.org", "her password attribute too"),
            ("keydove check --strict --json", "for monitoring"),
        ],
    ),
    (
        "hash",
        &[
            ("keydove hash", "asks for the password twice"),
            ("keydove hash --scheme ARGON2ID < password.txt", "its first line is the password"),
            ("keydove hash --list", "the schemes, and what is weak"),
        ],
    ),
    (
        "domain add",
        &[("keydove domain add example.org --mailboxes 500 --quota 1000GiB", "room for 500 people")],
    ),
    (
        "mailbox add",
        &[
            ("keydove mailbox add ann@example.org --name Ann --quota 5GiB", "before her first login"),
            ("keydove mailbox add scan@example.org --source mailcow", "with a password of its own"),
        ],
    ),
    (
        "mailbox adopt",
        &[
            (
                "keydove mailbox adopt ann@example.org --id 4a3c7f0e-5d2b-4f4e-9a55-0f6f7a1d2c3b",
                "one, by hand",
            ),
            ("keydove mailbox adopt --all --by LDAP_ID --dry-run", "after Keycloak imported everybody anew"),
        ],
    ),
    ("mailbox set", &[("keydove mailbox set ann@example.org --active off", "nothing is deleted")]),
    (
        "app-password add",
        &[("keydove app-password add ann@example.org --name phone --service imap,smtp --expires 365d", "")],
    ),
    (
        "app-password revoke",
        &[("keydove app-password revoke ann@example.org --name phone", "it opens nothing any more")],
    ),
    (
        "portal-session end",
        &[("keydove portal-session end ann@example.org", "she is no administrator any more")],
    ),
    (
        "sync-log",
        &[("keydove sync-log list", ""), ("keydove sync-log show 1234", "what became of each user")],
    ),
    ("backup", &[("keydove backup /var/backups/keydove.sqlite", "while the daemon runs")]),
    (
        "cache",
        &[
            ("keydove cache show ann@example.org", "what is known of her, and how old that is"),
            ("keydove cache forget ann@example.org", "her next login asks anew"),
        ],
    ),
    (
        "explain",
        &[
            ("keydove explain ann@example.org --service smtp", "each step, the verdict, the cure"),
            ("keydove explain ann@example.org --password-stdin", "with the password that she uses"),
        ],
    ),
    (
        "throttle",
        &[
            ("keydove throttle list", "who guesses, and who has to wait"),
            ("keydove throttle clear 192.0.2.0/24", "nobody there has to wait any longer"),
        ],
    ),
    (
        "kick",
        &[
            ("keydove kick list", "whose sessions are held, and why"),
            ("keydove kick release --all", "they are to lose access"),
        ],
    ),
    (
        "backend",
        &[
            ("keydove backend list", "where mailboxes live, and which backends are up"),
            ("keydove backend drain mail1", "it gets no new mailboxes"),
            ("keydove backend move ann@example.org mail2", "between two copies of her mail"),
        ],
    ),
    (
        "setup",
        &[
            ("keydove setup --dry-run", "what would be changed"),
            ("keydove setup --answers answers.toml --yes", "without a question"),
            ("keydove setup --undo", "everything as it was before"),
        ],
    ),
    (
        "sync",
        &[
            ("keydove sync --dry-run", "what would be done"),
            ("keydove sync --user ann@example.org", "her alone"),
        ],
    ),
    ("census", &[("keydove census --json", "to sort out weak passwords elsewhere")]),
    (
        "grants",
        &[
            ("keydove grants | mariadb -u root", "on the database's machine"),
            ("keydove grants --commands --from 10.0.0.7", "for `keydove mailbox add` too, over the network"),
        ],
    ),
    ("housekeeping", &[("keydove housekeeping --dry-run", "how many rows would go")]),
    (
        "bench",
        &[(
            "keydove bench /run/dovecot/auth-client --user u%04d@example.org --people 200 --connections 32",
            "u0000 to u0199",
        )],
    ),
    ("completions", &[("keydove completions bash > /usr/share/bash-completion/completions/keydove", "")]),
    ("man", &[("keydove man /usr/local/share/man/man1", "")]),
];

/// The examples of a command, named as after `keydove `.
pub(super) fn of(name: &str) -> &'static [Example] {
    EXAMPLES.iter().find(|(command, _)| *command == name).map_or(&[], |(_, examples)| examples)
}

/// Adds them below the help of each command.
pub(super) fn add(command: Command) -> Command {
    add_below(command, "")
}

fn add_below(command: Command, name: &str) -> Command {
    let below: Vec<String> = command.get_subcommands().map(|below| below.get_name().to_owned()).collect();
    let command = below.into_iter().fold(command, |command, below| {
        let name = format!("{name} {below}");
        command.mut_subcommand(below, |below| add_below(below, name.trim_start()))
    });
    let examples = of(name);
    if examples.is_empty() {
        return command;
    }
    let mut text = command.get_after_help().map_or_else(String::new, |before| format!("{before}\n\n"));
    text.push_str("Examples:");
    for (line, meaning) in examples {
        let _ = match meaning.is_empty() {
            true => write!(text, "\n  {line}"),
            false => write!(text, "\n  {line}    # {meaning}"),
        };
    }
    command.after_help(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn each_example_is_a_command_of_the_command_that_it_stands_with() {
        for (name, examples) in EXAMPLES {
            for (line, _) in *examples {
                // Without what the shell does.
                let line = line.split(['<', '>', '|']).next().unwrap();
                let words = line.split_whitespace();
                let parsed = super::super::Arguments::command().try_get_matches_from(words);
                assert!(parsed.is_ok(), "{line}: {}", parsed.unwrap_err());
                assert!(name.is_empty() || line.starts_with(&format!("keydove {name}")), "{line}");
            }
        }
    }

    #[test]
    fn each_stands_in_the_help_of_a_command_that_is_there() {
        let mut command = add(super::super::Arguments::command());
        for (name, examples) in EXAMPLES {
            let found = name
                .split_whitespace()
                .try_fold(&mut command, |command, word| command.find_subcommand_mut(word));
            let help = found.unwrap_or_else(|| unreachable!("{name}")).render_long_help().to_string();
            assert!(examples.iter().all(|(line, _)| help.contains(line)), "{name}: {help}");
        }
    }
}
