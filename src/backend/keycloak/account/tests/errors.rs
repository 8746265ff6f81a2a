//! Answers in any order, with an error among them.

use proptest::prelude::{Just, Strategy, prop_oneof};
use proptest::test_runner::{Config as Cases, TestRunner};

use super::world::{
    BLAMED, DOWN, End, FORBIDDEN, LDAP, LOCAL, LOCKED, NO_IMPORT, NO_TYPES, PASSWORD, Say, UP, World, look,
};

/// Whatever Keycloak answers, in whatever order: with an error among it nobody is refused.
#[test]
fn no_answer_with_an_error_among_it_refuses_anybody() {
    let shape = || prop_oneof![Just(LOCAL), Just(LDAP), Just(NO_IMPORT), Just(LOCKED)];
    let error = || {
        prop_oneof![
            Just(DOWN),
            Just(BLAMED),
            Just(FORBIDDEN),
            Just(Say::Json(200, "<html>")),
            Just(Say::Json(404, r#"{"error":"Realm not found."}"#)),
            Just(Say::Json(503, "")),
            Just(Say::Hang),
        ]
    };
    let bobs = move || {
        prop_oneof![
            shape().prop_map(|shape| Say::Bob(shape, false)),
            (shape(), 0_usize..20).prop_map(|(shape, times)| Say::Turns(shape, times)),
            Just(Say::Nobody),
        ]
    };
    let probes = || prop_oneof![Just(UP), Just(DOWN)];
    let types = || prop_oneof![Just(PASSWORD), Just(NO_TYPES)];
    let strategy = (bobs(), bobs(), bobs(), probes(), types(), 0_usize..5, error());
    let mut runner = TestRunner::new(Cases { cases: 256, failure_persistence: None, ..Cases::default() });
    runner
        .run(&strategy, |(search, disabled, by_id, probe, types, place, error)| {
            let by_id = if matches!(by_id, Say::Nobody) { UP } else { by_id };
            let mut world = World { search, disabled, by_id, probe, types, components: FORBIDDEN };
            let hurt = [
                &mut world.search,
                &mut world.disabled,
                &mut world.by_id,
                &mut world.probe,
                &mut world.types,
            ];
            *hurt.into_iter().nth(place).unwrap() = error;
            let is_asked: fn(&str) -> bool = match place {
                0 => |path| {
                    path.starts_with("users?") && !path.contains("enabled=false") && !path.contains("max=1&")
                },
                1 => |path| path.contains("enabled=false"),
                2 => |path| path == "users/bob",
                3 => |path| path.starts_with("users/f%3A"),
                _ => |path| path.ends_with("-types"),
            };
            let shown = format!("{world:?}");
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .start_paused(true)
                .build()
                .unwrap();
            let (end, seen) = runtime.block_on(look(world));
            let is_refused = match end {
                End::State(state) => !state.is_enabled(),
                End::Unknown => true,
                End::CannotTell(_) => false,
            };
            assert!(!is_refused || !seen.iter().any(|path| is_asked(path)), "{end:?} of {shown}: {seen:#?}");
            Ok(())
        })
        .unwrap();
}
