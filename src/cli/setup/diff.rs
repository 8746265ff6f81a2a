//! Differences between two texts, in the unified form that administrators read.

use std::fmt::Write;

/// So many equal lines stand around a difference.
const CONTEXT: usize = 3;
/// Longer texts are shown as replaced as a whole: the comparison takes memory by the product of both lengths.
const LONGEST: usize = 4000;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Same,
    Gone,
    New,
}

/// The differences, without the two lines of names; empty where there are none.
pub(super) fn unified(old: &str, new: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) =
        (old.split_inclusive('\n').collect(), new.split_inclusive('\n').collect());
    let edits = edits(&old, &new);
    let mut text = String::new();
    let mut from = 0;
    while let Some(first) = edits[from..].iter().position(|edit| edit.0 != Kind::Same).map(|at| from + at) {
        let start = first.saturating_sub(CONTEXT).max(from);
        let end = end_of_hunk(&edits, first);
        write_hunk(&edits, start, end, &mut text);
        from = end;
    }
    text
}

/// Where the hunk ends that begins with this difference: behind the last one with others near enough.
fn end_of_hunk(edits: &[(Kind, &str)], first: usize) -> usize {
    let mut last = first;
    for (at, edit) in edits.iter().enumerate().skip(first) {
        if edit.0 == Kind::Same {
            continue;
        }
        if at > last + 2 * CONTEXT + 1 {
            break;
        }
        last = at;
    }
    (last + CONTEXT + 1).min(edits.len())
}

fn write_hunk(edits: &[(Kind, &str)], start: usize, end: usize, text: &mut String) {
    let count = |range: &[(Kind, &str)], kind| range.iter().filter(|edit| edit.0 != kind).count();
    let (old_before, new_before) = (count(&edits[..start], Kind::New), count(&edits[..start], Kind::Gone));
    let hunk = &edits[start..end];
    let (old_count, new_count) = (count(hunk, Kind::New), count(hunk, Kind::Gone));
    // An empty side is named by the line before it.
    let line = |before: usize, count: usize| if count == 0 { before } else { before + 1 };
    let _ = writeln!(
        text,
        "@@ -{},{old_count} +{},{new_count} @@",
        line(old_before, old_count),
        line(new_before, new_count)
    );
    for (kind, content) in hunk {
        text.push(match kind {
            Kind::Same => ' ',
            Kind::Gone => '-',
            Kind::New => '+',
        });
        text.push_str(content);
        if !content.ends_with('\n') {
            text.push_str("\n\\ No newline at end of file\n");
        }
    }
}

/// The fewest lines taken out and put in.
fn edits<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<(Kind, &'a str)> {
    let same_start = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let rest = old.len().min(new.len()) - same_start;
    let same_end = old.iter().rev().zip(new.iter().rev()).take(rest).take_while(|(a, b)| a == b).count();
    let (a, b) = (&old[same_start..old.len() - same_end], &new[same_start..new.len() - same_end]);
    let mut edits: Vec<_> = old[..same_start].iter().map(|line| (Kind::Same, *line)).collect();
    if a.len() > LONGEST || b.len() > LONGEST {
        edits.extend(a.iter().map(|line| (Kind::Gone, *line)));
        edits.extend(b.iter().map(|line| (Kind::New, *line)));
    } else {
        compare(a, b, &mut edits);
    }
    edits.extend(old[old.len() - same_end..].iter().map(|line| (Kind::Same, *line)));
    edits
}

/// By the longest common subsequence.
fn compare<'a>(a: &[&'a str], b: &[&'a str], edits: &mut Vec<(Kind, &'a str)>) {
    let width = b.len() + 1;
    let mut longest = vec![0_u32; (a.len() + 1) * width];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            longest[i * width + j] = if a[i] == b[j] {
                longest[(i + 1) * width + j + 1] + 1
            } else {
                longest[(i + 1) * width + j].max(longest[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    while i < a.len() || j < b.len() {
        if i < a.len() && j < b.len() && a[i] == b[j] {
            edits.push((Kind::Same, a[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == b.len() || (i < a.len() && longest[(i + 1) * width + j] >= longest[i * width + j + 1])
        {
            edits.push((Kind::Gone, a[i]));
            i += 1;
        } else {
            edits.push((Kind::New, b[j]));
            j += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn equal_texts_have_no_differences() {
        assert_eq!(unified("a\nb\n", "a\nb\n"), "");
        assert_eq!(unified("", ""), "");
    }

    #[test]
    fn differences_far_apart_are_hunks_of_their_own() {
        let lines = |change: &[usize]| {
            let line = |n: usize| if change.contains(&n) { format!("{n}!\n") } else { format!("{n}\n") };
            (1..=20).map(line).collect::<String>()
        };
        let text = unified(&lines(&[]), &lines(&[2, 18]));
        assert_eq!(text.matches("@@ ").count(), 2, "{text}");
        assert!(text.contains("@@ -15,6 +15,6 @@"), "{text}");
        let near = unified(&lines(&[]), &lines(&[8, 12]));
        assert_eq!(near.matches("@@ ").count(), 1, "{near}");
    }

    #[test]
    fn a_missing_end_of_line_is_told() {
        assert!(unified("a\n", "a").contains("\\ No newline"));
    }

    /// Applies the differences as `patch` does.
    fn apply(old: &str, hunks: &str) -> String {
        let old: Vec<&str> = old.split_inclusive('\n').collect();
        let (mut new, mut at) = (String::new(), 0);
        for line in hunks.split_inclusive('\n') {
            if let Some(head) = line.strip_prefix("@@ -") {
                let (start, rest) = head.split_once(',').unwrap();
                let empty = rest.starts_with("0 ");
                let start: usize = start.parse().unwrap();
                let start = if empty { start } else { start - 1 };
                old[at..start].iter().for_each(|line| new.push_str(line));
                at = start;
            } else if line.starts_with('\\') {
                new.pop();
            } else if let Some(line) = line.strip_prefix('+') {
                new.push_str(line);
            } else {
                if let Some(line) = line.strip_prefix(' ') {
                    new.push_str(line);
                }
                at += 1;
            }
        }
        old[at..].iter().for_each(|line| new.push_str(line));
        new
    }

    proptest! {
        #[test]
        fn what_is_shown_leads_from_the_old_text_to_the_new_one(old in "[ab\n]{0,60}", new in "[ab\n]{0,60}") {
            // A line of a text without its end at a place where more follows is told by patch programs only.
            let (old, new) = (format!("{old}\n"), format!("{new}\n"));
            prop_assert_eq!(apply(&old, &unified(&old, &new)), new);
        }
    }
}
