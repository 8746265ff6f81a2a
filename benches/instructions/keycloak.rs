//! A double of Keycloak that knows everybody, so that they can be known.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;

/// Of the password `pw`.
const HASH: &str = "{SSHA512}mAmPaElro8MJT/+2ohnmww5w7khtVXJFkXDAy8XDcxOPwcPLePW0CbNMVMRYxOE881ntDBHHfBHceDyzpq562nNhbHRzYWx0";

/// Starts it; its threads end with the program. Returns its address.
pub fn start() -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port of loopback");
    let address = listener.local_addr().expect("the port that was opened");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || serve(stream));
        }
    });
    format!("http://{address}")
}

/// Whoever leaves ends it.
fn serve(mut stream: TcpStream) -> std::io::Result<()> {
    let mut input = BufReader::new(stream.try_clone()?);
    loop {
        let (mut request, mut length) = (String::new(), 0);
        if input.read_line(&mut request)? == 0 {
            return Ok(());
        }
        loop {
            let mut header = String::new();
            input.read_line(&mut header)?;
            if let Some(value) = header.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().map_err(std::io::Error::other)?;
            }
            if header.trim().is_empty() {
                break;
            }
        }
        std::io::copy(&mut input.by_ref().take(length), &mut std::io::sink())?;
        let body = answer(&request);
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all((head + &body).as_bytes())?;
    }
}

fn answer(request: &str) -> String {
    if request.starts_with("POST ") {
        return r#"{"access_token":"token","expires_in":3600,"token_type":"Bearer"}"#.to_owned();
    }
    let asked = request.split_once("email=").and_then(|(_, rest)| rest.split_once("%40"));
    let Some((local_part, _)) = asked else { return "[]".to_owned() };
    let name = format!("{local_part}@example.org");
    format!(
        r#"[{{"id":"00000000-0000-4000-8000-{local_part}","username":"{name}","email":"{name}","firstName":"Load",
            "lastName":"Test","enabled":true,"emailVerified":true,
            "attributes":{{"mailcow_password":["{HASH}"],"mailcow_template":["default"]}}}}]"#
    )
}
