//! What is a guess and what is none: who is told of it, who is counted for it, and who is not.

mod nodes;
mod words;

use crate::mailcow_cases::WorldCase;

pub const CASES: &[&[WorldCase]] = &[words::CASES, nodes::CASES];
