//! Whose open sessions a command ends, and whose never. The command of these cases leaves a file.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;

use super::events::{known, start_with};
use super::mailcow::world::End::Accept;
use super::mailcow::world::{Attempt, OTHER, OTHER_HASH, RIGHT, attempt_at};
use super::stage::keydove::Keydove;
use super::stage::system::System;
use super::stage::{Failure, Result};
use super::{Case, ensure, eventually};

/// By then whoever is to be kicked has been.
const LONG_ENOUGH: Duration = Duration::from_secs(5);

pub const CASES: &[Case] = &[
    ("sessions_end_when_access_does", |system| {
        let kicks = Kicks::start(system, "kick1", "mailcow-events")?;
        for name in ["off", "gone", "new", "stays", "hidden"] {
            known(system, &kicks.keydove, &of("kick1", name))?;
        }
        let admin = system.keycloak.admin();
        admin.update(&of("kick1", "off"), |user| user["enabled"] = false.into())?;
        admin.delete(&of("kick1", "gone"))?;
        admin.update(&of("kick1", "new"), |user| {
            user["attributes"]["mailcow_password"] = json!([OTHER_HASH])
        })?;
        // Whether somebody took the password away, or hides it from keydove, nobody can tell.
        admin.update(&of("kick1", "hidden"), |user| {
            user["attributes"] = json!({});
        })?;
        admin.update(&of("kick1", "stays"), |user| user["firstName"] = "Newname".into())?;
        ["off", "gone", "new"].iter().try_for_each(|name| kicks.is_kicked(&of("kick1", name)))?;
        std::thread::sleep(LONG_ENOUGH);
        ["stays", "hidden"].iter().try_for_each(|name| kicks.is_not_kicked(&of("kick1", name)))
    }),
    ("a_login_with_a_new_password_ends_the_sessions_of_the_old_one", |system| {
        let kicks = Kicks::start(system, "kick2", "mailcow")?;
        let address = of("kick2", "new");
        known(system, &kicks.keydove, &address)?;
        system
            .keycloak
            .admin()
            .update(&address, |user| user["attributes"]["mailcow_password"] = json!([OTHER_HASH]))?;
        attempt_at(&kicks.keydove, Attempt::new(&address, RIGHT), Accept("keycloak"))?;
        kicks.is_not_kicked(&address)?;
        attempt_at(&kicks.keydove, Attempt::new(&address, OTHER), Accept("keycloak"))?;
        kicks.is_kicked(&address)
    }),
    ("whoever_is_forgotten_on_request_is_looked_after", |system| {
        let kicks = Kicks::start(system, "kick3", "mailcow")?;
        for name in ["off", "stays"] {
            known(system, &kicks.keydove, &of("kick3", name))?;
        }
        system.keycloak.admin().update(&of("kick3", "off"), |user| user["enabled"] = false.into())?;
        for name in ["stays", "off"] {
            let mut command = kicks.keydove.command("cache");
            let status = command.args(["forget", &of("kick3", name)]).output();
            let status =
                status.map_err(|error| Failure(format!("run keydove cache forget: {error}")))?.status;
            ensure(status.success(), || format!("keydove cache forget ended with {status}"))?;
        }
        kicks.is_kicked(&of("kick3", "off"))?;
        kicks.is_not_kicked(&of("kick3", "stays"))
    }),
];

fn of(case: &str, name: &str) -> String {
    format!("{case}-{name}@example.org")
}

/// A keydove that kicks.
struct Kicks {
    keydove: Keydove,
    files: PathBuf,
}

impl Kicks {
    fn start(system: &System, name: &'static str, client: &str) -> Result<Self> {
        let files = system.stage().path(&format!("{name}-of-"));
        let command = json!(["/usr/bin/touch", format!("{}{{user}}", files.display())]);
        let tables = format!("\n[kick]\ncommand = {command}\n");
        Ok(Self { keydove: start_with(system, name, client, "", &tables)?, files })
    }

    fn was_kicked(&self, address: &str) -> bool {
        PathBuf::from(format!("{}{address}", self.files.display())).exists()
    }

    fn is_kicked(&self, address: &str) -> Result<()> {
        eventually(|| {
            ensure(self.was_kicked(address), || {
                format!("{address} was not kicked:\n{}", self.keydove.log_so_far())
            })
        })
    }

    fn is_not_kicked(&self, address: &str) -> Result<()> {
        ensure(!self.was_kicked(address), || format!("{address} was kicked:\n{}", self.keydove.log_so_far()))
    }
}
