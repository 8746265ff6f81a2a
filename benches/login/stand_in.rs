//! A double of Keycloak that answers at once, for what a real one would take hours for: filling keydove's memory.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use super::people;
use super::stage::{Failure, Result};

/// A running double. Its threads end with the program.
pub struct StandIn {
    port: u16,
}

impl StandIn {
    /// Knows the people with these numbers' hashes.
    pub fn start(hashes: &Arc<Vec<String>>) -> Result<Self> {
        let failed = |error: io::Error| Failure(format!("open a port for Keycloak's double: {error}"));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let hashes = Arc::clone(hashes);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let hashes = Arc::clone(&hashes);
                // A connection that fails fails for keydove too, and then logins show it.
                thread::spawn(move || serve(stream, &hashes));
            }
        });
        Ok(Self { port })
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

fn serve(stream: TcpStream, hashes: &[String]) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut input, mut output) = (BufReader::new(stream.try_clone()?), stream);
    loop {
        let mut request = String::new();
        if input.read_line(&mut request)? == 0 {
            return Ok(());
        }
        let mut length = 0;
        loop {
            let mut header = String::new();
            input.read_line(&mut header)?;
            if let Some(value) = header.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().map_err(io::Error::other)?;
            }
            if header.trim().is_empty() {
                break;
            }
        }
        io::copy(&mut input.by_ref().take(length), &mut io::sink())?;
        let body = answer(&request, hashes);
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        output.write_all((head + &body).as_bytes())?;
    }
}

fn answer(request: &str, hashes: &[String]) -> String {
    if request.starts_with("POST ") {
        return r#"{"access_token":"token","expires_in":3600,"token_type":"Bearer"}"#.to_owned();
    }
    let number =
        request.split_once("email=u").and_then(|(_, rest)| rest.split_once("%40")?.0.parse::<usize>().ok());
    let Some((number, hash)) = number.and_then(|number| Some((number, hashes.get(number)?))) else {
        return "[]".to_owned();
    };
    format!("[{}]", people::representation(number, hash))
}
