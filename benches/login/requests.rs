//! The people of a run, and the lines they send.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// One person: what an AUTH line says after its id, and whom the reply must name.
#[derive(Debug)]
pub struct Person {
    /// The name in normal form, as the reply has it.
    pub name: String,
    right: Vec<u8>,
    wrong: Vec<u8>,
}

/// Everybody who logs in, and how often with a wrong password.
#[derive(Debug)]
pub struct People {
    everybody: Vec<Person>,
    wrong_percent: u64,
}

/// One login to be sent.
#[derive(Clone, Copy, Debug)]
pub struct Choice {
    /// Index of the person.
    pub person: usize,
    /// Whether the password is the wrong one.
    pub wrong: bool,
}

impl People {
    /// `wrong_percent` of all logins bring a wrong password.
    pub fn new(names: impl IntoIterator<Item = String>, password: &str, wrong_percent: u64) -> Self {
        let person = |name: String| Person {
            right: tail(&name, password),
            wrong: tail(&name, &format!("{password}-wrong")),
            name,
        };
        Self { everybody: names.into_iter().map(person).collect(), wrong_percent }
    }

    /// A person by index.
    pub fn person(&self, index: usize) -> &Person {
        &self.everybody[index]
    }

    /// Chooses a person, and a right or wrong password, by random bits.
    pub fn choose(&self, random: u64) -> Choice {
        let person = (random >> 32) as usize % self.everybody.len();
        Choice { person, wrong: random % 100 < self.wrong_percent }
    }

    /// Appends the AUTH line of a choice.
    pub fn write_line(&self, id: u32, choice: Choice, out: &mut Vec<u8>) {
        let person = &self.everybody[choice.person];
        write_id(b"AUTH\t", id, out);
        out.extend_from_slice(if choice.wrong { &person.wrong } else { &person.right });
    }
}

/// Appends a command and a request id.
pub fn write_id(command: &[u8], id: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(command);
    let (mut digits, mut first, mut rest) = ([0; 10], 10, id);
    while first == 10 || rest > 0 {
        first -= 1;
        digits[first] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    out.extend_from_slice(&digits[first..]);
}

/// What a login process sends. `nologin` as Postfix has it: no mail process will ask for the success.
fn tail(name: &str, password: &str) -> Vec<u8> {
    let response = STANDARD.encode(format!("\0{name}\0{password}"));
    let mut line = "\tPLAIN\tservice=imap\tsecured\tnologin\tlip=127.0.0.1\trip=192.0.2.1".to_owned();
    // Writing into a `String` does not fail.
    let _ = writeln!(line, "\tsession=Xk3vA8\tresp={response}");
    line.into_bytes()
}
