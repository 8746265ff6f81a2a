//! Ports of loopback that nobody else takes between their choice and their use.

use std::net::{Ipv4Addr, TcpListener};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::sync::{Mutex, PoisonError};

use crate::{Failure, Result};

/// Below the ports that the kernel chooses by itself (`net.ipv4.ip_local_port_range`), for connections and for port 0.
const FIRST: u16 = 10_000;
const PER_BLOCK: u16 = 100;
const BLOCKS: u16 = 225;

/// What this process has for itself. It holds a block by a name that only one process can bind.
struct Blocks {
    /// The first blocks come first; each is kept to the end.
    held: Vec<(u16, UnixListener)>,
    /// The next port, counted through the held blocks.
    next: usize,
}

static BLOCKS_HELD: Mutex<Blocks> = Mutex::new(Blocks { held: Vec::new(), next: 0 });

/// A free port of loopback, handed out to nobody else: not to another process that asks here, and not by the kernel.
pub fn free_port() -> Result<u16> {
    let mut blocks = BLOCKS_HELD.lock().unwrap_or_else(PoisonError::into_inner);
    for _ in 0..usize::from(BLOCKS * PER_BLOCK) {
        let (block, place) = (blocks.next / usize::from(PER_BLOCK), blocks.next % usize::from(PER_BLOCK));
        let Some(&(block, _)) = blocks.held.get(block) else {
            match take_block(&blocks.held) {
                Some(block) => blocks.held.push(block),
                // All are taken: what was handed out long ago may be free again.
                None if !blocks.held.is_empty() => blocks.next = 0,
                None => break,
            }
            continue;
        };
        blocks.next += 1;
        let port = FIRST + block * PER_BLOCK + u16::try_from(place).unwrap_or_default();
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err(Failure("find a free port: other processes hold all that there are".to_owned()))
}

fn take_block(held: &[(u16, UnixListener)]) -> Option<(u16, UnixListener)> {
    (0..BLOCKS).filter(|block| held.iter().all(|(own, _)| own != block)).find_map(|block| {
        let name = SocketAddr::from_abstract_name(format!("keydove-ports-{block}")).ok()?;
        Some((block, UnixListener::bind_addr(&name).ok()?))
    })
}
