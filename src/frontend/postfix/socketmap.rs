//! Postfix's socketmap protocol (`socketmap_table(5)`), server side.
//!
//! A request is a netstring `table key`, the reply a netstring: `OK value`, `NOTFOUND ` (with its space), `TEMP reason`
//! or `PERM reason`. Postfix makes 451 of the last two.

use std::time::Instant;

use super::in_order::InOrder;
use crate::auth::{MailMap, MapRequest};
use crate::frontend::{Answer, Framing, Line, Next, Protocol, ProtocolError, Received, Ticketed};
use crate::login::service::MapAnswer;

/// Longest request. Addresses that Postfix takes from a mail client have 2048 bytes at most.
const MAX_REQUEST: usize = 8192;
/// Longest reply that Postfix reads.
const MAX_REPLY: usize = 100_000;

/// One connection.
#[derive(Debug, Default)]
pub struct Socketmap(InOrder<()>);

impl Protocol for Socketmap {
    type Asked = Ticketed<MapRequest>;

    const MAX_LINE: usize = MAX_REQUEST;
    const FRAMING: Framing = Framing::Netstrings;

    fn receive(
        &mut self,
        line: Line<'_>,
        _now: Instant,
        out: &mut Vec<u8>,
    ) -> Result<Received<Ticketed<MapRequest>>, ProtocolError> {
        let Line::Whole(request) = line else { return Err(ProtocolError::Netstring) };
        let space = request.iter().position(|&byte| byte == b' ').ok_or(ProtocolError::NotARequest)?;
        let (table, key) = (&request[..space], &request[space + 1..]);
        let Some(map) = MailMap::parse(table) else {
            self.0.reply_at_once((), netstring(b"PERM there is no such table"), out);
            return Ok(Received::Nothing);
        };
        let ticket = self.0.ask(());
        let question = MapRequest { map, key: key.to_vec() };
        Ok(Received::Question(Ticketed { ticket, question }))
    }

    fn answer(
        &mut self,
        answer: Answer<MapRequest>,
        _now: Instant,
        out: &mut Vec<u8>,
    ) -> Next<Ticketed<MapRequest>> {
        self.0.reply(answer.ticket, |()| reply(&answer.answer), out);
        Next::Open
    }

    fn is_idle(&self) -> bool {
        self.0.is_empty()
    }
}

fn reply(answer: &MapAnswer) -> Vec<u8> {
    let text = match answer {
        MapAnswer::Found(value) => format!("OK {value}"),
        MapAnswer::NotFound => "NOTFOUND ".to_owned(),
        MapAnswer::CannotTell(reason) => format!("TEMP {reason}"),
    };
    if text.len() > MAX_REPLY {
        return netstring(b"TEMP the answer is longer than Postfix reads");
    }
    netstring(text.as_bytes())
}

/// `5:hello,`
fn netstring(text: &[u8]) -> Vec<u8> {
    [text.len().to_string().as_bytes(), b":", text, b","].concat()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::frontend::LineBuffer;

    struct Talk {
        socketmap: Socketmap,
        input: LineBuffer,
        asked: Vec<Ticketed<MapRequest>>,
        out: Vec<u8>,
        now: Instant,
    }

    impl Talk {
        #[expect(clippy::disallowed_methods, reason = "a test's clock may start anywhere")]
        fn new() -> Self {
            let (socketmap, input) = (Socketmap::default(), LineBuffer::new(Socketmap::MAX_LINE));
            Self { socketmap, input, asked: Vec::new(), out: Vec::new(), now: Instant::now() }
        }

        fn say(&mut self, bytes: &[u8]) -> Result<(), ProtocolError> {
            self.input.extend(bytes);
            while let Some(request) = self.input.next_request(Socketmap::FRAMING)? {
                match self.socketmap.receive(request, self.now, &mut self.out)? {
                    Received::Question(asked) => self.asked.push(asked),
                    Received::Nothing => {}
                    Received::Ended(attempt) => panic!("{attempt:?}"),
                }
            }
            self.input.wipe_read();
            Ok(())
        }

        fn answer(&mut self, answer: MapAnswer) -> String {
            let asked = self.asked.remove(0);
            self.socketmap.answer(asked.answer(answer), self.now, &mut self.out);
            String::from_utf8(std::mem::take(&mut self.out)).unwrap()
        }
    }

    #[test]
    fn a_table_is_asked_by_either_name_and_answers_as_postfix_wants_it() {
        let mut talk = Talk::new();
        talk.say(b"40:virtual_mailbox_maps alice@example.org x,").unwrap();
        let request = &talk.asked.first().unwrap().question;
        assert_eq!((request.map, &request.key[..]), (MailMap::Mailboxes, &b"alice@example.org x"[..]));
        assert_eq!(talk.answer(MapAnswer::Found("alice@example.org".to_owned())), "20:OK alice@example.org,");
        talk.say(b"25:senders bob@example.org x,").unwrap();
        assert_eq!(talk.asked.first().map(|asked| asked.question.map), Some(MailMap::SenderLogins));
        assert_eq!(talk.answer(MapAnswer::NotFound), "9:NOTFOUND ,");
        talk.say(b"8:domains ,").unwrap();
        assert_eq!(talk.answer(MapAnswer::CannotTell("sql_unreachable")), "20:TEMP sql_unreachable,");
        assert!(talk.socketmap.is_idle());
    }

    #[test]
    fn a_table_that_is_not_there_is_a_mistake_of_the_configuration() {
        let mut talk = Talk::new();
        talk.say(b"9:relay a@b,").unwrap();
        assert_eq!(talk.out, b"27:PERM there is no such table,");
    }

    #[test]
    fn a_reply_that_postfix_would_not_read_is_temporary() {
        let mut talk = Talk::new();
        talk.say(b"9:domains x,").unwrap();
        assert!(talk.answer(MapAnswer::Found("x".repeat(MAX_REPLY - 3))).starts_with("100000:OK x"));
        talk.say(b"9:domains x,").unwrap();
        let reply = talk.answer(MapAnswer::Found("x".repeat(MAX_REPLY - 2)));
        assert!(reply.contains(":TEMP "), "{reply}");
    }

    #[test]
    fn what_is_no_netstring_ends_the_connection() {
        for wrong in
            ["x", ":x,", "01:x,", "-1:x,", " 1:x,", "1x:x,", "9:domains xy", "8193:", "99999999999999999999:"]
        {
            assert_eq!(Talk::new().say(wrong.as_bytes()), Err(ProtocolError::Netstring), "{wrong}");
        }
        for wrong in ["0:,", "7:domains,"] {
            assert_eq!(Talk::new().say(wrong.as_bytes()), Err(ProtocolError::NotARequest), "{wrong}");
        }
        for unfinished in ["", "9", "9:", "9:domains x", "8192:"] {
            assert_eq!(Talk::new().say(unfinished.as_bytes()), Ok(()), "{unfinished}");
        }
    }

    proptest! {
        #[test]
        fn requests_come_out_the_same_however_they_came_in(
            keys in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 1..8), chunk in 1usize..40
        ) {
            let bytes: Vec<u8> =
                keys.iter().flat_map(|key| netstring(&[b"aliases ", &key[..]].concat())).collect();
            let mut talk = Talk::new();
            for part in bytes.chunks(chunk) {
                talk.say(part).unwrap();
            }
            let asked: Vec<_> = talk.asked.iter().map(|asked| asked.question.key.clone()).collect();
            prop_assert_eq!(asked, keys);
        }
    }
}
