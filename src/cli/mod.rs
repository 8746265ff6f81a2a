//! The command line: the daemon's own commands, `keydove hash`, and the administrator's, a file each.

mod alias;
mod app_password;
mod bench;
mod cache;
mod control;
mod date;
mod domain;
mod hash;
mod input;
mod keycloak;
mod mailbox;
mod mailcow;
mod output;
mod size;
mod storage;
mod table;
mod template;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::Config;
use crate::frontend::http_login;
use crate::{daemon, observe};
use output::{say, say_error};
use storage::report;

/// Wrong use of the command line (`EX_USAGE`).
const USAGE: u8 = 64;
/// What was given cannot be, or there is no such row (`EX_DATAERR`).
const DATA: u8 = 65;
/// The daemon could not start although its configuration is sound, or the database or the system failed
/// (`EX_SOFTWARE`).
const FAILED: u8 = 70;
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
    /// Check the configuration exactly as `serve` would, and say what would be served.
    Check,
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
    /// Load a server of the auth client protocol, this one or Dovecot's own, with logins, and say how fast it was.
    ///
    /// The password is asked for, or read from the first line of standard input; it is never an argument. Exit code 1:
    /// some login was not decided, or not rightly.
    Bench(bench::Arguments),
}

#[derive(Debug, clap::Args)]
struct ConfigArgument {
    /// The configuration file.
    #[arg(long, global = true, value_name = "FILE", default_value = "/etc/keydove/keydove.toml")]
    config: PathBuf,
}

/// Runs one command. Exit codes: 0 done, 1 the password does not match or a load was not answered well, 64 wrong use, 65 wrong data or no such row,
/// 70 cannot start or go on, 78 wrong configuration.
#[must_use]
pub fn run() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { USAGE.into() } else { ExitCode::SUCCESS };
        }
    };
    let config = arguments.config.config.as_path();
    match &arguments.command {
        Command::Serve => serve(config),
        Command::Check => check(config),
        Command::Hash(arguments) => hash::run(arguments),
        Command::Domain(arguments) => report(domain::run(arguments, config)),
        Command::Mailbox(arguments) => report(mailbox::run(arguments, config)),
        Command::Template(arguments) => report(template::run(arguments, config)),
        Command::Alias(arguments) => report(alias::run(arguments, config)),
        Command::Bench(arguments) => bench::run(arguments),
        Command::AppPassword(arguments) => report(app_password::run(arguments, config)),
        Command::Cache(arguments) => report(cache::run(arguments, config)),
    }
}

fn serve(config: &Path) -> ExitCode {
    let config = match Config::load(config) {
        Ok(config) => config,
        Err(error) => return fail(CONFIG, &error),
    };
    if let Err(error) = observe::log::init(&config.log) {
        return fail(FAILED, &error);
    }
    match daemon::run(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(FAILED, &error),
    }
}

fn check(config: &Path) -> ExitCode {
    match Config::load(config) {
        Ok(config) => {
            if let Err(error) = http_login::check(&config.http_login) {
                return fail(CONFIG, &*error);
            }
            say(&summary(&config));
            if config.mailcow.identity_provider {
                say(&mailcow::summary(&config));
            }
            say(&keycloak::summary(&config));
            for warning in &config.warnings {
                say(&format!("warning: {warning}"));
            }
            ExitCode::SUCCESS
        }
        Err(error) => fail(CONFIG, &error),
    }
}

fn summary(config: &Config) -> String {
    let mut lines = vec!["the configuration is sound".to_owned()];
    for listener in &config.listeners {
        let role = listener.role.map_or_else(String::new, |role| format!(" for {}", role.name()));
        lines.push(format!("  {}{role} on {}", listener.door.name(), listener.path.display()));
    }
    if let Some(address) = config.http_login.listen {
        let tls = if config.http_login.speaks_tls() { "with" } else { "without" };
        lines.push(format!("  http-login on {address}, {tls} TLS"));
    }
    if let Some(url) = &config.http_login.shadow_url {
        lines.push(format!("  shadow mode: {url} decides about logins over HTTP"));
    }
    for (address, keycloak) in &config.keycloaks {
        let (url, realm) = (address.server_url.as_str(), address.realm.as_str());
        let domains = match keycloak.domains.join(", ") {
            domains if domains.is_empty() => String::new(),
            domains => format!(" for {domains}"),
        };
        lines.push(format!("  Keycloak at {url}, realm `{realm}`{domains}"));
    }
    lines.push(format!("  {}", config.storage));
    lines.join("\n")
}

fn fail(code: u8, error: &dyn std::error::Error) -> ExitCode {
    say_error(&format!("keydove: {error}"));
    code.into()
}
