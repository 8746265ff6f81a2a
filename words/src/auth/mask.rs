//! Dovecot's masks of user names, as LIST and CACHE-FLUSH send them.

/// A mask: `*` stands for any run of bytes, `?` for one, letter case does not matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserMask(Box<[u8]>);

impl UserMask {
    /// Takes the mask as sent.
    #[must_use]
    pub fn new(mask: &[u8]) -> Self {
        Self(mask.into())
    }

    /// The name that it is, where it holds no wildcard.
    #[must_use]
    pub fn as_name(&self) -> Option<&[u8]> {
        let is_plain = !self.0.iter().any(|byte| matches!(byte, b'*' | b'?'));
        is_plain.then_some(&*self.0)
    }

    /// The mask as a text, where it is one.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        str::from_utf8(&self.0).ok()
    }

    /// Whether a name fits.
    ///
    /// Only the last `*` is ever tried again, so the time is bounded by the product of the lengths.
    #[must_use]
    pub fn matches(&self, name: &[u8]) -> bool {
        let mask = &self.0;
        let (mut at, mut wanted, mut retry) = (0, 0, None);
        while at < name.len() {
            match mask.get(wanted) {
                Some(b'*') => {
                    retry = Some((at, wanted));
                    wanted += 1;
                }
                Some(byte) if *byte == b'?' || byte.eq_ignore_ascii_case(&name[at]) => {
                    at += 1;
                    wanted += 1;
                }
                _ => match retry {
                    Some((start, star)) => {
                        retry = Some((start + 1, star));
                        at = start + 1;
                        wanted = star + 1;
                    }
                    None => return false,
                },
            }
        }
        mask[wanted..].iter().all(|&byte| byte == b'*')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_mask_without_wildcards_is_a_name() {
        assert_eq!(UserMask::new(b"alice@example.org").as_name(), Some(&b"alice@example.org"[..]));
        for mask in [&b"*"[..], b"a?ice@example.org", b"*@example.org"] {
            assert_eq!(UserMask::new(mask).as_name(), None);
        }
    }

    #[test]
    fn masks_match_as_in_doveadm() {
        for (mask, name, fits) in [
            ("*", "alice@example.org", true),
            ("*@example.org", "alice@example.org", true),
            ("*@example.org", "alice@example.com", false),
            ("A?ice@*", "alice@example.org", true),
            ("alice@example.org", "alice@example.org", true),
            ("alice", "alice@example.org", false),
            ("*a*b*c", "xxaxxbxxbxc", true),
            ("*a*b*c", "xxaxxcxxb", false),
            ("", "alice", false),
            ("", "", true),
        ] {
            assert_eq!(UserMask::new(mask.as_bytes()).matches(name.as_bytes()), fits, "{mask} {name}");
        }
    }
}
