//! A copy of the whole file at one moment, while others read and write it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use super::{File, place};
use crate::backend::sql::config::SqliteConfig;
use crate::backend::sql::error::Error;

/// Pages that are copied at once.
const PAGES: std::ffi::c_int = 4096;
/// Between two looks at a file that somebody has for themselves.
const PAUSE: Duration = Duration::from_millis(50);

/// Copies the database into a new file of mode 0600, through connections of its own. All rows of the copy are of one
/// moment, and every row that was committed before it is there.
///
/// # Errors
/// The copy's file is there already, or cannot be made; the database cannot be read. What was begun is removed.
pub(in crate::backend::sql) fn back_up(config: &SqliteConfig, copy: &Path) -> Result<(), Error> {
    let busy_timeout = config.busy_timeout.get();
    let file = File { name: format!("SQLite file {}", config.path.display()), busy_timeout, opened: None };
    let target = File { name: format!("copy {}", copy.display()), busy_timeout, opened: None };
    let taken = |path: &Path| path.symlink_metadata().is_ok();
    if let Some(there) =
        [copy.to_owned(), end(copy, "-wal"), end(copy, "-journal")].iter().find(|path| taken(path))
    {
        return Err(
            target.unreachable(format!("{} is there already, and is not overwritten", there.display()))
        );
    }
    let source = file.open_to_read(&config.path)?;
    place::make(copy).map_err(|trouble| target.unreachable(trouble))?;
    let copied = copy_all(&file, &source, &target, copy);
    if copied.is_err() {
        let _ = std::fs::remove_file(copy);
    }
    copied
}

fn copy_all(file: &File, source: &Connection, target: &File, copy: &Path) -> Result<(), Error> {
    let read = |error| file.explain("copying", error).error;
    let write = |error| target.explain("writing", error).error;
    // One reader's view from here on: who writes meanwhile need not wait, and does not make the copy begin anew.
    source.execute_batch("BEGIN; SELECT COUNT(*) FROM sqlite_schema").map_err(read)?;
    let mut connection =
        Connection::open_with_flags(copy, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(write)?;
    connection.pragma_update(None, "synchronous", "FULL").map_err(write)?;
    let backup = Backup::new(source, &mut connection).map_err(write)?;
    let mut waited = Duration::ZERO;
    loop {
        match backup.step(PAGES).map_err(read)? {
            StepResult::Done => break,
            StepResult::More => waited = Duration::ZERO,
            _ if waited > file.busy_timeout => {
                return Err(file.unreachable("somebody else has it for themselves".to_owned()));
            }
            _ => {
                std::thread::sleep(PAUSE);
                waited += PAUSE;
            }
        }
    }
    drop(backup);
    // The copy is one file, complete without a journal; it is looked through before anybody trusts it.
    connection.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(())).map_err(write)?;
    let verdict: String =
        connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(write)?;
    if verdict != "ok" {
        return Err(Error::Refused { attempt: "copying", database: file.name.clone(), detail: verdict });
    }
    connection.close().map_err(|(_, error)| write(error))
}

fn end(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}
