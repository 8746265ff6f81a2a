//! What a process runs with, so that another can find out whether it has the same, and learns nothing else.

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What one process runs with: names of parts, and what stands for their content.
#[derive(Clone, Debug, Default)]
pub struct InUse(Vec<(String, [u8; 32])>);

/// The same on its way to another process: content under a key that was made for this question. It says nothing of the
/// content to whoever has not the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tagged {
    key: String,
    parts: Vec<(String, String)>,
}

impl InUse {
    /// Adds a part. One name may come more than once.
    pub fn add(&mut self, name: impl Into<String>, content: &[u8]) {
        self.0.push((name.into(), Sha256::digest(content).into()));
    }

    /// All parts, for a question to another process. The key must be random.
    #[must_use]
    pub fn tag(&self, key: [u8; 16]) -> Tagged {
        let key = hex(&key);
        let parts = self.0.iter().map(|(name, content)| (name.clone(), tag(&key, content))).collect();
        Tagged { key, parts }
    }

    /// The names of the parts in which another process differs from this one, each once.
    #[must_use]
    pub fn differences(&self, other: &Tagged) -> Vec<String> {
        let own = self.0.iter().map(|(name, content)| (name.clone(), tag(&other.key, content)));
        let own: Vec<_> = own.collect();
        let lacks = |these: &[(String, String)], part: &(String, String)| !these.contains(part);
        let mut names: Vec<String> =
            other.parts.iter().filter(|part| lacks(&own, part)).map(|(name, _)| name.clone()).collect();
        names.extend(own.iter().filter(|part| lacks(&other.parts, part)).map(|(name, _)| name.clone()));
        let mut seen = std::collections::BTreeSet::new();
        names.retain(|name| seen.insert(name.clone()));
        names
    }
}

/// Short, because a request has 16 KiB; long enough that no two contents share one.
fn tag(key: &str, content: &[u8; 32]) -> String {
    let keyed = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("HMAC takes keys of any length");
    hex(&keyed.chain_update(content).finalize().into_bytes()[..16])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_use(parts: &[(&str, &str)]) -> InUse {
        let mut in_use = InUse::default();
        parts.iter().for_each(|(name, content)| in_use.add(*name, content.as_bytes()));
        in_use
    }

    #[test]
    fn what_differs_is_named_and_nothing_is_shown() {
        let running = in_use(&[("[keycloak]", "a"), ("secret", "s3cret"), ("gone", "x")]);
        let now = in_use(&[("[keycloak]", "a"), ("secret", "other"), ("new", "y")]);
        assert_eq!(running.differences(&now.tag([7; 16])), ["secret", "new", "gone"]);
        assert!(running.differences(&running.tag([8; 16])).is_empty());
        let (one, other) = (running.tag([1; 16]), running.tag([2; 16]));
        assert!(one.parts.iter().all(|part| !other.parts.contains(part)), "a tag is of one question only");
        assert!(!format!("{running:?}{one:?}").contains("s3cret"));
    }
}
