//! Mail addresses as user names: what is accepted, and the one normal form.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// The longest name in bytes, before and after normalising; SQL columns and Keycloak hold 255 characters.
const MAX_BYTES: usize = 255;
/// The longest local part in bytes (RFC 5321, 4.5.3.1.1).
const MAX_LOCAL_BYTES: usize = 64;

/// What a byte may be in a name that [`Username::of_plain`] takes.
#[derive(Clone, Copy)]
enum Plain {
    /// A small letter or a digit.
    Letter,
    /// What stands singly between letters.
    Joint,
    /// The same, of the local part only.
    LocalJoint,
    At,
    /// Such a name is for the converter to judge.
    Never,
}

/// Of each byte: one look, where a login's name is compared with ranges otherwise.
static PLAIN: [Plain; 256] = {
    let mut plain = [Plain::Never; 256];
    let mut byte: u8 = 0;
    while byte < 128 {
        plain[byte as usize] = match byte {
            b'a'..=b'z' | b'0'..=b'9' => Plain::Letter,
            b'.' | b'-' => Plain::Joint,
            b'_' | b'+' => Plain::LocalJoint,
            b'@' => Plain::At,
            _ => Plain::Never,
        };
        byte += 1;
    }
    plain
};

/// A mail address in normal form: trimmed, local part lower-cased in ASCII only, domain as IDNA A-labels.
///
/// There is one constructor, [`Username::parse`], and no code lower-cases an address elsewhere. Letters outside
/// ASCII are left as they are: `müller` and `muller` are two people whatever a database collation thinks, and
/// neither the Kelvin sign nor the dotless i folds into an ASCII letter.
///
/// A copy shares its text with the original: a name passes through many hands in one login.
#[derive(Clone)]
pub struct Username(Arc<str>);

/// Why a name is none. Nobody is asked about such a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// Not UTF-8.
    #[error("the name is not UTF-8")]
    NotUtf8,
    /// No `@`, or nothing on one side of it.
    #[error("the name is not of the form local@domain")]
    NoDomain,
    /// More than one `@` (a quoted local part is not supported).
    #[error("the name has more than one @")]
    TwoAts,
    /// NUL, a control character, white space inside, `/`, `*` or a quote.
    #[error("the name holds a character that no mailbox name has")]
    BadCharacter,
    /// The local part is `.` or `..`, or a dot stands at an end or doubled.
    #[error("the name has a misplaced dot")]
    BadDot,
    /// The domain is not a domain name.
    #[error("the domain part is not a domain name")]
    BadDomain,
    /// More than 255 bytes, or a local part of more than 64.
    #[error("the name is too long")]
    TooLong,
}

impl Username {
    /// Reads a name as a mail server sends it.
    ///
    /// # Errors
    /// Every name that cannot be a mailbox. `/` and names such as `..` are refused because the local part becomes
    /// a folder name; `*` because Dovecot's master-user syntax uses it.
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidName> {
        if bytes.len() > 4 * MAX_BYTES {
            return Err(InvalidName::TooLong);
        }
        Self::of_plain(bytes).map_or_else(|| Self::convert(bytes), Ok)
    }

    /// Nearly every name is short, in normal form already, and of letters and digits with single joints between them.
    pub(super) fn of_plain(bytes: &[u8]) -> Option<Self> {
        // So short that no part of it is too long.
        if bytes.len() > MAX_LOCAL_BYTES {
            return None;
        }
        let (mut has_at, mut follows_joint) = (false, true);
        for &byte in bytes {
            let is_joint = match PLAIN[usize::from(byte)] {
                Plain::Letter => false,
                Plain::Joint if !follows_joint => true,
                Plain::LocalJoint if !follows_joint && !has_at => true,
                Plain::At if !follows_joint && !has_at => {
                    has_at = true;
                    true
                }
                Plain::Joint | Plain::LocalJoint | Plain::At | Plain::Never => return None,
            };
            follows_joint = is_joint;
        }
        // A domain that ends with a digit is for the converter to judge.
        bytes.last().filter(|last| last.is_ascii_lowercase())?;
        if !has_at {
            return None;
        }
        Some(Self(str::from_utf8(bytes).ok()?.into()))
    }

    /// Any name.
    fn convert(bytes: &[u8]) -> Result<Self, InvalidName> {
        let name = std::str::from_utf8(bytes).map_err(|_| InvalidName::NotUtf8)?;
        let name = name.trim_matches(' ');
        let (local, domain) = name.split_once('@').ok_or(InvalidName::NoDomain)?;
        if local.is_empty() || domain.is_empty() {
            return Err(InvalidName::NoDomain);
        }
        if domain.contains('@') {
            return Err(InvalidName::TwoAts);
        }
        check_local_part(local)?;
        let text = format!("{}@{}", local.to_ascii_lowercase(), normalise_domain(domain)?);
        if text.len() > MAX_BYTES {
            return Err(InvalidName::TooLong);
        }
        Ok(Self(text.into()))
    }

    /// The whole address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before the `@`.
    #[must_use]
    pub fn local_part(&self) -> &str {
        self.parts().0
    }

    /// What stands after the `@`, as A-labels.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.parts().1
    }

    /// There may be millions of names, so none remembers where its `@` stands; it has exactly one.
    fn parts(&self) -> (&str, &str) {
        self.0.split_once('@').unwrap_or_default()
    }

    /// The address with the domain as U-labels, if that is written otherwise.
    ///
    /// Keycloak does no IDNA conversion, so an address there may be stored in either form.
    #[must_use]
    pub fn with_unicode_domain(&self) -> Option<String> {
        if !self.domain().contains("xn--") {
            return None;
        }
        let (domain, result) = idna::domain_to_unicode(self.domain());
        (result.is_ok() && domain != self.domain()).then(|| format!("{}@{domain}", self.local_part()))
    }
}

impl PartialEq for Username {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Username {}

impl std::hash::Hash for Username {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl PartialOrd for Username {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Username {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}

fn check_local_part(local: &str) -> Result<(), InvalidName> {
    if local.len() > MAX_LOCAL_BYTES {
        return Err(InvalidName::TooLong);
    }
    let bad = |c: char| c.is_control() || c.is_whitespace() || matches!(c, '/' | '*' | '"' | '\\');
    if local.contains(bad) {
        return Err(InvalidName::BadCharacter);
    }
    if local.starts_with('.') || local.ends_with('.') || local.contains("..") {
        return Err(InvalidName::BadDot);
    }
    Ok(())
}

/// The normal form of a mail domain: A-labels, lower case.
///
/// # Errors
/// What is no domain name.
pub fn normalise_domain(domain: &str) -> Result<String, InvalidName> {
    if domain.starts_with('.') || domain.ends_with('.') || domain.contains("..") {
        return Err(InvalidName::BadDot);
    }
    let ascii = idna::domain_to_ascii_strict(domain).map_err(|_| InvalidName::BadDomain)?;
    if ascii.is_empty() {
        return Err(InvalidName::BadDomain);
    }
    Ok(ascii)
}

/// The domain that a name without one gets, if there is such a domain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DefaultDomain(Option<Arc<str>>);

impl DefaultDomain {
    /// Takes a mail domain in any spelling.
    ///
    /// # Errors
    /// It is no domain name.
    pub fn new(domain: Option<&str>) -> Result<Self, InvalidName> {
        let normal = domain.map(|domain| normalise_domain(domain.trim_matches(' '))).transpose()?;
        Ok(Self(normal.map(Into::into)))
    }

    /// A name as it was sent, with the domain where it has none. What holds an `@` has said enough, and nothing is no
    /// name; whether the rest makes one is judged later.
    #[must_use]
    pub fn complete<'a>(&self, name: &'a [u8]) -> Cow<'a, [u8]> {
        let trimmed = name.trim_ascii();
        match &self.0 {
            Some(domain) if !trimmed.is_empty() && !name.contains(&b'@') => {
                Cow::Owned([trimmed, b"@", domain.as_bytes()].concat())
            }
            _ => Cow::Borrowed(name),
        }
    }
}

impl fmt::Display for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{DefaultDomain, InvalidName, Username};

    use proptest::prelude::*;

    proptest! {
        /// The short cut and the long way agree wherever the short cut is taken.
        #[test]
        fn a_plain_name_is_what_the_converter_makes_of_it(name in "[a-z0-9.@_+-]{0,12}@?[a-z0-9.-]{0,9}[a-z.-]{0,3}") {
            if let Some(plain) = Username::of_plain(name.as_bytes()) {
                let converted = Username::convert(name.as_bytes()).unwrap();
                prop_assert_eq!((plain.local_part(), plain.domain()), (converted.local_part(), converted.domain()));
            }
        }
    }

    #[test]
    fn a_name_without_a_domain_gets_the_default_one() {
        let domain = DefaultDomain::new(Some("MÜNCHEN.example")).unwrap();
        let complete = |name: &str| String::from_utf8(domain.complete(name.as_bytes()).into_owned()).unwrap();
        for (name, whole) in [
            ("alice", "alice@xn--mnchen-3ya.example"),
            (" Alice ", "Alice@xn--mnchen-3ya.example"),
            ("alice@example.org", "alice@example.org"),
            ("alice@", "alice@"),
            ("@", "@"),
            ("", ""),
            ("  ", "  "),
        ] {
            assert_eq!(complete(name), whole, "{name:?}");
        }
        assert!(Username::parse(&domain.complete(b"ali\0ce")).is_err());
        assert_eq!(&*DefaultDomain::default().complete(b"alice"), b"alice");
        for bad in ["", "a b", "a\n.example", ".example", "exa/mple"] {
            assert!(DefaultDomain::new(Some(bad)).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn usual_names_take_the_short_cut() {
        for name in ["alice@example.org", "a.b-c+d_e@mail-1.example.co.uk", "root@localhost"] {
            assert!(Username::of_plain(name.as_bytes()).is_some(), "{name}");
        }
        for name in [
            "Alice@example.org",
            "a@xn--mnchen-3ya.example",
            ".a@b.c",
            "a@b@c",
            "@b.c",
            "a@",
            "a@-b.c",
            "a@b-.c",
            "a@1.2.3.4",
        ] {
            assert!(Username::of_plain(name.as_bytes()).is_none(), "{name}");
        }
    }

    fn normal(name: &str) -> String {
        Username::parse(name.as_bytes())
            .map(|user| user.as_str().to_owned())
            .unwrap_or_else(|e| format!("! {e:?}"))
    }

    #[test]
    fn case_and_outer_spaces_do_not_matter() {
        for name in ["alice@example.org", "Alice@EXAMPLE.org", " alice@example.org "] {
            assert_eq!(normal(name), "alice@example.org");
        }
    }

    #[test]
    fn only_ascii_letters_fold() {
        assert_eq!(normal("MÜLLER@example.org"), "mÜller@example.org");
        assert_ne!(normal("müller@example.org"), normal("muller@example.org"));
        assert_eq!(normal("\u{212A}elvin@example.org"), "\u{212A}elvin@example.org");
        assert_eq!(normal("d\u{131}na@example.org"), "d\u{131}na@example.org");
    }

    #[test]
    fn both_forms_of_an_international_domain_are_one() {
        assert_eq!(normal("a@MÜNCHEN.example"), "a@xn--mnchen-3ya.example");
        assert_eq!(normal("a@xn--mnchen-3ya.example"), "a@xn--mnchen-3ya.example");
        let user = Username::parse("a@münchen.example".as_bytes()).unwrap();
        assert_eq!(user.with_unicode_domain().as_deref(), Some("a@münchen.example"));
        assert_eq!(Username::parse(b"a@example.org").unwrap().with_unicode_domain(), None);
    }

    #[test]
    fn parts_are_cut_at_the_at() {
        let user = Username::parse(b"plus+tag@example.org").unwrap();
        assert_eq!((user.local_part(), user.domain()), ("plus+tag", "example.org"));
    }

    #[test]
    fn names_that_no_mailbox_has_are_refused() {
        use InvalidName::{BadCharacter, BadDomain, BadDot, NoDomain, NotUtf8, TooLong, TwoAts};
        let long = format!("{}@example.org", "l".repeat(65));
        let longer = format!("a@{}.example.org", "d".repeat(250));
        let cases: [(&[u8], InvalidName); 20] = [
            (b"alice", NoDomain),
            (b"", NoDomain),
            (b"@example.org", NoDomain),
            (b"alice@", NoDomain),
            (b"a@b@example.org", TwoAts),
            (b"a\0b@example.org", BadCharacter),
            (b"a\tb@example.org", BadCharacter),
            (b"a\nb@example.org", BadCharacter),
            (b"a b@example.org", BadCharacter),
            (b"alice*master@example.org", BadCharacter),
            (b"../alice@example.org", BadCharacter),
            (b"\"a b\"@example.org", BadCharacter),
            (b"..@example.org", BadDot),
            (b".a@example.org", BadDot),
            (b"a@example.org.", BadDot),
            (b"a@exa mple.org", BadDomain),
            (b"a@exa/mple.org", BadDomain),
            (b"\xFF@example.org", NotUtf8),
            (long.as_bytes(), TooLong),
            (longer.as_bytes(), BadDomain),
        ];
        for (name, error) in cases {
            assert_eq!(Username::parse(name), Err(error), "{}", name.escape_ascii());
        }
    }
}
