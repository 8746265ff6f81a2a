//! Records in a file, so that a restart during an outage still knows people.
//!
//! The file is one line of its form, a nonce, and everything else encrypted and authenticated (AES-256-GCM). The key is in
//! a file beside it. The form, the machine's id and the place of the records are authenticated with it, so that a file
//! from elsewhere is none.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// What the file begins with; the number changes with the form.
const FORM: &[u8] = b"keydove records 1\n";
const KEY_BYTES: usize = 32;
const TAG_BYTES: usize = 16;

/// A file of records, and its key.
#[derive(Debug)]
pub struct RecordFile {
    path: PathBuf,
    key: LessSafeKey,
    /// What is authenticated and not written down.
    bound_to: Vec<u8>,
    max_bytes: usize,
}

/// A record on its way into the file or out of it.
#[derive(Debug, Serialize, Deserialize)]
pub struct SavedRecord<V> {
    /// The address in normal form.
    pub user: String,
    /// When its source was asked, in seconds since 1970.
    pub asked: u64,
    /// What it said.
    pub record: V,
}

/// Where a file belongs.
#[derive(Clone, Copy, Debug)]
pub struct Belonging<'a> {
    /// Of this machine, such as `/etc/machine-id`.
    pub machine_id: &'a str,
    /// Where the records are from: of another database they would be false.
    pub origin: &'a str,
}

/// Why a file is of no use.
#[derive(Debug, thiserror::Error)]
pub enum RecordFileError {
    /// The file cannot be read or written.
    #[error("cannot {step} {path}: {source}")]
    Io {
        /// What was attempted.
        step: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// Others can read or change the key, or it is no key.
    #[error("{0} is no key of a record file, or open to others: remove it, and a new one is made")]
    BadKey(PathBuf),
    /// Larger than it may be.
    #[error("{0} is larger than the memory that its records may take")]
    TooLarge(PathBuf),
    /// Not of this form, damaged, or written with another key, on another machine or for another database.
    #[error("{0} is damaged, or was not written by this keydove on this machine for this database")]
    Foreign(PathBuf),
    /// What is within has another form.
    #[error("{0} has records of another form")]
    OtherForm(PathBuf),
    /// The system has no random bytes.
    #[error("cannot get random bytes: {0}")]
    Random(#[from] getrandom::Error),
}

/// What is within.
#[derive(Serialize, Deserialize)]
struct Content<T> {
    /// In seconds since 1970.
    written: u64,
    records: T,
}

impl RecordFile {
    /// Reads the key beside the file, or makes one. `max_bytes` bounds the file.
    ///
    /// # Errors
    /// The key cannot be read, made or trusted.
    pub fn open(path: &Path, belonging: Belonging<'_>, max_bytes: usize) -> Result<Self, RecordFileError> {
        let mut key_path = path.as_os_str().to_owned();
        key_path.push(".key");
        let key = read_or_make_key(Path::new(&key_path))?;
        let unbound = UnboundKey::new(&AES_256_GCM, &*key)
            .map_err(|_| RecordFileError::BadKey(PathBuf::from(&key_path)))?;
        let mut bound_to = Vec::new();
        // The length in front of each part keeps two different pairs from being one text.
        for part in [FORM, belonging.machine_id.trim().as_bytes(), belonging.origin.as_bytes()] {
            bound_to.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bound_to.extend_from_slice(part);
        }
        Ok(Self { path: path.to_owned(), key: LessSafeKey::new(unbound), bound_to, max_bytes })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Puts records in place of those in the file, at once: whoever reads it finds the old ones or the new ones.
    ///
    /// # Errors
    /// The file is as it was.
    pub fn write<T: Serialize>(&self, records: &T, now: SystemTime) -> Result<usize, RecordFileError> {
        let sealed = self.seal(records, now)?;
        let mut draft = self.path.as_os_str().to_owned();
        draft.push("~");
        let draft = PathBuf::from(draft);
        let failed = |step| move |source| RecordFileError::Io { step, path: self.path.clone(), source };
        let _ = std::fs::remove_file(&draft);
        let written = write_new(&draft, &sealed).and_then(|()| std::fs::rename(&draft, &self.path));
        if written.is_err() {
            let _ = std::fs::remove_file(&draft);
        }
        written.map_err(failed("write"))?;
        // The name is safe once the folder is.
        let folder = self.path.parent().unwrap_or(Path::new("/"));
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed("write the folder of"))?;
        Ok(sealed.len())
    }

    /// Reads what was written and when. `None` when there is no file.
    ///
    /// # Errors
    /// The file is of no use.
    pub fn read<T: for<'a> Deserialize<'a>>(&self) -> Result<Option<(T, SystemTime)>, RecordFileError> {
        let failed = |source| RecordFileError::Io { step: "read", path: self.path.clone(), source };
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let mut bytes = Zeroizing::new(Vec::new());
        file.take(self.max_bytes as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() > self.max_bytes {
            return Err(RecordFileError::TooLarge(self.path.clone()));
        }
        self.unseal(&mut bytes).map(Some)
    }

    fn seal<T: Serialize>(&self, records: &T, now: SystemTime) -> Result<Vec<u8>, RecordFileError> {
        let content = Content { written: seconds(now), records };
        let too_large = || RecordFileError::TooLarge(self.path.clone());
        let mut plain = Zeroizing::new(serde_json::to_vec(&content).map_err(|_| too_large())?);
        if FORM.len() + NONCE_LEN + plain.len() + TAG_BYTES > self.max_bytes {
            return Err(too_large());
        }
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce)?;
        let tag = self
            .key
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(&self.bound_to),
                &mut plain,
            )
            .map_err(|_| too_large())?;
        Ok([FORM, &nonce[..], &plain[..], tag.as_ref()].concat())
    }

    fn unseal<T: for<'a> Deserialize<'a>>(
        &self,
        bytes: &mut [u8],
    ) -> Result<(T, SystemTime), RecordFileError> {
        let foreign = || RecordFileError::Foreign(self.path.clone());
        let (form, rest) = bytes.split_at_mut_checked(FORM.len()).ok_or_else(foreign)?;
        let (nonce, sealed) = rest.split_at_mut_checked(NONCE_LEN).ok_or_else(foreign)?;
        if form != FORM {
            return Err(foreign());
        }
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| foreign())?;
        let plain =
            self.key.open_in_place(nonce, Aad::from(&self.bound_to), sealed).map_err(|_| foreign())?;
        let content: Content<T> =
            serde_json::from_slice(plain).map_err(|_| RecordFileError::OtherForm(self.path.clone()))?;
        let written = UNIX_EPOCH.checked_add(Duration::from_secs(content.written));
        Ok((content.records, written.ok_or_else(|| RecordFileError::OtherForm(self.path.clone()))?))
    }
}

/// In whole seconds since 1970; a clock that stands before that reads 0, which is older than anything.
#[must_use]
pub fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// How old a record is now, of a file that was written at `written`. `None` when the clock has gone back since then, or
/// it is older than `limit`: what looks young may then be old.
#[must_use]
pub fn age(asked: u64, written: SystemTime, now: SystemTime, limit: Duration) -> Option<Duration> {
    if written > now || asked > seconds(written) {
        return None;
    }
    // A second more, because fractions were cut off.
    let age = now.duration_since(UNIX_EPOCH + Duration::from_secs(asked)).ok()? + Duration::from_secs(1);
    (age < limit).then_some(age)
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn read_or_make_key(path: &Path) -> Result<Zeroizing<[u8; KEY_BYTES]>, RecordFileError> {
    let failed = |step| move |source| RecordFileError::Io { step, path: path.to_owned(), source };
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    match File::open(path) {
        Ok(mut file) => {
            let status = file.metadata().map_err(failed("read"))?;
            let is_key = status.is_file() && status.len() == KEY_BYTES as u64 && status.mode() & 0o077 == 0;
            if !is_key {
                return Err(RecordFileError::BadKey(path.to_owned()));
            }
            file.read_exact(&mut *key).map_err(failed("read"))?;
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            getrandom::fill(&mut *key)?;
            write_new(path, &*key).map_err(failed("make"))?;
        }
        Err(error) => return Err(failed("read")(error)),
    }
    Ok(key)
}

#[cfg(test)]
#[path = "record_file_tests.rs"]
mod tests;
