//! A handful of the same through Dovecot and Postfix: the bytes that mail clients see.

use std::thread;
use std::time::Duration;

use crate::logins::{ALL, accepted, refused, unavailable};
use crate::mailcow::world::{OTHER_HASH, RIGHT_HASH};
use crate::stage::Result;
use crate::stage::keydove::remembering;
use crate::stage::relay::{Conduct, Relay};
use crate::stage::system::System;
use crate::{LoneCase, eventually};

const WARM: &str = "carol@example.org";
const COLD: &str = "unmapped@example.org";

pub const CASES: &[LoneCase] = &[
    ("clients_see_only_temporary_codes_in_an_outage", |system| {
        with_caches(system, "", |system, relay| {
            accepted(system, WARM, "pw", ALL)?;
            for conduct in [
                Conduct::Refuse,
                Conduct::Answer("500 Internal Server Error", ""),
                Conduct::Answer("200 OK", "[]"),
            ] {
                relay.turn(conduct);
                let seen = accepted(system, WARM, "pw", ALL)
                    .and_then(|()| unavailable(system, COLD, "pw", ALL))
                    .and_then(|()| unavailable(system, WARM, "wrong", ALL));
                relay.turn(Conduct::Pass);
                seen?;
                eventually(|| refused(system, WARM, "wrong", ALL))?;
            }
            eventually(|| accepted(system, COLD, "pw", ALL))
        })
    }),
    // mailcow's own values of Dovecot's cache. It holds what Dovecot's passdbs say, and there are none.
    ("a_changed_password_counts_at_once_whatever_dovecot_caches", |system| {
        system.dovecot.reconfigure(DOVECOT_CACHE)?;
        let end = with_caches(system, "", |system, _| {
            let admin = system.keycloak.admin();
            let set = |hash: &str| {
                admin.update("pending@example.org", |user| {
                    user["attributes"]["mailcow_password"] = serde_json::json!([hash]);
                })
            };
            accepted(system, "pending@example.org", "pw", ALL)?;
            let old = set(RIGHT_HASH).and_then(|()| accepted(system, "pending@example.org", "right", ALL));
            let gone = refused(system, "pending@example.org", "pw", ALL);
            let back = set(OTHER_HASH)
                .and_then(|()| accepted(system, "pending@example.org", "other", ALL))
                .and_then(|()| refused(system, "pending@example.org", "right", ALL));
            set("{PLAIN}pw")?;
            old.and(gone).and(back)
        });
        system.dovecot.reconfigure("")?;
        end
    }),
    ("whoever_is_disabled_is_out_within_the_bound_whatever_dovecot_caches", |system| {
        system.dovecot.reconfigure(DOVECOT_CACHE)?;
        let end = with_caches(system, "\n[cache]\nmax_staleness = \"2s\"\n", |system, _| {
            let admin = system.keycloak.admin();
            let set = |enabled: bool| admin.update(WARM, |user| user["enabled"] = enabled.into());
            accepted(system, WARM, "pw", ALL)?;
            set(false)?;
            thread::sleep(Duration::from_secs(2));
            let out = refused(system, WARM, "pw", ALL);
            set(true)?;
            out?;
            eventually(|| accepted(system, WARM, "pw", ALL))
        });
        system.dovecot.reconfigure("")?;
        end
    }),
];

/// As mailcow ships it.
const DOVECOT_CACHE: &str = "auth_cache_size = 10M\nauth_cache_ttl = 300s\nauth_cache_negative_ttl = 60s\n";

/// Runs with the servers' own keydove remembering, and a relay before Keycloak; then all is as before.
fn with_caches(
    system: &mut System,
    more: &str,
    case: impl FnOnce(&System, &Relay) -> Result<()>,
) -> Result<()> {
    // An smtpd that finds no socket when it starts is held back for a minute; one that has logged in lives on.
    accepted(system, "alice@example.org", "pw", ALL)?;
    let relay = system.keycloak.relay(Conduct::Pass)?;
    let (url, own) = (system.keycloak.url(), relay.url());
    system.keydove.stop()?;
    system.keydove.start_changed(|text| remembering(&text).replace(&url, &own) + more)?;
    let end = case(system, &relay);
    system.keydove.stop()?;
    system.keydove.start_again()?;
    end?;
    accepted(system, "alice@example.org", "pw", ALL)
}
