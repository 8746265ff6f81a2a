//! The place of the database file: the only code that touches it other than through SQLite.
//!
//! SQLite's locks are POSIX locks, which belong to a process and a file. When a process closes *any* descriptor of
//! the file, the system drops *all* locks that the process has on it. Another program that looks at the file then
//! takes itself for the only user, and at its end deletes the journal in which committed rows are. So nothing here
//! opens a file that is there: it is looked at by its name, and made before any connection is open.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// Hashes are in the file. SQLite's journal files take over its mode.
pub(super) const FILE_MODE: u32 = 0o600;

/// One at a time makes a file. Another thread might else find the new file, lock it, and lose its locks when the
/// maker closes it.
static MAKING: Mutex<()> = Mutex::new(());

/// Makes an empty file with its mode, if there is none. What is there is not touched.
///
/// The error is a few words on what stands against it.
pub(super) fn make(path: &Path) -> Result<(), String> {
    let _alone = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    match fs::metadata(path) {
        Ok(found) if found.is_file() => return Ok(()),
        Ok(_) => return Err("it is no regular file".to_owned()),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error.to_string()),
    }
    if fs::symlink_metadata(path).is_ok() {
        return Err("it is a symbolic link to a file that is not there".to_owned());
    }
    let journal = beside(path, "-wal");
    if fs::metadata(&journal).is_ok_and(|journal| journal.len() > 0) {
        return Err(format!(
            "it is missing, but its journal {} is there, and a new file would make SQLite delete that; \
             put the file back, or move the journal away",
            journal.display()
        ));
    }
    // Only a new file, and never through a link: nobody can have a lock on what is not there yet.
    match OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path) {
        // The umask may have taken bits away.
        Ok(file) => file.set_permissions(Permissions::from_mode(FILE_MODE)).map_err(|e| e.to_string())?,
        // Another process was quicker.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(()),
        Err(error) => return Err(explain_folder(path, &error)),
    }
    // The name is safe once the folder is.
    File::open(folder_of(path)).and_then(|folder| folder.sync_all()).map_err(|e| e.to_string())
}

/// A file beside the database file: its name with an end.
fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn explain_folder(path: &Path, error: &std::io::Error) -> String {
    let folder = folder_of(path);
    if folder.is_dir() { error.to_string() } else { format!("there is no folder {}", folder.display()) }
}

/// The file that a connection has open.
#[derive(Debug)]
pub(super) struct Opened {
    path: PathBuf,
    /// Device and inode; `None` where they could not be had.
    identity: Option<(u64, u64)>,
    was_told: AtomicBool,
}

impl Opened {
    /// To be made as soon as the connection is.
    pub(super) fn now(path: &Path) -> Self {
        Self { path: path.to_owned(), identity: identity(path), was_told: AtomicBool::new(false) }
    }

    /// Whether the file of this name still is the one that was opened. If not, rows that are written go where
    /// nobody finds them again, and rows that are read may be out of date.
    pub(super) fn is_in_place(&self) -> Result<(), String> {
        if self.identity.is_none() || identity(&self.path) == self.identity {
            self.was_told.store(false, Ordering::Relaxed);
            return Ok(());
        }
        let trouble = "the file was replaced or removed while keydove had it open, so nothing is read from it or \
                       written to it; restart keydove (docs/backup.md says how to restore a backup)";
        if !self.was_told.swap(true, Ordering::Relaxed) {
            tracing::error!(path = %self.path.display(), "{trouble}");
        }
        Err(trouble.to_owned())
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("keydove-place-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn a_file_is_made_once_and_never_in_place_of_something_else() {
        let folder = folder("make");
        let path = folder.join("keydove.sqlite");
        make(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, FILE_MODE);
        fs::write(&path, "kept").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        make(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "kept");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o640, "an administrator's mode stays");

        let link = folder.join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        make(&link).unwrap();
        fs::remove_file(&path).unwrap();
        assert!(make(&link).unwrap_err().contains("symbolic link"));
        assert!(make(&folder).unwrap_err().contains("no regular file"));
        fs::write(beside(&path, "-wal"), "committed rows").unwrap();
        assert!(make(&path).unwrap_err().contains("keydove.sqlite-wal is there"));
        assert!(!path.exists());
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_file_that_was_replaced_is_noticed() {
        let folder = folder("replaced");
        let path = folder.join("keydove.sqlite");
        make(&path).unwrap();
        let opened = Opened::now(&path);
        opened.is_in_place().unwrap();
        let other = folder.join("restored");
        fs::write(&other, "").unwrap();
        fs::rename(&other, &path).unwrap();
        assert!(opened.is_in_place().unwrap_err().contains("replaced or removed"));
        fs::remove_file(&path).unwrap();
        assert!(opened.is_in_place().is_err());
        fs::remove_dir_all(&folder).unwrap();
    }
}
