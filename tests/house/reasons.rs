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
    assert!(missing.is_empty(), "docs/reasons.md lacks {missing:?}");
    let unknown: Vec<_> = explained.iter().filter(|code| !codes.contains(*code)).collect();
    assert!(unknown.is_empty(), "docs/reasons.md explains what is no code: {unknown:?}");
    let once: BTreeSet<_> = explained.iter().collect();
    assert_eq!(once.len(), explained.len(), "docs/reasons.md names a code twice: {explained:?}");
}

/// The codes of the table, in the order in which they stand there.
fn explained() -> Vec<String> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reasons.md")).unwrap();
    let section = text.split("\n## What mail clients see").next().unwrap();
    // Cells: nothing, code, meaning, what to do.
    let cells =
        section.lines().filter(|line| line.starts_with("| `")).filter_map(|row| row.split('|').nth(1));
    let codes =
        |cell: &str| -> Vec<String> { cell.split('`').skip(1).step_by(2).map(str::to_owned).collect() };
    cells.flat_map(codes).collect()
}
