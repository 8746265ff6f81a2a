//! Records in a file, so that a restart during an outage still knows people.
//!
//! The file is one line of its form, a salt, a nonce, and everything else encrypted and authenticated (AES-256-GCM). The
//! key is made of secrets that whoever could read the same elsewhere has anyway, and stands nowhere. The form and the
//! place of the records are authenticated too, so that a file from elsewhere is none.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pbkdf2::pbkdf2_hmac;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::auth::Secret;

/// What the file begins with; the number changes with the form.
const FORM: &[u8] = b"keydove records 1\n";
const SALT_BYTES: usize = 16;
const KEY_BYTES: usize = 32;
const TAG_BYTES: usize = 16;
/// The file must be no cheap way to guess the secrets. About a quarter of a second, once at the start.
const ROUNDS: u32 = 600_000;

/// A file of records, and its key.
#[derive(Debug)]
pub struct RecordFile {
    path: PathBuf,
    salt: [u8; SALT_BYTES],
    key: LessSafeKey,
    /// What is authenticated and not written down.
    bound_to: Vec<u8>,
    max_bytes: usize,
    /// The head of the file that we found or wrote last; no two files have the same.
    last_seen: Mutex<Option<Vec<u8>>>,
}

/// A file that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Its length.
    pub bytes: usize,
    /// In its place was a file that somebody else had written since: another keydove has the same path.
    pub replaced_anothers: bool,
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
    /// Of which the key is made; at least one.
    pub secrets: &'a [Secret],
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
    /// Larger than it may be.
    #[error("{0} is larger than twice the memory that records may take")]
    TooLarge(PathBuf),
    /// Not of this form, damaged, or written with other secrets or for another database.
    #[error("{0} is damaged, or was written with other secrets, for another database or by another version")]
    Foreign(PathBuf),
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
    /// Makes the key. `max_bytes` bounds the file.
    ///
    /// # Errors
    /// There is a file that cannot be read, or there are no random bytes.
    pub fn open(path: &Path, belonging: Belonging<'_>, max_bytes: usize) -> Result<Self, RecordFileError> {
        Self::open_with(path, belonging, max_bytes, ROUNDS)
    }

    fn open_with(
        path: &Path,
        belonging: Belonging<'_>,
        max_bytes: usize,
        rounds: u32,
    ) -> Result<Self, RecordFileError> {
        let mut bound_to = Vec::new();
        add_part(&mut bound_to, FORM);
        add_part(&mut bound_to, belonging.origin.as_bytes());
        // The number of parts in front: HMAC takes no notice of zeros at the end.
        let mut secret = Zeroizing::new((belonging.secrets.len() as u64).to_be_bytes().to_vec());
        for part in belonging.secrets {
            add_part(&mut secret, part.expose());
        }
        remove_left_drafts(path);
        let salt = find_salt(path)?;
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        pbkdf2_hmac::<Sha256>(&secret, &salt, rounds, &mut *key);
        let key = UnboundKey::new(&AES_256_GCM, &*key).expect("the key has the length of the cipher");
        let last_seen = Mutex::new(head_of(path));
        Ok(Self { path: path.to_owned(), salt, key: LessSafeKey::new(key), bound_to, max_bytes, last_seen })
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
    pub fn write<T: Serialize>(&self, records: &T, now: SystemTime) -> Result<Written, RecordFileError> {
        let sealed = self.seal(records, now)?;
        // Of this process alone: two that write one draft would put a half of it in place.
        let mut draft = self.path.as_os_str().to_owned();
        draft.push(format!("~{}", std::process::id()));
        let draft = PathBuf::from(draft);
        let failed = |step| move |source| RecordFileError::Io { step, path: self.path.clone(), source };
        let _ = std::fs::remove_file(&draft);
        let mut last_seen = self.last_seen.lock().unwrap_or_else(PoisonError::into_inner);
        let there = head_of(&self.path);
        let replaced_anothers = there.is_some() && there != *last_seen;
        let written = write_new(&draft, &sealed).and_then(|()| std::fs::rename(&draft, &self.path));
        if written.is_err() {
            let _ = std::fs::remove_file(&draft);
        }
        written.map_err(failed("write"))?;
        *last_seen = head_of(&self.path);
        drop(last_seen);
        // The name is safe once the folder is.
        let folder = self.path.parent().unwrap_or(Path::new("/"));
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed("write the folder of"))?;
        Ok(Written { bytes: sealed.len(), replaced_anothers })
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
        let content = self.unseal(&mut bytes);
        content.map(Some).ok_or_else(|| RecordFileError::Foreign(self.path.clone()))
    }

    fn seal<T: Serialize>(&self, records: &T, now: SystemTime) -> Result<Vec<u8>, RecordFileError> {
        let content = Content { written: seconds(now), records };
        let too_large = || RecordFileError::TooLarge(self.path.clone());
        let mut plain = Zeroizing::new(serde_json::to_vec(&content).map_err(|_| too_large())?);
        if FORM.len() + SALT_BYTES + NONCE_LEN + plain.len() + TAG_BYTES > self.max_bytes {
            return Err(too_large());
        }
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce)?;
        let unique = Nonce::assume_unique_for_key(nonce);
        let tag = self
            .key
            .seal_in_place_separate_tag(unique, Aad::from(&self.bound_to), &mut plain)
            .map_err(|_| too_large())?;
        Ok([FORM, &self.salt, &nonce, &plain, tag.as_ref()].concat())
    }

    fn unseal<T: for<'a> Deserialize<'a>>(&self, bytes: &mut [u8]) -> Option<(T, SystemTime)> {
        let (form, rest) = bytes.split_at_mut_checked(FORM.len())?;
        let (salt, rest) = rest.split_at_mut_checked(SALT_BYTES)?;
        let (nonce, sealed) = rest.split_at_mut_checked(NONCE_LEN)?;
        if form != FORM || *salt != self.salt {
            return None;
        }
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let plain = self.key.open_in_place(nonce, Aad::from(&self.bound_to), sealed).ok()?;
        let content: Content<T> = serde_json::from_slice(plain).ok()?;
        let written = UNIX_EPOCH.checked_add(Duration::from_secs(content.written))?;
        Some((content.records, written))
    }
}

/// The length in front of each part keeps two different lists of as many parts from being one text.
fn add_part(text: &mut Vec<u8>, part: &[u8]) {
    text.extend_from_slice(&(part.len() as u64).to_be_bytes());
    text.extend_from_slice(part);
}

/// What a file begins with, its nonce included.
fn head_of(path: &Path) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    let length = FORM.len() + SALT_BYTES + NONCE_LEN;
    File::open(path).ok()?.take(length as u64).read_to_end(&mut head).ok()?;
    Some(head)
}

/// Removes drafts of processes that were killed while they wrote.
fn remove_left_drafts(path: &Path) {
    let Some(start) = path.file_name().and_then(|name| name.to_str()).map(|name| format!("{name}~")) else {
        return;
    };
    let folder = path.parent().unwrap_or(Path::new("/"));
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(process) = name.to_str().and_then(|name| name.strip_prefix(&start)) else { continue };
        // Without a number: of an earlier keydove.
        let is_number = process.chars().all(|c| c.is_ascii_digit());
        let is_alive = !process.is_empty() && Path::new("/proc").join(process).exists();
        if is_number && !is_alive {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// The salt of the file that is there, or a new one.
fn find_salt(path: &Path) -> Result<[u8; SALT_BYTES], RecordFileError> {
    let mut salt = [0; SALT_BYTES];
    let mut form = [0; FORM.len()];
    let found = match File::open(path) {
        Ok(mut file) => file.read_exact(&mut form).and_then(|()| file.read_exact(&mut salt)).is_ok(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(source) => return Err(RecordFileError::Io { step: "read", path: path.to_owned(), source }),
    };
    if !found || form != *FORM {
        getrandom::fill(&mut salt)?;
    }
    Ok(salt)
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

#[cfg(test)]
#[path = "record_file_tests.rs"]
mod tests;
