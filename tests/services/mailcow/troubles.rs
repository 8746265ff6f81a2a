//! Troubles of keydove itself and of its rows: none of them is anybody's wrong password.

use super::WorldCase;
use super::provisioning::newcomer;
use super::world::End::{Accept, CannotTell};
use super::world::{
    Attempt, RIGHT, RIGHT_HASH, SETTINGS, TEMPLATE, World, attempt_at, connect, prompt, quote, send,
};
use crate::stage::Result;
use crate::stage::keydove::with;
use crate::{ensure, transport};

/// bcrypt at cost 14, of the right password: a second or more.
const SLOWEST_HASH: &str = "{BLF-CRYPT}$2y$14$x5vBKL8vzCaV7j7TE944c.OApShlTfGzWJF5CTAvDwdds87eYIrcu";
/// More than may wait where one may.
const LOGINS: usize = 6;

pub const CASES: &[WorldCase] = &[
    ("a_row_with_an_impossible_value_is_no_refusal", |world| {
        world.mailbox("row@case.example", &format!("authsource = 'mailcow', password = '{RIGHT_HASH}'"))?;
        world.ends("row@case.example", RIGHT, Accept("mailbox"))?;
        world.mailbox("row-odd@case.example", "quota = -1")?;
        world.ends("row-odd@case.example", RIGHT, CannotTell("sql_error"))
    }),
    ("a_template_with_an_odd_category_makes_no_mailbox", |world| {
        let attributes = TEMPLATE.replace("\"reject\"", "\"nonsense\"");
        world.system.execute(&format!(
            "INSERT INTO templates (template, type, attributes) VALUES ('category', 'mailbox', {})",
            quote(&attributes)
        ))?;
        let mapping = "[provisioning.mappings]\ncategory = \"category\"\n";
        let settings = SETTINGS.replace("[provisioning.mappings]\n", mapping);
        let keydove = world.system.keydove.beside("category", |text| prompt(&text) + &settings)?;
        newcomer(world, "category@case.example", Some("category"))?;
        let attempt = Attempt::new("category@case.example", RIGHT);
        attempt_at(&keydove, attempt, CannotTell("provision_quarantine_category_invalid"))?;
        ensure(world.count("mailbox", "local_part = 'category'")? == 0, || "it was made".to_owned())
    }),
    ("a_full_queue_of_hashes_is_no_refusal", |world| {
        slow_mailbox(world, "queue@case.example")?;
        let settings = "\n[hashing]\nthreads = 1\nqueue = 1\n";
        let keydove = world.system.keydove.beside("queue", |text| prompt(&text) + settings)?;
        let mut sockets = Vec::new();
        // Passwords of their own, because the same one is hashed once for all who wait.
        for number in 0..LOGINS {
            let mut socket = connect(&keydove)?;
            send(&mut socket, Attempt::new("queue@case.example", &format!("guess {number}")))?;
            sockets.push(socket);
        }
        for mut socket in sockets {
            let answer = transport(socket.line())?;
            ensure(answer.starts_with("FAIL\t1\tuser=queue@case.example"), || answer)?;
        }
        ensure(keydove.log().contains("verdict=cannot_tell reason=hashing_overload"), || keydove.log())
    }),
    ("a_login_that_takes_too_long_is_no_refusal", |world| {
        slow_mailbox(world, "late@case.example")?;
        let keydove = world.system.keydove.beside("late", |text| {
            let shorter = [("connect_timeout", "100ms"), ("request_timeout", "100ms"), ("deadline", "200ms")];
            shorter.into_iter().fold(prompt(&text), |text, (key, value)| with(&text, key, value))
        })?;
        attempt_at(&keydove, Attempt::new("late@case.example", RIGHT), CannotTell("deadline")).map(drop)
    }),
];

/// A mailbox whose hash stands in its row and takes long.
fn slow_mailbox(world: &World<'_>, address: &str) -> Result<()> {
    world.mailbox(address, &format!("authsource = 'mailcow', password = '{SLOWEST_HASH}'"))
}
