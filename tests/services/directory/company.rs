//! People who live in an LDAP directory, the realm that it is federated into, and a keydove that asks that realm.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::commands;
use crate::ensure;
use crate::mailcow::world::End::Accept;
use crate::mailcow::world::{
    Attempt, End, OTHER, RIGHT, RIGHT_HASH, SETTINGS, World, attempt_at, connect, domain, log_line, person,
    prompt, send,
};
use crate::stage::Result;
use crate::stage::directory::{Directory, Federation, Import};
use crate::stage::keydove::{Keydove, remembering};
use crate::transport;

/// Short, so that answers are old during an outage; the pause before it is asked again, too.
const CACHE: &str = "\n[cache]\nmax_staleness = \"1s\"\nmailbox_staleness = \"1s\"\nunknown = \"1s\"\nrefetch_pause = \"0\"\n";
/// Longer than `max_staleness` with what is added to it at random.
const OLD: Duration = Duration::from_millis(1500);

/// Whom each company has: `ann`, `ben` and `cal` in the directory, `loc` in Keycloak itself.
pub const PEOPLE: [&str; 3] = ["ann", "ben", "cal"];

/// What a case wants.
#[derive(Clone, Copy)]
pub struct Plan {
    /// Of the realm; the domain is `NAME.example`.
    pub name: &'static str,
    pub import: Import,
    /// The rest of the configuration.
    pub settings: &'static str,
    /// Whether the service account holds `view-realm`.
    pub sees_stores: bool,
    /// Whether guesses are counted.
    pub throttles: bool,
}

/// What a case has for itself. Ended in this order.
pub struct Company<'w> {
    /// Asks the realm; remembers people.
    pub keydove: Keydove,
    pub federation: Federation,
    pub directory: Directory,
    pub world: &'w World<'w>,
    name: &'static str,
    /// What the command that ends sessions leaves, before each name.
    kicked: PathBuf,
}

impl<'w> Company<'w> {
    /// Makes directory, realm and domain. The domain is `NAME.example`.
    pub fn found(world: &'w World<'w>, name: &'static str, import: Import) -> Result<Self> {
        Self::by_plan(world, Plan { name, import, settings: "", sees_stores: false, throttles: false })
    }

    /// The same, as planned.
    pub fn by_plan(world: &'w World<'w>, plan: Plan) -> Result<Self> {
        let Plan { name, import, settings, sees_stores, throttles } = plan;
        let at = |local: &str| format!("{local}@{name}.example");
        let directory = Directory::start(world.system.stage(), name)?;
        for local in PEOPLE {
            directory.add(&at(local), RIGHT_HASH)?;
        }
        let mut realm = crate::sync::realm(name, vec![person(&at("loc"))])?;
        if sees_stores {
            for user in realm["users"].as_array_mut().into_iter().flatten() {
                if user["serviceAccountClientId"] == "mailcow" {
                    user["clientRoles"]["realm-management"] = json!(["view-users", "view-realm"]);
                }
            }
        }
        world.bench.admin.make_realm(&realm)?;
        let federation = Federation::join(world.bench.admin.in_realm(name), &directory, import)?;
        world.system.execute(&domain(&format!("{name}.example"), ""))?;
        let kicked = world.system.stage().path(&format!("{name}-kicked-"));
        let command = json!(["/usr/bin/touch", format!("{}{{user}}", kicked.display())]);
        let control = world.system.stage().path(&format!("keydove/{name}.ctl"));
        let keydove = world.system.keydove.beside(name, |text| {
            let text = asks(name, &prompt(&text));
            let control = format!(
                "\n[[listener]]\ndoor = \"control\"\nmode = \"0600\"\npath = \"{}\"\n",
                control.display()
            );
            let kick = match settings.contains("[kick]") {
                true => settings.replace("[kick]", &format!("[kick]\ncommand = {command}")),
                false => format!("{settings}\n[kick]\ncommand = {command}\n"),
            };
            let text = match throttles {
                true => text.replace("[throttle]\nenabled = false", "[throttle]\nenabled = true"),
                false => text,
            };
            text + SETTINGS + &kick + &control
        })?;
        Ok(Self { keydove, federation, directory, world, name, kicked })
    }

    /// The configuration of one more keydove that asks the realm and remembers people for a second.
    pub fn settings(&self, text: &str) -> String {
        asks(self.name, text)
    }

    /// An address in the domain.
    pub fn at(&self, local: &str) -> String {
        format!("{local}@{}.example", self.name)
    }

    /// The mail domain.
    pub fn domain(&self) -> String {
        format!("{}.example", self.name)
    }

    /// They log in, and have a mailbox from now on.
    pub fn log_in(&self, locals: &[&str]) -> Result<()> {
        locals.iter().try_for_each(|local| self.ends(local, RIGHT, Accept("keycloak")))
    }

    /// A login ends so.
    pub fn ends(&self, local: &str, password: &str, end: End<'_>) -> Result<()> {
        attempt_at(&self.keydove, Attempt::new(&self.at(local), password), end).map(drop)
    }

    /// What the line of a login says: verdict and reason.
    pub fn verdict(&self, local: &str, password: &str) -> Result<(String, String)> {
        let user = self.at(local);
        let mut socket = connect(&self.keydove)?;
        let session = send(&mut socket, Attempt::new(&user, password))?;
        transport(socket.line())?;
        let line = log_line(&self.keydove, &session)?.0;
        let word = |key: &str| {
            let found = line.split(' ').find_map(|word| word.strip_prefix(key));
            found.unwrap_or_default().to_owned()
        };
        Ok((word("verdict="), word("reason=")))
    }

    /// While the directory cannot tell: people who are known log in, again and again, and strangers are told to come back
    /// later. `seen` has Keycloak seen and keydove not: they log in or come back later, as Keycloak remembers them. Nobody is refused, nobody counts as a guesser, and no session ends.
    pub fn rides_out(&self, known: &[&str], seen: &str, stranger: &str) -> Result<()> {
        let before = self.keydove.log().len();
        // What is known is old by now, so that Keycloak is asked.
        std::thread::sleep(OLD);
        for _ in 0..2 {
            for local in known {
                self.ends(local, RIGHT, Accept("keycloak"))?;
            }
            for (local, password) in [(seen, RIGHT), (stranger, RIGHT), (stranger, OTHER)] {
                let (verdict, reason) = self.verdict(local, password)?;
                let may_be = verdict == "cannot_tell" || local == seen && verdict == "accept";
                ensure(may_be, || format!("{local} ended with {verdict}, {reason}"))?;
            }
        }
        self.nobody_was_wronged(before)
    }

    /// Since its log had this length, keydove has refused nobody, told no ban tool of anybody, and kicked nobody.
    pub fn nobody_was_wronged(&self, since: usize) -> Result<()> {
        let log = self.keydove.log();
        let news = &log[since.min(log.len())..];
        for trace in ["verdict=refuse", "Password mismatch", "unknown user", "open sessions are ended"] {
            ensure(!news.contains(trace), || format!("`{trace}` in\n{news}"))?;
        }
        let counters = self.run("throttle", &["list", "--json"])?;
        ensure(counters["total"] == 0, || format!("somebody counts as a guesser: {counters}"))?;
        let kicked = self.kicked()?;
        ensure(kicked.is_empty(), || format!("kicked: {kicked:?}"))
    }

    /// Their logins end well again, as soon as Keycloak is asked again.
    pub fn recovers(&self, locals: &[&str]) -> Result<Duration> {
        let began = Instant::now();
        crate::eventually(|| self.log_in(locals))?;
        Ok(began.elapsed())
    }

    /// Whose sessions were ended.
    pub fn kicked(&self) -> Result<Vec<String>> {
        commands::kicked(&self.kicked)
    }

    /// A command that prints JSON.
    pub fn run(&self, command: &str, arguments: &[&str]) -> Result<Value> {
        commands::json(&self.keydove, command, arguments)
    }

    /// What is remembered of people is old now, so that Keycloak is asked.
    pub fn grow_old() {
        std::thread::sleep(OLD);
    }

    /// A person of the directory who came later, with a login name like no other's.
    pub fn hire(&self) -> Result<String> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let local = format!("new{}", COUNT.fetch_add(1, Ordering::Relaxed));
        self.directory.add(&self.at(&local), RIGHT_HASH)?;
        Ok(local)
    }
}

fn asks(realm: &str, text: &str) -> String {
    remembering(text).replace("realm = \"mail\"", &format!("realm = \"{realm}\"\nname = \"{realm}\"")) + CACHE
}
