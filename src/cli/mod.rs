//! The command line: the daemon's own commands, `keydove hash`, and the administrator's, a file each.

mod advice;
mod alias;
mod app_password;
mod backup;
mod bench;
mod cache;
mod census;
mod check;
mod colour;
mod completions;
mod control;
mod date;
mod domain;
mod examples;
mod explain;
mod foreign;
mod hash;
mod housekeeping;
mod input;
mod kick;
mod mailbox;
mod man;
mod output;
mod readmit;
mod size;
mod status;
mod storage;
mod sync;
mod table;
mod template;
mod throttle;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::config::Config;
use crate::{daemon, observe};
use output::say_error;
use storage::report;

/// Wrong use of the command line (`EX_USAGE`).
const USAGE: u8 = 64;
/// What was given cannot be, or there is no such row (`EX_DATAERR`).
const DATA: u8 = 65;
/// The daemon could not start although its configuration is sound, or the database or the system failed
/// (`EX_SOFTWARE`).
const FAILED: u8 = 70;
/// Another process does it just now (`EX_TEMPFAIL`).
const BUSY: u8 = 75;
/// The configuration is wrong (`EX_CONFIG`); a service manager should not try again.
const CONFIG: u8 = 78;

/// Mail logins from Keycloak, for Dovecot and Postfix.
#[derive(Debug, Parser)]
#[command(name = "keydove", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    config: ConfigArgument,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the sockets of the configuration until SIGTERM.
    Serve,
    /// Say what stands against logins, each with the step that mends it.
    ///
    /// Looked at are the configuration, the sockets, the database, Keycloak, and what Dovecot and Postfix are set to. Exit code 1: something stands against logins. 78: the configuration is wrong.
    Check(check::Arguments),
    /// Make a stored password (`{SCHEME}...`), verify one, or list the schemes.
    ///
    /// The password is asked for, or read from the first line of standard input; it is never an argument.
    Hash(hash::Arguments),
    /// Add, list and change the domains that are served here, and their limits.
    Domain(domain::Arguments),
    /// Add, list and change mailboxes, and give one to another person.
    Mailbox(mailbox::Arguments),
    /// Add, list and change the templates that new mailboxes are made from.
    Template(template::Arguments),
    /// Add, list and change aliases.
    Alias(alias::Arguments),
    /// Add, list and revoke app passwords: passwords for single devices and programs.
    #[command(name = "app-password")]
    AppPassword(app_password::Arguments),
    /// Show and forget what the running daemon remembers of Keycloak and the database.
    Cache(cache::Arguments),
    /// Say how the running daemon is doing.
    ///
    /// Shown are logins by verdict with rates, latencies, caches, backends, the hashing queue and the sync.
    Status(status::Arguments),
    /// Say why somebody can or cannot log in, and what to do about it.
    ///
    /// Shown are the decision step by step, what each step saw and how old that is, the verdict that a login would get now,
    /// and the last attempts. Nothing is changed, and no attempt is counted.
    Explain(explain::Arguments),
    /// Show and forget what the running daemon counts against guessing.
    Throttle(throttle::Arguments),
    /// Show, release and spare open sessions that the running daemon holds.
    ///
    /// With `[kick]` it ends the sessions of people who lost access. Are they too many at once, or do they share the cause,
    /// it holds them until somebody says what is right.
    Kick(kick::Arguments),
    /// Go through everybody in Keycloak once.
    ///
    /// It makes mailboxes (`[sync] import`), brings them in line, and switches off those of leavers (`[sync] deactivate`). The
    /// daemon may run meanwhile. Exit code 75: another process does it. Exit code 1: it did not get to the end, or too many people are gone.
    Sync(sync::Arguments),
    /// Count which password schemes and costs are in use, the weak ones first.
    ///
    /// It looks into Keycloak, mailboxes and app passwords, and counts people without an address, a password or a template
    /// too. Nothing is changed, and no hash is shown. Exit code 1: it did not get to the end of a Keycloak.
    Census(census::Arguments),
    /// Delete rows that nobody needs any more, as `[housekeeping]` says.
    ///
    /// The daemon does it by itself, and may run meanwhile. No mailbox is touched, and no mail. Exit code 75: another process does it.
    Housekeeping(housekeeping::Arguments),
    /// Copy the database into a new file, while the daemon runs.
    ///
    /// It is for SQLite; the copy is of one moment and complete, and holds hashes: its mode is 0600. A file that is there
    /// is not overwritten. MariaDB has programs of its own for this. docs/backup.md says how to restore.
    Backup(backup::Arguments),
    /// Load a server with logins, and say how fast it was: this one, or Dovecot's own.
    ///
    /// The password is asked for, or read from the first line of standard input; it is never an argument. Exit code 1:
    /// some login was not decided, or not rightly.
    Bench(bench::Arguments),
    /// Print the completions of a shell.
    ///
    /// They are for the file where it looks for them. No configuration is read.
    Completions(completions::Arguments),
    /// Write the man pages into a folder, one for each command.
    ///
    /// No configuration is read.
    Man(man::Arguments),
}

#[derive(Debug, clap::Args)]
struct ConfigArgument {
    /// The configuration file.
    #[arg(long, global = true, value_name = "FILE", default_value = "/etc/keydove/keydove.toml")]
    config: PathBuf,
}

/// Runs one command. Exit codes: 0 done, 1 the password does not match, a load was not answered well, a check found a
/// fault, or a sync or a census was not complete, 64 wrong use, 65 wrong data or no such row, 70 cannot start or go on, 75 another
/// process does it, 78 wrong configuration, 141 nobody reads the answer any more.
#[must_use]
pub fn run() -> ExitCode {
    output::judge(run_command())
}

fn run_command() -> ExitCode {
    let parsed = examples::add(Arguments::command()).try_get_matches();
    let arguments = match parsed.and_then(|matches| Arguments::from_arg_matches(&matches)) {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { USAGE.into() } else { ExitCode::SUCCESS };
        }
    };
    let config = arguments.config.config.as_path();
    match &arguments.command {
        Command::Serve => serve(config),
        Command::Check(arguments) => check::run(arguments, config),
        Command::Hash(arguments) => hash::run(arguments),
        Command::Domain(arguments) => report(domain::run(arguments, config)),
        Command::Mailbox(arguments) => mailbox::run(arguments, config),
        Command::Template(arguments) => report(template::run(arguments, config)),
        Command::Alias(arguments) => report(alias::run(arguments, config)),
        Command::Bench(arguments) => bench::run(arguments),
        Command::AppPassword(arguments) => report(app_password::run(arguments, config)),
        Command::Sync(arguments) => sync::run(arguments, config),
        Command::Census(arguments) => census::run(arguments, config),
        Command::Housekeeping(arguments) => housekeeping::run(arguments, config),
        Command::Backup(arguments) => report(backup::run(arguments, config)),
        Command::Cache(arguments) => report(cache::run(arguments, config)),
        Command::Status(arguments) => report(status::run(arguments, config)),
        Command::Explain(arguments) => report(explain::run(arguments, config)),
        Command::Kick(arguments) => report(kick::run(arguments, config)),
        Command::Throttle(arguments) => report(throttle::run(arguments, config)),
        Command::Completions(arguments) => completions::run(arguments),
        Command::Man(arguments) => report(man::run(arguments)),
    }
}

/// Reads the configuration and sets the log up that it asks for.
fn load_and_log(config: &Path) -> Result<Config, ExitCode> {
    let config = Config::load(config).map_err(|error| fail(CONFIG, &error))?;
    observe::log::init(&config.log).map_err(|error| fail(FAILED, &error))?;
    Ok(config)
}

fn serve(config: &Path) -> ExitCode {
    let config = match load_and_log(config) {
        Ok(config) => config,
        Err(code) => return code,
    };
    match daemon::run(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(FAILED, &error),
    }
}

fn fail(code: u8, error: &dyn std::error::Error) -> ExitCode {
    say_error(&format!("keydove: {error}"));
    code.into()
}
