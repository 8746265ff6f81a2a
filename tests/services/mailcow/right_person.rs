//! Whose password opens which mailbox: addresses within addresses, and people who are switched off.

use super::WorldCase;
use super::world::End::{Accept, Refuse};
use super::world::{OTHER, OTHER_HASH, RIGHT, World};
use crate::ensure;
use crate::stage::Result;

pub const CASES: &[WorldCase] = &[
    // keydove's own, all three: mailcow searches by parts of addresses and takes the first hit.
    ("the_right_person_is_found_and_no_part_of_an_address", |world| {
        bob_and_a_longer_bob(world, "bob08")?;
        world.ends("bob08@case.example", OTHER, Refuse("password_mismatch"))?;
        world.ends("a-xbob08@case.example", RIGHT, Refuse("password_mismatch"))
    }),
    ("their_own_password_opens_it", |world| {
        bob_and_a_longer_bob(world, "bob09")?;
        world.ends("bob09@case.example", RIGHT, Accept("keycloak"))?;
        world.ends("a-xbob09@case.example", OTHER, Accept("keycloak"))
    }),
    ("a_part_of_an_address_makes_no_mailbox", |world| {
        bob_and_a_longer_bob(world, "bob10")?;
        for password in [RIGHT, OTHER] {
            for name in ["ob10@case.example", "b10@case.example", "bob10@case.exampl", "xbob10@case.example"]
            {
                let reason = if name.ends_with("exampl") { "domain_unknown" } else { "user_unknown" };
                world.ends(name, password, Refuse(reason))?;
            }
        }
        let rows = world.count("mailbox", "local_part IN ('ob10', 'b10', 'xbob10')")?;
        ensure(rows == 0, || format!("{rows} mailboxes were made"))
    }),
    // keydove's own: mailcow does not look at `enabled`.
    ("somebody_disabled_gets_neither_in_nor_a_mailbox", |world| {
        for email in ["case12@case.example", "case12-new@case.example"] {
            world.person(email, |user| user["enabled"] = false.into())?;
        }
        world.mailbox("case12@case.example", "")?;
        world.ends("case12@case.example", RIGHT, Refuse("user_disabled"))?;
        world.ends("case12-new@case.example", RIGHT, Refuse("user_disabled"))?;
        world.ends("case12-new@case.example", OTHER, Refuse("user_disabled"))?;
        world
            .rows("SELECT username FROM mailbox WHERE local_part LIKE 'case12%'", &[&["case12@case.example"]])
    }),
    ("a_new_password_works_at_once_and_ends_the_old_one", |world| {
        world.person_with_hash("case61@case.example", super::world::RIGHT_HASH)?;
        world.ends("case61@case.example", RIGHT, Accept("keycloak"))?;
        world.bench.admin.update("case61@case.example", |user| {
            user["attributes"]["mailcow_password"] = serde_json::json!([OTHER_HASH]);
        })?;
        world.ends("case61@case.example", OTHER, Accept("keycloak"))?;
        world.ends("case61@case.example", RIGHT, Refuse("password_mismatch"))
    }),
];

/// `NAME` has the right password, `a-xNAME` the other one; the longer name comes first in Keycloak's answers.
fn bob_and_a_longer_bob(world: &World<'_>, name: &str) -> Result<()> {
    world.person_with_hash(&format!("{name}@case.example"), super::world::RIGHT_HASH)?;
    world.person_with_hash(&format!("a-x{name}@case.example"), OTHER_HASH)
}
