//! The reason codes of the log, read out of the source where they stand once each.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Where the codes stand: a file, and the families of it.
const SOURCES: &[(&str, &[&str])] = &[
    ("src/auth/verdict.rs", &["impl Denial {", "impl TempFailReason {"]),
    ("src/auth/provision.rs", &["impl ProvisionRefusal {"]),
];
/// As many as there were when this was written. Fewer mean that they are written in another way now.
const LEAST: usize = 55;

/// Every code of a refusal or of a "cannot tell". None, if the source is written otherwise than expected.
pub fn all() -> Option<BTreeSet<String>> {
    let mut codes = BTreeSet::new();
    for (file, families) in SOURCES {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).ok()?;
        for family in *families {
            let block = text.split_once(&format!("\n{family}\n"))?.1.split("\n}\n").next()?;
            codes.extend(block.lines().filter_map(code));
        }
    }
    (codes.len() >= LEAST).then_some(codes)
}

/// `Self::NameInvalid => "name_invalid",`
fn code(line: &str) -> Option<String> {
    let (variant, code) = line.trim().split_once(" => \"")?;
    let code = code.strip_suffix("\",")?;
    variant.starts_with("Self::").then(|| code.to_owned())
}
