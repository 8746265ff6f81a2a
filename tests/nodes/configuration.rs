//! keydove's configuration on each machine: the stage's, with all that several of them need.

use std::fs::Permissions;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use crate::stage::keydove::with;
use crate::stage::{Result, Stage, attempt};
use crate::tokens;

/// The client that may read Keycloak's events.
const CLIENT: &str = "mailcow-events";
/// Keycloak as people know it: each machine reaches it by another address.
pub const PUBLIC: &str = "https://keycloak.example.org";
/// How long keydove goes by what it knows while it reaches nobody, in milliseconds. By default it is twelve hours.
pub const STALE_LIMIT: u64 = 15_000;

/// What a machine is told of the others.
pub struct Surroundings {
    /// Keycloak's address for this machine.
    pub keycloak: SocketAddrV4,
    /// The machine with Redis.
    pub redis: Ipv4Addr,
    /// The machines with MariaDB, the preferred one first; the same everywhere, so that one of them is written to.
    pub databases: Vec<Ipv4Addr>,
    /// The machine with the proxies.
    pub front: Ipv4Addr,
    /// How far this machine's clock is ahead.
    pub ahead: Duration,
}

/// What all machines have in common. `socket` is where the stage has its database.
///
/// # Errors
/// The key cannot be written.
pub fn common(text: &str, stage: &Stage, socket: &Path, around: &Surroundings) -> Result<String> {
    let key = stage.write("keydove/throttle.key", "the key that these machines share")?;
    attempt("close", &key, std::fs::set_permissions(&key, Permissions::from_mode(0o600)))?;
    let text = with_hosts(text, socket, around);
    let (before, _) = text.split_once("[login]\n").unwrap_or((&text, ""));
    let before = with(before, "client_id", CLIENT);
    let before = ["connect_timeout", "request_timeout", "timeout"]
        .iter()
        .fold(before, |text, key| text.replace(&format!("\n{key} = \"8s\""), &format!("\n{key} = \"2s\"")));
    let before = before.replacen("\n[userdb]", "\n[cache]\nstale_limit = \"15s\"\n\n[userdb]", 1);
    let before = before.replacen(
        "[keycloak]\n",
        &format!("[keycloak]\npublic_url = \"{PUBLIC}\"\npoll_events = \"1s\"\n"),
        1,
    );
    Ok(format!(
        "{before}\
         [login]\nfailure_delay = \"100ms\"\n\n\
         [throttle]\ntrusted = [\"127.0.0.1\"]\nfirst_wait = \"15m\"\nshared = true\nshared_key_file = \"{}\"\n\n\
         [redis]\nhost = \"{}\"\n\n\
         [provisioning]\nenabled = true\ndefault_template = \"Default\"\n\n{}",
        key.display(),
        around.redis,
        tokens::SETTINGS,
    ))
}

/// What only nodes have: the portal's socket, and the sync.
#[must_use]
pub fn of_node(common: &str, portal: &Path) -> String {
    format!(
        "[portal]\n\n[[listener]]\ndoor = \"portal\"\npath = \"{}\"\nmode = \"0600\"\n\n{common}[sync]\ninterval = \"10s\"\n",
        portal.display()
    )
}

/// The cluster's servers instead of the machine's own one.
fn with_hosts(text: &str, socket: &Path, around: &Surroundings) -> String {
    let hosts: Vec<_> = around.databases.iter().map(|address| format!("\"{address}\"")).collect();
    let place = format!("socket = \"{}\"", socket.display());
    assert!(text.contains(&place), "the stage writes the database's socket otherwise:\n{text}");
    text.replacen(&place, &format!("hosts = [{}]", hosts.join(", ")), 1)
}
