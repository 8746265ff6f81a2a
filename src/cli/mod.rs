//! The command line: the daemon's own commands, `keydove hash`, and the administrator's, a file each.

mod alias;
mod app_password;
mod backend;
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
mod grants;
mod hash;
mod housekeeping;
mod input;
mod kick;
mod mailbox;
mod man;
mod manual;
mod nodes;
mod output;
mod portal_session;
mod readmit;
mod roff;
mod setup;
mod size;
mod status;
mod storage;
mod sync;
mod sync_log;
mod table;
mod template;
mod throttle;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::config::Config;
use crate::{daemon, observe};
pub use manual::{commands as manual_of_commands, reasons as manual_of_reasons};
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

/// Authentication server for Dovecot and Postfix, with users in Keycloak.
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
    /// Set everything up, from Keycloak's client to Dovecot and Postfix, or take that back.
    ///
    /// It shows every change as a difference before it makes it, and keeps it in a journal beside the configuration. It
    /// takes answers from flags, from a file (`--answers`) or from the terminal; a password is never an argument. If it
    /// fails half-way, it takes back what it changed. You may run it again: it leaves alone what is right already.
    Setup(Box<setup::Arguments>),
    /// Check the whole installation: what prevents logins, and how to mend it.
    ///
    /// It judges as the user of the service, so run it as root. It looks at the configuration and its files, at the sockets
    /// and who may open them, at the running daemon, at the database (tables, rights, domains and the room left in them,
    /// templates), at each Keycloak (address, realm, client, rights, clock, user profile, whether the attributes can be
    /// seen, mappings that no user has), at logins, and at the effective settings of this machine's Dovecot and Postfix.
    /// Exit code 1: something prevents logins. 78: the configuration is wrong.
    Check(check::Arguments),
    /// Make a stored password (`{SCHEME}...`), verify one, or list the schemes.
    ///
    /// It asks for the password, or reads it from the first line of standard input. A password is never an argument.
    Hash(hash::Arguments),
    /// Add, list and change mail domains and their limits.
    Domain(domain::Arguments),
    /// Add, list and change mailboxes, and give one to another user.
    Mailbox(mailbox::Arguments),
    /// Add, list and change the templates of new mailboxes.
    Template(template::Arguments),
    /// Add, list and change aliases.
    Alias(alias::Arguments),
    /// Add, list and revoke app passwords: passwords for single devices and programs.
    #[command(name = "app-password")]
    AppPassword(app_password::Arguments),
    /// List and end sessions of the web portal.
    #[command(name = "portal-session")]
    PortalSession(portal_session::Arguments),
    /// Show and forget what the running daemon remembers of Keycloak and the database.
    Cache(cache::Arguments),
    /// Show how the running daemon is doing.
    ///
    /// It shows logins by verdict and reason with rates, latencies, the caches, the state of Keycloak and the database, the
    /// hashing queue, and the last and the next sync.
    Status(status::Arguments),
    /// Show why a user can or cannot log in, and what to do about it.
    ///
    /// It runs the login's own code in the daemon and shows every step, what the step saw, from where and how old that is,
    /// the verdict that a login would get now, and the last attempts. Without a password it assumes the right one. It
    /// changes nothing and counts no attempt: a first login is made and rolled back.
    Explain(explain::Arguments),
    /// Show and forget the wrong passwords that the running daemon has counted.
    Throttle(throttle::Arguments),
    /// Show, release and spare open sessions that the running daemon holds.
    ///
    /// With `[kick]` keydove ends the sessions of users who lost access. If too many lost it at once, or for a shared cause,
    /// it holds the sessions until you decide.
    Kick(kick::Arguments),
    /// Show on which machines mailboxes live, and give mailboxes another one.
    ///
    /// With `[[backend]]` keydove tells Dovecot's proxies where each mailbox lives. No command here copies mail:
    /// docs/backends.md says how to move a mailbox with it.
    Backend(backend::Arguments),
    /// Go through all users of Keycloak once.
    ///
    /// It creates mailboxes (`[sync] import`), updates them, and switches off those of leavers (`[sync] deactivate`). The
    /// daemon may run meanwhile. Exit code 75: another process is doing it. Exit code 1: it was not complete, or too many
    /// users are gone.
    Sync(sync::Arguments),
    /// Show the last runs of the sync, on all nodes: how they ended, and what became of each user.
    ///
    /// The daemons and `keydove sync` log each run in the database, also one that could not begin or was cut off.
    #[command(name = "sync-log")]
    SyncLog(sync_log::Arguments),
    /// Count which password schemes and costs are in use, the weak ones first.
    ///
    /// It goes through Keycloak, mailboxes and app passwords, and also counts users without an address, a password or a
    /// template. It changes nothing and shows no hash. Exit code 1: it was not complete.
    Census(census::Arguments),
    /// Delete rows that nobody needs any more, as `[housekeeping]` says.
    ///
    /// The daemon does it by itself, and may run meanwhile. It touches no mailbox and no mail. Exit code 75: another process
    /// is doing it.
    Housekeeping(housekeeping::Arguments),
    /// Copy the database into a new file, while the daemon runs.
    ///
    /// For SQLite; MariaDB has programs of its own. The copy is complete and of one moment. It holds hashes, so its mode is
    /// 0600. An existing file is not overwritten. docs/backup.md says how to restore.
    Backup(backup::Arguments),
    /// Print the GRANT statements that a MariaDB needs for this configuration.
    ///
    /// They are for the database's administrator, and may be run again. The command asks and changes nothing, and reads no
    /// secret. `keydove check` tries the same rights out.
    Grants(grants::Arguments),
    /// Measure how fast a server answers logins: this one, or Dovecot's own.
    ///
    /// It prints rate, percentiles and a histogram. It asks for the users' password, or reads it from the first line of
    /// standard input. Exit code 1: a login got no answer, or the wrong one.
    Bench(bench::Arguments),
    /// Print the completions of a shell.
    ///
    /// Write the output to the file where the shell looks for it.
    Completions(completions::Arguments),
    /// Write the man pages into a folder: one for each command, and keydove.toml(5).
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
        Command::Setup(arguments) => setup::run(arguments, config),
        Command::Check(arguments) => check::run(arguments, config),
        Command::Hash(arguments) => hash::run(arguments),
        Command::Domain(arguments) => report(domain::run(arguments, config)),
        Command::Mailbox(arguments) => mailbox::run(arguments, config),
        Command::Template(arguments) => report(template::run(arguments, config)),
        Command::Alias(arguments) => report(alias::run(arguments, config)),
        Command::Bench(arguments) => bench::run(arguments),
        Command::AppPassword(arguments) => report(app_password::run(arguments, config)),
        Command::PortalSession(arguments) => report(portal_session::run(arguments, config)),
        Command::Backend(arguments) => report(backend::run(arguments, config)),
        Command::Sync(arguments) => sync::run(arguments, config),
        Command::SyncLog(arguments) => report(sync_log::run(arguments, config)),
        Command::Census(arguments) => census::run(arguments, config),
        Command::Housekeeping(arguments) => housekeeping::run(arguments, config),
        Command::Backup(arguments) => report(backup::run(arguments, config)),
        Command::Grants(arguments) => report(grants::run(arguments, config)),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_command_is_answered_with_the_nearest() {
        for (typed, meant) in [("chekc", "check"), ("exlain", "explain"), ("mailboxes", "mailbox")] {
            let error =
                Arguments::command().try_get_matches_from(["keydove", typed]).unwrap_err().to_string();
            assert!(error.contains(&format!("'{meant}'")), "{typed}: {error}");
        }
        let error = Arguments::command().try_get_matches_from(["keydove", "check", "--ofline"]).unwrap_err();
        assert!(error.to_string().contains("--offline"), "{error}");
    }
}
