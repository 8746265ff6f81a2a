//! What is a guess and what is none: who is told of it, who is counted for it, and who is not.

mod nodes;
mod words;

use crate::Group;
use crate::mailcow::WorldCase;
use crate::run::On;

pub const GROUPS: &[Group<WorldCase>] =
    &[("guesses", On::Sqlite, words::CASES), ("guesses", On::Sqlite, nodes::CASES)];
