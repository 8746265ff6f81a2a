//! What is put to the servers, and where keydove answers otherwise on purpose.

use super::super::stage::dovecot::Release;

/// Which socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// For login processes.
    Client,
    /// For mail processes.
    Master,
}

/// Bytes for a server.
pub struct Input {
    pub name: &'static str,
    pub door: Door,
    /// Which minor version the client says that it speaks; `None` where the input is about the handshake itself.
    pub minor: Option<u32>,
    /// What is sent, and how many replies are waited for; 0 waits for silence. What stands between `<` and `>` is sent
    /// in base64, and without its padding where an exclamation mark comes last.
    pub steps: &'static [(&'static str, usize)],
}

const fn client(name: &'static str, steps: &'static [(&'static str, usize)]) -> Input {
    Input { name, door: Door::Client, minor: Some(2), steps }
}

const fn client_of(minor: u32, name: &'static str, steps: &'static [(&'static str, usize)]) -> Input {
    Input { name, door: Door::Client, minor: Some(minor), steps }
}

const fn handshake(name: &'static str, steps: &'static [(&'static str, usize)]) -> Input {
    Input { name, door: Door::Client, minor: None, steps }
}

const fn master(name: &'static str, steps: &'static [(&'static str, usize)]) -> Input {
    Input { name, door: Door::Master, minor: Some(1), steps }
}

/// A difference that is meant.
pub struct Difference {
    pub input: &'static str,
    /// From which release; `None` from both.
    pub from: Option<Release>,
    pub reason: &'static str,
}

/// Where keydove answers otherwise.
pub const DIFFERENCES: &[Difference] = &[
    Difference { input: "an empty name", from: None, reason: "there is no name that could be told" },
    Difference {
        input: "a name with blanks around it",
        from: None,
        reason: "mail clients send what was pasted; no address has blanks around it",
    },
    Difference {
        input: "control bytes in a name",
        from: None,
        reason: "Postfix does not unescape, so a control byte in a name is shown as a question mark",
    },
    Difference {
        input: "an unknown mechanism",
        from: None,
        reason: "the person at the mail client can cause it; a close would end other people's logins too",
    },
    Difference {
        input: "a service that nobody knows",
        from: None,
        reason: "a mailbox has a switch for each service, and what has none is refused",
    },
    Difference { input: "base64 without its padding", from: None, reason: "nothing is ambiguous about it" },
    Difference {
        input: "a cancel of a client of 1.4",
        from: None,
        reason: "such a client waits for it; these servers speak 1.2 and 1.3",
    },
    Difference {
        input: "a protocol and no service",
        from: Some(Release::V2_3),
        reason: "clients of 2.4 send it to whomever they talk to",
    },
    Difference {
        input: "master: a protocol and no service",
        from: Some(Release::V2_3),
        reason: "clients of 2.4 send it to whomever they talk to",
    },
    Difference {
        input: "master: a list through a mask",
        from: Some(Release::V2_3),
        reason: "its passwd-file leaves the mask to doveadm, which looks again",
    },
    Difference {
        input: "master: a list that fits nobody",
        from: Some(Release::V2_3),
        reason: "its passwd-file leaves the mask to doveadm, which looks again",
    },
];

/// Everything that is put to all of them. `alice@example.org` and `carol@example.org` have the password `pw`.
pub const INPUTS: &[Input] = &[
    client(
        "the right password",
        &[("AUTH\t1\tPLAIN\tservice=imap\tsecured\tresp=<\0alice@example.org\0pw>\n", 1)],
    ),
    client(
        "a wrong password",
        &[("AUTH\t1\tPLAIN\tservice=imap\tsecured\tresp=<\0alice@example.org\0wrong>\n", 1)],
    ),
    client(
        "an unknown person",
        &[("AUTH\t1\tPLAIN\tservice=imap\tsecured\tresp=<\0ghost@example.org\0pw>\n", 1)],
    ),
    client(
        "an empty password",
        &[("AUTH\t1\tPLAIN\tservice=imap\tsecured\tresp=<\0alice@example.org\0>\n", 1)],
    ),
    client("an empty name", &[("AUTH\t1\tPLAIN\tservice=imap\tsecured\tresp=<\0\0pw>\n", 1)]),
    client(
        "a name in capitals",
        &[("AUTH\t1\tPLAIN\tservice=imap\tsecured\tresp=<\0Alice@Example.ORG\0pw>\n", 1)],
    ),
    client(
        "a name with blanks around it",
        &[("AUTH\t1\tPLAIN\tservice=imap\tsecured\tresp=<\0 alice@example.org \0pw>\n", 1)],
    ),
    client(
        "control bytes in a name",
        &[("AUTH\t1\tPLAIN\tservice=imap\tsecured\tresp=<\0us\x01er\tx@example.org\0pw>\n", 1)],
    ),
    client(
        "a mechanism in small letters",
        &[("AUTH\t1\tplain\tservice=imap\tsecured\tresp=<\0alice@example.org\0pw>\n", 1)],
    ),
    client(
        "a line that ends in CRLF",
        &[("AUTH\t1\tPLAIN\tservice=imap\tsecured\tresp=<\0alice@example.org\0pw>\r\n", 1)],
    ),
    client("an unknown mechanism", &[("AUTH\t1\tX-NONE\tservice=imap\tresp=AA==\n", 1)]),
    client("no service", &[("AUTH\t1\tPLAIN\tsecured\tresp=<\0alice@example.org\0pw>\n", 1)]),
    client(
        "a protocol and no service",
        &[("AUTH\t1\tPLAIN\tprotocol=imap\tresp=<\0alice@example.org\0pw>\n", 1)],
    ),
    client(
        "a service that nobody knows",
        &[("AUTH\t1\tPLAIN\tservice=telnet\tresp=<\0alice@example.org\0pw>\n", 1)],
    ),
    client(
        "unknown and empty parameters",
        &[("AUTH\t1\tPLAIN\tservice=imap\t\tcolour=green\tflag\tresp=<\0alice@example.org\0pw>\n", 1)],
    ),
    client(
        "an id in use",
        &[
            ("AUTH\t1\tLOGIN\tservice=imap\n", 1),
            ("AUTH\t1\tPLAIN\tservice=imap\tsecured\tresp=<\0alice@example.org\0pw>\n", 1),
        ],
    ),
    client(
        "an id used again after its end",
        &[
            ("AUTH\t1\tPLAIN\tservice=imap\tsecured\tresp=<\0alice@example.org\0wrong>\n", 1),
            ("AUTH\t1\tPLAIN\tservice=imap\tsecured\tresp=<\0alice@example.org\0pw>\n", 1),
        ],
    ),
    client("the id 0", &[("AUTH\t0\tPLAIN\tservice=imap\tsecured\tresp=<\0alice@example.org\0pw>\n", 1)]),
    client(
        "the largest id",
        &[("AUTH\t4294967295\tPLAIN\tservice=imap\tsecured\tresp=<\0alice@example.org\0pw>\n", 1)],
    ),
    client(
        "an id beyond the largest",
        &[("AUTH\t4294967296\tPLAIN\tservice=imap\tsecured\tresp=<\0alice@example.org\0pw>\n", 1)],
    ),
    client(
        "an id that is no number",
        &[("AUTH\tx\tPLAIN\tservice=imap\tsecured\tresp=<\0alice@example.org\0pw>\n", 1)],
    ),
    client(
        "a parameter after the response",
        &[("AUTH\t1\tPLAIN\tservice=imap\tsecured\tresp=<\0alice@example.org\0pw>\trip=192.0.2.1\n", 1)],
    ),
    client("a response that is no base64", &[("AUTH\t1\tPLAIN\tservice=imap\tresp=*?\n", 1)]),
    client(
        "base64 without its padding",
        &[("AUTH\t1\tPLAIN\tservice=imap\tsecured\tresp=<alice@example.org\0alice@example.org\0pw!>\n", 1)],
    ),
    client("an empty response of a client of 1.2", &[("AUTH\t1\tPLAIN\tservice=imap\tresp=\n", 1)]),
    client_of(0, "an empty response of a client of 1.0", &[("AUTH\t1\tPLAIN\tservice=imap\tresp=\n", 1)]),
    client("a response that says that it is empty", &[("AUTH\t1\tPLAIN\tservice=imap\tresp==\n", 1)]),
    client("a response without a NUL", &[("AUTH\t1\tPLAIN\tservice=imap\tresp=<alice>\n", 1)]),
    client(
        "a response with one NUL too many",
        &[("AUTH\t1\tPLAIN\tservice=imap\tresp=<\0alice@example.org\0pw\0x>\n", 1)],
    ),
    client(
        "somebody who names themselves twice",
        &[("AUTH\t1\tPLAIN\tservice=imap\tsecured\tresp=<alice@example.org\0alice@example.org\0pw>\n", 1)],
    ),
    client(
        "somebody who acts for another",
        &[("AUTH\t1\tPLAIN\tservice=imap\tsecured\tresp=<carol@example.org\0alice@example.org\0pw>\n", 1)],
    ),
    client(
        "a master user where there is none",
        &[("AUTH\t1\tPLAIN\tservice=imap\tsecured\tresp=<\0alice@example.org*admin\0pw>\n", 1)],
    ),
    client(
        "PLAIN in two steps",
        &[("AUTH\t1\tPLAIN\tservice=imap\n", 1), ("CONT\t1\t<\0alice@example.org\0pw>\n", 1)],
    ),
    client(
        "LOGIN in three steps",
        &[
            ("AUTH\t1\tLOGIN\tservice=imap\n", 1),
            ("CONT\t1\t<alice@example.org>\n", 1),
            ("CONT\t1\t<pw>\n", 1),
        ],
    ),
    client(
        "LOGIN with the name at once",
        &[("AUTH\t1\tLOGIN\tservice=imap\tresp=<alice@example.org>\n", 1), ("CONT\t1\t<pw>\n", 1)],
    ),
    client(
        "LOGIN with a wrong password",
        &[("AUTH\t1\tLOGIN\tservice=imap\tresp=<alice@example.org>\n", 1), ("CONT\t1\t<wrong>\n", 1)],
    ),
    client(
        "a continuation that is no base64",
        &[("AUTH\t1\tPLAIN\tservice=imap\n", 1), ("CONT\t1\t*?\n", 1)],
    ),
    client("an empty continuation", &[("AUTH\t1\tPLAIN\tservice=imap\n", 1), ("CONT\t1\t\n", 1)]),
    client("a continuation of nothing", &[("CONT\t77\tAA==\n", 1)]),
    client(
        "a continuation after the end",
        &[
            ("AUTH\t1\tPLAIN\tservice=imap\tsecured\tresp=<\0alice@example.org\0pw>\n", 1),
            ("CONT\t1\tAA==\n", 1),
        ],
    ),
    client("a continuation without an id", &[("CONT\tx\tAA==\n", 1)]),
    client(
        "a continuation after a cancel",
        &[("AUTH\t1\tLOGIN\tservice=imap\n", 1), ("CANCEL\t1\nCONT\t1\tAA==\n", 1)],
    ),
    client(
        "a cancel of nothing",
        &[("CANCEL\t77\nAUTH\t1\tPLAIN\tservice=imap\tsecured\tresp=<\0alice@example.org\0pw>\n", 1)],
    ),
    client("a cancel without an id", &[("CANCEL\tx\n", 1)]),
    client(
        "an id used again after a cancel",
        &[
            ("AUTH\t1\tLOGIN\tservice=imap\n", 1),
            ("CANCEL\t1\nAUTH\t1\tPLAIN\tservice=imap\tsecured\tresp=<\0alice@example.org\0pw>\n", 1),
        ],
    ),
    client_of(
        4,
        "a cancel of a client of 1.4",
        &[
            ("AUTH\t1\tLOGIN\tservice=imap\n", 1),
            ("CANCEL\t1\nAUTH\t2\tPLAIN\tservice=imap\tsecured\tresp=<\0alice@example.org\0pw>\n", 0),
        ],
    ),
    client("an unknown command", &[("FOO\t1\n", 1)]),
    client("an empty line", &[("\n", 1)]),
    client("a second VERSION", &[("VERSION\t1\t2\n", 1)]),
    client(
        "six logins at once",
        &[(
            "AUTH\t1\tPLAIN\tservice=imap\tsecured\tresp=<\0alice@example.org\0wrong>\nAUTH\t2\tPLAIN\tservice=imap\tsecured\tresp=<\0alice@example.org\0pw>\nAUTH\t3\tPLAIN\tservice=imap\tsecured\tresp=<\0alice@example.org\0wrong>\nAUTH\t4\tPLAIN\tservice=imap\tsecured\tresp=<\0alice@example.org\0pw>\nAUTH\t5\tPLAIN\tservice=imap\tsecured\tresp=<\0alice@example.org\0wrong>\nAUTH\t6\tPLAIN\tservice=imap\tsecured\tresp=<\0alice@example.org\0pw>\n",
            6,
        )],
    ),
    client_of(
        9,
        "a client of 1.9",
        &[("AUTH\t1\tPLAIN\tservice=imap\tsecured\tresp=<\0alice@example.org\0pw>\n", 1)],
    ),
    handshake("another major version", &[("VERSION\t2\t0\nCPID\t6001\n", 0)]),
    handshake("a CPID of 0", &[("VERSION\t1\t2\nCPID\t0\n", 0)]),
    handshake("a CPID before the version", &[("CPID\t6002\n", 0)]),
    handshake(
        "a login before the handshake",
        &[("AUTH\t1\tPLAIN\tservice=imap\tsecured\tresp=<\0alice@example.org\0pw>\n", 0)],
    ),
    handshake("a version that is no number", &[("VERSION\tx\ty\nCPID\t6003\n", 0)]),
    master("master: somebody who is there", &[("USER\t1\talice@example.org\tservice=lmtp\n", 1)]),
    master("master: somebody in capitals", &[("USER\t1\tAlice@Example.ORG\tservice=lmtp\n", 1)]),
    master("master: nobody", &[("USER\t1\tghost@example.org\tservice=lmtp\n", 1)]),
    master("master: a protocol and no service", &[("USER\t1\talice@example.org\tprotocol=lmtp\n", 1)]),
    master("master: a line that ends in CRLF", &[("USER\t1\talice@example.org\tservice=lmtp\r\n", 1)]),
    master("master: no service", &[("USER\t1\talice@example.org\n", 1)]),
    master(
        "master: several at once",
        &[(
            "USER\t1\talice@example.org\tservice=lmtp\nUSER\t2\tghost@example.org\tservice=lmtp\nUSER\t3\tcarol@example.org\tservice=lmtp\n",
            3,
        )],
    ),
    master("master: the passdb of somebody", &[("PASS\t1\talice@example.org\tservice=lmtp\n", 1)]),
    master("master: the passdb of nobody", &[("PASS\t1\tghost@example.org\tservice=lmtp\n", 1)]),
    master("master: a list through a mask", &[("LIST\t1\tuser=car*@example.org\tservice=doveadm\n", 2)]),
    master("master: a list that fits nobody", &[("LIST\t1\tuser=no-such-mask-*\tservice=doveadm\n", 1)]),
    master("master: a flush of somebody unknown", &[("CACHE-FLUSH\t1\tghost@example.org\n", 1)]),
    master(
        "master: a request that nobody made",
        &[("REQUEST\t1\t4711\t1\t30313233343536373839616263646566\n", 1)],
    ),
    master("master: a request without a cookie", &[("REQUEST\t1\t4711\t1\n", 1)]),
    master("master: an id that is no number", &[("USER\tx\talice@example.org\tservice=lmtp\n", 1)]),
    master("master: an unknown command", &[("FOO\t1\n", 1)]),
    Input {
        name: "master: another major version",
        door: Door::Master,
        minor: None,
        steps: &[("VERSION\t2\t0\n", 0)],
    },
];
