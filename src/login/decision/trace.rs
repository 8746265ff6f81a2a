//! What a login took and, where an administrator wants to know, what each of its steps saw.
//!
//! The steps tell of themselves where they are taken. Where nobody listens, that is one look at an empty place.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::auth::{NotAccepted, Username};
pub use crate::observe::LoginPath as Path;

/// One step of the decision.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Its name.
    pub step: String,
    /// How it ended.
    pub end: StepEnd,
    /// What it saw.
    pub saw: String,
    /// From where, and how old that is.
    pub from: Option<String>,
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepEnd {
    /// Nothing stands against the login.
    Passed,
    /// This way does not open the mailbox; another may.
    Closed,
    /// The login ends here.
    Stopped,
}

/// What a step saw, and from where.
pub(super) type Sight = (String, Option<String>);

/// Goes through the steps with a login.
pub(super) struct Trace {
    path: Path,
    /// Whose mailbox the login is about, where it came under another name.
    target: Option<Username>,
    /// What was taken down, where somebody listens.
    steps: Option<Vec<Step>>,
}

impl Trace {
    /// For a login that nobody listens to.
    pub(super) fn silent() -> Self {
        Self { path: Path::Hit, target: None, steps: None }
    }

    /// Takes every step down.
    pub(super) fn recording() -> Self {
        Self { steps: Some(Vec::new()), ..Self::silent() }
    }

    /// Whom the login took.
    pub(super) fn path(&self) -> Path {
        self.path
    }

    /// The login is about this mailbox, under another name of it.
    pub(super) fn note_target(&mut self, target: &Username) {
        self.target = Some(target.clone());
    }

    /// Whose mailbox it was about, where it came under another name.
    pub(super) fn into_target(self) -> Option<Username> {
        self.target
    }

    /// What was taken down.
    pub(super) fn into_steps(self) -> Vec<Step> {
        self.steps.unwrap_or_default()
    }

    /// Somebody has to be asked.
    pub(super) fn note_cold(&mut self) {
        self.path = self.path.max(Path::Cold);
    }

    /// Something has served which is older than it should be. The oldest counts.
    pub(super) fn note_stale(&mut self, age: Option<Duration>) {
        if let Some(age) = age {
            self.path = self.path.max(Path::Stale(age));
        }
    }

    /// Takes down a step that ends the login where it fails.
    pub(super) fn step<T, E>(
        &mut self,
        step: &'static str,
        found: &Result<T, E>,
        sight: impl FnOnce(&Result<T, E>) -> Sight,
    ) {
        self.put(step, sight, found, |_| StepEnd::Stopped);
    }

    /// Takes down one of several ways: another may be open where this one is closed.
    pub(super) fn way<T>(
        &mut self,
        step: &'static str,
        found: &Result<T, NotAccepted>,
        sight: impl FnOnce(&Result<T, NotAccepted>) -> Sight,
    ) {
        self.put(step, sight, found, |why_not| match why_not.leaves_other_ways() {
            true => StepEnd::Closed,
            false => StepEnd::Stopped,
        });
    }

    fn put<T, E>(
        &mut self,
        step: &'static str,
        sight: impl FnOnce(&Result<T, E>) -> Sight,
        found: &Result<T, E>,
        end_of: impl FnOnce(&E) -> StepEnd,
    ) {
        let Some(steps) = &mut self.steps else { return };
        let (saw, from) = sight(found);
        let end = found.as_ref().map_or_else(end_of, |_| StepEnd::Passed);
        steps.push(Step { step: step.to_owned(), end, saw, from });
    }

    /// How many steps there are so far, for [`forget_since`](Self::forget_since).
    pub(super) fn mark(&self) -> usize {
        self.steps.as_ref().map_or(0, Vec::len)
    }

    /// What was taken down since then is judged anew.
    pub(super) fn forget_since(&mut self, mark: usize) {
        if let Some(steps) = &mut self.steps {
            steps.truncate(mark);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Denial;

    #[test]
    fn nobody_who_does_not_listen_pays_for_words() {
        let mut silent = Trace::silent();
        let refused: Result<(), NotAccepted> = Err(Denial::PasswordMismatch.into());
        silent.step("mailbox", &refused, |_| unreachable!("nobody listens"));
        silent.way("app passwords", &refused, |_| unreachable!("nobody listens"));
        assert!(silent.into_steps().is_empty());
    }

    #[test]
    fn a_step_that_fails_stops_and_a_way_leaves_others() {
        let mut trace = Trace::recording();
        let refused: Result<(), NotAccepted> = Err(Denial::PasswordMismatch.into());
        trace.step("mailbox", &Ok::<_, NotAccepted>(()), |_| ("on".to_owned(), None));
        let mark = trace.mark();
        trace.step("person", &refused, |_| ("disabled".to_owned(), None));
        trace.forget_since(mark);
        trace.way("main password", &refused, |_| ("does not fit".to_owned(), None));
        let ends: Vec<_> = trace.into_steps().into_iter().map(|step| (step.step, step.end)).collect();
        let expected = [("mailbox", StepEnd::Passed), ("main password", StepEnd::Closed)];
        assert_eq!(ends, expected.map(|(step, end)| (step.to_owned(), end)));
    }
}
