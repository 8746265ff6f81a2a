//! What most records lack: one word where there is nothing, and a place on the heap where there is something. There may be a
//! million records.

/// A value that is mostly the usual one, which then takes nothing but this word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seldom<T>(Option<Box<T>>);

impl<T> Default for Seldom<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Seldom<T> {
    /// Keeps a value, unless it is the usual one.
    pub(crate) fn new(value: T, is_usual: impl FnOnce(&T) -> bool) -> Self {
        Self((!is_usual(&value)).then(|| Box::new(value)))
    }

    /// The value, unless it is the usual one.
    pub(crate) fn get(&self) -> Option<&T> {
        self.0.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_as_ever_takes_a_word_and_no_place() {
        assert_eq!(size_of::<Seldom<[u64; 9]>>(), 8);
        assert_eq!(Seldom::new(String::new(), String::is_empty).get(), None);
        assert_eq!(Seldom::new("x".to_owned(), String::is_empty).get(), Some(&"x".to_owned()));
    }
}
