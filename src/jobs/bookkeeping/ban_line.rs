//! The line that tells mailcow's ban daemon of a refused login.
//!
//! mailcow's netfilter reads its channel with nine unanchored patterns and bans the address that one of them captures. The
//! line below has the form of Dovecot's own, so that rule 6 (a wrong password) or rule 7 (no such mailbox) matches it,
//! exactly once, and no other rule does. Names and session ids are whatever a stranger sent; what could end a field,
//! begin a line or pass for an address is replaced.

use super::RefusedLogin;
use crate::auth::Guess;

/// Stands where Dovecot writes the begin of the password's SHA-1, because the rules want digits there.
///
/// Always the same: a digest, or a part of one, would let whoever reads the channel or its log try passwords out
/// at their leisure.
const NO_DIGEST: &str = "000000";
/// Stands where nothing was sent, because the rules want something there.
const NOTHING: &str = "-";
/// In bytes.
pub(super) const LONGEST_USER: usize = 255;
/// In bytes.
pub(super) const LONGEST_SESSION: usize = 64;

/// The line, if there is an address to ban.
pub(super) fn ban_line(login: &RefusedLogin) -> Option<String> {
    // The ban must hit the address that the firewall sees.
    let remote = login.remote?.to_canonical();
    let user = harmless(&login.user, "@._+=-", LONGEST_USER);
    let session = login.session.as_deref().unwrap_or_default();
    let session = harmless(session.as_bytes(), "@._+=-/", LONGEST_SESSION);
    let what = match login.guess {
        Guess::Secret => "Password mismatch",
        Guess::Name => "unknown user",
    };
    Some(format!("keydove({user},{remote},<{session}>): {what} (SHA1 of given password: {NO_DIGEST})"))
}

/// Letters, digits and some signs; anything else is a question mark.
fn harmless(sent: &[u8], signs: &str, longest: usize) -> String {
    if sent.is_empty() {
        return NOTHING.to_owned();
    }
    let is_harmless = |byte: u8| byte.is_ascii_alphanumeric() || signs.as_bytes().contains(&byte);
    let shown = sent.iter().take(longest);
    shown.map(|&byte| if is_harmless(byte) { char::from(byte) } else { '?' }).collect()
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::sync::LazyLock;

    use proptest::prelude::*;
    use regex::Regex;

    use super::*;

    /// mailcow's rules about logins, by number. Of rule 3 without its last condition, which the crate cannot say:
    /// it only matches more.
    const RULES: [(usize, &str); 5] = [
        (1, r"mailcow UI: Invalid password for .+ by ([0-9a-f\.:]+)"),
        (3, r"warning: .*\[([0-9a-f\.:]+)\]: SASL .+ authentication failed: "),
        (6, r"\w+\([^,]+,([0-9a-f\.:]+),<[^>]+>\): Password mismatch \(SHA1 of given password: [a-f0-9]+\)"),
        (7, r"\w+\([^,]+,([0-9a-f\.:]+),<[^>]+>\): unknown user \(SHA1 of given password: [a-f0-9]+\)"),
        (8, r"SOGo.+ Login from '([0-9a-f\.:]+)' for user .+ might not have worked"),
    ];

    fn refused(user: &[u8], remote: IpAddr, session: Option<&str>, guess: Guess) -> RefusedLogin {
        RefusedLogin { user: user.into(), remote: Some(remote), session: session.map(Box::from), guess }
    }

    /// Every match of every rule: its number and the address that it captures.
    fn matches(line: &str) -> Vec<(usize, String)> {
        static COMPILED: LazyLock<Vec<(usize, Regex)>> =
            LazyLock::new(|| RULES.map(|(number, rule)| (number, Regex::new(rule).unwrap())).into());
        let found = COMPILED
            .iter()
            .flat_map(|(number, rule)| rule.captures_iter(line).map(|found| (*number, found[1].to_owned())));
        found.collect()
    }

    #[test]
    fn the_line_is_dovecots() {
        let remote = "192.0.2.7".parse().unwrap();
        let line = ban_line(&refused(b"alice@example.org", remote, Some("Xk3/A8+b=="), Guess::Secret));
        let expected = "keydove(alice@example.org,192.0.2.7,<Xk3/A8+b==>): \
                        Password mismatch (SHA1 of given password: 000000)";
        assert_eq!(line.as_deref(), Some(expected));
        let line = ban_line(&refused(b"", "::ffff:192.0.2.7".parse().unwrap(), None, Guess::Name));
        let expected = "keydove(-,192.0.2.7,<->): unknown user (SHA1 of given password: 000000)";
        assert_eq!(line.as_deref(), Some(expected));
        let nowhere = RefusedLogin { remote: None, ..refused(b"a", remote, None, Guess::Secret) };
        assert_eq!(ban_line(&nowhere), None);
    }

    #[test]
    fn the_rules_find_what_they_are_for() {
        for (line, rule) in [
            ("mailcow UI: Invalid password for a by 192.0.2.1", 1),
            ("warning: h[192.0.2.1]: SASL PLAIN authentication failed: (reason unavailable)", 3),
            ("SOGo x: Login from '192.0.2.1' for user a might not have worked", 8),
        ] {
            assert_eq!(matches(line), [(rule, "192.0.2.1".to_owned())]);
        }
    }

    /// Pieces of which a forger would make a name.
    fn hostile() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            Just(b"x,203.0.113.9,<s>): Password mismatch (SHA1 of given password: 00)".to_vec()),
            Just(b"\nkeydove(x,203.0.113.9,<s>): unknown user (SHA1 of given password: 00)".to_vec()),
            Just(b"mailcow UI: Invalid password for x by 203.0.113.9 ".to_vec()),
            Just(b"warning: h[203.0.113.9]: SASL LOGIN authentication failed: x".to_vec()),
            Just(b"SOGo x: Login from '203.0.113.9' for user x might not have worked".to_vec()),
            Just(b",203.0.113.9,<".to_vec()),
            Just(b"\r\n\0>):".to_vec()),
            Just("é\u{2028}\u{202e}".as_bytes().to_vec()),
            proptest::collection::vec(any::<u8>(), 0..40),
        ];
        proptest::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn whatever_is_sent_one_rule_matches_once_and_captures_the_real_address(
            user in hostile(),
            session in proptest::option::of(hostile()),
            remote in any::<IpAddr>(),
            unknown in any::<bool>(),
        ) {
            let session = session.map(|session| String::from_utf8_lossy(&session).into_owned());
            let guess = if unknown { Guess::Name } else { Guess::Secret };
            let line = ban_line(&refused(&user, remote, session.as_deref(), guess)).unwrap();
            let rule = if unknown { 7 } else { 6 };
            prop_assert_eq!(matches(&line), [(rule, remote.to_canonical().to_string())], "{}", line);
            prop_assert!(!line.contains(|c: char| c.is_control() || !c.is_ascii()), "{:?}", line);
            prop_assert!(line.len() < 450);
        }
    }
}
