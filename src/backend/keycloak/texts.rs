//! The texts of a person in one piece of memory: there may be a million people.

/// A few texts, one behind the other.
pub(super) struct Texts<const COUNT: usize> {
    all: Box<str>,
    ends: [u32; COUNT],
}

impl<const COUNT: usize> Texts<COUNT> {
    /// Puts them together. Answers of Keycloak are far smaller than 4 GiB.
    pub(super) fn new(texts: [&str; COUNT]) -> Self {
        let mut end = 0;
        let ends = texts.map(|text| {
            end += text.len();
            u32::try_from(end).unwrap_or(u32::MAX)
        });
        Self { all: texts.concat().into_boxed_str(), ends }
    }

    pub(super) fn get(&self, place: usize) -> &str {
        let start = place.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.all.get(start as usize..self.ends[place] as usize).unwrap_or_default()
    }

    /// What they take on the heap, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.all.len()
    }
}

impl<const COUNT: usize> std::fmt::Debug for Texts<COUNT> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries((0..COUNT).map(|place| self.get(place))).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_text_comes_back() {
        for texts in [["a", "", "müller", "d"], ["", "", "", ""], ["", "x", "", "y"]] {
            let packed = Texts::new(texts);
            assert_eq!([0, 1, 2, 3].map(|place| packed.get(place)), texts);
        }
        assert_eq!(format!("{:?}", Texts::new(["a", ""])), r#"["a", ""]"#);
    }
}
