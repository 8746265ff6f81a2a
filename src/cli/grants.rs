//! `keydove grants`: what the database's administrator has to run so that a configuration works.

use std::path::Path;

use serde_json::json;

use super::storage::{Answer, Failure, document};
use crate::backend::sql;
use crate::backend::sql::{Feature, MariadbConfig, Right, grants, needed};
use crate::config::Config;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Give the rights of the commands that change domains, mailboxes, aliases and app passwords too.
    #[arg(long)]
    commands: bool,
    /// The host from which MariaDB sees keydove come. Default: localhost with a socket, else any (%).
    #[arg(long, value_name = "HOST")]
    from: Option<String>,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments, config: &Path) -> Result<Answer, Failure> {
    let (storage, mut features) = Config::load_features(config)?;
    let sql::Config::Mariadb(database) = storage else {
        return Err(Failure::Data(
            "the database is a SQLite file: it belongs to keydove's user, and there is nothing to grant"
                .to_owned(),
        ));
    };
    features.extend(arguments.commands.then_some(Feature::Commands));
    let account = account(&database, arguments.from.as_deref());
    let (of_mysql, rights): (Vec<Right>, Vec<Right>) =
        needed(&features).into_iter().partition(Right::is_for_mysql);
    let (optional, always): (Vec<Right>, Vec<Right>) =
        rights.into_iter().partition(Right::is_of_optional_table);
    let of_mysql = grants(&of_mysql, &database.database, &account);
    let statements = grants(&always, &database.database, &account);
    let optional = grants(&optional, &database.database, &account);
    if arguments.json {
        let names: Vec<&str> = features.iter().map(|feature| feature.name()).collect();
        return Ok(document(&json!({
            "database": database.database,
            "account": account,
            "features": names,
            "statements": statements,
            "where_mailcow_has_the_table": optional,
            "where_the_server_is_mysql": of_mysql,
        })));
    }
    let names: Vec<&str> = features.iter().map(|feature| feature.name()).collect();
    let mut lines = vec![format!("-- for {}", names.join(", "))];
    lines.extend(statements);
    if !optional.is_empty() {
        lines.push("-- mailcow only: SOGo's users".to_owned());
        lines.extend(optional);
    }
    if !of_mysql.is_empty() {
        lines.push(
            "-- MySQL only, which lets nobody lock a row of a table that they may only read".to_owned(),
        );
        lines.extend(of_mysql);
    }
    Ok(lines.join("\n").into())
}

fn account(database: &MariadbConfig, from: Option<&str>) -> String {
    let host = from.unwrap_or(if database.socket.is_some() { "localhost" } else { "%" });
    let word = |word: &str| format!("'{}'", word.replace('\'', "''"));
    format!("{}@{}", word(&database.user), word(host))
}
