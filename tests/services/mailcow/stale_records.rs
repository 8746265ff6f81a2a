//! People who were seen lately, while Keycloak is away.

use crate::mailcow::WorldCase;
use crate::mailcow::world::End::{Accept, CannotTell, Refuse};
use crate::mailcow::world::{Attempt, OTHER, RIGHT, RIGHT_HASH, attempt_at, prompt};
use crate::stage::keydove::remembering;
use crate::stage::relay::Conduct;

pub const CASES: &[WorldCase] = &[
    // In mailcow this is Dovecot's own cache, for five minutes and one service.
    ("who_was_seen_lately_needs_no_keycloak", |world| {
        let relay = world.system.keycloak.relay(Conduct::Pass)?;
        let url = world.system.keycloak.url();
        let keydove = world
            .system
            .keydove
            .beside("case60", |text| remembering(&prompt(&text)).replace(&url, &relay.url()))?;
        for address in ["case60@case.example", "case60-unseen@case.example"] {
            world.person_with_hash(address, RIGHT_HASH)?;
        }
        let login = |user, password, end| attempt_at(&keydove, Attempt::new(user, password), end);
        login("case60@case.example", RIGHT, Accept("keycloak"))?;
        relay.turn(Conduct::Close);
        login("case60@case.example", RIGHT, Accept("keycloak"))?;
        let other = Attempt { service: "smtp", ..Attempt::new("case60@case.example", RIGHT) };
        attempt_at(&keydove, other, Accept("keycloak"))?;
        login("case60-unseen@case.example", RIGHT, CannotTell("keycloak_reset"))?;
        relay.turn(Conduct::Pass);
        crate::eventually(|| login("case60-unseen@case.example", RIGHT, Accept("keycloak")).map(drop))?;
        login("case60-unseen@case.example", OTHER, Refuse("password_mismatch")).map(drop)
    }),
    ("a_known_login_waits_for_no_hash", |world| {
        for name in ["t40-known", "t40-busy"] {
            let changes = format!("authsource = 'mailcow', password = '{SLOW_HASH}'");
            world.mailbox(&format!("{name}@case.example"), &changes)?;
        }
        let keydove = world.system.keydove.beside("t40-known", |text| as_shipped(&prompt(&text)))?;
        let known = Attempt::new("t40-known@case.example", RIGHT);
        attempt_at(&keydove, known, Accept("mailbox"))?;
        let mut busy = Vec::new();
        for number in 0..SLOW_LOGINS {
            let mut socket = crate::mailcow::world::connect(&keydove)?;
            crate::mailcow::world::send(
                &mut socket,
                Attempt::new("t40-busy@case.example", &format!("guess {number}")),
            )?;
            busy.push(socket);
        }
        attempt_at(&keydove, known, Accept("mailbox"))?;
        // Not the whole log: that is there when the hashes are done.
        let done = keydove.log_so_far().matches("user=\"t40-busy@case.example\"").count();
        crate::ensure(done < SLOW_LOGINS, || "the login came after all the hashes".to_owned())
    }),
    ("a_password_that_cannot_be_looked_up_again_in_time_is_no_refusal", |world| {
        world.person_with_hash("paused@case.example", RIGHT_HASH)?;
        // Longer than a login may take.
        let pause = "[cache]\nrefetch_pause = \"20s\"\n";
        let keydove = world
            .system
            .keydove
            .beside("paused", |text| as_shipped(&prompt(&text)).replace("[cache]\n", pause))?;
        attempt_at(&keydove, Attempt::new("paused@case.example", RIGHT), Accept("keycloak"))?;
        attempt_at(&keydove, Attempt::new("paused@case.example", OTHER), CannotTell("refetch_paused"))?;
        attempt_at(&keydove, Attempt::new("paused@case.example", RIGHT), Accept("keycloak")).map(drop)
    }),
];

/// bcrypt at cost 12, of the right password.
const SLOW_HASH: &str = "{BLF-CRYPT}$2y$12$V3Ee4R0TJ3YdcBvNSlzAVuUyaEYNySCRUhH70RhHBP2zGVJRUA4U6";
const SLOW_LOGINS: usize = 12;

/// The stage's keydove remembers nothing, so that rows may change between two logins; this one does as it is shipped.
fn as_shipped(text: &str) -> String {
    let of_cache = ["max_staleness", "mailbox_staleness", "stale_limit", "refetch_pause"];
    let lines = text.lines().filter(|line| !of_cache.iter().any(|key| line.starts_with(key)));
    lines.collect::<Vec<_>>().join("\n") + "\n"
}
