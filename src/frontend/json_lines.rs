//! Sockets of one JSON request a line and one JSON answer a line.

use std::time::Instant;

use serde::Serialize;

use super::{Answer, Line, Next, Protocol, ProtocolError, Question, Received, Ticket, Ticketed};

/// Longest request in bytes, with its line end.
const MAX_LINE: usize = 16_384;

/// What is said on such a socket.
pub trait JsonWords {
    /// What may be asked.
    type Request: Question;

    /// Reads a request.
    ///
    /// # Errors
    /// What is answered at once: the line is no request, or one that nobody need be asked about.
    fn read(&mut self, line: Line<'_>) -> Result<Self::Request, <Self::Request as Question>::Answer>;
}

/// One connection.
#[derive(Debug, Default)]
pub struct JsonLines<W> {
    words: W,
    next_ticket: u64,
    /// How many questions are under way.
    asked: usize,
}

/// The line of an answer, with its end.
pub(super) fn to_line(answer: &impl Serialize) -> Vec<u8> {
    // Every answer has a form in JSON.
    let mut line = serde_json::to_vec(answer).unwrap_or_default();
    line.push(b'\n');
    line
}

impl<W: JsonWords> Protocol for JsonLines<W>
where
    <W::Request as Question>::Answer: Serialize,
{
    type Asked = Ticketed<W::Request>;

    const MAX_LINE: usize = MAX_LINE;

    fn receive(
        &mut self,
        line: Line<'_>,
        _now: Instant,
        out: &mut Vec<u8>,
    ) -> Result<Received<Self::Asked>, ProtocolError> {
        match self.words.read(line) {
            Ok(question) => {
                let ticket = Ticket(self.next_ticket);
                self.next_ticket += 1;
                self.asked += 1;
                Ok(Received::Question(Ticketed { ticket, question }))
            }
            Err(answer) => {
                out.extend_from_slice(&to_line(&answer));
                Ok(Received::Nothing)
            }
        }
    }

    fn answer(&mut self, answer: Answer<W::Request>, _now: Instant, out: &mut Vec<u8>) -> Next<Self::Asked> {
        self.asked = self.asked.saturating_sub(1);
        out.extend_from_slice(&to_line(&answer.answer));
        Next::Open
    }

    fn is_idle(&self) -> bool {
        self.asked == 0
    }
}
