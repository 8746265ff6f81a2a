//! Parts of a system that start when they are first used: a case that asks keydove itself waits for no mail server.

use std::ops::{Deref, DerefMut};
use std::sync::OnceLock;

use crate::Result;

/// A server that is started by its first use.
///
/// # Panics
///
/// Where it is used and cannot be started: every use stands where it is certain to be there.
pub struct Lazy<T> {
    name: &'static str,
    part: OnceLock<T>,
    start: Box<dyn Fn() -> Result<T> + Send + Sync>,
}

impl<T> Lazy<T> {
    /// Nothing is started yet.
    pub fn new(name: &'static str, start: impl Fn() -> Result<T> + Send + Sync + 'static) -> Self {
        Self { name, part: OnceLock::new(), start: Box::new(start) }
    }

    /// Starts it now, unless it runs.
    pub fn start(&self) -> &T {
        self.part.get_or_init(|| must(self.name, (self.start)()))
    }
}

impl<T> Deref for Lazy<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.start()
    }
}

impl<T> DerefMut for Lazy<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.start();
        match self.part.get_mut() {
            Some(part) => part,
            None => must(self.name, Err(crate::Failure("it did not start".to_owned()))),
        }
    }
}

/// Ends the case where something is missing that it cannot do without.
#[expect(clippy::panic, reason = "it ends the one case; the others go on")]
pub(crate) fn must<T>(name: &str, result: Result<T>) -> T {
    result.unwrap_or_else(|failure| panic!("{name}: {failure}"))
}
