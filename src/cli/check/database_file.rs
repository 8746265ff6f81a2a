//! The SQLite file as a file: who may read it, on what kind of file system it is, and whether somebody still has an
//! earlier file of its name open. Nothing here opens it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::sys::statfs::{FsType, statfs};

use super::finding::Findings;

/// Network file systems by the numbers of statfs(2): NFS, SMB in its three kinds, AFS, Ceph, 9P.
const NETWORK: [(FsType, &str); 7] = [
    (FsType(0x6969), "NFS"),
    (FsType(0x517b), "SMB"),
    (FsType(0xff53_4d42), "CIFS"),
    (FsType(0xfe53_4d42), "SMB2"),
    (FsType(0x5346_414f), "AFS"),
    (FsType(0x00c3_6400), "Ceph"),
    (FsType(0x0102_1997), "9P"),
];
const OTHERS: u32 = 0o007;

pub(super) fn look(path: &Path, findings: &mut Findings) {
    let Ok(found) = fs::metadata(path) else { return };
    if found.mode() & OTHERS != 0 {
        findings.warning(
            format!("{} holds hashes, and everybody on this machine may open it", path.display()),
            format!("chmod o= {}", path.display()),
        );
    }
    if let Some(kind) = statfs(path).ok().and_then(|system| network_of(system.filesystem_type())) {
        findings.warning(
            format!("{} is on {kind}, whose locks SQLite cannot rely on", path.display()),
            "put the file on a disk of this machine, or use MariaDB where several machines share one database",
        );
    }
    for process in holders_of_earlier_files(path) {
        findings.fault(
            format!(
                "process {process} has an earlier file of this name open, so {} was replaced or removed under it",
                path.display()
            ),
            "restart keydove; what it wrote since is in neither file (docs/backup.md says how to restore)",
        );
    }
}

fn network_of(found: FsType) -> Option<&'static str> {
    NETWORK.into_iter().find(|(known, _)| *known == found).map(|(_, kind)| kind)
}

/// Processes, as far as we may look, that have a file open which had this name until it was removed or replaced.
fn holders_of_earlier_files(path: &Path) -> Vec<u32> {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mut gone = path.into_os_string();
    gone.push(" (deleted)");
    let gone = PathBuf::from(gone);
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let holds = |process: &u32| {
        let files = fs::read_dir(format!("/proc/{process}/fd")).into_iter().flatten().flatten();
        files.into_iter().any(|file| fs::read_link(file.path()).is_ok_and(|target| target == gone))
    };
    numbers.filter(holds).collect()
}
