//! Every scheme of stored passwords, as others have made them, through a daemon; and what a password without a label is.

use std::collections::BTreeSet;

use crate::ensure;
use crate::mailcow::WorldCase;
use crate::mailcow::world::End::{Accept, CannotTell, Refuse};
use crate::mailcow::world::{Attempt, End, RIGHT, RIGHT_HASH, World, attempt_at, prompt, quote};
use crate::stage::keydove::Keydove;
use crate::stage::{Result, attempt, source_tree};

/// Made by others; see the file.
const VECTORS: &str = "tests/vectors/schemes.tsv";
/// One hash of the vectors is made of this name, too.
const ALICE: &str = "alice@example.org";

pub const CASES: &[WorldCase] = &[
    ("a_password_of_every_scheme_opens_the_mailbox_and_another_does_not", |world| {
        let vectors = one_of_each()?;
        let weak: Vec<_> = vectors
            .iter()
            .filter(|(scheme, ..)| {
                keydove::credential::scheme::Scheme::parse(scheme)
                    .is_some_and(keydove::credential::scheme::Scheme::is_weak)
            })
            .map(|(scheme, ..)| format!("\"{scheme}\""))
            .collect();
        let schemes = format!("allow_weak = [{}]", weak.join(", "));
        let keydove = beside(world, "hashes-all", &schemes)?;
        for (number, (scheme, password, stored)) in vectors.iter().enumerate() {
            let address = match scheme.as_str() {
                "DIGEST-MD5" => ALICE.to_owned(),
                _ => format!("hashes{number}@case.example"),
            };
            own_hash(world, &address, stored)?;
            ends(&keydove, &address, password, Accept("mailbox"))?;
            ends(&keydove, &address, "another", Refuse("password_mismatch"))?;
        }
        ensure(vectors.len() >= 35, || format!("only {} schemes", vectors.len()))
    }),
    ("a_password_without_a_label_is_of_the_default_scheme_and_of_none_without_one", |world| {
        let bare = RIGHT_HASH.split_once('}').map_or("", |(_, bare)| bare);
        // SHA-256 of the word, in hexadecimal.
        let digest = "27042f4e6eca7d0b2a7ee4026df2ecfa51d3339e6d122aa099118ecd8563bad9";
        for (number, (setting, stored, end)) in [
            ("", bare, CannotTell("hash_unusable")),
            ("default_scheme = \"CRYPT\"", bare, Accept("mailbox")),
            ("default_scheme = \"CRYPT\"", digest, CannotTell("hash_unusable")),
            ("default_scheme = \"SHA256.HEX\"\nallow_weak = [\"SHA256\"]", digest, Accept("mailbox")),
            // A label says more than a setting.
            ("default_scheme = \"SHA256.HEX\"\nallow_weak = [\"SHA256\"]", RIGHT_HASH, Accept("mailbox")),
        ]
        .into_iter()
        .enumerate()
        {
            let address = format!("hashes-bare{number}@case.example");
            own_hash(world, &address, stored)?;
            let name = ["hash0", "hash1", "hash2", "hash3", "hash4"][number];
            let keydove = beside(world, name, setting)?;
            ends(&keydove, &address, RIGHT, end)?;
            if let Accept(_) = end {
                ends(&keydove, &address, "another", Refuse("password_mismatch"))?;
            }
        }
        Ok(())
    }),
];

fn beside(world: &World<'_>, name: &'static str, schemes: &str) -> Result<Keydove> {
    world.system.keydove.beside(name, |text| {
        let text: Vec<_> = text.lines().filter(|line| !line.starts_with("allow_weak")).collect();
        let text = prompt(&text.join("\n"));
        match text.contains("[hashing.schemes]") {
            true => text.replace("[hashing.schemes]", &format!("[hashing.schemes]\n{schemes}")),
            false => format!("{text}\n[hashing.schemes]\n{schemes}\n"),
        }
    })
}

/// A mailbox with a password of its own; one that is there is changed.
fn own_hash(world: &World<'_>, address: &str, stored: &str) -> Result<()> {
    if world.count("mailbox", &format!("username = {}", quote(address)))? == 0 {
        world.mailbox(address, "")?;
    }
    world.system.execute(&format!(
        "UPDATE mailbox SET authsource = 'mailcow', password = {} WHERE username = {};",
        quote(stored),
        quote(address)
    ))
}

fn ends(keydove: &Keydove, address: &str, password: &str, end: End<'_>) -> Result<()> {
    attempt_at(keydove, Attempt::new(address, password), end).map(drop)
}

/// The first of each scheme whose password and hash are plain text: scheme, password, stored string.
fn one_of_each() -> Result<Vec<(String, String, String)>> {
    let path = source_tree().join(VECTORS);
    let text = attempt("read", &path, std::fs::read_to_string(&path))?;
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.contains('\\')) {
        let mut parts = line.split('\t').map(str::to_owned);
        if let (Some(scheme), Some(password), Some(stored)) = (parts.next(), parts.next(), parts.next())
            && !password.is_empty()
            && seen.insert(scheme.clone())
        {
            found.push((scheme, password, stored));
        }
    }
    Ok(found)
}
