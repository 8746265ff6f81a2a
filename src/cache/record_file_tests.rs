//! What must be true of a record file, and of every file that is none.

use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicU32, Ordering};

use proptest::prelude::*;

use super::*;

const HERE: Belonging<'static> = Belonging { machine_id: "3d1219c7", origin: "SQLite in /a" };
const SECRET: &str = "{BLF-CRYPT}$2y$04$nai69UnPcKTgXbRUx7T6gu";

/// A folder that goes with its test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("keydove-records-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn path(&self) -> PathBuf {
        self.0.join("records")
    }

    fn open(&self, belonging: Belonging<'_>) -> RecordFile {
        RecordFile::open(&self.path(), belonging, 1 << 20).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn record(user: &str) -> SavedRecord<String> {
    SavedRecord { user: user.to_owned(), asked: 990, record: SECRET.to_owned() }
}

fn is_foreign(file: &RecordFile) -> bool {
    matches!(file.read::<Vec<SavedRecord<String>>>(), Err(RecordFileError::Foreign(_)))
}

#[test]
fn both_files_are_closed_to_others_and_nothing_is_in_the_clear() {
    let folder = Folder::new();
    let file = folder.open(HERE);
    assert!(file.read::<Vec<SavedRecord<String>>>().unwrap().is_none());
    file.write(&vec![record("alice@example.org")], at(1000)).unwrap();
    for name in ["records", "records.key"] {
        let mode = std::fs::metadata(folder.0.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let bytes = std::fs::read(folder.path()).unwrap();
    for words in [&SECRET.as_bytes()[..8], b"alice", b"example", b"3d1219c7"] {
        assert!(!bytes.windows(words.len()).any(|window| window == words));
    }
    assert_eq!(std::fs::read_dir(&folder.0).unwrap().count(), 2, "no draft is left");
    assert!(!format!("{file:?}").contains("nai69"));
}

#[test]
fn a_byte_that_is_another_or_missing_makes_it_foreign() {
    let folder = Folder::new();
    let file = folder.open(HERE);
    file.write(&vec![record("a@b.example")], at(1000)).unwrap();
    let bytes = std::fs::read(folder.path()).unwrap();
    for place in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[place] ^= 1 << (place % 8);
        std::fs::write(folder.path(), &changed).unwrap();
        assert!(is_foreign(&file), "byte {place}");
        std::fs::write(folder.path(), &bytes[..place]).unwrap();
        assert!(is_foreign(&file), "cut at {place}");
    }
    std::fs::write(folder.path(), [&bytes[..], b"x"].concat()).unwrap();
    assert!(is_foreign(&file));
    std::fs::write(folder.path(), &bytes).unwrap();
    assert!(file.read::<Vec<SavedRecord<String>>>().unwrap().is_some());
}

#[test]
fn another_key_machine_or_database_makes_it_foreign() {
    let folder = Folder::new();
    folder.open(HERE).write(&vec![record("a@b.example")], at(1000)).unwrap();
    for belonging in [
        Belonging { machine_id: "other", ..HERE },
        Belonging { origin: "SQLite in /b", ..HERE },
        Belonging { machine_id: "3d1219c", origin: "7SQLite in /a" },
    ] {
        assert!(is_foreign(&folder.open(belonging)), "{belonging:?}");
    }
    std::fs::remove_file(folder.0.join("records.key")).unwrap();
    assert!(is_foreign(&folder.open(HERE)));
}

#[test]
fn a_key_that_others_can_read_or_that_is_none_is_not_used() {
    let folder = Folder::new();
    drop(folder.open(HERE));
    let key = folder.0.join("records.key");
    let open = || RecordFile::open(&folder.path(), HERE, 1 << 20);
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(open(), Err(RecordFileError::BadKey(_))));
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    open().unwrap();
    std::fs::write(&key, b"short").unwrap();
    assert!(matches!(open(), Err(RecordFileError::BadKey(_))));
}

#[test]
fn a_file_is_bounded_both_ways() {
    let folder = Folder::new();
    drop(folder.open(HERE));
    let small = RecordFile::open(&folder.path(), HERE, 200).unwrap();
    let many: Vec<_> = (0..10).map(|number| record(&format!("u{number}@b.example"))).collect();
    assert!(matches!(small.write(&many, at(1000)), Err(RecordFileError::TooLarge(_))));
    folder.open(HERE).write(&many, at(1000)).unwrap();
    assert!(matches!(small.read::<Vec<SavedRecord<String>>>(), Err(RecordFileError::TooLarge(_))));
}

#[test]
fn a_clock_that_went_back_makes_records_old() {
    let limit = Duration::from_secs(100);
    assert_eq!(age(990, at(1000), at(1010), limit), Some(Duration::from_secs(21)));
    assert_eq!(age(990, at(1000), at(1089), limit), None);
    assert_eq!(age(990, at(1000), at(999), limit), None);
    assert_eq!(age(1001, at(1000), at(1010), limit), None);
    assert_eq!(age(0, at(1000), at(1010), limit), None);
    assert_eq!(age(u64::MAX, at(1000), at(1010), limit), None);
}

proptest! {
    #[test]
    fn what_is_written_is_read(users in proptest::collection::vec("\\PC{0,40}", 0..20), asked: u64, written in 0..1_u64 << 40) {
        let folder = Folder::new();
        let file = folder.open(HERE);
        let records: Vec<_> =
            users.iter().map(|user| SavedRecord { user: user.clone(), asked, record: user.clone() }).collect();
        file.write(&records, at(written)).unwrap();
        let (read, when) = folder.open(HERE).read::<Vec<SavedRecord<String>>>().unwrap().unwrap();
        prop_assert_eq!(when, at(written));
        let read: Vec<_> = read.into_iter().map(|record| (record.user, record.asked, record.record)).collect();
        let wanted: Vec<_> = records.into_iter().map(|record| (record.user, record.asked, record.record)).collect();
        prop_assert_eq!(read, wanted);
    }
}
