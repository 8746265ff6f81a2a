//! The command line: `keydove-portal [check] [--config FILE]`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command talks to the terminal")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::app::App;
use crate::clock::Clock;
use crate::config::Config;
use crate::daemon::VERSION;
use crate::{routes, serve};

const USAGE: &str = "\
Usage: keydove-portal [serve|check] [--config FILE]

  serve   serve the portal (without a word the same)
  check   read the configuration, ask keydove and Keycloak, and say what is wrong

  --config FILE   default: /etc/keydove-portal/keydove-portal.toml
  --version       print the version

Exit codes: 0 well, 64 wrong use, 69 keydove or Keycloak does not answer as it should, 70 the system failed,
78 the configuration is wrong.";
const DEFAULT_CONFIG: &str = "/etc/keydove-portal/keydove-portal.toml";
const WRONG_USE: u8 = 64;
const UNAVAILABLE: u8 = 69;
const FAILED: u8 = 70;
const WRONG_CONFIG: u8 = 78;

/// What is wanted.
#[derive(Debug, PartialEq, Eq)]
enum Command {
    Serve(PathBuf),
    Check(PathBuf),
    Version,
    Help,
}

/// Runs the program to its end.
#[must_use]
pub fn run() -> ExitCode {
    run_with(std::env::args().skip(1))
}

/// The same with other words than those of this process.
#[must_use]
pub fn run_with(words: impl Iterator<Item = String>) -> ExitCode {
    match parse(words) {
        Some(Command::Serve(config)) => end(serve(&config)),
        Some(Command::Check(config)) => end(check(&config)),
        Some(Command::Version) => {
            println!("keydove-portal {VERSION}");
            ExitCode::SUCCESS
        }
        Some(Command::Help) => {
            println!("{USAGE}");
            ExitCode::SUCCESS
        }
        None => {
            eprintln!("{USAGE}");
            WRONG_USE.into()
        }
    }
}

fn parse(mut words: impl Iterator<Item = String>) -> Option<Command> {
    let (mut command, mut config) = (None, None);
    while let Some(word) = words.next() {
        match word.as_str() {
            "serve" | "check" if command.is_none() => command = Some(word),
            "--config" if config.is_none() => config = Some(PathBuf::from(words.next()?)),
            "--version" => return Some(Command::Version),
            "--help" | "-h" => return Some(Command::Help),
            _ => return None,
        }
    }
    let config = config.unwrap_or_else(|| DEFAULT_CONFIG.into());
    Some(if command.as_deref() == Some("check") { Command::Check(config) } else { Command::Serve(config) })
}

/// A sentence and the exit code.
type Failure = (u8, String);

fn end(result: Result<(), Failure>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, sentence)) => {
            eprintln!("keydove-portal: {sentence}");
            code.into()
        }
    }
}

fn prepare(path: &Path) -> Result<(Arc<App>, Runtime), Failure> {
    let wrong = |error: String| (WRONG_CONFIG, error);
    let config = Config::load(path).map_err(|error| wrong(error.to_string()))?;
    let secret = config.keycloak.read_secret().map_err(|error| wrong(error.to_string()))?;
    let app = App::new(config, secret, Clock::of_the_machine()).map_err(|error| wrong(error.to_string()))?;
    let reactor =
        Builder::new_current_thread().enable_all().build().map_err(|error| (FAILED, error.to_string()))?;
    Ok((Arc::new(app), reactor))
}

fn serve(path: &Path) -> Result<(), Failure> {
    tracing_subscriber::fmt()
        .without_time()
        .with_ansi(false)
        .with_target(false)
        .with_writer(std::io::stderr)
        .init();
    let (app, reactor) = prepare(path)?;
    let failed = |error: std::io::Error| (FAILED, error.to_string());
    reactor.block_on(async {
        let (mut term, mut int) = (
            signal(SignalKind::terminate()).map_err(failed)?,
            signal(SignalKind::interrupt()).map_err(failed)?,
        );
        let sockets = serve::open(&app.config.portal.listen).map_err(failed)?;
        if let Err(problem) = app.daemon.check().await {
            tracing::warn!("{problem}; pages say so until it is there");
        }
        if let Some(signing) = &app.signing {
            match signing.check().await {
                Ok(None) => {}
                Ok(Some(warning)) => tracing::warn!("{warning}"),
                Err(error) => {
                    tracing::error!(%error, "profiles for Apple's devices go out without a signature")
                }
            }
        }
        let (stop, stopping) = watch::channel(false);
        let max_connections = app.config.portal.max_connections;
        tracing::info!(address = app.config.portal.public_url.as_str(), "keydove-portal is ready");
        // Nobody waits for that without systemd.
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
        let served = serve::run(sockets, routes::routes(app), max_connections, stopping);
        let order = async {
            tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
            let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
            let _ = stop.send(true);
        };
        tokio::join!(served, order);
        Ok(())
    })
}

fn check(path: &Path) -> Result<(), Failure> {
    let (app, reactor) = prepare(path)?;
    println!("{}: good", path.display());
    let mut troubles = Vec::new();
    reactor.block_on(async {
        match app.daemon.check().await {
            Ok(()) => println!("keydove at {}: good", app.config.portal.daemon_socket.display()),
            Err(problem) => troubles.push(problem.to_string()),
        }
        match app.keycloak.check().await {
            Ok(()) => println!("Keycloak, {}: good", app.keycloak.issuer()),
            Err(sentence) => troubles.push(format!("Keycloak: {sentence}")),
        }
        match &app.signing {
            None => {}
            Some(signing) => match signing.check().await {
                Ok(None) => println!("the certificate for Apple's profiles: good"),
                Ok(Some(warning)) => troubles.push(warning),
                Err(error) => troubles.push(error.to_string()),
            },
        }
    });
    for (record, value) in crate::formats::dns_records(&app.config) {
        println!("for mail programs, in DNS: {record} {value}");
    }
    if troubles.is_empty() { Ok(()) } else { Err((UNAVAILABLE, troubles.join("\nkeydove-portal: "))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_read() {
        let read = |words: &str| parse(words.split_whitespace().map(str::to_owned));
        assert_eq!(read(""), Some(Command::Serve(DEFAULT_CONFIG.into())));
        assert_eq!(read("check --config x.toml"), Some(Command::Check("x.toml".into())));
        assert_eq!(read("--config x.toml serve"), Some(Command::Serve("x.toml".into())));
        assert_eq!(read("--version"), Some(Command::Version));
        for wrong in ["chek", "check check", "--config", "--config a --config b", "-x"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
