//! Configuration files: how one is read, and its faults with line, column and a caret. The files of all programs are
//! read alike.
//!
//! Reading has two steps here, text → types, and [`locate`] shows faults that the program finds afterwards.

mod diagnostic;
mod file;

pub use diagnostic::Diagnostic;
pub use file::{Error, locate, parse, read};
