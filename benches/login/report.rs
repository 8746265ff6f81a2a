//! What was measured → the table, `ratios.tsv`, and the Markdown that docs/performance.md shows.

use std::collections::HashMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use super::goals::{Goal, NUMBERS, Number};
use super::stage::{Result, attempt};
use super::{Plan, machine, say};

/// All that came out.
#[derive(Default)]
pub struct Report {
    values: HashMap<&'static str, f64>,
    faults: Vec<String>,
}

impl Report {
    /// A number of [`NUMBERS`].
    pub fn set(&mut self, name: &'static str, value: f64) {
        if !NUMBERS.iter().any(|number| number.name == name) {
            self.fault(format!("{name} is not in the list of numbers"));
        }
        if value.is_finite() {
            self.values.insert(name, value);
        }
    }

    pub fn get(&self, name: &str) -> Option<f64> {
        self.values.get(name).copied()
    }

    /// Something that makes the numbers worthless.
    pub fn fault(&mut self, fault: String) {
        say(&format!("  !! {fault}"));
        self.faults.push(fault);
    }

    /// Whether every number is there and every reply was right.
    pub fn is_whole(&self) -> bool {
        self.faults.is_empty() && NUMBERS.iter().all(|number| self.values.contains_key(number.name))
    }

    /// Prints the table and writes the files.
    pub fn finish(&self, head: &str, folder: &Path) -> Result<()> {
        say(&format!("\n{head}\n\n{:<64} {:>12}  goal", "what", "value"));
        for number in &NUMBERS {
            let value = self.cell(number);
            say(&format!("{:<64} {value:>12}  {:<8} {}", number.words, shown(number), self.mark(number)));
        }
        self.faults.iter().for_each(|fault| say(&format!("fault: {fault}")));
        let markdown = self.markdown(head);
        let files = [("ratios.tsv", self.lines()), ("table.md", markdown)];
        for (name, text) in files {
            let path = folder.join(name);
            attempt("write", &path, fs::write(&path, text))?;
        }
        say(&format!(
            "\nratios.tsv, table.md (for docs/performance.md) and the plots are in {}",
            folder.display()
        ));
        Ok(())
    }

    /// Name, value and goal, tab-separated, one number a line.
    fn lines(&self) -> String {
        let line = |number: &Number| {
            let value =
                self.get(number.name).map_or_else(|| "missing".to_owned(), |value| format!("{value:.4}"));
            format!("{}\t{value}\t{}\n", number.name, number.goal.text())
        };
        NUMBERS.iter().map(line).collect()
    }

    fn markdown(&self, head: &str) -> String {
        let mut text = format!("{head}.\n\n| what | goal | measured | |\n|---|---|---|---|\n");
        for number in &NUMBERS {
            // Writing into a `String` does not fail.
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} |",
                number.words,
                shown(number),
                self.cell(number),
                self.mark(number)
            );
        }
        for plot in ["rates", "latencies", "memory"] {
            let _ = writeln!(text, "\n![{plot}](bench/{plot}.svg)");
        }
        text
    }

    fn cell(&self, number: &Number) -> String {
        let Some(value) = self.get(number.name) else { return "missing".to_owned() };
        let digits = match value.abs() {
            100.0.. => 0,
            10.0.. => 1,
            0.0 => 0,
            _ => 2,
        };
        format!("{value:.digits$} {}", number.unit).trim_end().to_owned()
    }

    fn mark(&self, number: &Number) -> &'static str {
        match (self.get(number.name), number.goal) {
            (None, _) => "missing",
            (_, Goal::Open) => "",
            (Some(value), goal) if goal.is_met(value) => "met",
            _ => "not met",
        }
    }
}

/// The goal, for people.
fn shown(number: &Number) -> String {
    let (sign, bound) = match number.goal {
        Goal::AtLeast(least) => ('≥', least),
        Goal::AtMost(most) => ('≤', most),
        Goal::Open => return String::new(),
    };
    format!("{sign} {bound} {}", number.unit).trim_end().to_owned()
}

/// The first line of everything that is written.
pub fn head(plan: &Plan) -> String {
    let kind = match (plan.is_trial, plan.rounds) {
        (true, _) => "a trial of the benchmark itself, whose numbers mean nothing".to_owned(),
        (false, rounds) => format!("medians of {rounds} rounds, everything in turns in one run"),
    };
    format!("{}; {kind}", machine::describe())
}

/// `target/bench`; a trial keeps out of the way of what was measured.
pub fn folder(plan: &Plan) -> Result<PathBuf> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap_or(Path::new("target"));
    let folder = target.join(if plan.is_trial { "bench/trial" } else { "bench" });
    attempt("create", &folder, fs::create_dir_all(&folder))?;
    Ok(folder)
}
