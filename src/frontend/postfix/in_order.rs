//! Replies in the order of their questions, which have no ids in Postfix's protocols.

use std::collections::VecDeque;

use crate::frontend::Ticket;

/// The questions of one connection that were not answered yet, and answers that others must go before.
#[derive(Debug, Default)]
pub(super) struct InOrder<T> {
    waiting: VecDeque<(Ticket, T, Option<Vec<u8>>)>,
    next: u64,
}

impl<T> InOrder<T> {
    /// A new question, with what its answer will need to know of it.
    pub(super) fn ask(&mut self, about: T) -> Ticket {
        let ticket = Ticket(self.next);
        self.next += 1;
        self.waiting.push_back((ticket, about, None));
        ticket
    }

    /// A question that has its reply already, which goes out when its turn comes.
    pub(super) fn reply_at_once(&mut self, about: T, reply: Vec<u8>, out: &mut Vec<u8>) {
        let ticket = self.ask(about);
        self.reply(ticket, |_| reply, out);
    }

    /// Takes the reply to a question, and appends all whose turn has come. A ticket that is not known is ignored.
    pub(super) fn reply(&mut self, ticket: Ticket, reply: impl FnOnce(&T) -> Vec<u8>, out: &mut Vec<u8>) {
        let found =
            self.waiting.iter_mut().find(|(asked, _, answered)| *asked == ticket && answered.is_none());
        if let Some((_, about, answered)) = found {
            *answered = Some(reply(about));
        }
        while let Some((_, _, Some(reply))) = self.waiting.front() {
            out.extend_from_slice(reply);
            self.waiting.pop_front();
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_wait_for_those_before_them_and_come_once() {
        let mut order = InOrder::default();
        let mut out = Vec::new();
        let [first, second] = [b'a', b'b'].map(|letter| order.ask(letter));
        order.reply_at_once(b'c', b"c".to_vec(), &mut out);
        order.reply(second, |letter| vec![*letter], &mut out);
        order.reply(second, |_| b"again".to_vec(), &mut out);
        order.reply(Ticket(99), |_| b"unknown".to_vec(), &mut out);
        assert!(out.is_empty() && !order.is_empty());
        order.reply(first, |letter| vec![*letter], &mut out);
        assert_eq!(out, b"abc");
        assert!(order.is_empty());
    }
}
