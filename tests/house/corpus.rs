//! Every input that fuzzing has kept is tried again at each test run.

use std::path::Path;

use crate::checks;

#[test]
fn the_kept_corpus_still_holds() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for (name, check) in checks::ALL {
        let mut inputs = 0;
        for entry in std::fs::read_dir(root.join(name)).unwrap() {
            check(&std::fs::read(entry.unwrap().path()).unwrap());
            inputs += 1;
        }
        assert!(inputs > 0, "fuzz/corpus/{name} is empty");
    }
}

#[test]
fn every_fuzz_target_has_all_that_its_run_needs() {
    let run = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/run");
    let end = std::process::Command::new(run).arg("check").output().unwrap();
    assert!(end.status.success(), "{}", String::from_utf8_lossy(&end.stderr));
}

#[test]
fn every_check_is_a_fuzz_target() {
    let targets = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/fuzz_targets");
    let mut names: Vec<String> = std::fs::read_dir(targets)
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    names.sort();
    let mut checked: Vec<&str> = checks::ALL.iter().map(|(name, _)| *name).collect();
    checked.sort_unstable();
    assert_eq!(names, checked);
}
