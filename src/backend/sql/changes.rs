//! What a write makes wrong is noted in its own transaction, where every node reads it (`nodes.rs`).

use super::invalidation::Invalidation;
use super::retry::{Fault, Trouble};
use super::session::{Session, Work};

/// In characters: the width of the column.
const LONGEST_SUBJECT: usize = 255;
const INSERT: &str = "INSERT INTO keydove_change (at, kind, subject, node) VALUES";

/// Writes down what a work outdates, in its transaction.
pub(super) async fn note_of<S: Session, W: Work>(
    session: &mut S,
    work: &W,
    output: &W::Output,
) -> Result<(), Fault> {
    if !W::OF_CHANGES || !session.has_change_tables() {
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
