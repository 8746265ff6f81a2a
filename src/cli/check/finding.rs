//! What a look at one thing found: how bad it is, what it is, and the step that mends it.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    /// As it should be.
    Fine,
    /// Logins work; an administrator should know.
    Warning,
    /// Logins fail, all of them or those of one kind.
    Fault,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Finding {
    /// What was looked at, such as `database`; docs/check.md lists them.
    pub(super) area: Cow<'static, str>,
    /// How much it matters.
    pub(super) level: Level,
    /// What was found, and why it matters.
    pub(super) what: String,
    /// The step that mends it.
    pub(super) cure: Option<String>,
}

/// The findings of one area, in order.
#[derive(Debug)]
pub(super) struct Findings {
    area: &'static str,
    found: Vec<Finding>,
}

impl Findings {
    pub(super) fn of(area: &'static str) -> Self {
        Self { area, found: Vec::new() }
    }

    pub(super) fn fine(&mut self, what: impl Into<String>) {
        self.push(Level::Fine, what.into(), None);
    }

    pub(super) fn warning(&mut self, what: impl Into<String>, cure: impl Into<String>) {
        self.push(Level::Warning, what.into(), Some(cure.into()));
    }

    pub(super) fn fault(&mut self, what: impl Into<String>, cure: impl Into<String>) {
        self.push(Level::Fault, what.into(), Some(cure.into()));
    }

    /// What was named by hand must be there; what was only looked for may be of no use here.
    pub(super) fn read_failed(&mut self, is_named: bool, what: String, cure: &str) {
        match is_named {
            true => self.fault(what, cure),
            false => self.warning(what, cure),
        }
    }

    /// With a sentence that says by itself what to do.
    pub(super) fn told(&mut self, level: Level, what: impl Into<String>) {
        self.push(level, what.into(), None);
    }

    fn push(&mut self, level: Level, what: String, cure: Option<String>) {
        let cure = cure.filter(|cure| !cure.is_empty());
        self.found.push(Finding { area: self.area.into(), level, what, cure });
    }

    pub(super) fn into_vec(self) -> Vec<Finding> {
        self.found
    }
}

/// For people: what is fine is indented, what is not has its level before it and the step below it.
pub(super) fn show(findings: &[Finding]) -> String {
    let mut lines = Vec::new();
    let mut area = "";
    for finding in findings {
        if finding.area != area {
            area = &finding.area;
            lines.push(format!("{area}:"));
        }
        lines.push(match finding.level {
            Level::Fine => format!("  {}", finding.what),
            Level::Warning => format!("warning: {}", finding.what),
            Level::Fault => format!("fault: {}", finding.what),
        });
        lines.extend(finding.cure.as_ref().map(|cure| format!("    -> {cure}")));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_stands_out_with_its_cure_below() {
        let mut findings = Findings::of("database");
        findings.fine("it answers");
        findings.warning("it is small", "make it larger");
        findings.fault("it is full", "");
        let text = "database:\n  it answers\nwarning: it is small\n    -> make it larger\nfault: it is full";
        let findings = findings.into_vec();
        assert_eq!(show(&findings), text);
        assert_eq!(findings.iter().map(|finding| finding.level).max(), Some(Level::Fault));
    }
}
