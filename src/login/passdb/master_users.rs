//! Master users: a few names with passwords of their own, which open every mailbox.
//!
//! Their file is read again when it has changed. A file that cannot be used is trouble, never a refusal.

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Deserialize;
use zeroize::Zeroizing;

use super::{Passdb, Presented};
use crate::auth::{Denial, NotAccepted, Secret, TempFail, TempFailReason};
use crate::credential::scheme;
use crate::settings::{Section, SettingFault};

/// Far more than a few names take.
const MAX_FILE_BYTES: u64 = 64 * 1024;
/// Longest name, in bytes.
const MAX_NAME_BYTES: usize = 255;

/// Master users, who may open every mailbox: docs/takeover.md. Without this table there are none.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MasterUsersConfig {
    /// A file with one `name:{SCHEME}hash` a line, mode 0600, at most 64 KiB. keydove reads it again when it
    /// changes.
    pub file: PathBuf,
    /// What stands between mailbox and master user in a login name: `alice@example.org*admin`. Default `"*"`.
    #[serde(default = "asterisk")]
    pub separator: char,
    /// Whether master users may also send mail as the mailbox. Default `false`.
    #[serde(default)]
    pub sending: bool,
}

fn asterisk() -> char {
    '*'
}

impl Section for MasterUsersConfig {
    fn faults(&self) -> Vec<SettingFault> {
        let mut faults = Vec::new();
        if self.separator.is_alphanumeric() || self.separator.is_control() || self.separator == '@' {
            faults.push(SettingFault::new(
                "separator",
                "this character may be part of an address",
                "take one that no address has, such as \"*\"",
            ));
        }
        if let Err(error) = MasterUsers::new(self.clone()).check() {
            let advice =
                "it must exist, mode 0600, with one `name:{SCHEME}hash` a line; `keydove hash` makes hashes";
            faults.push(SettingFault::new("file", error.to_string(), advice));
        }
        faults
    }
}

/// Why the file is of no use. Nothing of its content is shown.
#[derive(Debug, thiserror::Error)]
pub enum MasterUsersError {
    /// It cannot be read.
    #[error("cannot read the master users in {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// Others can read or change it.
    #[error("the master users in {path} are open to others (mode {mode:04o}); run: chmod 0600 {path}")]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// More than anybody would write.
    #[error("the file of master users {path} is larger than 64 KiB")]
    Size {
        /// The file.
        path: PathBuf,
    },
    /// A line is none of the form `name:{SCHEME}hash`, or has a name that another line has.
    #[error(
        "line {line} of {path} is no `name:{{SCHEME}}hash` with a name of its own and without the separator"
    )]
    Line {
        /// The file.
        path: PathBuf,
        /// Its number, from 1.
        line: usize,
    },
}

/// Names and stored passwords.
type Table = HashMap<Box<str>, Secret>;

/// The master users of one file.
#[derive(Debug)]
pub struct MasterUsers {
    config: MasterUsersConfig,
    read: Mutex<Option<(Stamp, Arc<Table>)>>,
}

/// By what a changed file is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(status: &Metadata) -> Self {
        Self {
            inode: status.ino(),
            bytes: status.len(),
            modified: (status.mtime(), status.mtime_nsec()),
            changed: (status.ctime(), status.ctime_nsec()),
        }
    }
}

impl MasterUsers {
    /// Reads nothing yet.
    #[must_use]
    pub fn new(config: MasterUsersConfig) -> Self {
        Self { config, read: Mutex::new(None) }
    }

    /// Their settings.
    #[must_use]
    pub fn config(&self) -> &MasterUsersConfig {
        &self.config
    }

    /// Whether the file can be used as it is now.
    ///
    /// # Errors
    /// See [`MasterUsersError`].
    pub fn check(&self) -> Result<(), MasterUsersError> {
        self.table().map(drop)
    }

    /// The table as the file has it now.
    fn table(&self) -> Result<Arc<Table>, MasterUsersError> {
        let path = &self.config.file;
        let failed = |source| MasterUsersError::Read { path: path.clone(), source };
        let file = File::open(path).map_err(failed)?;
        let status = file.metadata().map_err(failed)?;
        let mode = status.mode() & 0o7777;
        // As for every other secret: the group may read.
        if mode & 0o027 != 0 {
            return Err(MasterUsersError::Open { path: path.clone(), mode });
        }
        let stamp = Stamp::of(&status);
        // A poisoned lock still guards a whole table: it is put there in one step.
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, table)) = &*read
            && *known == stamp
        {
            return Ok(Arc::clone(table));
        }
        let mut bytes = Zeroizing::new(Vec::new());
        file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return Err(MasterUsersError::Size { path: path.clone() });
        }
        let table = Arc::new(parse(path, &bytes, self.config.separator)?);
        *read = Some((stamp, Arc::clone(&table)));
        Ok(table)
    }
}

/// Empty lines and comments say nothing; further fields of a passwd-file do not count.
fn parse(path: &Path, bytes: &[u8], separator: char) -> Result<Table, MasterUsersError> {
    let mut table = Table::new();
    for (index, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let complaint = || MasterUsersError::Line { path: path.to_owned(), line: index + 1 };
        let mut fields = line.split(|&byte| byte == b':');
        let name = fields.next().and_then(|name| str::from_utf8(name).ok()).ok_or_else(complaint)?;
        let stored = fields.next().filter(|stored| scheme::has_label(stored)).ok_or_else(complaint)?;
        let is_name = !name.is_empty() && name.len() <= MAX_NAME_BYTES && !name.contains(separator);
        if !is_name || table.insert(name.into(), Secret::new(stored.to_vec())).is_some() {
            return Err(complaint());
        }
    }
    Ok(table)
}

impl Passdb {
    /// The same with master users.
    #[must_use]
    pub fn with_master_users(mut self, master_users: Option<MasterUsers>) -> Self {
        self.master_users = master_users;
        self
    }

    /// The settings of the master users, where there are any.
    #[must_use]
    pub fn master_users(&self) -> Option<&MasterUsersConfig> {
        self.master_users.as_ref().map(MasterUsers::config)
    }

    /// Compares with the password of a master user.
    ///
    /// # Errors
    /// There is no such master user or the password is another; or the file cannot be used.
    pub async fn check_master_user(&self, name: &str, presented: Presented<'_>) -> Result<(), NotAccepted> {
        let Some(master_users) = &self.master_users else { return Err(Denial::MasterUserMismatch.into()) };
        let table = master_users
            .table()
            .map_err(|error| TempFail::new(TempFailReason::MasterUsersFile, error.to_string()))?;
        let stored = table.get(name).ok_or(Denial::MasterUserMismatch)?;
        match self.verify(stored, None, Presented { name, ..presented }).await {
            Err(NotAccepted::Refused(_)) => Err(Denial::MasterUserMismatch.into()),
            end => end,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, remove_file, set_permissions, write};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn names(text: &str) -> Result<Vec<String>, usize> {
        match parse(Path::new("masters"), text.as_bytes(), '*') {
            Ok(table) => {
                let mut names: Vec<_> = table.keys().map(ToString::to_string).collect();
                names.sort_unstable();
                Ok(names)
            }
            Err(MasterUsersError::Line { line, .. }) => Err(line),
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn a_passwd_file_is_read_with_its_comments_and_further_fields() {
        let text = "# who helps\n\nadmin:{PLAIN}pw\r\nsupport:{SSHA512}abc:5000:5000::/srv::\n";
        assert_eq!(names(text), Ok(vec!["admin".to_owned(), "support".to_owned()]));
        assert_eq!(names(""), Ok(vec![]));
    }

    #[test]
    fn a_line_of_another_form_is_named_by_its_number() {
        for line in ["admin", "admin:", "admin:pw", ":{PLAIN}pw", "a*b:{PLAIN}pw", "admin:{PLAIN}other"] {
            assert_eq!(names(&format!("admin:{{PLAIN}}pw\n{line}\n")), Err(2), "{line}");
        }
    }

    #[test]
    fn a_changed_file_counts_at_once_and_an_open_one_does_not() {
        let path = std::env::temp_dir().join(format!("keydove-masters-{}", std::process::id()));
        let set = |text: &str, mode: u32| {
            write(&path, text).unwrap();
            set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        };
        let masters =
            MasterUsers::new(MasterUsersConfig { file: path.clone(), separator: '*', sending: false });
        assert!(matches!(masters.check(), Err(MasterUsersError::Read { .. })));
        set("admin:{PLAIN}pw\n", 0o600);
        assert!(masters.table().unwrap().contains_key("admin"));
        set("support:{PLAIN}pw\n", 0o600);
        let table = masters.table().unwrap();
        assert!(table.contains_key("support") && !table.contains_key("admin"));
        set("support:{PLAIN}pw\n", 0o644);
        assert!(matches!(masters.check(), Err(MasterUsersError::Open { mode: 0o644, .. })));
        set(&"#".repeat(70_000), 0o600);
        assert!(matches!(masters.check(), Err(MasterUsersError::Size { .. })));
        remove_file(path).unwrap();
    }
}
