//! The whole: three nodes, their Galera and Redis, one Keycloak, each on a machine of the network.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::configuration::Surroundings;
use crate::front::Front;
use crate::galera::Database;
use crate::node::{FAKE_CLOCK, Node};
use crate::proxy::Proxy;
use crate::redis::Redis;
use crate::schedule::{FRONT, NODES};
use crate::stage::dovecot::Release;
use crate::stage::keycloak::Keycloak;
use crate::stage::keycloak_admin::KeycloakAdmin;
use crate::stage::network::Network;
use crate::stage::{Failure, Result, Stage};
use crate::tokens;

/// The machine of Keycloak.
pub const KEYCLOAK: &str = "keycloak";
/// The ports of Keycloak for each node begin here.
const FIRST_PORT: u16 = 8_081;
/// How far the clock of the last node is ahead.
const AHEAD: Duration = Duration::from_secs(45);
/// `{BLF-CRYPT}` of [`PASSWORD`], as cheap as can be.
const HASH: &str = "{BLF-CRYPT}$2y$04$nai69UnPcKTgXbRUx7T6gu32Z55V0r1FNbOnfmZgRJzhshaOohINe";
/// Everybody's password in Keycloak.
pub const PASSWORD: &str = "right";
const ATTRIBUTES: &str = r#"{"quota":"1048576","active":"1","imap_access":"1","smtp_access":"1","pop3_access":"1","sieve_access":"1"}"#;

/// How far a node's clock is ahead.
#[must_use]
pub fn clock_ahead(place: usize) -> Duration {
    let is_ahead = place + 1 == NODES.len() && Path::new(FAKE_CLOCK).exists();
    if is_ahead { AHEAD } else { Duration::ZERO }
}

/// All servers. They end in this order, and the network after them.
pub struct Cluster {
    /// In the order of [`NODES`].
    pub nodes: Vec<Node>,
    /// What lies between each machine and Keycloak, in the same order; the last one is the front's.
    pub proxies: Vec<Proxy>,
    /// Knows the people.
    pub keycloak: Keycloak,
    /// The wires.
    pub network: Network,
    stages: Vec<Arc<Stage>>,
}

impl Cluster {
    /// Starts everything. `residents` have a mailbox, `newcomers` are only in Keycloak.
    ///
    /// # Errors
    /// Something does not start. The folders with the logs are kept then.
    pub fn boot(
        binary: &Path,
        residents: &[String],
        newcomers: &[String],
        say: &dyn Fn(&str),
    ) -> Result<Self> {
        // Of the nodes, of Keycloak, and of the machine with the proxies.
        let stages = (0..NODES.len() + 2).map(|_| Stage::new()).collect::<Result<Vec<_>>>()?;
        let result = Self::boot_on(&stages, binary, (residents, newcomers), say);
        if result.is_err() {
            stages.iter().for_each(|stage| stage.keep());
        }
        result
    }

    fn boot_on(
        stages: &[Arc<Stage>],
        binary: &Path,
        (residents, newcomers): (&[String], &[String]),
        say: &dyn Fn(&str),
    ) -> Result<Self> {
        let machines = [NODES.as_slice(), &[KEYCLOAK, FRONT]].concat();
        let network = Network::start(&machines)?;
        let (stages_of_nodes, last) = stages.split_at(NODES.len());
        let stage = last.first().ok_or_else(|| Failure("Keycloak has no folder".to_owned()))?;
        // It takes longest, so it starts first.
        let mut keycloak = network.inside(KEYCLOAK, || Keycloak::start(stage))??;
        let mut databases = galera(&network, stages_of_nodes, residents)?;
        say("Galera is up");
        network.inside(KEYCLOAK, || {
            keycloak.wait_until_ready()?;
            // A slow hash protects nobody here, and each sign-in would cost one.
            let policy = "hashAlgorithm(pbkdf2-sha512) and hashIterations(1)";
            keycloak.admin().change_realm(&json!({ "passwordPolicy": policy }))?;
            let everybody = residents.iter().chain(newcomers);
            let holders: Vec<_> = tokens::holders(residents).collect();
            let person = |address: &String| {
                let mut person = json!({ "email": address, "username": address, "enabled": true,
                    "emailVerified": true, "firstName": "Some", "lastName": "Body",
                    "attributes": { "mailcow_password": [HASH] } });
                if holders.contains(&address) {
                    person["credentials"] =
                        json!([{ "type": "password", "value": PASSWORD, "temporary": false }]);
                }
                person
            };
            keycloak.admin().import(&everybody.map(person).collect::<Vec<_>>())
        })??;
        say("Keycloak is up");
        let target = keycloak.url().rsplit(':').next().and_then(|port| port.parse().ok());
        let target = target.ok_or_else(|| Failure("Keycloak has no port".to_owned()))?;
        let target = SocketAddrV4::new(Ipv4Addr::LOCALHOST, target);
        let proxies = network.inside(KEYCLOAK, || {
            let ports = (FIRST_PORT..).take(NODES.len() + 1);
            ports.map(|port| Proxy::start(port, target)).collect::<Result<Vec<_>>>()
        })??;
        let mut starting = Vec::new();
        for (place, name) in NODES.iter().enumerate() {
            let around = surroundings(&network, place);
            starting.push((*name, &stages_of_nodes[place], databases.remove(0), around));
        }
        let start = |(name, stage, database, around): (&str, &Arc<Stage>, Database, Surroundings)| {
            let redis = Redis::start(stage, network.address(name), around.redis)?;
            Node::start(stage, binary, database, redis, &around)
        };
        let nodes = at_once(starting.into_iter().map(|plan| {
            let (network, start) = (&network, &start);
            move || network.inside(plan.0, || start(plan))?
        }))?;
        say("the nodes are up");
        Ok(Self { nodes, proxies, keycloak, network, stages: stages.to_vec() })
    }

    /// Does something at a node, on its machine.
    ///
    /// # Errors
    /// There is no such node.
    pub fn at<T: Send>(&self, place: usize, act: impl FnOnce(&Node) -> T + Send) -> Result<T> {
        self.network.inside(NODES[place], || act(&self.nodes[place]))
    }

    /// Starts the machine with the proxies.
    ///
    /// # Errors
    /// A server does not start.
    pub fn start_front(&self, binary: &Path, release: Release) -> Result<Front> {
        let addresses = NODES.iter().map(|name| self.network.address(name));
        let nodes: Vec<_> = addresses.zip(self.nodes.iter().map(Node::doors_behind)).collect();
        let around = surroundings(&self.network, NODES.len());
        let stage = self.stages.last().ok_or_else(|| Failure("the front has no folder".to_owned()))?;
        self.network.inside(FRONT, || Front::start(stage, (binary, release), &nodes, &around))?
    }

    /// Asks Keycloak as its administrator.
    ///
    /// # Errors
    /// Keycloak does not do it.
    pub fn administer<T: Send>(&self, act: impl FnOnce(&KeycloakAdmin) -> Result<T> + Send) -> Result<T> {
        self.network.inside(KEYCLOAK, || act(&self.keycloak.admin()))?
    }

    /// Leaves all logs for somebody to look at.
    pub fn keep(&self) {
        self.stages.iter().for_each(|stage| stage.keep());
    }
}

impl Drop for Cluster {
    /// The nodes end at one time: each of their servers takes its time.
    fn drop(&mut self) {
        thread::scope(|scope| {
            for node in self.nodes.drain(..) {
                scope.spawn(|| drop(node));
            }
        });
    }
}

/// What the machine at this place is told of the others; the last one is the front.
fn surroundings(network: &Network, place: usize) -> Surroundings {
    let port = (FIRST_PORT..).nth(place).unwrap_or(FIRST_PORT);
    Surroundings {
        keycloak: SocketAddrV4::new(network.address(KEYCLOAK), port),
        redis: network.address(NODES[0]),
        databases: NODES.iter().map(|name| network.address(name)).collect(),
        front: network.address(FRONT),
        ahead: clock_ahead(place),
    }
}

/// One server on each machine, with the same data.
fn galera(network: &Network, stages: &[Arc<Stage>], residents: &[String]) -> Result<Vec<Database>> {
    let addresses: Vec<Ipv4Addr> = NODES.iter().map(|name| network.address(name)).collect();
    let rows = rows(residents);
    let first = network.inside(NODES[0], || Database::make_first(&stages[0], &addresses, &rows))??;
    let mut databases = vec![first];
    for (place, stage) in stages.iter().enumerate().skip(1) {
        databases.push(Database::copy(stage, &databases[0], &addresses, place)?);
    }
    network.inside(NODES[0], || databases[0].begin())??;
    at_once(
        databases
            .iter_mut()
            .zip(NODES)
            .skip(1)
            .map(|(database, name)| move || network.inside(name, || database.join())?),
    )?;
    Ok(databases)
}

/// A domain, a template, and a mailbox for each resident.
fn rows(residents: &[String]) -> String {
    let mut rows = format!(
        "INSERT INTO domain (domain, mailboxes, maxquota, quota, active) VALUES ('example.org', 1000, 10240, 102400, 1);
         INSERT INTO templates (template, type, attributes) VALUES ('Default', 'mailbox', '{ATTRIBUTES}');\n"
    );
    for address in residents {
        let local_part = address.trim_end_matches("@example.org");
        rows += &format!(
            "INSERT INTO mailbox (username, password, name, quota, local_part, domain, attributes, kind, authsource, active)
             VALUES ('{address}', '', '', 0, '{local_part}', 'example.org', '{ATTRIBUTES}', '', 'keycloak', 1);\n"
        );
    }
    rows
}

/// Does all of it at one time. The first failure counts.
fn at_once<T: Send, F: FnOnce() -> Result<T> + Send>(acts: impl Iterator<Item = F>) -> Result<Vec<T>> {
    thread::scope(|scope| {
        let running: Vec<_> = acts.map(|act| scope.spawn(act)).collect();
        let ended = running.into_iter().map(|thread| match thread.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        ended.collect()
    })
}
