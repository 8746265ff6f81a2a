//! Aligned plain text, for people.

/// Between two columns.
const GAP: &str = "  ";

/// Writes rows below their headings. Cells come from the database: characters that would move the cursor are shown
/// as escapes.
pub(super) fn table<const N: usize>(headings: [&str; N], rows: Vec<[String; N]>) -> String {
    let headings = headings.map(str::to_owned);
    let rows: Vec<[String; N]> =
        std::iter::once(headings).chain(rows).map(|row| row.map(|cell| plain(&cell))).collect();
    let mut widths = [0; N];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let lines = rows.iter().map(|row| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join(GAP).trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn plain(cell: &str) -> String {
    let mut text = String::with_capacity(cell.len());
    for c in cell.chars() {
        if c.is_control() { text.extend(c.escape_unicode()) } else { text.push(c) }
    }
    if text.is_empty() { "-".to_owned() } else { text }
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
        assert_eq!(table(["x"], vec![["a\u{1b}[2J\n".into()]]), "x\na\\u{1b}[2J\\u{a}");
    }
}
