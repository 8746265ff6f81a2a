//! `keydove backup`: a copy of the SQLite database at one moment.

use std::path::{Path, PathBuf};

use super::storage::{Answer, Failure};
use crate::backend::sql;
use crate::config::Config;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The new file. Its folder must exist.
    file: PathBuf,
}

pub(super) fn run(arguments: &Arguments, config: &Path) -> Result<Answer, Failure> {
    let (storage, _) = Config::load_storage(config)?;
    let sql::Config::Sqlite(file) = &storage else {
        return Err(Failure::Usage(
            "the database is MariaDB, which has programs of its own: mariadb-dump --single-transaction; see docs/backup.md"
                .to_owned(),
        ));
    };
    sql::back_up(&storage, &arguments.file)?;
    Ok(format!("{} is copied to {}", file.path.display(), arguments.file.display()).into())
}
