//! The reference of the settings as a man page, `keydove.toml(5)`, made of `docs/configuration.md`.
//!
//! It takes what that page is written in, and no other Markdown: headings, paragraphs, lists, tables and code.

use std::fmt::Write;

const PAGE: &str = include_str!("../../docs/configuration.md");

/// The man page.
pub(super) fn settings() -> String {
    let version = env!("CARGO_PKG_VERSION");
    let mut text = format!(
        ".TH KEYDOVE.TOML 5 \"\" \"keydove {version}\"\n.SH NAME\nkeydove.toml \\- configuration of keydove\n\
         .SH DESCRIPTION\n"
    );
    let mut fenced = false;
    for line in PAGE.lines().skip(1).filter(|line| !line.starts_with("<!--")) {
        if line.starts_with("```") {
            fenced = !fenced;
            text.push_str(if fenced { ".PP\n.nf\n" } else { ".fi\n" });
        } else if fenced {
            let _ = writeln!(text, "\\&{}", escape(line));
        } else {
            add(line, &mut text);
        }
    }
    let _ = writeln!(text, ".SH SEE ALSO\n.BR keydove (1)");
    text
}

/// One line that is not code.
fn add(line: &str, text: &mut String) {
    if let Some(heading) = line.strip_prefix("## ") {
        let _ = writeln!(text, ".SH \"{}\"", plain(heading).replace('"', ""));
    } else if line.is_empty() {
        text.push_str(".PP\n");
    } else if let Some(item) = line.strip_prefix("* ") {
        let _ = writeln!(text, ".IP \\(bu 2\n{}", styled(item));
    } else if let Some(row) = line.strip_prefix("| ") {
        add_row(row.trim_end_matches(" |"), text);
    } else if !line.starts_with("|-") {
        let _ = writeln!(text, "{}", styled(line));
    }
}

/// `name | type | default | meaning`; the first row of a table is its heading.
fn add_row(row: &str, text: &mut String) {
    let row = row.replace("\\|", "\u{1}");
    let cells: Vec<_> = row.split(" | ").map(|cell| cell.replace('\u{1}', "|")).collect();
    let [name, kind, default, meaning] = cells.as_slice() else { return };
    if name == "setting" {
        return;
    }
    let _ = writeln!(text, ".TP\n{} ({}; {})", styled(name), styled(kind), styled(default));
    for (number, part) in meaning.split("<br>").enumerate() {
        let _ = writeln!(text, "{}{}", if number == 0 { "" } else { ".br\n" }, styled(part));
    }
}

/// Code in bold, links as their text.
pub(super) fn styled(line: &str) -> String {
    let pieces = without_links(line);
    let styled = pieces.split('`').enumerate().map(|(number, piece)| {
        let piece = escape(piece);
        if number % 2 == 1 { format!("\\fB{piece}\\fR") } else { piece.replace('*', "") }
    });
    let line: String = styled.collect();
    // A line that begins with a control character would be a request.
    if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line }
}

fn plain(line: &str) -> String {
    escape(&without_links(line).replace('`', ""))
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-")
}

/// `[text](address)` as `text`; an address outside is not part of this page.
fn without_links(line: &str) -> String {
    let mut text = String::new();
    let mut rest = line;
    while let Some((before, link)) = rest.split_once("](") {
        let Some((_, after)) = link.split_once(')') else { break };
        let (head, name) = before.rsplit_once('[').unwrap_or((before, ""));
        text.push_str(head);
        text.push_str(name);
        rest = after;
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_the_table_is_an_entry() {
        let mut text = String::new();
        add("| setting | type | default | meaning |", &mut text);
        add("| `pause` | duration | `\"1s\"` | See [sync.md](sync.md). |", &mut text);
        assert_eq!(text, ".TP\n\\fBpause\\fR (duration; \\fB\"1s\"\\fR)\nSee sync.md.\n");
    }

    #[test]
    fn every_table_of_the_page_is_a_section() {
        let page = settings();
        let sections = PAGE.lines().filter(|line| line.starts_with("## ")).count();
        assert!(sections > 20, "{sections}");
        assert_eq!(page.matches("\n.SH ").count(), sections + 3);
        assert!(!page.contains("](") && !page.contains('`'), "{page}");
    }
}
