//! What is written to a user. Everything of others' (names, addresses) stands in the text, which is encoded as a whole; in a
//! header line stands only what [`is_plain_address`] has let through.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use super::config::{Config, Language, is_plain_address};
use crate::backend::sql::{Notice, Occasion};

/// Longest name that is shown, in characters.
const LONGEST_NAME: usize = 100;
/// Of an encoded line, as RFC 2045 has it.
const LINE: usize = 76;
/// Octets of a subject in one encoded word (RFC 2047, 2: at most 75 characters, with what is around them).
const WORD: usize = 45;

struct Words {
    code: &'static str,
    made: &'static str,
    ends: &'static str,
    made_text: &'static str,
    ends_text: &'static str,
    name: &'static str,
    services: &'static str,
    created: &'static str,
    from: &'static str,
    until: &'static str,
    never: &'static str,
    not_you: &'static str,
    renew: &'static str,
    at_portal: &'static str,
    at_administrator: &'static str,
    footer: &'static str,
}

const ENGLISH: Words = Words {
    code: "en",
    made: "A new app password for your mailbox",
    ends: "An app password of your mailbox ends soon",
    made_text: "An app password was made for your mailbox",
    ends_text: "An app password of this mailbox ends within a week:",
    name: "Name",
    services: "Opens",
    created: "Made",
    from: "from",
    until: "Ends",
    never: "never",
    not_you: "If you know of it, there is nothing to do. If not, somebody else may be reading your mail: revoke it now",
    renew: "Programs that use it can then no longer log in. Make a new one before, if you still need it",
    at_portal: "here:",
    at_administrator: "with the help of your administrator.",
    footer: "The mail system wrote this. Nobody reads answers to it.",
};

const GERMAN: Words = Words {
    code: "de",
    made: "Ein neues App-Passwort für Ihr Postfach",
    ends: "Ein App-Passwort Ihres Postfachs endet bald",
    made_text: "Für Ihr Postfach wurde ein App-Passwort erstellt",
    ends_text: "Ein App-Passwort dieses Postfachs endet innerhalb einer Woche:",
    name: "Name",
    services: "Öffnet",
    created: "Erstellt",
    from: "von",
    until: "Endet",
    never: "nie",
    not_you: "Wenn Sie davon wissen, ist nichts zu tun. Wenn nicht, liest vielleicht jemand anderes Ihre Mail: Widerrufen Sie es jetzt",
    renew: "Programme, die es benutzen, können sich dann nicht mehr anmelden. Erstellen Sie vorher ein neues, wenn Sie es noch brauchen",
    at_portal: "hier:",
    at_administrator: "mit Hilfe Ihrer Administration.",
    footer: "Das Mailsystem hat dies geschrieben. Antworten liest niemand.",
};

/// A mail, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Letter {
    /// The mailbox.
    pub(super) to: String,
    /// Header and body. Lines end with CR LF, and none begins with a dot.
    pub(super) text: String,
}

/// Writes it; `None` where the mailbox has a name that no mail server here takes. `now` is in seconds since 1970.
pub(super) fn write(notice: &Notice, config: &Config, now: i64) -> Option<Letter> {
    let to = notice.user.as_str();
    let sender = config.sender.as_deref().filter(|sender| is_plain_address(sender))?;
    if !is_plain_address(to) {
        return None;
    }
    let words = match config.language {
        Language::English => &ENGLISH,
        Language::German => &GERMAN,
    };
    let subject = match notice.occasion {
        Occasion::Made => words.made,
        Occasion::Ends => words.ends,
    };
    let date = OffsetDateTime::from_unix_timestamp(now).ok()?.format(&Rfc2822).ok()?;
    let domain = sender.split_once('@').map_or("", |(_, domain)| domain);
    let (id, occasion, created) = (notice.id, notice.occasion.name(), notice.created);
    let head = [
        format!("From: <{sender}>"),
        format!("To: <{to}>"),
        format!("Subject: {}", encoded_words(subject)),
        format!("Date: {date}"),
        // The same for the same, so that even a second one could be told.
        format!("Message-ID: <keydove.{occasion}.{id}.{created}@{domain}>"),
        "Auto-Submitted: auto-generated".to_owned(),
        "MIME-Version: 1.0".to_owned(),
        "Content-Type: text/plain; charset=utf-8".to_owned(),
        "Content-Transfer-Encoding: base64".to_owned(),
        format!("Content-Language: {}", words.code),
    ];
    let mut text = head.join("\r\n");
    text.push_str("\r\n\r\n");
    let encoded = BASE64_STANDARD.encode(body(notice, config, words));
    for line in encoded.as_bytes().chunks(LINE) {
        text.push_str(&String::from_utf8_lossy(line));
        text.push_str("\r\n");
    }
    Some(Letter { to: to.to_owned(), text })
}

fn body(notice: &Notice, config: &Config, words: &Words) -> String {
    let mut lines = match notice.occasion {
        Occasion::Made => vec![format!("{} {}.", words.made_text, notice.user.as_str())],
        Occasion::Ends => vec![words.ends_text.to_owned(), notice.user.as_str().to_owned()],
    };
    let services: Vec<String> = notice.services.iter().map(|name| name.to_ascii_uppercase()).collect();
    let from =
        notice.from.as_deref().map(|from| format!(", {} {}", words.from, shown(from))).unwrap_or_default();
    lines.push(String::new());
    lines.push(format!("    {}: {}", words.name, shown(&notice.name)));
    lines.push(format!("    {}: {}", words.services, services.join(", ")));
    lines.push(format!("    {}: {}{from}", words.created, minute(notice.created)));
    let ends = notice.expires.map_or_else(|| words.never.to_owned(), minute);
    lines.push(format!("    {}: {ends}", words.until));
    lines.push(String::new());
    let sentence = match notice.occasion {
        Occasion::Made => words.not_you,
        Occasion::Ends => words.renew,
    };
    match &config.portal_url {
        Some(url) => {
            lines.push(format!("{sentence} {}", words.at_portal));
            lines.push(format!("    {}/app-passwords", url.trim_end_matches('/')));
        }
        None => lines.push(format!("{sentence} {}", words.at_administrator)),
    }
    lines.push(String::new());
    lines.push(words.footer.to_owned());
    lines.push(String::new());
    lines.join("\r\n")
}

/// What a person has written, on one line, and without what turns the direction of a line or hides in it.
fn shown(text: &str) -> String {
    let is_shown = |c: &char| {
        !c.is_control()
            && !matches!(*c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    text.chars().filter(is_shown).take(LONGEST_NAME).collect()
}

fn minute(at: i64) -> String {
    let Ok(at) = OffsetDateTime::from_unix_timestamp(at) else { return String::new() };
    let (year, month, day) = (at.year(), u8::from(at.month()), at.day());
    format!("{year}-{month:02}-{day:02} {:02}:{:02} UTC", at.hour(), at.minute())
}

/// As RFC 2047 writes what is not ASCII; a word ends where a character does.
fn encoded_words(text: &str) -> String {
    if text.is_ascii() {
        return text.to_owned();
    }
    let mut words = vec![String::new()];
    for c in text.chars() {
        if words.last().is_some_and(|word| word.len() + c.len_utf8() > WORD) {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut() {
            word.push(c);
        }
    }
    let encode = |word: &String| format!("=?utf-8?B?{}?=", BASE64_STANDARD.encode(word));
    words.iter().map(encode).collect::<Vec<_>>().join("\r\n ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Username;

    fn notice(user: &str, name: &str) -> Notice {
        Notice {
            id: 17,
            user: Username::parse(user.as_bytes()).unwrap(),
            occasion: Occasion::Made,
            name: name.to_owned(),
            services: vec!["imap", "smtp"],
            created: 1_800_000_000,
            from: Some("192.0.2.7".to_owned()),
            expires: None,
        }
    }

    fn config(more: &str) -> Config {
        toml::from_str(&format!("relay = '127.0.0.1:25'\nsender = 'postmaster@example.org'\n{more}")).unwrap()
    }

    fn decoded(letter: &Letter) -> (String, String) {
        let (head, body) = letter.text.split_once("\r\n\r\n").unwrap();
        let body: String = body.lines().collect();
        (head.to_owned(), String::from_utf8(BASE64_STANDARD.decode(body).unwrap()).unwrap())
    }

    #[test]
    fn it_says_what_was_made_when_from_where_and_what_to_do() {
        let config = config("portal_url = 'https://account.example.org/'");
        let letter = write(&notice("alice@example.org", "my phone"), &config, 1_800_000_030).unwrap();
        let (head, body) = decoded(&letter);
        assert!(head.contains("Subject: A new app password for your mailbox\r\n"), "{head}");
        assert!(head.contains("Date: Fri, 15 Jan 2027 08:00:30 +0000\r\n"), "{head}");
        assert!(head.contains("Message-ID: <keydove.made.17.1800000000@example.org>"), "{head}");
        for part in [
            "alice@example.org",
            "Name: my phone",
            "IMAP, SMTP",
            "2027-01-15 08:00 UTC, from 192.0.2.7",
            "Ends: never",
            "https://account.example.org/app-passwords",
        ] {
            assert!(body.contains(part), "{part}: {body}");
        }
        assert!(letter.text.lines().all(|line| line.len() <= 78 && !line.starts_with('.')));
    }

    #[test]
    fn each_occasion_is_told_in_each_language() {
        let mut notice = notice("alice@example.org", "Händi");
        (notice.occasion, notice.expires) = (Occasion::Ends, Some(1_800_500_000));
        let (head, body) = decoded(&write(&notice, &config("language = 'de'"), 1_800_000_030).unwrap());
        assert!(head.contains("Content-Language: de") && head.is_ascii(), "{head}");
        assert!(body.contains("endet innerhalb einer Woche") && body.contains("Name: Händi"), "{body}");
        assert!(body.contains("Endet: 2027-01-21 02:53 UTC") && body.contains("Administration"), "{body}");
        notice.occasion = Occasion::Made;
        let (head, _) = decoded(&write(&notice, &config("language = 'de'"), 1_800_000_030).unwrap());
        let word = BASE64_STANDARD.encode("Ein neues App-Passwort für Ihr Postfach");
        assert!(head.contains(&format!("Subject: =?utf-8?B?{word}?=\r\n")), "{head}");
    }

    #[test]
    fn what_others_have_written_is_text_and_no_header() {
        let hostile = "x\r\nBcc: eve@evil.example\r\n\r\n.\r\nQUIT\u{202e}\0";
        let mut notice = notice("alice@example.org", hostile);
        notice.from = Some("1.2.3.4\r\nX: y".to_owned());
        let letter = write(&notice, &config(""), 1_800_000_030).unwrap();
        let (head, body) = decoded(&letter);
        assert_eq!(head.lines().count(), 10, "{head}");
        assert!(
            !letter.text.contains("eve@") && body.contains("Name: xBcc: eve@evil.example.QUIT\r\n"),
            "{body}"
        );
        assert!(body.contains("from 1.2.3.4X: y\r\n"), "{body}");
    }

    #[test]
    fn only_plain_addresses_are_written_to() {
        for address in ["alice@example.org", "a.b+c@xn--exmple-cua.org", "o'neil@example.org", "x/y=z@a"] {
            assert!(is_plain_address(address), "{address}");
        }
        for address in [
            "",
            "alice",
            "@example.org",
            "alice@",
            "a b@example.org",
            "a>b@example.org",
            "a\r\nb@example.org",
            "a@b@c",
            "müller@example.org",
            "a@exa mple.org",
            ".a@example.org",
            "a..b@example.org",
            "\"a\"@example.org",
            "a@[127.0.0.1]",
        ] {
            assert!(!is_plain_address(address), "{address}");
        }
        assert_eq!(write(&notice("müller@example.org", "x"), &config(""), 0), None);
    }
}
