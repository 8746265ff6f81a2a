//! The machine before the nodes: Dovecot's proxies, and a keydove that tells them on which node a mailbox lives.
//!
//! Whoever logs in here is looked at twice: by this machine's keydove, and by the node's. No fault is on this machine, so
//! what is seen here is what clients see of the faults of the nodes.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;

use crate::configuration::{Surroundings, common};
use crate::logins::Doors;
use crate::schedule::NODES;
use crate::stage::dovecot::{Dovecot, Release};
use crate::stage::keydove::{Keydove, Settings, Storage};
use crate::stage::names::Names;
use crate::stage::{Result, Stage};

/// How often the nodes are looked at.
const CHECKS: &str = "\n[backends]\ncheck_interval = \"1s\"\n";

/// The servers of this machine. They end in this order.
pub struct Front {
    dovecot: Dovecot,
    _keydove: Keydove,
}

impl Front {
    /// Starts the servers, on their machine. `nodes` are the addresses and ports behind it.
    ///
    /// # Errors
    /// One does not start.
    pub fn start(
        stage: &Arc<Stage>,
        (binary, release): (&Path, Release),
        nodes: &[(Ipv4Addr, Doors)],
        around: &Surroundings,
    ) -> Result<Self> {
        let socket = stage.path("mariadb/sock");
        let settings = Settings {
            names: Names::default(),
            keycloak_url: format!("http://{}", around.keycloak),
            storage: Storage::MariaDb(socket.clone()),
            dovecot_base: Dovecot::prepare(stage, release)?,
            // No Postfix is here.
            sasl_socket: stage.folder("postfix")?.join("sasl"),
            failure_delay: "100ms",
            remembers: true,
        };
        let mut keydove = Keydove::start(stage, binary, &settings)?;
        keydove.stop()?;
        let write = |text: &str| Ok(common(text, stage, &socket, around)? + &backends(nodes) + CHECKS);
        keydove.try_rewrite(write)?;
        keydove.start_again()?;
        let dovecot = Dovecot::start(stage, release, None)?;
        Ok(Self { dovecot, _keydove: keydove })
    }

    /// Its ports.
    #[must_use]
    pub fn doors(&self) -> Doors {
        let Dovecot { imap, pop3, sieve, submission, .. } = self.dovecot;
        Doors { imap, pop3, sieve, submission }
    }
}

/// What a node's Dovecot has beside its own settings: it is reached from outside, and believes the proxies where a client
/// comes from. Its submission finds a server to relay to, or it would end a connection while the proxies still tell that
/// somebody has logged in.
#[must_use]
pub fn of_backend(front: Ipv4Addr, relay: u16) -> String {
    format!("listen = 0.0.0.0\nlogin_trusted_networks = {front}/32\nsubmission_relay_port = {relay}\n")
}

fn backends(nodes: &[(Ipv4Addr, Doors)]) -> String {
    let table = |(name, (host, Doors { imap, pop3, sieve, submission })): (&str, &(Ipv4Addr, Doors))| {
        format!(
            "[[backend]]\nname = \"{name}\"\nhost = \"{host}\"\nimap = {imap}\npop3 = {pop3}\nsieve = {sieve}\n\
             submission = {submission}\n\n"
        )
    };
    NODES.into_iter().zip(nodes).map(table).collect()
}
