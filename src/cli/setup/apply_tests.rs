use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::change::Access;
use super::super::journal::Facts;
use super::*;

const ACCESS: Access = Access { mode: 0o644, uid: 0, gid: 0 };
const PHASES: [Phase; 3] = [Phase::Keydove, Phase::Dovecot, Phase::Postfix];

/// A machine in memory. Its `strokes` are counted, and the one with the number `fails_at` fails.
#[derive(Default)]
struct Model {
    places: BTreeMap<String, State>,
    strokes: usize,
    fails_at: Option<usize>,
    /// Whether somebody interrupts it there, instead of a failure.
    is_interrupt: bool,
    /// What was done, in order.
    done: Vec<String>,
    kept: usize,
}

impl Model {
    fn stroke(&mut self) -> Result<(), Failure> {
        self.strokes += 1;
        match self.fails_at == Some(self.strokes) && !self.is_interrupt {
            true => Err(Failure::System("it fails here".to_owned())),
            false => Ok(()),
        }
    }
}

impl Machine for Model {
    fn read(&mut self, place: &Place) -> Result<State, Failure> {
        Ok(self.places.get(&place.to_string()).cloned().unwrap_or(State::Absent))
    }

    fn write(&mut self, place: &Place, state: &State) -> Result<(), Failure> {
        self.stroke()?;
        self.done.push(place.to_string());
        match state {
            State::Absent => self.places.remove(&place.to_string()),
            state => self.places.insert(place.to_string(), state.clone()),
        };
        Ok(())
    }

    fn client_secret(&mut self) -> Result<String, Failure> {
        Ok("secret".to_owned())
    }

    fn settle(&mut self, phase: Phase, way: Way) -> Result<(), Failure> {
        self.stroke()?;
        self.done.push(format!("{way:?} {}", phase.name()));
        Ok(())
    }

    fn keep(&mut self, journal: &Journal) -> Result<(), Failure> {
        self.kept = journal.entries.len();
        Ok(())
    }

    fn is_interrupted(&self) -> bool {
        self.is_interrupt && self.fails_at.is_some_and(|at| self.strokes >= at)
    }

    fn say(&mut self, _: &str) {}
}

fn file(text: &str) -> State {
    State::File { text: text.to_owned(), access: ACCESS }
}

fn place(number: usize) -> Place {
    Place::File(format!("/etc/{number}").into())
}

/// Changes of a machine: for each place its phase, what is there and what is to be there.
fn changes(model: &mut Model, drawn: &[(usize, Option<u8>, Option<u8>)]) -> Vec<Change> {
    let state = |drawn: Option<u8>| drawn.map_or(State::Absent, |text| file(&text.to_string()));
    let mut changes = Vec::new();
    for (number, &(phase, before, after)) in drawn.iter().enumerate() {
        if before.is_some() {
            model.places.insert(place(number).to_string(), state(before));
        }
        changes.extend(Change::new(PHASES[phase], place(number), state(before), state(after)));
    }
    changes
}

fn drawn() -> impl Strategy<Value = Vec<(usize, Option<u8>, Option<u8>)>> {
    proptest::collection::vec(
        (0..3_usize, proptest::option::of(0..3_u8), proptest::option::of(0..3_u8)),
        1..8,
    )
}

proptest! {
    #[test]
    fn an_undo_takes_back_exactly_what_was_changed(drawn in drawn()) {
        let mut model = Model::default();
        let changes = changes(&mut model, &drawn);
        let before = model.places.clone();
        let mut journal = Journal::new(Facts::default());
        apply(&mut model, &changes, &mut journal).unwrap();
        prop_assert_eq!(journal.entries.len(), changes.len());
        for change in &changes {
            let wanted = Target::State(model.read(&change.place).unwrap());
            prop_assert_eq!(&change.after, &wanted);
        }
        let kept = take_back(&mut model, &mut journal, 0).unwrap();
        prop_assert!(kept.is_empty() && journal.entries.is_empty());
        prop_assert_eq!(model.places, before);
    }

    #[test]
    fn a_failure_at_any_point_leaves_all_as_it_was(
        drawn in drawn(),
        fails_at in 1..20_usize,
        is_interrupt in any::<bool>(),
    ) {
        let mut model = Model { fails_at: Some(fails_at), is_interrupt, ..Model::default() };
        let changes = changes(&mut model, &drawn);
        let before = model.places.clone();
        let mut journal = Journal::new(Facts::default());
        let failed = apply(&mut model, &changes, &mut journal).is_err();
        prop_assert_eq!(failed, model.strokes >= fails_at);
        if failed {
            prop_assert_eq!(model.places, before);
            prop_assert_eq!((journal.entries.len(), model.kept), (0, 0));
        }
    }

    #[test]
    fn whatever_end_in_the_middle_an_undo_finds_everything(drawn in drawn(), fails_at in 1..20_usize) {
        // A power cut is a run that fails, and does not get to take anything back.
        let mut model = Model { fails_at: Some(fails_at), ..Model::default() };
        let changes = changes(&mut model, &drawn);
        let before = model.places.clone();
        let mut journal = Journal::new(Facts::default());
        let _ = make(&mut model, &changes, &mut journal);
        model.fails_at = None;
        let kept = take_back(&mut model, &mut journal, 0).unwrap();
        prop_assert!(kept.is_empty());
        prop_assert_eq!(model.places, before);
    }

    #[test]
    fn what_somebody_else_changed_stays(drawn in drawn(), victim in 0..8_usize) {
        let mut model = Model::default();
        let changes = changes(&mut model, &drawn);
        prop_assume!(!changes.is_empty());
        let mut journal = Journal::new(Facts::default());
        apply(&mut model, &changes, &mut journal).unwrap();
        let victim = &changes[victim % changes.len()];
        model.places.insert(victim.place.to_string(), file("mine"));
        let kept = take_back(&mut model, &mut journal, 0).unwrap();
        prop_assert_eq!(&kept, std::slice::from_ref(&victim.place));
        prop_assert_eq!(model.read(&victim.place).unwrap(), file("mine"));
        // What came later is back; where a mail server's settings stay, keydove does too.
        for change in &changes {
            let stays = change.place == victim.place
                || (victim.phase > Phase::Keydove && change.phase <= Phase::Keydove);
            if !stays {
                prop_assert_eq!(model.read(&change.place).unwrap(), change.before.clone());
            }
        }
        prop_assert!(journal.entries.iter().any(|entry| entry.place == victim.place));
    }
}

#[test]
fn keydove_is_there_before_the_mail_servers_ask_it_and_stays_until_they_do_not() {
    let mut model = Model::default();
    let all = [(2, None, Some(1)), (0, None, Some(1)), (1, None, Some(1))];
    let changes = changes(&mut model, &all);
    let mut journal = Journal::new(Facts::default());
    apply(&mut model, &changes, &mut journal).unwrap();
    let forth = ["/etc/1", "Forth keydove", "/etc/2", "Forth Dovecot", "/etc/0", "Forth Postfix"];
    assert_eq!(model.done, forth);
    model.done.clear();
    take_back(&mut model, &mut journal, 0).unwrap();
    let back = ["/etc/0", "Back Postfix", "/etc/2", "Back Dovecot", "/etc/1", "Back keydove"];
    assert_eq!(model.done, back);
}

#[test]
fn what_changed_since_it_was_looked_at_is_not_overwritten() {
    let mut model = Model::default();
    let changes = changes(&mut model, &[(0, Some(0), Some(1))]);
    model.places.insert(place(0).to_string(), file("mine"));
    let mut journal = Journal::new(Facts::default());
    assert!(apply(&mut model, &changes, &mut journal).is_err());
    assert_eq!(model.read(&place(0)).unwrap(), file("mine"));
}
