//! A mail server that says each line when the test wants it: a real one cannot be held between two of them.

use std::net::SocketAddr;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::PATIENCE;

/// Its port.
pub(super) struct Post(TcpListener);

impl Post {
    pub(super) async fn open() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    /// The next one who connects. Nothing has been said yet.
    pub(super) async fn answer(&self) -> Talk {
        let (stream, _) = timeout(PATIENCE, self.0.accept()).await.expect("nobody connects").unwrap();
        Talk(BufReader::new(stream))
    }
}

/// With one client.
pub(super) struct Talk(BufReader<TcpStream>);

impl Talk {
    /// Up to the client's first wish.
    pub(super) async fn greet(&mut self) {
        self.say("220 mail.example.org").await;
        assert_eq!(self.hear().await, "EHLO localhost");
        self.say("250 mail.example.org").await;
    }

    /// The client's next line.
    pub(super) async fn hear(&mut self) -> String {
        let mut line = String::new();
        timeout(PATIENCE, self.0.read_line(&mut line)).await.expect("nothing is said").unwrap();
        line.trim_end().to_owned()
    }

    /// Takes the mail whose `MAIL` was heard, and says what is in it.
    pub(super) async fn take_mail(&mut self) -> String {
        self.say("250 good").await;
        assert_eq!(self.hear().await, "RCPT TO:<ann@stopped.example>");
        self.say("250 good").await;
        assert_eq!(self.hear().await, "DATA");
        self.say("354 go on").await;
        let mut body = None;
        loop {
            match (self.hear().await.as_str(), &mut body) {
                (".", _) => break,
                ("", None) => body = Some(String::new()),
                (line, Some(body)) => body.push_str(line),
                _ => {}
            }
        }
        self.say("250 taken").await;
        let text = BASE64_STANDARD.decode(body.unwrap_or_default()).unwrap();
        String::from_utf8(text).unwrap()
    }

    async fn say(&mut self, line: &str) {
        self.0.get_mut().write_all(format!("{line}\r\n").as_bytes()).await.unwrap();
    }
}
