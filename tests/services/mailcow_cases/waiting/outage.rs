//! People who were seen lately, while Keycloak is away.

use crate::mailcow_cases::WorldCase;
use crate::mailcow_cases::world::End::{Accept, CannotTell, Refuse};
use crate::mailcow_cases::world::{Attempt, OTHER, RIGHT, RIGHT_HASH, attempt_at, prompt};
use crate::stage::keydove::remembering;
use crate::stage::relay::{Conduct, Relay};

pub const CASES: &[WorldCase] = &[
    // In mailcow this is Dovecot's own cache, for five minutes and one service.
    ("mailcow_case_60_who_was_seen_lately_needs_no_keycloak", |world| {
        let relay = Relay::start(&world.system.keycloak, Conduct::Pass)?;
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
        crate::within(std::time::Duration::from_secs(30), || {
            login("case60-unseen@case.example", RIGHT, Accept("keycloak")).map(drop)
        })?;
        login("case60-unseen@case.example", OTHER, Refuse("password_mismatch")).map(drop)
    }),
];
