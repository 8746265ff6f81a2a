//! Aligned plain text, for people.

use super::foreign::{cell, width};

/// The widest column but the last one, which makes no other one wide.
const WIDEST: usize = 64;
/// The widest last column.
const WIDEST_LAST: usize = 1024;
/// Between two columns.
const GAP: &str = "  ";

/// Writes rows below their headings. Cells come from the database and from mail clients: what would move the cursor or
/// hide something is shown as escapes, and what is too wide loses its middle.
pub(super) fn table<const N: usize>(headings: [&str; N], rows: Vec<[String; N]>) -> String {
    let headings = headings.map(str::to_owned);
    let rows: Vec<[String; N]> = std::iter::once(headings).chain(rows).map(plain).collect();
    let mut widths = [0; N];
    for row in &rows {
        for (widest, cell) in widths.iter_mut().zip(row) {
            *widest = width(cell).max(*widest);
        }
    }
    let lines = rows.iter().map(|row| {
        let cells =
            row.iter().zip(widths).map(|(cell, widest)| cell.to_owned() + &" ".repeat(widest - width(cell)));
        cells.collect::<Vec<_>>().join(GAP).trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn plain<const N: usize>(row: [String; N]) -> [String; N] {
    let mut place = 0;
    row.map(|text| {
        place += 1;
        let text = cell(&text, if place == N { WIDEST_LAST } else { WIDEST });
        if text.is_empty() { "-".to_owned() } else { text }
    })
}

#[cfg(test)]
mod tests {
    use super::table;

    #[test]
    fn columns_stand_below_each_other() {
        let text = table(["name", "n"], vec![["größe".into(), "1".into()], [String::new(), "22".into()]]);
        assert_eq!(text, "name   n\ngröße  1\n-      22");
    }

    #[test]
    fn a_name_moves_no_cursor() {
        assert_eq!(table(["x"], vec![["a\u{1b}[2J\n".into()]]), "x\na\\u001b[2J\\u000a");
    }

    #[test]
    fn one_long_name_widens_no_table() {
        let long = format!("{}@example.org", "x".repeat(240));
        let text =
            table(["account", "from"], vec![[long, "192.0.2.1".into()], ["\u{202e}a".into(), "b".into()]]);
        assert!(text.lines().all(|line| line.len() <= 64 + 2 + 9), "{text}");
        assert!(text.contains("@example.org  192.0.2.1\n\\u202ea  "), "{text}");
    }

    #[test]
    fn wide_letters_take_two_columns() {
        let text = table(["a", "b"], vec![["\u{4f60}".into(), "1".into()], ["xy".into(), "2".into()]]);
        assert_eq!(text, "a   b\n\u{4f60}  1\nxy  2");
    }
}
