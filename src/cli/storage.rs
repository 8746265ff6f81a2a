//! What the administrator's commands have in common: the database of the configuration, one question to it, and
//! the words for what went wrong.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use nix::unistd::{Uid, User};

use super::output::{say, say_error};
use super::{CONFIG, DATA, FAILED, USAGE, fail, input};
use crate::backend::redis::Redis;
use crate::backend::sql::{AdminError, Database, Obstacle};
use crate::backend::{mail_hosts, sql};
use crate::config;
use crate::config::Config;
use crate::credential::scheme;
use crate::jobs::wake_nodes;

/// What a command has to say at its end.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// For standard output.
    pub(super) text: String,
    /// For standard error: what a script that reads the answer does not want.
    pub(super) notes: Vec<String>,
}

impl From<String> for Answer {
    fn from(text: String) -> Self {
        Self { text, notes: Vec::new() }
    }
}

/// Why a command did nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The arguments contradict each other.
    #[error("{0}")]
    Usage(String),
    /// What was given cannot be.
    #[error("{0}")]
    Data(String),
    #[error(transparent)]
    Obstacle(#[from] Obstacle),
    #[error("{}", explain(.0))]
    Database(#[from] sql::Error),
    #[error(transparent)]
    Config(#[from] config::Error),
    /// The daemon cannot be asked.
    #[error(
        "the configuration has no control listener, so the daemon cannot be asked: add [[listener]] with \
         door = \"control\" and a path, and restart keydove"
    )]
    NoControl,
    #[error(transparent)]
    Input(#[from] input::Failure),
    #[error(transparent)]
    Hash(#[from] scheme::CannotMake),
    #[error("cannot get random bytes: {0}")]
    Random(#[from] getrandom::Error),
    #[error("{0}")]
    System(String),
}

impl Failure {
    pub(super) fn code(&self) -> u8 {
        match self {
            Self::Usage(_) => USAGE,
            Self::Data(_) | Self::Obstacle(_) => DATA,
            Self::Config(_) | Self::NoControl => CONFIG,
            Self::Input(failure) => failure.code(),
            Self::Hash(scheme::CannotMake::OutOfMemory(_)) => FAILED,
            Self::Hash(_) => USAGE,
            Self::Database(_) | Self::Random(_) | Self::System(_) => FAILED,
        }
    }
}

impl From<AdminError> for Failure {
    fn from(error: AdminError) -> Self {
        match error {
            AdminError::Obstacle(obstacle) => Self::Obstacle(obstacle),
            AdminError::Database(error) => Self::Database(error),
        }
    }
}

/// Says how a command ended.
pub(super) fn report(end: Result<Answer, Failure>) -> ExitCode {
    match end {
        Ok(answer) => {
            if !answer.text.is_empty() {
                say(&answer.text);
            }
            answer.notes.iter().for_each(|note| say_error(note));
            ExitCode::SUCCESS
        }
        Err(failure) => fail(failure.code(), &failure),
    }
}

/// Opens the database that the configuration names, asks, and closes it. The daemon may run meanwhile.
pub(super) fn with_database<T>(
    config: &Path,
    question: impl AsyncFnOnce(&Database) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let (storage, password) = Config::load_storage(config)?;
    let tables = Config::load_tables(config)?;
    if let sql::Config::Sqlite(file) = &storage {
        check_owner(&file.path)?;
    }
    let reactor = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::System(format!("cannot start the reactor: {error}")))?;
    reactor.block_on(async {
        let candidates = mail_hosts::candidates(&tables.mail_hosts);
        let changed = Arc::default();
        let database = sql::open(&storage, password).await?.with_candidates(candidates);
        let database = database.telling(Some(Arc::clone(&changed)));
        // Nodes read at once what the command has changed, while it waits for them.
        let wake = async {
            let redis = Config::load_redis(config);
            match redis.and_then(|(redis, password)| Redis::new(&redis, password).ok()) {
                Some(redis) => wake_nodes(redis, &changed).await,
                None => std::future::pending().await,
            }
        };
        let answer = tokio::select! {
            answer = question(&database) => answer,
            never = wake => match never {},
        };
        database.close().await;
        answer
    })
}

/// The answer to what is asked after a change was committed. Without one there is a note, and no failure: whoever
/// reads that a command failed takes its change for not made.
pub(super) fn after_commit<T>(answer: Result<T, sql::Error>, notes: &mut Vec<String>) -> Option<T> {
    answer
        .map_err(|error| {
            notes.push(format!("note: it is written; what is there now cannot be shown: {}", explain(&error)))
        })
        .ok()
}

/// A file that root makes before the daemon does would be closed to the daemon.
fn check_owner(path: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::MetadataExt;
    let folder = path.parent().and_then(|folder| std::fs::metadata(folder).ok());
    let owner = folder.map_or(0, |folder| folder.uid());
    if path.exists() || owner == 0 || !Uid::effective().is_root() {
        return Ok(());
    }
    let name = User::from_uid(owner.into()).ok().flatten();
    let name = name.map_or_else(|| format!("'#{owner}'"), |user| user.name);
    Err(Failure::System(format!(
        "{} is not there yet, and a file made by root would be closed to the daemon; run: runuser -u {name} -- keydove ...",
        path.display()
    )))
}

/// Adds the missing right, where that is what the database complains about.
pub(super) fn explain(error: &sql::Error) -> String {
    let sql::Error::Schema { detail, .. } = error else { return error.to_string() };
    match missing_grant(detail) {
        Some(grant) => {
            format!("{error}\nthe database user lacks a right; as the database's administrator run: {grant}")
        }
        None => error.to_string(),
    }
}

/// Reads MariaDB's complaint, such as: INSERT command denied to user 'keydove'@'%' for table 'domain'.
fn missing_grant(complaint: &str) -> Option<String> {
    let (right, rest) = complaint.split_once(" command denied to user ")?;
    let (user, place) = rest.split_once(" for ")?;
    let (_, table) = place.rsplit_once("table ")?;
    let table = table.trim_matches('\'');
    let table = if table.contains('.') { table.to_owned() } else { format!("DATABASE.{table}") };
    // A word or two before the right are the driver's.
    let right = right.rsplit(": ").next().unwrap_or(right);
    Some(format!("GRANT {right} ON {table} TO {user};"))
}

/// A switch on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum OnOff {
    On,
    Off,
}

impl OnOff {
    pub(super) fn is_on(self) -> bool {
        self == Self::On
    }
}

/// `on` or `off`, for tables.
pub(super) fn on_off(on: bool) -> String {
    if on { "on" } else { "off" }.to_owned()
}

/// One JSON document.
pub(super) fn document(value: &serde_json::Value) -> Answer {
    Answer::from(format!("{value:#}"))
}

/// A text that goes into a column of 255 characters.
pub(super) fn parse_label(text: &str) -> Result<String, String> {
    if text.chars().any(char::is_control) {
        return Err("it holds a control character".to_owned());
    }
    if text.chars().count() > 255 {
        return Err("it has more than 255 characters".to_owned());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_right_is_named_as_a_statement() {
        for (complaint, grant) in [
            (
                "INSERT command denied to user 'k'@'localhost' for table `mailcow`.`domain`",
                "GRANT INSERT ON `mailcow`.`domain` TO 'k'@'localhost';",
            ),
            (
                "UPDATE command denied to user 'k'@'%' for table 'alias'",
                "GRANT UPDATE ON DATABASE.alias TO 'k'@'%';",
            ),
            (
                "SELECT command denied to user 'k'@'%' for column 'quota' in table 'domain'",
                "GRANT SELECT ON DATABASE.domain TO 'k'@'%';",
            ),
        ] {
            assert_eq!(missing_grant(complaint).as_deref(), Some(grant));
        }
        assert_eq!(missing_grant("Table 'mailcow.domain' doesn't exist"), None);
    }

    #[test]
    fn a_label_is_one_line_of_bounded_length() {
        assert_eq!(parse_label("Ångström, Ü").as_deref(), Ok("Ångström, Ü"));
        assert!(parse_label("a\nb").is_err() && parse_label(&"ü".repeat(256)).is_err());
        assert!(parse_label(&"ü".repeat(255)).is_ok());
    }
}
