//! The files that Dovecot reads, and the databases of users in them.

use std::path::{Path, PathBuf};

use super::super::storage::Failure;
use super::change::State;
use super::files;

/// Before each line that setup takes out of use.
const OUT_OF_USE: &str = "#keydove# ";

/// The main file and all that it includes, once each.
pub(super) fn included(config: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut found = vec![config.to_owned()];
    let mut at = 0;
    while let Some(path) = found.get(at).cloned() {
        at += 1;
        let State::File { text, .. } = files::read(&path)? else { continue };
        for line in text.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let ["!include" | "!include_try", pattern] = words[..] else { continue };
            let folder = path.parent().unwrap_or(Path::new("/"));
            for path in matching(&folder.join(pattern)) {
                if !found.contains(&path) {
                    found.push(path);
                }
            }
        }
    }
    Ok(found)
}

/// A path, or those that one with a `*` in its last step stands for.
fn matching(pattern: &Path) -> Vec<PathBuf> {
    let name = pattern.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let Some((start, end)) = name.split_once('*') else { return vec![pattern.to_owned()] };
    let entries = pattern.parent().and_then(|folder| std::fs::read_dir(folder).ok());
    let fits = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.len() >= start.len() + end.len() && name.starts_with(start) && name.ends_with(end)
    };
    let mut paths: Vec<PathBuf> =
        entries.into_iter().flatten().flatten().map(|entry| entry.path()).filter(fits).collect();
    paths.sort();
    paths
}

/// The text with its blocks `passdb` and `userdb` commented out.
pub(super) fn without_databases(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    // How deep inside such a block a line is; and inside any other.
    let (mut depth, mut other) = (0_i32, 0_i32);
    for line in text.split_inclusive('\n') {
        let code = line.split('#').next().unwrap_or_default().trim();
        let braces = code.matches('{').count() as i32 - code.matches('}').count() as i32;
        let opens =
            other == 0 && ["passdb", "userdb"].contains(&code.split([' ', '{']).next().unwrap_or_default());
        if depth > 0 || (opens && code.contains('{')) {
            result.push_str(OUT_OF_USE);
            depth += braces;
        } else {
            other += braces;
        }
        result.push_str(line);
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn databases_are_taken_out_and_nothing_else() {
        let text = "# passdb {\npassdb {\n  driver = pam\n}\nuserdb passwd {\n}\nservice auth {\n  userdb = x\n}\n\
                    userdb {\n  args = {\n  }\n}\npassdbs = 1\n";
        let taken = "# passdb {\n#keydove# passdb {\n#keydove#   driver = pam\n#keydove# }\n#keydove# userdb passwd {\n\
                     #keydove# }\nservice auth {\n  userdb = x\n}\n#keydove# userdb {\n#keydove#   args = {\n\
                     #keydove#   }\n#keydove# }\npassdbs = 1\n";
        assert_eq!(without_databases(text), taken);
        assert_eq!(without_databases(taken), taken, "twice is once");
    }
}
