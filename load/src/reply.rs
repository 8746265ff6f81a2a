//! What a server of the auth client protocol says.

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `OK`
    Ok,
    /// `FAIL` that is meant for the person.
    Fail,
    /// `FAIL` that says that nobody could tell.
    TempFail,
    /// `CONT`, or nothing that the protocol has.
    Other,
}

/// One line after the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reply<'a> {
    pub(crate) kind: Kind,
    /// 0, which no request has, if there is none.
    pub(crate) id: u32,
    /// As sent, with its escapes.
    pub(crate) user: Option<&'a [u8]>,
}

impl<'a> Reply<'a> {
    /// Reads a line without its end. Whatever it holds, there is an answer.
    pub(crate) fn read(line: &'a [u8]) -> Self {
        let (command, rest) = cut(line);
        let (id, mut rest) = rest.map_or((0, None), |rest| {
            let (id, rest) = cut(rest);
            (number(id), rest)
        });
        let (mut user, mut temp) = (None, false);
        while let Some(fields) = rest {
            let (field, others) = cut(fields);
            if let Some(name) = field.strip_prefix(b"user=") {
                user = Some(name);
            }
            // Servers before Dovecot 2.3 say `temp`.
            temp |= field == b"code=temp_fail" || field == b"temp";
            rest = others;
        }
        let kind = match command {
            b"OK" => Kind::Ok,
            b"FAIL" if temp => Kind::TempFail,
            b"FAIL" => Kind::Fail,
            _ => Kind::Other,
        };
        Self { kind, id, user }
    }
}

/// The first field, and what comes after its tab.
fn cut(line: &[u8]) -> (&[u8], Option<&[u8]>) {
    match line.iter().position(|&byte| byte == b'\t') {
        Some(at) => (&line[..at], Some(&line[at + 1..])),
        None => (line, None),
    }
}

/// 0 if it is no number of 32 bits.
fn number(digits: &[u8]) -> u32 {
    let add = |sum: u32, &byte: &u8| {
        let digit = byte.checked_sub(b'0').filter(|&digit| digit < 10)?;
        sum.checked_mul(10)?.checked_add(digit.into())
    };
    digits.iter().try_fold(0, add).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn verdicts_are_told_apart() {
        let kind = |line: &str| Reply::read(line.as_bytes()).kind;
        assert_eq!(kind("OK\t1\tuser=a"), Kind::Ok);
        assert_eq!(kind("FAIL\t1\tuser=a"), Kind::Fail);
        assert_eq!(kind("FAIL\t1\tuser=a\tcode=temp_fail"), Kind::TempFail);
        assert_eq!(kind("FAIL\t1\ttemp"), Kind::TempFail);
        assert_eq!(kind("FAIL\t1\treason=temp"), Kind::Fail);
        for line in ["", "\t", "CONT\t1\t", "OKAY\t1", "ok\t1", "DONE"] {
            assert_eq!(kind(line), Kind::Other, "{line}");
        }
    }

    #[test]
    fn an_id_is_a_whole_number_or_there_is_none() {
        let id = |line: &str| Reply::read(line.as_bytes()).id;
        assert_eq!(
            (id("OK\t4294967295"), id("OK\t4294967296"), id("OK\t7x"), id("OK\t"), id("OK")),
            (u32::MAX, 0, 0, 0, 0)
        );
    }

    proptest! {
        #[test]
        fn what_a_server_says_is_understood(id in any::<u32>(), name in "[a-z0-9.@]{1,40}", more in "[a-z=_]{0,20}") {
            let line = format!("OK\t{id}\tx{more}\tuser={name}\tx{more}");
            let reply = Reply::read(line.as_bytes());
            prop_assert_eq!(reply, Reply { kind: Kind::Ok, id, user: Some(name.as_bytes()) });
        }

        #[test]
        fn no_line_is_too_odd(line in prop::collection::vec(any::<u8>(), 0..200)) {
            let reply = Reply::read(&line);
            let begins_so = line.starts_with(b"OK") || line.starts_with(b"FAIL");
            prop_assert!(begins_so || reply.kind == Kind::Other);
        }
    }
}
