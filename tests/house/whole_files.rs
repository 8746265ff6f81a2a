//! Nobody reads half of a file: what keydove, its units and its set-up write is renamed when it is complete.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use super::code;

/// What writes files in place, each with the reason why nobody reads them meanwhile.
const IN_PLACE: [(&str, &str); 4] = [
    ("src/cli/man.rs", "pages for the package that is being built"),
    (
        "src/cli/setup/postfix.rs",
        "a copy in a folder of its own, which Postfix's programs read when it is complete",
    ),
    ("src/backend/sql/sqlite/place.rs", "an empty database, which SQLite fills"),
    ("src/bin/keydove-checkpassword/reply.rs", "a pipe of Dovecot's"),
];

#[test]
fn what_is_written_is_renamed_when_it_is_complete() {
    for (path, code) in ["src", "portal/src", "words/src"].iter().flat_map(|folder| code::below(folder)) {
        let writes = ["fs::write(", "File::create", "OpenOptions", "fs::copy("];
        let allowed = IN_PLACE.iter().any(|(known, _)| *known == path);
        assert!(
            allowed || code.contains("rename(") || !writes.iter().any(|call| code.contains(call)),
            "{path} writes a file in place: write another one beside it, with owner and mode, and rename it"
        );
    }
}

#[test]
fn no_unit_writes_a_file_in_place() {
    let mut units = 0;
    for folder in ["mailcow", "systemd", "packaging/portal"] {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let ends = ["service", "socket", "path", "conf"];
            if !path.extension().is_some_and(|end| ends.iter().any(|known| end == *known)) {
                continue;
            }
            units += 1;
            let text = fs::read_to_string(&path).unwrap();
            for line in text.lines().filter(|line| line.starts_with("Exec")) {
                // Folders are made in one step.
                let line = line.replace("install -d ", "");
                let writes = ["install ", "cp ", "tee ", "dd ", ">"].iter().any(|call| line.contains(call));
                assert!(!writes || line.contains("mv -f"), "{}: {line}", path.display());
            }
        }
    }
    assert!(units > 8, "only {units} units were read");
}

/// The command of `keydove-sogo.service`, beside a reader that never rests.
#[test]
fn whoever_reads_the_copy_of_sogos_secret_reads_a_whole_one() {
    let folder = std::env::temp_dir().join(format!("keydove-sogo-copy-{}", std::process::id()));
    fs::create_dir(&folder).unwrap();
    let (from, to) = (folder.join("sogo-sso.pass"), folder.join("sogo-sso"));
    let unit = fs::read_to_string("mailcow/keydove-sogo.service").unwrap();
    let line = unit.lines().find_map(|line| line.strip_prefix("ExecStart=/bin/sh -ec '")).unwrap();
    let (script, _) = line.split_once('\'').unwrap();
    let ids = Command::new("id").arg("-u").output().unwrap();
    let own = String::from_utf8(ids.stdout).unwrap();
    // Only root gives files away.
    let script = script.replace("$$", "$").replace("-o root -g keydove", &format!("-o {}", own.trim()));
    let copy = || {
        let status = Command::new("/bin/sh").arg("-ec").arg(&script).arg(&from).arg(&to).status().unwrap();
        assert!(status.success());
    };
    fs::write(&from, "secret 0\n").unwrap();
    copy();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut reads = 0_u64;
            while !done.load(Ordering::Relaxed) {
                let text = fs::read_to_string(&to).unwrap();
                assert!(text.starts_with("secret ") && text.ends_with('\n'), "{text:?}");
                assert_eq!(mode(&to), 0o640);
                reads += 1;
            }
            reads
        });
        for number in 1..=30 {
            // As mailcow's container writes it: emptied first.
            fs::write(&from, format!("secret {number}\n")).unwrap();
            copy();
            assert_eq!(fs::read_to_string(&to).unwrap(), format!("secret {number}\n"));
        }
        done.store(true, Ordering::Relaxed);
        assert!(reader.join().unwrap() > 0);
    });
    let left: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
    fs::remove_dir_all(&folder).unwrap();
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}
