//! One warning for an outage, however much happens while it lasts.

/// Whether a backend is known to be in trouble.
#[derive(Debug, Default)]
pub(super) struct Outage {
    lasts: bool,
}

impl Outage {
    /// Notes trouble. Says whether it is new, and so worth a warning.
    pub(super) fn begin(&mut self) -> bool {
        !std::mem::replace(&mut self.lasts, true)
    }

    /// Notes that all is well. Says whether it was not before.
    pub(super) fn end(&mut self) -> bool {
        std::mem::take(&mut self.lasts)
    }
}

#[cfg(test)]
mod tests {
    use super::Outage;

    #[test]
    fn an_outage_begins_and_ends_once() {
        let mut outage = Outage::default();
        assert!(!outage.end());
        assert!(outage.begin());
        assert!(!outage.begin());
        assert!(outage.end());
        assert!(!outage.end());
        assert!(outage.begin());
    }
}
