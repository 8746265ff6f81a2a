//! What a write makes wrong is noted in its own transaction, where every node reads it (`nodes.rs`).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::invalidation::Invalidation;
use super::own_tables::{TableSet, TableSets};
use super::retry::{Fault, Trouble};
use super::session::{Kind, Session, Work};

/// In characters: the width of the column.
const LONGEST_SUBJECT: usize = 255;
const INSERT: &str = "INSERT INTO keydove_change (at, kind, subject, node) VALUES";

/// Writes down what a work outdates, in its transaction.
pub(super) async fn note_of<S: Session, W: Work>(
    session: &mut S,
    work: &W,
    output: &W::Output,
) -> Result<(), Fault> {
    if !W::OUTDATES || !session.has(TableSet::Changes) {
        return Ok(());
    }
    let Some(outdated) = work.outdates(output) else { return Ok(()) };
    match insert(session, &outdated, "").await {
        // Whoever may not write there goes without, as where the table is missing; `keydove check` names the right.
        Err(Fault { trouble: Trouble::DoesNotFit, .. }) => Ok(()),
        end => end,
    }
}

/// One row. `node` has forgotten already; it is empty for nobody.
pub(super) async fn insert<S: Session>(
    session: &mut S,
    outdated: &Invalidation,
    node: &str,
) -> Result<(), Fault> {
    let statement = format!("{INSERT} ({}, ?, ?, ?)", S::DIALECT.now());
    let is_storable = outdated.subject().chars().count() <= LONGEST_SUBJECT;
    let outdated = if is_storable { outdated } else { &Invalidation::Everybody };
    let row = vec![outdated.kind().into(), outdated.subject().into(), node.into()];
    session.query(&statement, row).await.map(drop)
}

/// A work of which it is remembered whether it has noted a change, where somebody wants to know.
pub(super) struct Watched<W> {
    pub(super) work: W,
    pub(super) has_noted: Option<Arc<AtomicBool>>,
}

impl<W: Work> Work for Watched<W> {
    const ATTEMPT: &'static str = W::ATTEMPT;
    const KIND: Kind = W::KIND;
    const WAITS: bool = W::WAITS;
    const OUTDATES: bool = W::OUTDATES;
    type Output = W::Output;

    fn outdates(&self, output: &Self::Output) -> Option<Invalidation> {
        let outdated = self.work.outdates(output);
        if let Some(has_noted) = &self.has_noted {
            has_noted.fetch_or(outdated.is_some(), Ordering::Relaxed);
        }
        outdated
    }

    fn needs(&self) -> TableSets {
        self.work.needs()
    }

    fn run<S: Session>(&self, session: &mut S) -> impl Future<Output = Result<Self::Output, Fault>> + Send {
        self.work.run(session)
    }
}
