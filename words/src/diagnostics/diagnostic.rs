//! Faults with their place: `file:line:column: sentence`, the line, a caret, advice.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// One fault of the configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    path: PathBuf,
    /// From 1.
    line: usize,
    /// From 1, in characters.
    column: usize,
    sentence: String,
    text: String,
    caret: String,
    advice: Option<String>,
}

impl Diagnostic {
    /// A fault at a place of the text, given in bytes.
    #[must_use]
    pub fn new(path: &Path, text: &str, span: Range<usize>, sentence: &str) -> Self {
        let start = floor_boundary(text, span.start);
        let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = text[line_start..].find('\n').map_or(text.len(), |length| line_start + length);
        let shown = text[line_start..line_end].trim_end_matches('\r');
        // A fault may stand behind what is shown of its line, at a carriage return for instance.
        let end = floor_boundary(text, span.end).min(line_start + shown.len()).max(start);
        let before = &text[line_start..start];
        // Tabs stay tabs, so that the caret stands under its place in any terminal.
        let indent: String = before.chars().map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        let width = text.get(start..end).map_or(1, |marked| marked.chars().count()).max(1);
        Self {
            path: path.to_owned(),
            line: text[..start].matches('\n').count() + 1,
            column: before.chars().count() + 1,
            sentence: sentence.to_owned(),
            text: mask_secret(shown),
            caret: format!("{indent}{}", "^".repeat(width)),
            advice: None,
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn with_advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, line, column, sentence, text, caret, advice } = self;
        let margin = line.to_string();
        let gap = " ".repeat(margin.len());
        writeln!(f, "{}:{line}:{column}: {sentence}", path.display())?;
        writeln!(f, "{margin} | {text}")?;
        write!(f, "{gap} | {caret}")?;
        match advice {
            Some(advice) => write!(f, "\n{gap}   {advice}"),
            None => Ok(()),
        }
    }
}

fn floor_boundary(text: &str, at: usize) -> usize {
    text.floor_char_boundary(at.min(text.len()))
}

/// Hides the value of a line whose key speaks of a secret, so that a message can be shown to anybody.
fn mask_secret(line: &str) -> String {
    let Some((key, _)) = line.split_once('=') else { return line.to_owned() };
    let name = key.trim().to_ascii_lowercase();
    let points_elsewhere = ["_file", "_credential", "_attribute"].iter().any(|end| name.ends_with(end));
    let secret = ["secret", "password", "passwd", "token"].iter().any(|word| name.contains(word));
    if secret && !points_elsewhere { format!("{key}= (hidden)") } else { line.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_stands_under_its_place_behind_tabs_and_umlauts() {
        let text = "a = 1\n\t\"ü\" = wrong # x\n";
        let start = text.find("wrong").unwrap();
        let shown = Diagnostic::new(Path::new("k.toml"), text, start..start + 5, "no value").to_string();
        assert_eq!(shown, "k.toml:2:8: no value\n2 | \t\"ü\" = wrong # x\n  | \t      ^^^^^");
    }

    #[test]
    fn a_secret_in_the_line_is_hidden() {
        let text = "client_secret = \"hunter2\"";
        let shown = Diagnostic::new(Path::new("k.toml"), text, 0..13, "unknown").to_string();
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(mask_secret("client_secret_file = \"/etc/x\"").contains("/etc/x"));
    }

    #[test]
    fn a_fault_at_a_carriage_return_is_shown_behind_the_line() {
        let shown = Diagnostic::new(Path::new("k.toml"), "a = 1\r\r\nb", 6..7, "no line end").to_string();
        assert_eq!(shown, "k.toml:1:7: no line end\n1 | a = 1\n  |       ^");
    }

    #[test]
    fn a_place_beyond_the_text_is_its_end() {
        let shown = Diagnostic::new(Path::new("k.toml"), "a = ", 4..9, "no value").to_string();
        assert_eq!(shown, "k.toml:1:5: no value\n1 | a = \n  |     ^");
    }
}
