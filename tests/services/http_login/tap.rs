//! A port before keydove's that notes the encrypted records which pass, each of which is one write of whoever sent it.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::stage::{Failure, Result};

/// TLS's type of records with encrypted content.
const APPLICATION: u8 = 23;

/// Who sent a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Client,
    Keydove,
}

/// The port.
pub struct Tap {
    pub port: u16,
    connections: Arc<Mutex<Vec<Vec<Side>>>>,
}

impl Tap {
    pub fn start(target: u16) -> Result<Self> {
        let failed = |error: std::io::Error| Failure(format!("open a tap: {error}"));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let connections: Arc<Mutex<Vec<Vec<Side>>>> = Arc::default();
        let notes = Arc::clone(&connections);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, target)) else { continue };
                let mut all = notes.lock().unwrap_or_else(PoisonError::into_inner);
                let number = all.len();
                all.push(Vec::new());
                drop(all);
                let both = client.try_clone().and_then(|client| Ok((client, server.try_clone()?)));
                let Ok((to_client, to_server)) = both else { continue };
                let (one, other) = (Arc::clone(&notes), Arc::clone(&notes));
                thread::spawn(move || pass(client, to_server, (&one, number, Side::Client)));
                thread::spawn(move || pass(server, to_client, (&other, number, Side::Keydove)));
            }
        });
        Ok(Self { port, connections })
    }

    /// Who sent the records of each connection, in their order.
    pub fn connections(&self) -> Vec<Vec<Side>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn pass(
    mut from: TcpStream,
    mut to: TcpStream,
    (notes, number, sender): (&Mutex<Vec<Vec<Side>>>, usize, Side),
) -> std::io::Result<()> {
    loop {
        let mut head = [0; 5];
        if from.read_exact(&mut head).is_err() {
            return to.shutdown(std::net::Shutdown::Write);
        }
        let mut record = vec![0; usize::from(u16::from_be_bytes([head[3], head[4]]))];
        from.read_exact(&mut record)?;
        if head[0] == APPLICATION {
            notes.lock().unwrap_or_else(PoisonError::into_inner)[number].push(sender);
        }
        to.write_all(&[&head[..], &record].concat())?;
    }
}
