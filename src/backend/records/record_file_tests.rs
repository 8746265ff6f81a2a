//! What must be true of a record file, and of every file that is none.

use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicU32, Ordering};

use proptest::prelude::*;

use super::*;

const SECRET: &str = "{BLF-CRYPT}$2y$04$nai69UnPcKTgXbRUx7T6gu";
const KEY: &str = "the client's secret";
const ORIGIN: &str = "SQLite in /a";

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

    fn open(&self) -> RecordFile {
        self.open_as(&[KEY], ORIGIN, 1 << 20)
    }

    fn open_as(&self, secrets: &[&str], origin: &str, max_bytes: usize) -> RecordFile {
        let secrets: Vec<Secret> = secrets.iter().map(|secret| Secret::from(*secret)).collect();
        let belonging = Belonging { secrets: &secrets, origin };
        RecordFile::open_with(&self.path(), belonging, max_bytes, 1).unwrap()
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
fn the_file_is_closed_to_others_and_nothing_is_in_the_clear() {
    let folder = Folder::new();
    let file = folder.open();
    assert!(file.read::<Vec<SavedRecord<String>>>().unwrap().is_none());
    file.write(&vec![record("alice@example.org")], at(1000)).unwrap();
    let mode = std::fs::metadata(folder.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let bytes = std::fs::read(folder.path()).unwrap();
    for words in [&SECRET.as_bytes()[..8], b"alice", b"example", KEY.as_bytes()] {
        assert!(!bytes.windows(words.len()).any(|window| window == words));
    }
    assert_eq!(std::fs::read_dir(&folder.0).unwrap().count(), 1, "no draft is left");
    assert!(!format!("{file:?}").contains(KEY));
}

#[test]
fn a_byte_that_is_another_or_missing_makes_it_foreign() {
    let folder = Folder::new();
    let file = folder.open();
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
fn other_secrets_or_another_database_make_it_foreign() {
    let folder = Folder::new();
    let write = || folder.open().write(&vec![record("a@b.example")], at(1000)).unwrap();
    write();
    for (secrets, origin) in [
        (&["another secret"][..], ORIGIN),
        (&[KEY, ""], ORIGIN),
        (&["the client's", " secret"], ORIGIN),
        (&[KEY], "SQLite in /b"),
    ] {
        let file = folder.open_as(secrets, origin, 1 << 20);
        assert!(is_foreign(&file), "{secrets:?} {origin}");
        // And it is replaced by a good one.
        file.write(&vec![record("c@b.example")], at(1000)).unwrap();
        assert!(!is_foreign(&file) && is_foreign(&folder.open()));
        write();
    }
}

#[test]
fn each_new_file_has_a_key_of_its_own() {
    let (one, other) = (Folder::new(), Folder::new());
    one.open().write(&vec![record("a@b.example")], at(1000)).unwrap();
    let file = other.open();
    std::fs::copy(one.path(), other.path()).unwrap();
    assert!(is_foreign(&file) && !is_foreign(&other.open()));
}

#[test]
fn a_file_is_bounded_both_ways() {
    let folder = Folder::new();
    let small = folder.open_as(&[KEY], ORIGIN, 200);
    let many: Vec<_> = (0..10).map(|number| record(&format!("u{number}@b.example"))).collect();
    assert!(matches!(small.write(&many, at(1000)), Err(RecordFileError::TooLarge(_))));
    folder.open().write(&many, at(1000)).unwrap();
    let small = folder.open_as(&[KEY], ORIGIN, 200);
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
        let file = folder.open();
        let records: Vec<_> =
            users.iter().map(|user| SavedRecord { user: user.clone(), asked, record: user.clone() }).collect();
        file.write(&records, at(written)).unwrap();
        let (read, when) = folder.open().read::<Vec<SavedRecord<String>>>().unwrap().unwrap();
        prop_assert_eq!(when, at(written));
        let read: Vec<_> = read.into_iter().map(|record| (record.user, record.asked, record.record)).collect();
        let wanted: Vec<_> = records.into_iter().map(|record| (record.user, record.asked, record.record)).collect();
        prop_assert_eq!(read, wanted);
    }
}

#[test]
fn two_that_write_one_file_leave_a_whole_one_and_notice_each_other() {
    let folder = Folder::new();
    let (one, other) = (folder.open(), folder.open());
    let write =
        |file: &RecordFile| file.write(&vec![record("a@b.example")], at(1000)).unwrap().replaced_anothers;
    assert!(!write(&one));
    assert!(write(&other), "the first one's file was there");
    assert!(!write(&other));
    assert!(write(&one));
    std::fs::remove_file(folder.path()).unwrap();
    assert!(!write(&one), "a file that an administrator removed is nobody's");

    // What a killed process left goes at the next start; what a living one writes stays, and so do strangers.
    let beside = |end: &str| folder.path().with_file_name(format!("records{end}"));
    let name = folder.path().file_name().unwrap().to_str().unwrap().to_owned();
    let draft = |end: &str| folder.path().with_file_name(format!("{name}{end}"));
    for path in [draft("~"), draft("~999999999"), draft("~1"), draft("~x"), beside("~999999999x")] {
        std::fs::write(path, "a half").unwrap();
    }
    drop(folder.open());
    assert!(!draft("~").exists() && !draft("~999999999").exists());
    assert!(draft("~1").exists() && draft("~x").exists() && beside("~999999999x").exists());
}
