//! Who logs in, and the lines they send.

use std::fmt;
use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// The most people of one load: their lines are kept ready, 150 bytes each.
pub const MOST_PEOPLE: usize = 1_000_000;

/// A user name with a number in it, such as `u%04d@example.org`; without one it is one person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    before: String,
    /// Width of the number; `None` without one.
    width: Option<usize>,
    after: String,
}

/// Why a text is no pattern.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no user name with at most one %d or %04d in it; a tab and a line end cannot be")]
pub struct BadPattern(String);

impl Pattern {
    /// Reads `%d`, or `%0Nd` for N digits at least.
    ///
    /// # Errors
    /// [`BadPattern`]
    pub fn parse(text: &str) -> Result<Self, BadPattern> {
        let bad = || BadPattern(text.to_owned());
        if text.is_empty() || text.contains(['\t', '\n', '\0']) {
            return Err(bad());
        }
        let Some((before, rest)) = text.split_once('%') else {
            return Ok(Self { before: text.to_owned(), width: None, after: String::new() });
        };
        let (width, after) = rest.split_once('d').ok_or_else(bad)?;
        let width = match width.strip_prefix('0') {
            None if width.is_empty() => 1,
            Some(digits) => digits.parse().ok().filter(|width| (1..=20).contains(width)).ok_or_else(bad)?,
            None => return Err(bad()),
        };
        if after.contains('%') {
            return Err(bad());
        }
        Ok(Self { before: before.to_owned(), width: Some(width), after: after.to_owned() })
    }

    /// Whether it stands for more than one person.
    #[must_use]
    pub fn has_number(&self) -> bool {
        self.width.is_some()
    }

    /// The name with this number.
    #[must_use]
    pub fn name(&self, number: usize) -> String {
        let (before, after) = (&self.before, &self.after);
        match self.width {
            Some(width) => format!("{before}{number:0width$}{after}"),
            None => before.clone(),
        }
    }
}

/// What every request says besides who it is.
#[derive(Clone, Debug)]
pub struct Request {
    /// The service, such as `imap`.
    pub service: String,
    /// Further fields in their order, such as `rip=192.0.2.1`; without tabs and line ends.
    pub fields: Vec<String>,
}

impl Default for Request {
    /// As a login process has it. `nologin` as Postfix has it: no mail process will ask for the success.
    fn default() -> Self {
        let fields = ["secured", "nologin", "lip=127.0.0.1", "rip=192.0.2.1", "session=Xk3vA8"];
        Self { service: "imap".to_owned(), fields: fields.map(str::to_owned).to_vec() }
    }
}

/// Everybody who logs in.
pub struct People {
    /// For each person: what an AUTH line says after its id, then the name.
    text: Zeroizing<Vec<u8>>,
    /// Where each person's line and name end.
    ends: Vec<(usize, usize)>,
    /// What comes before the response.
    head: String,
}

impl fmt::Debug for People {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} people", self.ends.len())
    }
}

/// One login to be sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Choice {
    /// Index of the person.
    pub(crate) person: usize,
    /// Whether the password is a wrong one.
    pub(crate) is_wrong: bool,
}

impl People {
    /// Everybody has the same password.
    #[must_use]
    pub fn new(names: impl IntoIterator<Item = String>, password: &[u8], request: &Request) -> Self {
        let fields: String = request.fields.iter().map(|field| format!("{field}\t")).collect();
        let head = format!("\tPLAIN\tservice={}\t{fields}resp=", request.service);
        let (mut text, mut ends) = (Zeroizing::new(Vec::new()), Vec::new());
        for name in names {
            write_tail(&head, &name, password, &mut text);
            let line = text.len();
            text.extend_from_slice(name.as_bytes());
            ends.push((line, text.len()));
        }
        Self { text, ends, head }
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is nobody.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// A person's name.
    pub(crate) fn name(&self, person: usize) -> &[u8] {
        let (line, name) = self.ends[person];
        &self.text[line..name]
    }

    /// Appends the AUTH line of a choice. `guess` makes a wrong password unlike all others.
    pub(crate) fn write_line(&self, id: u32, choice: Choice, guess: u64, out: &mut Vec<u8>) {
        out.extend_from_slice(b"AUTH\t");
        write_number(id, out);
        if choice.is_wrong {
            let name = String::from_utf8_lossy(self.name(choice.person));
            write_tail(&self.head, &name, format!("wrong-{guess:08}").as_bytes(), out);
        } else {
            let start = choice.person.checked_sub(1).map_or(0, |before| self.ends[before].1);
            out.extend_from_slice(&self.text[start..self.ends[choice.person].0]);
        }
    }
}

fn write_tail(head: &str, name: &str, password: &[u8], out: &mut Vec<u8>) {
    let plain = Zeroizing::new([b"\0", name.as_bytes(), b"\0", password].concat());
    let response = Zeroizing::new(STANDARD.encode(&*plain));
    // Writing into a `Vec` does not fail.
    let _ = writeln!(out, "{head}{}", response.as_str());
}

/// Appends a number in digits; faster than `write!`, which the load feels.
pub(crate) fn write_number(number: u32, out: &mut Vec<u8>) {
    let (mut digits, mut first, mut rest) = ([0; 10], 10, number);
    while first == 10 || rest > 0 {
        first -= 1;
        digits[first] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    out.extend_from_slice(&digits[first..]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_made_of_a_pattern() {
        let name = |text: &str, number| Pattern::parse(text).unwrap().name(number);
        assert_eq!(name("u%04d@example.org", 7), "u0007@example.org");
        assert_eq!(name("u%04d@example.org", 12_345), "u12345@example.org");
        assert_eq!(name("u%d@example.org", 7), "u7@example.org");
        assert_eq!(name("alice@example.org", 7), "alice@example.org");
        for wrong in ["", "a\tb", "u%", "u%4d", "u%00d", "u%099d", "u%s", "u%d%d", "u%xd"] {
            assert!(Pattern::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn lines_are_what_a_login_process_sends() {
        let names = ["a@example.org", "b@example.org"].map(str::to_owned);
        let people = People::new(names, b"pw", &Request::default());
        let mut out = Vec::new();
        people.write_line(7, Choice { person: 1, is_wrong: false }, 0, &mut out);
        people.write_line(4_294_967_295, Choice { person: 0, is_wrong: true }, 3, &mut out);
        let text = String::from_utf8(out).unwrap();
        let (right, wrong) = text.split_once('\n').unwrap();
        let head =
            "PLAIN\tservice=imap\tsecured\tnologin\tlip=127.0.0.1\trip=192.0.2.1\tsession=Xk3vA8\tresp=";
        let response = |plain: &str| STANDARD.encode(plain);
        assert_eq!(right, format!("AUTH\t7\t{head}{}", response("\0b@example.org\0pw")));
        let guess = response("\0a@example.org\0wrong-00000003");
        assert_eq!(wrong, format!("AUTH\t4294967295\t{head}{guess}\n"));
        assert_eq!(format!("{people:?}"), "2 people");
    }

    proptest! {
        #[test]
        fn numbers_are_written_as_everybody_does(number in any::<u32>()) {
            let mut out = Vec::new();
            write_number(number, &mut out);
            prop_assert_eq!(out, number.to_string().into_bytes());
        }
    }
}
