//! Passwords and what is stored of them.

use serde_json::{Value, json};

use super::WorldCase;
use super::world::End::{Accept, CannotTell, Refuse};
use super::world::{Attempt, End, OTHER, OTHER_HASH, RIGHT, RIGHT_HASH, World};
use crate::stage::Result;

/// SSHA512 of the empty password.
const EMPTY_HASH: &str = "{SSHA512}pct3OnBfT5oRBaqbuesxsFhoqtCEXvCjyp2h8uOLvBvw+U97pPhdYi81gC0IzHLlZWfQTqnVThnsX38uLmisPXNhbHRzYWx0";
/// The MD5 of 240610708, which PHP takes for the number 0. So it does for the MD5 of QNKCDZO.
const ZERO_TO_PHP: &str = "{PLAIN-MD5}0e462097431906509019562988736854";
const SHA512_CRYPT: &str = "$6$rounds=1000$u2Vw8D.kXUgEY/6V$xbt1pmJR8B3HU9GeIF5kXANfejoqULPrJPiDX7fbpn4wh44KoMYnhDCgnMGiVhdFGqmz6miixz0RLTXtj2Fbr.";

pub const CASES: &[WorldCase] = &[
    ("a_password_that_is_no_utf_8_is_a_wrong_one_and_no_error", |world| {
        world.person_with_hash("case06@case.example", RIGHT_HASH)?;
        for password in [&b"r\xfcght"[..], b"\xff", b"right\x80"] {
            let attempt = Attempt { password, ..Attempt::new("case06@case.example", "") };
            world.attempt(attempt, Refuse("password_mismatch"))?;
        }
        Ok(())
    }),
    // keydove's own where the stored hash is that of the empty password.
    ("an_empty_password_is_no_password", |world| {
        stored(world, "case07-empty", json!([EMPTY_HASH]))?;
        stored(world, "case07-plain", json!(["{PLAIN}"]))?;
        stored(world, "case07-none", json!([]))?;
        world.mailbox(
            "case07-row@case.example",
            &format!("authsource = 'mailcow', password = '{EMPTY_HASH}'"),
        )?;
        world.mailbox("case07-blank@case.example", "authsource = 'mailcow'")?;
        for name in ["case07-empty", "case07-plain", "case07-none", "case07-row", "case07-blank"] {
            world.ends_unasked(&format!("{name}@case.example"), "", Refuse("password_invalid"))?;
        }
        Ok(())
    }),
    ("the_first_of_two_values_counts", |world| {
        stored(world, "case13", json!([RIGHT_HASH, OTHER_HASH]))?;
        world.ends("case13@case.example", RIGHT, Accept("keycloak"))?;
        world.ends("case13@case.example", OTHER, Refuse("password_mismatch"))
    }),
    ("without_a_value_or_a_scheme_there_is_no_password", |world| {
        let values =
            [Value::Null, json!([]), json!([""]), json!(["0"]), json!(["right"]), json!(["$2y$04$x"])];
        for (number, value) in values.into_iter().enumerate() {
            let name = format!("case14-{number}");
            stored(world, &name, value)?;
            for password in [RIGHT, "0", "$2y$04$x"] {
                // mailcow refuses all of them; keydove cannot tell what text without a label was meant to be.
                let end = if number < 4 { Refuse("password_missing") } else { CannotTell("hash_unusable") };
                world.ends(&format!("{name}@case.example"), password, end)?;
            }
        }
        Ok(())
    }),
    // keydove's own: numbers that are equal are not the same text.
    ("numbers_are_compared_as_texts", |world| {
        for (name, stored, right, wrong) in [
            ("case15-a", "{PLAIN}1e3", "1e3", "1000"),
            ("case15-b", "{PLAIN}007", "007", "7"),
            ("case15-c", ZERO_TO_PHP, "240610708", "QNKCDZO"),
        ] {
            one_of_two(world, name, stored, right, wrong)?;
        }
        Ok(())
    }),
    ("the_hash_and_not_its_label_decides", |world| {
        one_of_two(world, "case16", &format!("{{BLF-CRYPT}}{SHA512_CRYPT}"), RIGHT, OTHER)
    }),
    // mailcow's own manual shows this form.
    ("md5_in_hexadecimal_is_no_hash", |world| {
        world.person_with_hash("case17@case.example", "{MD5}7c4f29407893c334a6cb7a87bf045c0d")?;
        world.ends("case17@case.example", RIGHT, Refuse("password_mismatch"))
    }),
    ("a_schemes_label_may_be_in_lower_case", |world| {
        let hash = RIGHT_HASH.replace("{BLF-CRYPT}$2y$", "{blf-crypt}$2b$");
        one_of_two(world, "case18", &hash, RIGHT, OTHER)
    }),
    // keydove's own: the first brace ends the label, as in Dovecot, and the rest is the password.
    ("a_plain_password_may_hold_a_brace", |world| {
        one_of_two(world, "case19", "{PLAIN}a}b{c", "a}b{c", "b{c")
    }),
];

/// Only the right password opens.
fn one_of_two(world: &World<'_>, name: &str, stored: &str, right: &str, wrong: &str) -> Result<()> {
    let address = format!("{name}@case.example");
    world.person_with_hash(&address, stored)?;
    world.ends(&address, wrong, Refuse("password_mismatch"))?;
    let end: End<'_> = Accept("keycloak");
    world.ends(&address, right, end)
}

/// A person with these values of the attribute, and a mailbox.
fn stored(world: &World<'_>, name: &str, values: Value) -> Result<()> {
    let address = format!("{name}@case.example");
    world.person(&address, |user| user["attributes"] = json!({ "mailcow_password": values }))?;
    world.mailbox(&address, "")
}
