//! Ports of loopback that nobody else takes between their choice and their use.

use std::net::{self, Ipv4Addr};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::sync::{Mutex, PoisonError};

use socket2::{Domain, Socket, Type};

use crate::{Failure, Result};

/// Below the ports that the kernel chooses by itself (`net.ipv4.ip_local_port_range`), for connections and for port 0.
const FIRST: u16 = 10_000;
/// Browsers go to no address with this port, which was an old backup program's.
const NO_BROWSERS: u16 = 10_080;
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
        if port != NO_BROWSERS && is_free(port) {
            return Ok(port);
        }
    }
    Err(Failure("find a free port: other processes hold all that there are".to_owned()))
}

/// Whether nobody has this port.
///
/// The look binds the port and does not listen there. A program that another thread starts at this moment has a copy of
/// the socket until it executes, and a socket that listens would keep the port from whom it is handed out to.
fn is_free(port: u16) -> bool {
    let bound = || {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        socket.bind(&net::SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into())
    };
    bound().is_ok()
}

fn take_block(held: &[(u16, UnixListener)]) -> Option<(u16, UnixListener)> {
    (0..BLOCKS).filter(|block| held.iter().all(|(own, _)| own != block)).find_map(|block| {
        let name = SocketAddr::from_abstract_name(format!("keydove-ports-{block}")).ok()?;
        Some((block, UnixListener::bind_addr(&name).ok()?))
    })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::process::Command;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use super::*;

    #[test]
    fn a_port_can_be_listened_at_while_other_threads_start_programs() {
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !is_over.load(Ordering::Relaxed) {
                        Command::new("/bin/true").status().unwrap();
                    }
                });
            }
            let failed = (0..3000)
                .filter(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, free_port().unwrap())).is_err())
                .count();
            is_over.store(true, Ordering::Relaxed);
            assert_eq!(failed, 0);
        });
    }

    #[test]
    fn a_port_at_which_somebody_listens_is_not_free() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, free_port().unwrap())).unwrap();
        assert!(!is_free(listener.local_addr().unwrap().port()));
    }
}
