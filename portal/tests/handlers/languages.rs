//! A page speaks one language: what is not in it is what the daemon, servers and people have said, and is marked.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use axum::body::Body;
use axum::http::Request;
use axum::http::header::COOKIE;
use keydove_portal::texts::Language;
use keydove_words::auth::Reason;

use super::admin::{FORMS, PAGES, of_administrator};
use super::double::HOSTILE_NAME;
use super::{COOKIE_LINE, NOW, Portal, form_request};

/// Pages of everybody.
const OWN_PAGES: [&str; 8] = [
    "/help",
    "/signed-out",
    "/device?program=thunderbird",
    "/device?program=apple",
    "/device?program=android",
    "/app-passwords",
    "/sign-ins",
    "/sessions",
];

/// All sentences of a language, as they stand in its catalogue. Those of a word or two may be the same in another.
fn sentences(language: Language) -> BTreeSet<String> {
    let shown = format!("{:?}", language.texts());
    let mut found = BTreeSet::new();
    let mut rest = shown.as_str();
    while let Some(start) = rest.find('"') {
        let mut end = start + 1;
        while !rest[end..].starts_with('"') {
            end += if rest[end..].starts_with('\\') {
                2
            } else {
                rest[end..].chars().next().map_or(1, char::len_utf8)
            };
        }
        found.insert(rest[start + 1..end].replace("\\\"", "\"").replace("\\'", "'"));
        rest = &rest[end + 1..];
    }
    found
}

/// What a browser shows of a page, a text from each place; and which of them are marked as English.
fn texts(page: &str) -> (Vec<String>, Vec<String>) {
    let (mut own, mut english) = (Vec::new(), Vec::new());
    let mut open: Vec<(String, bool)> = Vec::new();
    for part in page.split('<').skip(1) {
        let (tag, text) = part.split_once('>').unwrap();
        let name = tag.split([' ', '/']).next().unwrap_or_default().to_owned();
        if let Some(closed) = tag.strip_prefix('/') {
            while open.pop().is_some_and(|(name, _)| name != closed) {}
        } else if !["meta", "link", "input", "br", "img", "!doctype", "!DOCTYPE", "path", "rect"]
            .contains(&&*name)
        {
            open.push((name, tag.contains("lang=\"en\"")));
        }
        for attribute in ["aria-label=\"", "data-label=\"", "placeholder=\"", "title=\"", "data-sure=\""] {
            own.extend(
                tag.split_once(attribute).and_then(|(_, rest)| Some(decoded(rest.split('"').next()?))),
            );
        }
        let text = decoded(text.trim());
        if !text.is_empty() {
            let list = if open.iter().any(|(_, is_english)| *is_english) { &mut english } else { &mut own };
            list.push(text);
        }
    }
    (own, english)
}

fn decoded(text: &str) -> String {
    let pairs =
        [("&#34;", "\""), ("&#39;", "'"), ("&#60;", "<"), ("&#62;", ">"), ("&#38;", "&"), ("&amp;", "&")];
    pairs.iter().fold(text.to_owned(), |text, (coded, plain)| text.replace(coded, plain))
}

/// A sentence of the catalogue in a text, also with something put into its gap.
fn holds(text: &str, sentence: &str) -> bool {
    let mut from = 0;
    sentence.split("{}").all(|part| match text[from..].find(part) {
        Some(at) => {
            from += at + part.len();
            true
        }
        None => false,
    })
}

#[tokio::test]
async fn a_german_page_has_no_sentence_of_the_english_catalogue() {
    let (english, german) = (sentences(Language::English), sentences(Language::German));
    // What is the same in both languages, and a word within a German one, tells nothing.
    let only_english: Vec<&String> =
        english.difference(&german).filter(|text| text.split_whitespace().count() >= 2).collect();
    assert!(only_english.len() > 250, "only {} sentences were found", only_english.len());
    let of_daemon: Vec<&str> = Reason::all().map(Reason::cure).filter(|cure| !cure.is_empty()).collect();
    let portal = Portal::new(of_administrator(NOW));
    let mut pages = Vec::new();
    let german_cookies = format!("{COOKIE_LINE}; __Host-keydove-language=de");
    for path in PAGES.iter().chain(&OWN_PAGES) {
        let request = Request::get(*path).header(COOKIE, &german_cookies).body(Body::empty()).unwrap();
        pages.push((*path, portal.send(request).await));
    }
    for (path, form) in FORMS {
        let mut request = form_request(path, form).body(Body::from(form)).unwrap();
        request.headers_mut().insert(COOKIE, german_cookies.parse().unwrap());
        pages.push((path, portal.send(request).await));
    }
    for form in ["name=Default&text=%7B%7D", "name=Default&text=x"] {
        let path = "/admin/templates/compare";
        let mut request = form_request(path, form).body(Body::from(form)).unwrap();
        request.headers_mut().insert(COOKIE, german_cookies.parse().unwrap());
        pages.push((path, portal.send(request).await));
    }
    for (path, page) in pages {
        assert!(page.has("<html lang=\"de\">"), "{path}: {}", page.body);
        let (own, marked) = texts(&page.body);
        assert!(own.len() > 5, "{path}: {own:?}");
        for text in &own {
            let foreign = only_english.iter().find(|sentence| holds(text, sentence));
            assert!(foreign.is_none(), "{path} says `{text}`, which is the English `{}`", foreign.unwrap());
        }
        for text in own.iter().chain(&marked) {
            assert!(!of_daemon.contains(&&**text), "{path} says in English what to do: {text}");
        }
        // Only what others have said is English.
        let left = marked.iter().find(|text| !text.contains(HOSTILE_NAME) && *text != "English");
        assert_eq!(left, None, "{path}");
    }
}

/// Words in a template would be there in every language.
#[test]
fn templates_hold_no_words_of_their_own() {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("templates")];
    let mut read = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            if path.extension().is_none_or(|end| end != "html") {
                continue;
            }
            read += 1;
            let mut text = fs::read_to_string(&path).unwrap();
            for (begin, end) in [("{{", "}}"), ("{%", "%}"), ("{#", "#}"), ("<", ">")] {
                while let Some(start) = text.find(begin) {
                    let length = text[start..].find(end).unwrap() + end.len();
                    text.replace_range(start..start + length, " ");
                }
            }
            let words: Vec<_> = text
                .split(|of: char| !of.is_alphabetic())
                .filter(|word| word.len() > 1 && *word != "lt" && *word != "gt")
                .collect();
            // Names of products and protocols.
            let left: Vec<_> =
                words.iter().filter(|word| !["keydove", "IMAP", "SMTP"].contains(word)).collect();
            assert!(left.is_empty(), "{}: {left:?}", path.display());
        }
    }
    assert!(read > 15, "only {read} templates were read");
}
