//! A double of Keycloak that knows bob.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::super::double::{Double, Play, TOKEN};
use super::super::super::{Client, Lookup};
use super::AccountState;
use crate::auth::{TempFailReason, Username};

/// What Keycloak answers to the questions about bob, and about others.
#[derive(Clone, Debug)]
pub(super) struct World {
    /// The search, and the search for disabled people.
    pub(super) search: Say,
    pub(super) disabled: Say,
    pub(super) by_id: Say,
    pub(super) probe: Say,
    pub(super) types: Say,
    pub(super) components: Say,
}

/// An answer.
#[derive(Clone, Debug)]
pub(super) enum Say {
    /// Bob with this flag: in a list, or alone.
    Bob(&'static str, bool),
    /// His flag is down for so often, then up.
    Turns(&'static str, usize),
    /// So often the answer of an outage up to 26.3, then bob, of a store and enabled.
    Blamed(usize),
    Nobody,
    Json(u16, &'static str),
    Hang,
}

pub(super) const LOCAL: &str = "";
pub(super) const LDAP: &str = r#","federationLink":"ldap-1""#;
pub(super) const NO_IMPORT: &str = r#","origin":"ldap-1""#;
pub(super) const LOCKED: &str =
    r#","attributes":{"disabledReason":["permanentLockout"],"mailcow_password":["{SSHA}x"]}"#;
pub(super) const UP: Say = Say::Json(404, r#"{"error":"User not found"}"#);
pub(super) const DOWN: Say = Say::Json(500, r#"{"error":"unknown_error"}"#);
pub(super) const BLAMED: Say = Say::Json(400, r#"{"error":"unknown_error"}"#);
pub(super) const FORBIDDEN: Say = Say::Json(403, r#"{"error":"HTTP 403 Forbidden"}"#);
pub(super) const PASSWORD: Say = Say::Json(200, r#"["password"]"#);
pub(super) const NO_TYPES: Say = Say::Json(200, "[]");

/// Bob is fine.
pub(super) fn world() -> World {
    World {
        search: Say::Bob(LOCAL, true),
        disabled: Say::Nobody,
        by_id: Say::Bob(LOCAL, true),
        probe: UP,
        types: NO_TYPES,
        components: FORBIDDEN,
    }
}

/// His flag is down wherever it is shown.
pub(super) fn down(shape: &'static str) -> World {
    World { search: Say::Bob(shape, false), by_id: Say::Bob(shape, false), ..world() }
}

pub(super) fn bob(shape: &str, enabled: bool) -> String {
    let attributes =
        if shape.contains("attributes") { "" } else { r#","attributes":{"mailcow_password":["{SSHA}x"]}"# };
    format!(
        r#"{{"id":"bob","username":"bob@example.org","email":"bob@example.org","enabled":{enabled}{shape}{attributes}}}"#
    )
}

impl World {
    pub(super) async fn open(self) -> Double {
        let asked: [AtomicUsize; 2] = Default::default();
        Double::start_by_rule(TOKEN, move |request, seen| {
            let line = request.lines().next().unwrap_or_default();
            let path = line
                .split_once("/admin/realms/mail/")
                .map_or("", |(_, path)| path.trim_end_matches(" HTTP/1.1"));
            seen.push(path.to_owned());
            let turn = |place: usize| asked[place].fetch_add(1, Ordering::SeqCst);
            match path {
                _ if path.starts_with("components?") => self.components.play(false, 0),
                _ if path.starts_with("users/f%3A") => self.probe.play(false, 0),
                _ if path.ends_with("/configured-user-storage-credential-types") => self.types.play(false, 0),
                _ if path.starts_with("users/") => self.by_id.play(false, turn(0)),
                _ if path.starts_with("users?max=1&") => Play::Answer(200, format!("[{}]", bob(LOCAL, true))),
                _ if path.contains("enabled=false") => self.disabled.play(true, 0),
                _ => self.search.play(true, turn(1)),
            }
        })
        .await
    }
}

impl Say {
    pub(super) fn play(&self, in_list: bool, turn: usize) -> Play {
        let one = |shape: &str, enabled: bool| {
            let bob = bob(shape, enabled);
            Play::Answer(200, if in_list { format!("[{bob}]") } else { bob })
        };
        match self {
            Self::Bob(shape, enabled) => one(shape, *enabled),
            Self::Turns(shape, times) => one(shape, turn >= *times),
            Self::Blamed(times) if turn < *times => BLAMED.play(in_list, turn),
            Self::Blamed(_) => one(LDAP, true),
            Self::Nobody => Play::Answer(200, "[]".to_owned()),
            Self::Json(status, body) => Play::Answer(*status, (*body).to_owned()),
            Self::Hang => Play::TimesOut,
        }
    }
}

/// How looking for bob ended: his account's state, nobody, or the reason why nobody can tell.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    State(AccountState),
    Unknown,
    CannotTell(TempFailReason),
}

pub(super) async fn look_with(client: &Client) -> End {
    match client.find_person(&Username::parse(b"bob@example.org").unwrap()).await {
        Ok(Lookup::Found(person)) => End::State(person.state),
        Ok(Lookup::Unknown(_)) => End::Unknown,
        Ok(Lookup::Conflict) => panic!("bob is there once"),
        Err(error) => End::CannotTell(error.reason()),
    }
}

pub(super) async fn look(world: World) -> (End, Vec<String>) {
    let double = world.open().await;
    let end = look_with(&double.patient_client()).await;
    (end, double.searches())
}

pub(super) async fn all_end<const COUNT: usize>(table: [(&str, World, End); COUNT]) {
    for (name, world, expected) in table {
        let (end, seen) = look(world).await;
        assert_eq!(end, expected, "{name}: {seen:#?}");
    }
}
