//! Changes made one after the other, each in the journal before it is made; and taken back, the last one first.

use super::super::storage::Failure;
use super::change::{Change, Phase, Place, State, Target, show};
use super::journal::{Entry, Fate, Journal};

/// Which way it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Changes are made.
    Forth,
    /// Changes are taken back.
    Back,
}

/// What is changed: this machine and its Keycloak, or what a test puts in their place.
pub(super) trait Machine {
    /// What is at a place.
    fn read(&mut self, place: &Place) -> Result<State, Failure>;
    /// Puts something there.
    fn write(&mut self, place: &Place, state: &State) -> Result<(), Failure>;
    /// The secret of Keycloak's client, which is there by then.
    fn client_secret(&mut self) -> Result<String, Failure>;
    /// Makes the changes of a phase count: verifies them, reloads whom they are for, and waits until that answers.
    fn settle(&mut self, phase: Phase, way: Way) -> Result<(), Failure>;
    /// Keeps the journal.
    fn keep(&mut self, journal: &Journal) -> Result<(), Failure>;
    /// Whether somebody wants it to stop.
    fn is_interrupted(&self) -> bool;
    /// The command that takes back what is left.
    fn undo(&self) -> &'static str {
        "keydove setup --undo"
    }
    /// Tells how it goes on.
    fn say(&mut self, line: &str);
}

/// Makes all changes, phase by phase. If one fails, those of this run are taken back.
pub(super) fn apply(
    machine: &mut dyn Machine,
    changes: &[Change],
    journal: &mut Journal,
) -> Result<(), Failure> {
    let from = journal.entries.len();
    let Err(failure) = make(machine, changes, journal) else { return Ok(()) };
    machine.say("the changes of this run are taken back");
    let back = match take_back(machine, journal, from) {
        Ok(kept) if kept.is_empty() => "everything is as it was".to_owned(),
        Ok(kept) => format!("these were changed meanwhile and stay: {}", names(&kept)),
        Err(error) => {
            format!("not everything could be taken back: {error}\nmend that, and run `{}`", machine.undo())
        }
    };
    Err(Failure::System(format!("{failure}\n{back}")))
}

fn make(machine: &mut dyn Machine, changes: &[Change], journal: &mut Journal) -> Result<(), Failure> {
    let mut phases: Vec<Phase> = changes.iter().map(|change| change.phase).collect();
    phases.sort_unstable();
    phases.dedup();
    for phase in phases {
        machine.say(&format!("{}:", phase.name()));
        for change in changes.iter().filter(|change| change.phase == phase) {
            heed(machine)?;
            make_one(machine, change, journal)?;
        }
        heed(machine)?;
        machine.settle(phase, Way::Forth)?;
        heed(machine)?;
    }
    Ok(())
}

fn heed(machine: &dyn Machine) -> Result<(), Failure> {
    match machine.is_interrupted() {
        true => Err(Failure::System("setup was interrupted".to_owned())),
        false => Ok(()),
    }
}

fn make_one(machine: &mut dyn Machine, change: &Change, journal: &mut Journal) -> Result<(), Failure> {
    let place = &change.place;
    if machine.read(place)? != change.before {
        return Err(Failure::System(format!("{place} was changed since it was looked at; run setup again")));
    }
    let after = match &change.after {
        Target::State(state) | Target::Secret(state) => state.clone(),
        Target::ClientSecret(access) => State::File { text: machine.client_secret()?, access: *access },
    };
    if after == change.before {
        return Ok(());
    }
    let (phase, before) = (change.phase, change.before.clone());
    journal.entries.push(Entry { phase, place: place.clone(), before, written: after.mark() });
    machine.keep(journal)?;
    let end = machine.write(place, &after);
    if let Err(failure) = end {
        // What a change that was cut off has left is setup's, too.
        if let (Ok(found), Some(entry)) = (machine.read(place), journal.entries.last_mut()) {
            entry.written = found.mark();
            machine.keep(journal)?;
        }
        return Err(failure);
    }
    machine.say(&format!("  changed: {place}"));
    // Keycloak adds what was left out. What it stores only with a later change is known by what was meant.
    let found = machine.read(place)?;
    let (mark, is_seen) = (found.mark(), found != change.before);
    if let Some(entry) = journal.entries.last_mut().filter(|entry| is_seen && entry.written != mark) {
        entry.written = mark;
        machine.keep(journal)?;
    }
    Ok(())
}

/// Takes back what was made since the journal had `from` entries, the last one first. Says what stays because somebody
/// else changed it. keydove goes on while a mail server's settings that ask it stay.
pub(super) fn take_back(
    machine: &mut dyn Machine,
    journal: &mut Journal,
    from: usize,
) -> Result<Vec<Place>, Failure> {
    let mut kept: Vec<Entry> = Vec::new();
    let mut end = journal.entries.len();
    while end > from {
        let phase = journal.entries[end - 1].phase;
        if phase <= Phase::Keydove && kept.iter().any(|entry| entry.phase > Phase::Keydove) {
            machine.say("  keydove goes on, because a mail server may still ask it");
            break;
        }
        let same = journal.entries[from..end].iter().rev().take_while(|entry| entry.phase == phase).count();
        let start = end - same;
        let stay = take_phase_back(machine, &journal.entries[start..end])?;
        kept.extend(stay.iter().cloned());
        journal.entries.splice(start..end, stay);
        machine.keep(journal)?;
        end = start;
    }
    Ok(kept.into_iter().map(|entry| entry.place).collect())
}

/// The entries that stay, the oldest first.
fn take_phase_back(machine: &mut dyn Machine, entries: &[Entry]) -> Result<Vec<Entry>, Failure> {
    let (mut changed, mut stay) = (None, Vec::new());
    for entry in entries.iter().rev() {
        let now = machine.read(&entry.place)?;
        match entry.fate(&now) {
            Fate::Restore => {
                machine.write(&entry.place, &entry.before)?;
                machine.say(&format!("  taken back: {}", entry.place));
                changed = Some(entry.phase);
            }
            Fate::IsBack => {}
            Fate::Keep => {
                machine.say(&show_kept(entry, &now));
                stay.push(entry.clone());
            }
        }
    }
    if let Some(phase) = changed {
        machine.settle(phase, Way::Back)?;
    }
    stay.reverse();
    Ok(stay)
}

/// What would have been changed, for the administrator to decide about.
fn show_kept(entry: &Entry, now: &State) -> String {
    format!(
        "  {} was changed since setup wrote it, so it stays; this would have taken it back:\n{}",
        entry.place,
        show(&entry.place, now, &Target::State(entry.before.clone()))
    )
}

/// For a sentence.
pub(super) fn names(places: &[Place]) -> String {
    places.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
#[path = "apply_tests.rs"]
mod tests;
