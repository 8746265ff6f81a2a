//! Every reason code is explained to administrators, once.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::reason_codes;

#[test]
fn the_manual_explains_every_reason_code_once() {
    let codes = reason_codes::all();
    let explained = explained();
    let missing: Vec<_> = codes.iter().filter(|code| !explained.contains(code)).collect();
    assert!(missing.is_empty(), "README.md's table lacks {missing:?}");
    let unknown: Vec<_> = explained.iter().filter(|code| *code != "ok" && !codes.contains(*code)).collect();
    assert!(unknown.is_empty(), "README.md's table explains what is no code: {unknown:?}");
    let once: BTreeSet<_> = explained.iter().collect();
    assert_eq!(once.len(), explained.len(), "README.md's table names a code twice: {explained:?}");
}

/// The codes of the table, in the order in which they stand there.
fn explained() -> Vec<String> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let section = text.split_once("\n## Verdicts and reason codes\n").unwrap().1;
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with('|')).skip(2);
    // Cells: nothing, verdict, codes, meaning, what to do.
    let cells = rows.filter_map(|row| row.split('|').nth(2));
    let codes =
        |cell: &str| -> Vec<String> { cell.split('`').skip(1).step_by(2).map(str::to_owned).collect() };
    cells.flat_map(codes).collect()
}
