//! What a real Keycloak says of accounts, and what keydove makes of it; those of a directory behind it are elsewhere.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::control::start_with;
use crate::mailcow::WorldCase;
use crate::mailcow::world::End::{Accept, Refuse};
use crate::mailcow::world::{Attempt, End, OTHER, RIGHT, RIGHT_HASH, World, attempt_at, person};
use crate::stage::keycloak_admin::KeycloakAdmin;
use crate::stage::keydove::Keydove;
use crate::stage::{Failure, Result, source_tree};
use crate::{ensure, eventually, versions};

/// The realm of the cases that change none of its settings.
const SHARED: &str = "states";
/// The first version that shows somebody whom two service accounts ask for at once as disabled, at random.
const KEYCLOAK_OF_RACES: (u32, u32) = (26, 3);
/// By then it has.
const RACE_LIMIT: Duration = Duration::from_secs(120);
/// Every login asks.
const FORGETFUL: &str = "\n[cache]\nmax_staleness = \"0\"\nstale_limit = \"0\"\n";
/// What is known is known for long.
const MINDFUL: &str = "\n[cache]\nmax_staleness = \"10m\"\nunknown = \"10m\"\n";

pub const CASES: &[WorldCase] = &[
    ("who_is_disabled_by_an_administrator_is_in_at_the_first_try_after_that", |world| {
        let (address, place) =
            ("enabled-again@case.example", Place::new(world, SHARED, "states-again", MINDFUL)?);
        place.person(world, address, json!({ "enabled": false }))?;
        place.login(address, RIGHT, Refuse("user_disabled"))?;
        place.admin.update(address, |user| user["enabled"] = true.into())?;
        place.login(address, RIGHT, Accept("keycloak"))?;
        // Known for ten minutes to be enabled: nothing asks sooner unless it is told to.
        place.admin.update(address, |user| user["enabled"] = false.into())?;
        place.forget(address)?;
        place.login(address, RIGHT, Refuse("user_disabled"))?;
        place.says("explain", &[address], &["user_disabled", "disabled in Keycloak"])?;
        place.says("check", &["--user", address], &["disabled in Keycloak", "user_disabled"])
    }),
    ("who_is_made_in_keycloak_is_in_at_the_first_try", |world| {
        let (address, place) = ("made-late@case.example", Place::new(world, SHARED, "states-made", MINDFUL)?);
        // Where a search shows nobody at all, nobody can tell.
        place.admin.import(&[person("made-before@case.example")])?;
        world.mailbox(address, "")?;
        place.login(address, RIGHT, Refuse("user_gone"))?;
        place.admin.import(&[person(address)])?;
        place.login(address, RIGHT, Accept("keycloak"))
    }),
    ("a_lockout_for_good_is_named_and_one_for_a_while_is_none", |world| {
        let (address, place) =
            ("locked-out@case.example", Place::new(world, "states-locked", "states-locked", FORGETFUL)?);
        place.person(world, address, json!({}))?;
        let lockout = |permanent: bool| json!({ "bruteForceProtected": true, "failureFactor": 2, "permanentLockout": permanent, "maxTemporaryLockouts": 0 });
        place.admin.change_realm(&lockout(false))?;
        place.admin.fail_to_log_in(address, 3)?;
        eventually(|| {
            let lockout = place.admin.lockout(address)?;
            ensure(lockout["disabled"] == true, || lockout.to_string())
        })?;
        place.login(address, RIGHT, Accept("keycloak"))?;
        place.admin.change_realm(&lockout(true))?;
        place.admin.unlock(address)?;
        place.admin.fail_to_log_in(address, 4)?;
        eventually(|| ensure(!place.admin.is_enabled(address)?, || "still enabled".to_owned()))?;
        place.login(address, RIGHT, Refuse("user_locked_out"))?;
        place.says("explain", &[address], &["user_locked_out", "locked out permanently", "brute force"])?;
        place.admin.update(address, |user| user["enabled"] = true.into())?;
        place.login(address, RIGHT, Accept("keycloak"))
    }),
    ("readers_beside_keydove_refuse_nobody_while_permanent_lockout_is_on", |world| {
        let (address, place) =
            ("read-by-many@case.example", Place::new(world, SHARED, "states-readers", FORGETFUL)?);
        place.person(world, address, json!({}))?;
        let reader = place.admin.service_account("mailcow", "s3cret");
        for readers in [2, 8] {
            let (is_over, reads, lies) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
            thread::scope(|scope| {
                for _ in 0..readers {
                    scope.spawn(|| {
                        while !is_over.load(Ordering::Relaxed) {
                            let is_enabled = reader.is_enabled(address);
                            reads.fetch_add(1, Ordering::Relaxed);
                            lies.fetch_add(usize::from(matches!(is_enabled, Ok(false))), Ordering::Relaxed);
                        }
                    });
                }
                let end = race(&place, address, &lies);
                is_over.store(true, Ordering::Relaxed);
                end
            })?;
            // For the page that says how often it happens.
            eprintln!("{readers} readers: {lies:?} of {reads:?} answers call an enabled user disabled");
        }
        Ok(())
    }),
    ("of_two_passwords_in_keycloak_the_first_counts_and_everybody_says_so", |world| {
        let (address, place) =
            ("two-values@case.example", Place::new(world, SHARED, "states-values", FORGETFUL)?);
        let values =
            json!({ "attributes": { "mailcow_password": [RIGHT_HASH, format!("{{PLAIN}}{OTHER}")] } });
        place.person(world, address, values)?;
        place.login(address, RIGHT, Accept("keycloak"))?;
        place.login(address, OTHER, Refuse("password_mismatch"))?;
        place.says("explain", &[address], &["2 values", "only the first counts"])?;
        place.says("check", &["--user", address], &["2 values", "only the first counts"])?;
        place.says("census", &[], &["several_password_values", address])
    }),
    ("a_blank_at_the_end_of_a_plain_password_in_keycloak_belongs_to_it", |world| {
        let weak = format!("{FORGETFUL}\n[hashing.schemes]\nallow_weak = [\"PLAIN\"]\n");
        let (address, place) =
            ("blank-at-end@case.example", Place::new(world, SHARED, "states-blank", &weak)?);
        place.person(world, address, json!({ "attributes": { "mailcow_password": ["{PLAIN}secret "] } }))?;
        place.login(address, "secret ", Accept("keycloak"))?;
        place.login(address, "secret", Refuse("password_mismatch"))
    }),
];

/// Logs in again and again, until the race has shown itself where there is one.
fn race(place: &Place, address: &str, lies: &AtomicUsize) -> Result<()> {
    let began = Instant::now();
    for login in 0.. {
        let has_shown = !versions::is_from(KEYCLOAK_OF_RACES) || lies.load(Ordering::Relaxed) > 0;
        if login >= 20 && has_shown {
            break;
        }
        ensure(began.elapsed() < RACE_LIMIT, || format!("no race in {login} logins"))?;
        place.login(address, RIGHT, Accept("keycloak"))?;
    }
    Ok(())
}

/// A realm of its own, and a keydove that asks it.
struct Place {
    keydove: Keydove,
    admin: KeycloakAdmin,
}

impl Place {
    fn new(world: &World<'_>, realm: &'static str, name: &'static str, settings: &str) -> Result<Self> {
        make_once(world, realm)?;
        let keydove = start_with(world.system, name, |text| {
            text.replace("realm = \"mail\"", &format!("realm = \"{realm}\"")) + settings
        })?;
        Ok(Self { keydove, admin: world.bench.admin.in_realm(realm) })
    }

    /// Somebody with the right password and a mailbox, changed so.
    fn person(&self, world: &World<'_>, address: &str, changes: Value) -> Result<()> {
        let mut user = person(address);
        user["credentials"] = json!([{ "type": "password", "value": RIGHT, "temporary": false }]);
        if let (Some(user), Value::Object(changes)) = (user.as_object_mut(), changes) {
            user.extend(changes);
        }
        self.admin.import(&[user])?;
        world.mailbox(address, "")
    }

    fn login(&self, address: &str, password: &str, end: End<'_>) -> Result<()> {
        attempt_at(&self.keydove, Attempt::new(address, password), end).map(drop)
    }

    fn forget(&self, address: &str) -> Result<()> {
        crate::control::run(&self.keydove, &["forget", address]).map(drop)
    }

    /// A command prints all of this, however it ends.
    fn says(&self, command: &str, arguments: &[&str], parts: &[&str]) -> Result<()> {
        let output = self.keydove.command(command).args(arguments).output();
        let output = output.map_err(|error| Failure(format!("run keydove {command}: {error}")))?;
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        parts.iter().try_for_each(|part| {
            ensure(text.contains(part), || format!("keydove {command}: no `{part}` in\n{text}"))
        })
    }
}

/// Makes a realm unless it is there: that takes Keycloak long, so they are made one by one.
fn make_once(world: &World<'_>, name: &'static str) -> Result<()> {
    static MADE: Mutex<BTreeSet<(String, &str)>> = Mutex::new(BTreeSet::new());
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    let key = (world.system.keycloak.url(), name);
    if !made.contains(&key) {
        world.bench.admin.make_realm(&realm(name)?)?;
        made.insert(key);
    }
    Ok(())
}

/// The realm of the stage under another name, without its people. An administrator may look at every attribute, and one may
/// have several values.
fn realm(name: &str) -> Result<Value> {
    let path = source_tree().join("tests/realm/mail-realm.json");
    let text = std::fs::read_to_string(&path).map_err(|error| error.to_string())?;
    let mut realm: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    realm["realm"] = name.into();
    realm["bruteForceProtected"] = true.into();
    realm["permanentLockout"] = true.into();
    realm["failureFactor"] = 30.into();
    let mut users = realm["users"].as_array().cloned().unwrap_or_default();
    users.retain(|user| !user["serviceAccountClientId"].is_null());
    realm["users"] = users.into();
    let component = "org.keycloak.userprofile.UserProfileProvider";
    let profile = &mut realm["components"][component][0]["config"]["kc.user.profile.config"][0];
    let mut settings: Value =
        serde_json::from_str(profile.as_str().unwrap_or_default()).map_err(|error| error.to_string())?;
    settings["unmanagedAttributePolicy"] = "ADMIN_VIEW".into();
    for attribute in settings["attributes"].as_array_mut().into_iter().flatten() {
        if attribute["name"] == "mailcow_password" {
            attribute["multivalued"] = true.into();
        }
    }
    *profile = settings.to_string().into();
    Ok(realm)
}
