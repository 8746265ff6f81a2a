//! Files and folders as states: read as a whole, written as a whole.

use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, chown, fchown};
use std::path::Path;

use nix::unistd::{Gid, Uid};

use super::super::storage::Failure;
use super::change::{Access, State};

/// Larger than any configuration file that setup touches.
const MAX_BYTES: u64 = 4 << 20;
const PERMISSIONS: u32 = 0o7777;

/// Who runs this.
pub(super) fn own_ids() -> (u32, u32) {
    (Uid::effective().as_raw(), Gid::effective().as_raw())
}

/// What is there. A link is what it points at.
pub(super) fn read(path: &Path) -> Result<State, Failure> {
    let found = match fs::metadata(path) {
        Ok(found) => found,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(State::Absent);
        }
        Err(error) => return Err(failed("look at", path, &error)),
    };
    let access = Access { mode: found.mode() & PERMISSIONS, uid: found.uid(), gid: found.gid() };
    if found.is_dir() {
        return Ok(State::Folder(access));
    }
    if !found.is_file() || found.len() > MAX_BYTES {
        return Err(Failure::Data(format!("{} is no file that setup could change", path.display())));
    }
    let text = fs::read_to_string(path).map_err(|error| failed("read", path, &error))?;
    Ok(State::File { text, access })
}

/// Makes it so. A file is there as a whole or as before, whatever happens meanwhile.
pub(super) fn write(path: &Path, state: &State) -> Result<(), Failure> {
    match state {
        State::Absent => remove(path),
        State::File { text, access } => write_file(path, text, *access),
        State::Folder(access) => {
            match fs::create_dir(path) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                    return Err(failed("make", path, &error));
                }
                _ => {}
            }
            chown(path, Some(access.uid), Some(access.gid))
                .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(access.mode)))
                .map_err(|error| failed("change owner and mode of", path, &error))
        }
        State::Json(_) | State::Running(_) => {
            Err(Failure::System(format!("{} cannot be such a thing", path.display())))
        }
    }
}

fn remove(path: &Path) -> Result<(), Failure> {
    let end = match fs::symlink_metadata(path) {
        // A folder with something in it is somebody's by now.
        Ok(found) if found.is_dir() => match fs::remove_dir(path) {
            Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => Ok(()),
            end => end,
        },
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match end {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(failed("remove", path, &error)),
        _ => Ok(()),
    }
}

fn write_file(path: &Path, text: &str, access: Access) -> Result<(), Failure> {
    // A link stays one.
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // No program takes a file of such a name for one of its own.
    let draft = path.with_file_name(format!(".{name}.keydove-setup"));
    let _ = fs::remove_file(&draft);
    let write = || -> std::io::Result<()> {
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        file.write_all(text.as_bytes())?;
        fchown(&file, Some(access.uid), Some(access.gid))?;
        file.set_permissions(fs::Permissions::from_mode(access.mode))?;
        file.sync_all()?;
        fs::rename(&draft, path)?;
        match path.parent() {
            Some(folder) => fs::File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    };
    write().map_err(|error| {
        let _ = fs::remove_file(&draft);
        failed("write", path, &error)
    })
}

fn failed(what: &str, path: &Path, error: &std::io::Error) -> Failure {
    Failure::System(format!("cannot {what} {}: {error}", path.display()))
}
