//! What must hold of anything that is sent in place of Postfix.

use std::time::Instant;

use keydove::auth::SenderVerdict;
use keydove::frontend::postfix::{PolicyService, Socketmap};
use keydove::frontend::{Line, LineBuffer, Protocol, Received};
use keydove::login::service::MapAnswer;

/// Each request has one reply of two lines, in its turn, whatever stands in it and in which order answers come.
pub fn policy(data: &[u8]) {
    let (mut policy, mut buffer, mut out) =
        (PolicyService::default(), LineBuffer::new(PolicyService::MAX_LINE), Vec::new());
    let (now, mut asked, mut requests) = (Instant::now(), Vec::new(), 0);
    buffer.extend(data);
    while let Ok(Some(line)) = buffer.next_request(PolicyService::FRAMING) {
        let is_end = line == Line::Whole(b"");
        match policy.receive(line, now, &mut out) {
            Ok(Received::Question(question)) => {
                let login = &question.question.login;
                assert!(!login.is_empty() && !login.contains(&0));
                asked.push(question);
            }
            Ok(Received::Nothing) => {}
            Ok(other) => panic!("{other:?}"),
            Err(_) => break,
        }
        requests += usize::from(is_end);
    }
    for asked in asked.into_iter().rev() {
        for _ in 0..2 {
            policy.answer(asked.answer(SenderVerdict::NotOwner), now, &mut out);
        }
    }
    let replies: Vec<&[u8]> = out.split_inclusive(|&byte| byte == b'\n').collect();
    assert_eq!(replies.len(), 2 * requests);
    for reply in replies.chunks(2) {
        assert!(reply[0].starts_with(b"action=DUNNO\n") || reply[0].starts_with(b"action=553 5.7.1 "));
        assert_eq!(reply[1], b"\n");
    }
}

/// Netstrings come out the same however the bytes came in, and each has one reply that is one.
pub fn socketmap(data: &[u8]) {
    let requests_of = |chunk: usize| {
        let mut buffer = LineBuffer::new(Socketmap::MAX_LINE);
        let mut requests = Vec::new();
        'all: for bytes in data.chunks(chunk) {
            buffer.extend(bytes);
            loop {
                match buffer.next_request(Socketmap::FRAMING) {
                    Ok(Some(Line::Whole(request))) => requests.push(request.to_vec()),
                    Ok(Some(Line::TooLong(_))) => panic!("a netstring is never cut"),
                    Ok(None) => break,
                    Err(_) => break 'all,
                }
            }
            buffer.wipe_read();
        }
        requests
    };
    let requests = requests_of(data.len().max(1));
    assert_eq!(requests, requests_of(3));
    let (mut socketmap, mut out, now) = (Socketmap::default(), Vec::new(), Instant::now());
    let mut count = 0;
    for request in &requests {
        assert!(request.len() <= Socketmap::MAX_LINE);
        match socketmap.receive(Line::Whole(request), now, &mut out) {
            Ok(Received::Question(asked)) => {
                let answer = match asked.question.key.len() % 3 {
                    0 => MapAnswer::NotFound,
                    1 => MapAnswer::CannotTell("deadline"),
                    _ => MapAnswer::Found("x".repeat(asked.question.key.len() * 100)),
                };
                socketmap.answer(asked.answer(answer), now, &mut out);
            }
            Ok(Received::Nothing) => {}
            Ok(other) => panic!("{other:?}"),
            Err(_) => break,
        }
        count += 1;
    }
    let mut replies = LineBuffer::new(100_000);
    replies.extend(&out);
    for _ in 0..count {
        let reply = replies.next_request(Socketmap::FRAMING);
        let Ok(Some(Line::Whole(reply))) = reply else { panic!("{reply:?}") };
        assert!([&b"OK "[..], b"NOTFOUND ", b"TEMP ", b"PERM "].iter().any(|word| reply.starts_with(word)));
    }
    assert!(replies.is_empty());
}
