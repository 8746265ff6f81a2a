//! What Keycloak's answers are taken for: each measured state of each version, played by a double. Real servers show most of
//! them in `tests/services`; a race and old versions are shown here only.

mod errors;
mod world;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::time::advance;

use self::world::{
    BLAMED, DOWN, End, LDAP, LOCAL, LOCKED, NO_IMPORT, NO_TYPES, PASSWORD, Say, UP, World, all_end, bob,
    down, look, look_with, world,
};
use super::super::double::{Double, Play, TOKEN};
use super::super::store_id::StoreId;
use super::super::{Lookup, Whereabouts};
use super::*;
use crate::auth::{TempFailReason, Username};
use AccountState::{Disabled, Enabled, LockedOut, OrganizationOff, ProviderOff, StoreDisabled};

const STORE_DOWN: End = End::CannotTell(TempFailReason::KeycloakStoreDown);

#[tokio::test(start_paused = true)]
async fn each_measured_state_of_a_store_is_taken_for_what_it_is() {
    let ldap = |search: Say| World { search, by_id: Say::Bob(LDAP, false), types: PASSWORD, ..world() };
    let table = [
        ("healthy, of a store", World { search: Say::Bob(LDAP, true), ..world() }, End::State(Enabled)),
        (
            "disabled by an administrator",
            World { disabled: Say::Bob(LOCAL, false), ..down(LOCAL) },
            End::State(Disabled),
        ),
        (
            "disabled by an administrator, of a store that is down, 26.4",
            World { disabled: Say::Bob(LDAP, false), probe: DOWN, types: PASSWORD, ..down(LDAP) },
            End::State(Disabled),
        ),
        (
            "disabled by an administrator, of a store that is down, 26.3",
            World { search: BLAMED, disabled: BLAMED, by_id: BLAMED, probe: DOWN, ..world() },
            STORE_DOWN,
        ),
        (
            "locked out for good",
            World { disabled: Say::Bob(LOCKED, false), ..down(LOCKED) },
            End::State(LockedOut),
        ),
        ("store down, import on, 26.4", World { probe: DOWN, types: PASSWORD, ..down(LDAP) }, STORE_DOWN),
        (
            "store down, import on, 26.3",
            World { search: BLAMED, disabled: Say::Nobody, probe: DOWN, ..world() },
            STORE_DOWN,
        ),
        (
            "store down, a cached person of it, import off",
            World { probe: DOWN, types: DOWN, ..down(NO_IMPORT) },
            STORE_DOWN,
        ),
        ("provider off, import on", World { types: NO_TYPES, ..down(LDAP) }, End::State(ProviderOff)),
        (
            "disabled in the directory, import on",
            World { types: PASSWORD, ..down(LDAP) },
            End::State(StoreDisabled),
        ),
        (
            "the same after a sync",
            World { disabled: Say::Bob(LDAP, false), types: PASSWORD, ..down(LDAP) },
            End::State(Disabled),
        ),
        ("the same, import off", World { types: PASSWORD, ..down(NO_IMPORT) }, End::State(StoreDisabled)),
        (
            "enabled again in the directory before a sync",
            World { search: Say::Bob(LDAP, true), disabled: Say::Bob(LDAP, false), ..world() },
            End::State(Enabled),
        ),
        (
            "enabled again in the directory while it is judged",
            World { disabled: Say::Bob(LDAP, true), ..ldap(Say::Bob(LDAP, false)) },
            End::State(Enabled),
        ),
    ];
    all_end(table).await;
}

#[tokio::test(start_paused = true)]
async fn races_lockouts_and_organizations_are_taken_for_what_they_are() {
    let table = [
        ("organization off", down(LOCAL), End::State(OrganizationOff)),
        ("the race, once", World { search: Say::Turns(LOCAL, 1), ..world() }, End::State(Enabled)),
        (
            "the race, again and again",
            World { search: Say::Bob(LOCAL, false), by_id: Say::Turns(LOCAL, 11), ..world() },
            End::State(Enabled),
        ),
        (
            "the race, of somebody of a store",
            World { search: Say::Bob(LDAP, false), by_id: Say::Turns(LDAP, 5), types: PASSWORD, ..world() },
            End::State(Enabled),
        ),
        (
            "a temporary lockout, 26.2",
            World { search: Say::Turns(LOCAL, 1), by_id: Say::Bob(LOCAL, false), ..world() },
            End::State(Enabled),
        ),
        (
            "deleted under way",
            World { by_id: UP, ..down(LOCAL) },
            End::CannotTell(TempFailReason::KeycloakBadAnswer),
        ),
    ];
    all_end(table).await;
}

/// Keycloak 24 and 25 make a copy of somebody at the first search that finds them. Of two at once, a login's and the sync's,
/// one hears what an outage sounds like.
#[tokio::test(start_paused = true)]
async fn a_search_that_lost_a_race_is_made_again_and_an_outage_is_not_asked_twice() {
    let (end, seen) = look(World { search: Say::Blamed(1), ..world() }).await;
    assert_eq!((end, seen.len()), (End::State(Enabled), 2), "{seen:#?}");
    let double = World { search: Say::Blamed(9), ..world() }.open().await;
    let client = double.patient_client();
    for (calls, seconds) in [(2, 0), (3, 1), (5, 3), (6, 0)] {
        advance(Duration::from_secs(seconds)).await;
        assert_eq!(look_with(&client).await, STORE_DOWN);
        assert_eq!(double.searches().len(), calls);
    }
}

#[tokio::test(start_paused = true)]
async fn an_account_in_use_costs_one_call() {
    let (end, seen) = look(World { search: Say::Bob(LDAP, true), ..world() }).await;
    assert_eq!((end, seen.len()), (End::State(Enabled), 1), "{seen:#?}");
}

#[tokio::test(start_paused = true)]
async fn an_empty_search_is_nobody_only_if_every_known_store_answers() {
    let gone = |probe: Say| World { search: Say::Nobody, probe, ..world() };
    // Nothing is known of stores, and nothing may be read of them.
    assert_eq!(look(gone(DOWN)).await.0, End::Unknown);
    // Somebody of that store was seen before.
    let components = Say::Json(200, r#"[{"id":"ldap-1","name":"dir","config":{"importEnabled":["false"]}}]"#);
    for (probe, expected) in [(UP, End::Unknown), (DOWN, STORE_DOWN), (BLAMED, STORE_DOWN)] {
        let (end, seen) = look(World { components: components.clone(), ..gone(probe) }).await;
        assert_eq!(end, expected, "{seen:#?}");
        // And, where the store answers, a second look.
        let calls = if end == End::Unknown { 5 } else { 4 };
        assert_eq!(seen.len(), calls, "search, sight, list of stores, probe, search: {seen:#?}");
    }
    let double = World { search: Say::Nobody, probe: DOWN, ..world() }.open().await;
    let client = double.patient_client();
    client.stores.note(&serde_json::from_str(&bob(LDAP, true)).unwrap());
    assert_eq!(look_with(&client).await, STORE_DOWN);
}

/// Somebody of a store that is switched off and keeps no copies is shown nowhere; the list of stores tells.
#[tokio::test(start_paused = true)]
async fn who_is_hidden_by_a_switch_is_known_from_the_list_of_stores() {
    let list = |enabled: bool, imports: bool| {
        let config = format!(r#"{{"enabled":["{enabled}"],"importEnabled":["{imports}"]}}"#);
        let list = format!(r#"[{{"id":"ldap-1","name":"dir","config":{config}}}]"#);
        Say::Json(200, list.leak())
    };
    for (components, is_hidden) in [
        (list(false, false), true),
        (list(true, false), false),
        (list(false, true), false),
        (world().components, false),
    ] {
        let double = World { search: Say::Nobody, components, ..world() }.open().await;
        let bob = Username::parse(b"bob@example.org").unwrap();
        let Ok(Lookup::Unknown(absence)) = double.patient_client().find_person(&bob).await else {
            panic!("somebody is there")
        };
        let hidden = ["f:ldap-1:bob", "f:ldap-2:bob", "bob"].map(|id| absence.hides(id));
        assert_eq!(hidden, [is_hidden, false, false]);
    }
}

#[tokio::test(start_paused = true)]
async fn that_a_store_is_down_counts_for_some_seconds_and_that_it_is_up_never_for_what_came_later() {
    let double = World { probe: DOWN, types: PASSWORD, ..down(LDAP) }.open().await;
    let client = double.patient_client();
    let probes = || double.searches().iter().filter(|path| path.starts_with("users/f%3A")).count();
    for _ in 0..5 {
        assert_eq!(look_with(&client).await, STORE_DOWN);
    }
    assert_eq!(probes(), 1);
    advance(Duration::from_secs(4)).await;
    assert_eq!(look_with(&client).await, STORE_DOWN);
    assert_eq!(probes(), 2);
    let store = StoreId::of_person("f:ldap-1:x").unwrap();
    let up = world().open().await;
    let client = up.patient_client();
    let since = Instant::now();
    let all = (0..20).map(|_| client.probe_store(&store, since));
    assert!(futures_util::future::join_all(all).await.iter().all(Result::is_ok));
    assert_eq!(up.searches().len(), 1, "who asks at once shares the probe");
    advance(Duration::from_millis(1)).await;
    client.probe_store(&store, Instant::now()).await.unwrap();
    assert_eq!(up.searches().len(), 2);
}

/// Keycloak 26.4 with its default cache: whom it looked up during an outage it shows as disabled after it.
#[tokio::test(start_paused = true)]
async fn after_an_outage_of_its_store_nobody_is_said_to_be_disabled_there_for_a_while() {
    let down = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let is_down = Arc::clone(&down);
    let double = Double::start_by_rule(TOKEN, move |request, _| {
        let answer = |say: &Say, in_list| say.play(in_list, 0);
        match request {
            _ if request.contains("/users/f%3A") => {
                answer(if is_down.load(Ordering::SeqCst) { &DOWN } else { &UP }, false)
            }
            _ if request.contains("/configured-") => answer(&PASSWORD, false),
            _ if request.contains("/users/") => answer(&Say::Bob(LDAP, false), false),
            _ if request.contains("enabled=false") => answer(&Say::Nobody, true),
            _ => answer(&Say::Bob(LDAP, false), true),
        }
    })
    .await;
    let client = double.patient_client();
    assert_eq!(look_with(&client).await, STORE_DOWN);
    down.store(false, Ordering::SeqCst);
    for minutes in [1, 8] {
        advance(Duration::from_secs(minutes * 60)).await;
        assert_eq!(look_with(&client).await, STORE_DOWN, "after {minutes} more minutes");
    }
    advance(Duration::from_secs(60)).await;
    assert_eq!(look_with(&client).await, End::State(StoreDisabled));
}

#[tokio::test(start_paused = true)]
async fn an_id_is_gone_only_if_every_known_store_answers() {
    for (probe, id, expected) in [
        (UP, "bob", Ok(Whereabouts::Gone)),
        (UP, "f:ldap-1:bob", Ok(Whereabouts::Gone)),
        (DOWN, "f:ldap-1:bob", Err(TempFailReason::KeycloakStoreDown)),
    ] {
        // A probe and the look-up of such a person are alike.
        let by_id = if id == "bob" { UP } else { probe.clone() };
        let double = World { by_id, probe: probe.clone(), ..world() }.open().await;
        let found = double.patient_client().find_id(id).await.map_err(|error| error.reason());
        assert_eq!(found, expected, "{id}");
    }
    let double = World { by_id: UP, probe: DOWN, ..world() }.open().await;
    let client = double.patient_client();
    client.stores.note(&serde_json::from_str(&bob(LDAP, true)).unwrap());
    assert_eq!(client.find_id("bob").await.unwrap_err().reason(), TempFailReason::KeycloakStoreDown);
}

/// 24.0 to 26.2 show a temporary lockout by the id, as a flag that is down.
#[tokio::test(start_paused = true)]
async fn an_id_is_judged_as_an_address_is() {
    for (world, expected) in [
        (World { by_id: Say::Bob(LOCAL, false), ..world() }, Enabled),
        (World { disabled: Say::Bob(LOCAL, false), ..down(LOCAL) }, Disabled),
        (World { by_id: Say::Turns(LOCAL, 3), search: Say::Bob(LOCAL, false), ..world() }, Enabled),
        (World { types: NO_TYPES, ..down(LDAP) }, ProviderOff),
        (down(LOCAL), OrganizationOff),
    ] {
        let double = world.open().await;
        assert_eq!(double.patient_client().find_id("bob").await, Ok(Whereabouts::There(expected)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_down_is_no_trouble_of_keycloak_itself() {
    let double = World { probe: DOWN, ..down(LDAP) }.open().await;
    let client = double.patient_client();
    for _ in 0..10 {
        assert_eq!(look_with(&client).await, STORE_DOWN);
        advance(Duration::from_secs(4)).await;
    }
    assert!(!client.is_troubled(), "{:?}", client.condition());
}

#[tokio::test(start_paused = true)]
async fn where_a_race_was_seen_more_is_asked_before_a_flag_is_believed() {
    let double =
        World { search: Say::Bob(LOCAL, false), by_id: Say::Turns(LOCAL, 1), ..world() }.open().await;
    let client = double.patient_client();
    assert_eq!(look_with(&client).await, End::State(Enabled));
    assert_eq!(client.races.asks(Instant::now()), ASKS_AFTER_RACE);
    advance(RACE_LASTS).await;
    assert_eq!(client.races.asks(Instant::now()), ASKS);
}

/// Whoever is looked for may be on a later page of others; a list that has no end says of nobody that they are not there.
#[tokio::test(start_paused = true)]
async fn a_full_page_of_others_is_not_the_end_of_the_search() {
    let others = |first: usize, count: usize| {
        let one = |number: usize| {
            let (id, email) = (format!("o{number}"), format!("o{number}@example.org"));
            format!(r#"{{"id":"{id}","username":"{id}","email":"{email}","enabled":true}}"#)
        };
        (first..first + count).map(one).collect::<Vec<_>>().join(",")
    };
    for (behind, expected) in
        [(40, End::State(Enabled)), (10_000, End::CannotTell(TempFailReason::KeycloakBadAnswer))]
    {
        let double = Double::start_by_rule(TOKEN, move |request, seen| {
            seen.push(request.to_owned());
            let number = |name: &str| -> usize {
                let text = request.split_once(name).map_or("0", |(_, rest)| rest);
                text.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap()
            };
            let (first, max) = (number("&first="), number("&max="));
            let count = max.min(behind - first.min(behind));
            let mut page = others(first, count);
            if count < max && request.contains("exact=true") {
                page = [page, bob(LOCAL, true)]
                    .into_iter()
                    .filter(|text| !text.is_empty())
                    .collect::<Vec<_>>()
                    .join(",");
            }
            Play::Answer(200, format!("[{page}]"))
        })
        .await;
        assert_eq!(look_with(&double.patient_client()).await, expected);
        assert!(double.searches().len() <= 11, "{}", double.searches().len());
    }
}
