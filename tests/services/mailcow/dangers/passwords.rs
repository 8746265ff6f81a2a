//! Passwords that are too long, empty, not text, or stored in an odd shape.

use std::fs;

use serde_json::json;

use crate::clients::encode;
use crate::mailcow::WorldCase;
use crate::mailcow::world::End::{Accept, CannotTell, Refuse};
use crate::mailcow::world::{Attempt, End, OTHER, RIGHT, RIGHT_HASH, World, check, connect, log_line};
use crate::stage::{Failure, Result, attempt, source_tree};
use crate::{expect, transport};

/// Made by others; see the file.
const VECTORS: &str = "tests/vectors/schemes.tsv";
/// SSHA512 of `rüght` in UTF-8, in Latin-1, and in UTF-8 with the two dots as a sign of their own.
const UTF_8: &str = "{SSHA512}o4HY+02H8bYY3pfsZ721DwSy250lG6DXPY3njP2MNzE+9t9pcjbb8m8PH1H2nNcJk+aJzVts93kRXJu3TmRDQ3NhbHRzYWx0";
const LATIN_1: &str = "{SSHA512}byLERW5knZ2QQqWYme9i0/BxgsNAHr5kha8nlaFmSG0w20VXZ1Totnj6EXqM0pVBexZkQ94MuWk+G+6iYfCsh3NhbHRzYWx0";
const DECOMPOSED: &str = "{SSHA512}pXoeF//YJCvhUFl9GNVSyEMx2BoHQwhmX0RU0s4yrjbYfTr6yD7KiWi2ssxMnEGg+rt/zC0MSJv5XuNMise6QnNhbHRzYWx0";

pub const CASES: &[WorldCase] = &[
    ("of_a_bcrypt_password_72_bytes_count", |world| {
        let vectors = long_vectors()?;
        for (number, (password, hash)) in vectors.iter().enumerate() {
            let address = format!("t31-{number}@case.example");
            world.person_with_hash(&address, hash)?;
            let attempt = |password| Attempt { password, ..Attempt::new(&address, "") };
            world.attempt(attempt(password), Accept("keycloak"))?;
            // What comes after byte 72 does not count; what comes before does.
            let (mut longer, mut other) = (password.clone(), password.clone());
            longer.resize(password.len().max(72) + 7, b'~');
            let end = if password.len() < 72 { Refuse("password_mismatch") } else { Accept("keycloak") };
            world.attempt(attempt(&longer), end)?;
            other[70] ^= 1;
            world.attempt(attempt(&other), Refuse("password_mismatch"))?;
        }
        if vectors.len() < 8 { Err(Failure(format!("only {} vectors", vectors.len()))) } else { Ok(()) }
    }),
    ("nul_is_in_no_name_and_no_password", |world| {
        world.person_with_hash("t32@case.example", RIGHT_HASH)?;
        for (response, reason) in [
            (&b"\0t32@case.example\0\0right"[..], "response_malformed"),
            (b"\0t32@case.example\0right\0", "response_malformed"),
            (b"\0t32@case.example\0right\0x", "response_malformed"),
            (b"\0t32@case.example\0", "password_invalid"),
            (b"\0\0right", "name_invalid"),
            (b"other@case.example\0t32@case.example\0right", "authzid_forbidden"),
        ] {
            plain(world, response, Refuse(reason))?;
        }
        plain(world, b"t32@case.example\0t32@case.example\0right", Accept("keycloak"))?;
        // LOGIN puts nothing between name and password, so a NUL can be in either.
        for (name, password, end) in [
            ("t32@case.example", "right", Accept("keycloak")),
            ("t32@case.example", "\0right", Refuse("password_invalid")),
            ("t32@case.example", "right\0", Refuse("password_invalid")),
            ("t32@case.example", "\0", Refuse("password_invalid")),
            ("t32@case.example\0", "right", Refuse("name_invalid")),
            ("t32\0@case.example", "right", Refuse("name_invalid")),
        ] {
            login(world, name, password, end)?;
        }
        Ok(())
    }),
    // keydove's own: what is stored says nothing about the password, so nobody is told that it is wrong.
    ("where_nothing_is_stored_nothing_opens", |world| {
        for (number, stored) in ["{PLAIN}", "{PLAIN-TRUNC}0-", "{SSHA512}", "{BLF-CRYPT}"].iter().enumerate()
        {
            let address = format!("t33-{number}@case.example");
            world.person_with_hash(&address, stored)?;
            world.ends(&address, "", Refuse("password_invalid"))?;
            world.ends(&address, "anything", CannotTell("hash_unusable"))?;
        }
        world.mailbox("t33-blank@case.example", "authsource = 'mailcow'")?;
        world.ends("t33-blank@case.example", "anything", Refuse("password_missing"))
    }),
    ("a_password_is_bytes", |world| {
        let forms: [(&str, &str, &[u8]); 3] = [
            ("t34-utf-8@case.example", UTF_8, "r\u{fc}ght".as_bytes()),
            ("t34-latin-1@case.example", LATIN_1, b"r\xfcght"),
            ("t34-decomposed@case.example", DECOMPOSED, "ru\u{308}ght".as_bytes()),
        ];
        for (address, hash, own) in forms {
            world.person_with_hash(address, hash)?;
            for (_, _, password) in forms {
                let end = if password == own { Accept("keycloak") } else { Refuse("password_mismatch") };
                world.attempt(Attempt { password, ..Attempt::new(address, "") }, end)?;
            }
        }
        Ok(())
    }),
    ("spaces_around_a_hash_do_not_count_and_half_a_hash_is_none", |world| {
        let cut = format!("{{SHA512-CRYPT}}$6$rounds=1000$u2Vw8D.kXUgEY/6V${}", "x".repeat(40));
        for (number, (stored, end)) in [
            (format!(" \n{RIGHT_HASH}\r\n "), Accept("keycloak")),
            (RIGHT_HASH.replace("BLF-CRYPT", "Blf-Crypt"), Accept("keycloak")),
            (RIGHT_HASH[..40].to_owned(), CannotTell("hash_unusable")),
            (cut, CannotTell("hash_unusable")),
            (RIGHT_HASH.replace("BLF-CRYPT", "BLF"), CannotTell("hash_unusable")),
            (format!("{{{RIGHT_HASH}"), CannotTell("hash_unusable")),
        ]
        .into_iter()
        .enumerate()
        {
            let address = format!("t37-{number}@case.example");
            world.person_with_hash(&address, &stored)?;
            world.ends(&address, RIGHT, end)?;
        }
        // Of several values the first counts, whatever it is.
        world.person("t37-many@case.example", |user| {
            user["attributes"]["mailcow_password"] = json!(["{FOO}x", RIGHT_HASH]);
        })?;
        world.mailbox("t37-many@case.example", "")?;
        world.ends("t37-many@case.example", RIGHT, CannotTell("hash_unusable"))
    }),
    ("plain_texts_are_compared_byte_by_byte", |world| {
        for (name, stored, right, wrong) in [
            ("t39-a", "{PLAIN}0e1", "0e1", "0e2"),
            ("t39-b", "{PLAIN}10", "10", "10.0"),
            ("t39-c", "{PLAIN}10", "10", " 10"),
            ("t39-d", "{PLAIN}Right", "Right", "right"),
            ("t39-e", "{PLAIN-TRUNC}3-rig", "right", "raght"),
        ] {
            let address = format!("{name}@case.example");
            world.person_with_hash(&address, stored)?;
            world.ends(&address, wrong, Refuse("password_mismatch"))?;
            world.ends(&address, right, Accept("keycloak"))?;
            world.ends(&address, OTHER, Refuse("password_mismatch"))?;
        }
        Ok(())
    }),
];

/// A PLAIN response as it is.
fn plain(world: &World<'_>, response: &[u8], end: End<'_>) -> Result<()> {
    let keydove = &world.bench.keydove;
    let session = format!("t32-{}", end_of(response));
    let mut socket = connect(keydove)?;
    transport(socket.login_with(1, &format!("service=imap\tsession={session}"), response))?;
    let answer = transport(socket.line())?;
    check(Attempt::new("t32@case.example", RIGHT), end, &answer, &log_line(keydove, &session)?)
}

/// Letters that stand for these bytes.
fn end_of(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Both steps of LOGIN.
fn login(world: &World<'_>, name: &str, password: &str, end: End<'_>) -> Result<()> {
    let keydove = &world.bench.keydove;
    let session = format!("t32-login-{}-{}", end_of(name.as_bytes()), end_of(password.as_bytes()));
    let mut socket = connect(keydove)?;
    transport(socket.send(format!("AUTH\t1\tLOGIN\tservice=imap\tsession={session}\n").as_bytes()))?;
    expect("the name is asked for", socket.line(), "CONT\t1\t")?;
    transport(socket.send(format!("CONT\t1\t{}\n", encode(name)).as_bytes()))?;
    let mut answer = transport(socket.line())?;
    if answer.starts_with("CONT\t1\t") {
        transport(socket.send(format!("CONT\t1\t{}\n", encode(password)).as_bytes()))?;
        answer = transport(socket.line())?;
    }
    check(Attempt::new("t32@case.example", RIGHT), end, &answer, &log_line(keydove, &session)?)
}

/// Passwords of 71 bytes and more, with the bcrypt hashes that other implementations made of them.
fn long_vectors() -> Result<Vec<(Vec<u8>, String)>> {
    let path = source_tree().join(VECTORS);
    let text = attempt("read", &path, fs::read_to_string(&path))?;
    let vector = |line: &str| {
        let mut fields = line.split('\t');
        let (scheme, password, hash) = (fields.next()?, fields.next()?, fields.next()?);
        let password = unescape(password)?;
        (scheme == "BLF-CRYPT" && password.len() > 70).then(|| (password, hash.to_owned()))
    };
    Ok(text.lines().filter_map(vector).collect())
}

/// `\xNN` is a byte, and all else is itself.
fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut parts = text.split("\\x");
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(part.get(..2)?, 16).ok()?);
        bytes.extend_from_slice(part.get(2..)?.as_bytes());
    }
    Some(bytes)
}
