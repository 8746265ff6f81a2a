//! SMTP to the mail server that takes keydove's mail: one connection, mails one after the other (RFC 5321).
//!
//! No `sendmail`: Postfix's command needs the rights of a group that a service without new privileges never gets, and a
//! queue that its sandbox hides. A mail server that listens on the machine takes mail from it without either.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{
    AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, ReadHalf, WriteHalf,
};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::letter::Letter;

/// Longest line of a reply, and most lines, that are read; RFC 5321 allows 512 octets.
const MAX_REPLY_LINE: u64 = 2048;
const MAX_REPLY_LINES: usize = 100;

/// A connection to the mail server, greeted.
pub(super) struct Relay<S = TcpStream> {
    reader: BufReader<ReadHalf<S>>,
    writer: WriteHalf<S>,
    patience: Duration,
}

/// Why the mail server did not take a mail.
#[derive(Debug, thiserror::Error)]
pub(super) enum RelayError {
    /// It says no; the connection goes on.
    #[error("it answers {step} with: {answer}")]
    Refused {
        step: &'static str,
        answer: String,
        /// It may say yes later.
        is_temporary: bool,
    },
    /// The connection broke, or hung, before the mail was whole: it was not taken.
    #[error("{step}: {source}")]
    Lost { step: &'static str, source: io::Error },
    /// The connection broke behind the whole mail: it may have been taken.
    #[error("it may have taken the mail: {0}")]
    Unknown(io::Error),
}

impl RelayError {
    /// Whether another try can neither be a second mail nor be in vain for sure.
    pub(super) fn may_be_tried_again(&self) -> bool {
        match self {
            Self::Refused { is_temporary, .. } => *is_temporary,
            Self::Lost { .. } => true,
            Self::Unknown(_) => false,
        }
    }

    /// Whether the connection is of no use any more.
    pub(super) fn ends_connection(&self) -> bool {
        !matches!(self, Self::Refused { .. })
    }
}

impl Relay {
    /// Connects and greets.
    pub(super) async fn connect(to: SocketAddr, patience: Duration) -> Result<Self, RelayError> {
        let lost = |source| RelayError::Lost { step: "cannot connect", source };
        let stream = timeout(patience, TcpStream::connect(to)).await.map_err(|_| lost(late()))?;
        Self::greet(stream.map_err(lost)?, patience).await
    }
}

impl<S: AsyncRead + AsyncWrite> Relay<S> {
    async fn greet(stream: S, patience: Duration) -> Result<Self, RelayError> {
        let (reader, writer) = tokio::io::split(stream);
        let mut relay = Self { reader: BufReader::new(reader), writer, patience };
        relay.hear("its greeting", b'2').await?;
        relay.say("EHLO", "EHLO localhost\r\n", b'2').await?;
        Ok(relay)
    }

    /// Hands one mail over. Its sender is nobody, so that nothing comes back and no policy is asked about a sender.
    pub(super) async fn send(&mut self, letter: &Letter) -> Result<(), RelayError> {
        let sent = self.hand_over(letter).await;
        if sent.as_ref().is_err_and(|error| !error.ends_connection()) {
            self.say("RSET", "RSET\r\n", b'2').await?;
        }
        sent
    }

    async fn hand_over(&mut self, letter: &Letter) -> Result<(), RelayError> {
        self.say("MAIL", "MAIL FROM:<>\r\n", b'2').await?;
        self.say("RCPT", &format!("RCPT TO:<{}>\r\n", letter.to), b'2').await?;
        self.say("DATA", "DATA\r\n", b'3').await?;
        // No line of it begins with a dot.
        self.write("the mail", &letter.text).await?;
        self.write("the mail's end", ".\r\n").await?;
        match self.hear("the mail", b'2').await {
            Err(RelayError::Lost { source, .. }) => Err(RelayError::Unknown(source)),
            heard => heard,
        }
    }

    /// Takes leave; whether it is heard does not matter.
    pub(super) async fn quit(mut self) {
        let _ = self.say("QUIT", "QUIT\r\n", b'2').await;
    }

    async fn say(&mut self, step: &'static str, line: &str, wanted: u8) -> Result<(), RelayError> {
        self.write(step, line).await?;
        self.hear(step, wanted).await
    }

    async fn write(&mut self, step: &'static str, text: &str) -> Result<(), RelayError> {
        let written = timeout(self.patience, self.writer.write_all(text.as_bytes())).await;
        written.map_err(|_| late()).flatten().map_err(|source| RelayError::Lost { step, source })
    }

    async fn hear(&mut self, step: &'static str, wanted: u8) -> Result<(), RelayError> {
        let read = timeout(self.patience, read_reply(&mut self.reader)).await;
        let answer =
            read.map_err(|_| late()).flatten().map_err(|source| RelayError::Lost { step, source })?;
        match answer.as_bytes().first() {
            Some(&kind) if kind == wanted => Ok(()),
            kind => Err(RelayError::Refused { step, is_temporary: kind != Some(&b'5'), answer }),
        }
    }
}

/// The last line of a reply.
async fn read_reply(reader: &mut (impl AsyncBufReadExt + Unpin)) -> io::Result<String> {
    for _ in 0..MAX_REPLY_LINES {
        let mut line = Vec::new();
        reader.take(MAX_REPLY_LINE).read_until(b'\n', &mut line).await?;
        if !line.ends_with(b"\n") {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let is_code = line.len() >= 4 && line[..3].iter().all(u8::is_ascii_digit);
        if !is_code {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "what answers there speaks no SMTP"));
        }
        if line[3] != b'-' {
            let text = String::from_utf8_lossy(&line);
            return Ok(text.chars().filter(|c| !c.is_control()).take(300).collect());
        }
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, "its reply does not end"))
}

fn late() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "no answer in time")
}

#[cfg(test)]
mod tests {
    use tokio::io::{DuplexStream, duplex};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    fn letter() -> Letter {
        Letter { to: "alice@example.org".to_owned(), text: "Subject: x\r\n\r\nabc\r\n".to_owned() }
    }

    /// A mail server that answers each line it waits for in turn, and returns what it was told.
    async fn server(stream: DuplexStream, replies: &[&str]) -> String {
        let (reader, mut writer) = tokio::io::split(stream);
        let mut lines = BufReader::new(reader);
        let mut told = String::new();
        for reply in replies {
            writer.write_all(reply.as_bytes()).await.unwrap();
            if lines.read_line(&mut told).await.unwrap() == 0 {
                break;
            }
            while told.contains("DATA")
                && told.ends_with("\r\n")
                && reply.starts_with('3')
                && !told.ends_with("\r\n.\r\n")
            {
                lines.read_line(&mut told).await.unwrap();
            }
        }
        told
    }

    async fn talk(replies: &[&str]) -> (Result<(), RelayError>, String) {
        let (ours, theirs) = duplex(4096);
        let sent = async {
            let mut relay = Relay::greet(ours, PATIENCE).await?;
            let sent = relay.send(&letter()).await;
            relay.quit().await;
            sent
        };
        tokio::join!(sent, server(theirs, replies))
    }

    #[tokio::test(start_paused = true)]
    async fn a_mail_is_handed_over_with_nobody_as_its_sender() {
        let (sent, told) = talk(&[
            "220-mail\r\n220 x ESMTP\r\n",
            "250-x\r\n250 8BITMIME\r\n",
            "250 ok\r\n",
            "250 ok\r\n",
            "354 go\r\n",
            "250 queued\r\n",
            "221 bye\r\n",
        ])
        .await;
        sent.unwrap();
        assert_eq!(
            told,
            "EHLO localhost\r\nMAIL FROM:<>\r\nRCPT TO:<alice@example.org>\r\nDATA\r\nSubject: x\r\n\r\nabc\r\n.\r\nQUIT\r\n"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_refused_is_tried_again_only_if_that_may_help() {
        let (greeting, ok) = ("220 x\r\n", "250 ok\r\n");
        for (answer, is_temporary) in [("450 later\r\n", true), ("550 never\r\n", false)] {
            let (sent, told) = talk(&[greeting, ok, ok, answer, ok, ok]).await;
            let error = sent.unwrap_err();
            assert_eq!(
                (error.may_be_tried_again(), error.ends_connection()),
                (is_temporary, false),
                "{error}"
            );
            assert!(told.contains("RCPT") && told.contains("RSET") && !told.contains("DATA"), "{told}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_leaves_hangs_or_speaks_something_else_is_borne() {
        let (greeting, ok) = ("220 x\r\n", "250 ok\r\n");
        for replies in [&[][..], &["HTTP/1.1 400 Bad Request\r\n"], &[greeting], &[greeting, ok, ok]] {
            let error = talk(replies).await.0.unwrap_err();
            assert!(error.may_be_tried_again() && error.ends_connection(), "{error}");
        }
        // It has the whole mail, and says nothing.
        let error = talk(&[greeting, ok, ok, ok, "354 go\r\n"]).await.0.unwrap_err();
        assert!(!error.may_be_tried_again() && matches!(error, RelayError::Unknown(_)), "{error}");
        // It stays, and says nothing at all.
        let (ours, _theirs) = duplex(4096);
        let error = Relay::greet(ours, PATIENCE).await.err().unwrap();
        assert!(error.to_string().contains("no answer in time"), "{error}");
        // Its reply has no end.
        let endless = "220-x\r\n".repeat(200);
        assert!(talk(&[&endless]).await.0.unwrap_err().to_string().contains("does not end"));
    }
}
