use proptest::prelude::*;

use super::*;

fn port() -> Element {
    Element { service: "nginx-mailcow", list: "ports", text: "127.0.0.1:9082:9082".to_owned(), alone: None }
}

fn host() -> Element {
    Element {
        service: "dovecot-mailcow",
        list: "extra_hosts",
        text: "keydove:172.22.1.1".to_owned(),
        alone: Some("keydove"),
    }
}

const OWN: &str = "\
# Ours.
version: '2.1'
services:

  # Faster.
  php-fpm-mailcow:
    environment: {A: b}
  dovecot-mailcow:   # with a volume
    volumes:
    - /srv/a:/a   # first
    - type: bind
      source: /srv/b
      target: /b

  sogo-mailcow: {restart: always}
# The end.
networks:
  x:
";

#[test]
fn a_new_file_has_no_more_than_what_is_added() {
    let text = with("", &port()).unwrap();
    assert_eq!(
        text,
        "services:\n  nginx-mailcow:\n    ports:\n      - \"127.0.0.1:9082:9082\"  # by keydove setup\n"
    );
    assert_eq!(with(&text, &port()).unwrap(), text, "twice is once");
    assert_eq!(without(&text, &port()).unwrap(), "");
    assert!(shown(&[port(), host()]).contains("    extra_hosts:\n      - \"keydove:172.22.1.1\"\n"));
}

#[test]
fn what_an_administrator_wrote_stays_line_by_line() {
    let volume = Element {
        service: "dovecot-mailcow",
        list: "volumes",
        text: "/e/script.lua:/s.lua".to_owned(),
        alone: Some(":/s.lua"),
    };
    let mut text = OWN.to_owned();
    for element in [&port(), &host(), &volume] {
        text = with(&text, element).unwrap();
    }
    let kept: Vec<&str> = text.lines().filter(|line| OWN.lines().any(|own| own == *line)).collect();
    assert_eq!(kept, OWN.lines().collect::<Vec<_>>());
    assert!(
        text.contains("      target: /b\n    - \"/e/script.lua:/s.lua\"  # by keydove setup\n"),
        "{text}"
    );
    assert!(text.contains("    extra_hosts:\n      - \"keydove:172.22.1.1\""), "{text}");
    for element in [&port(), &host(), &volume] {
        text = without(&text, element).unwrap();
    }
    assert_eq!(text, OWN);
}

#[test]
fn a_list_that_says_otherwise_is_not_added_to() {
    let text = "services:\n  dovecot-mailcow:\n    extra_hosts:\n      - keydove:10.0.0.1\n";
    assert!(with(text, &host()).unwrap_err().contains("keydove:10.0.0.1"), "another address");
}

#[test]
fn what_cannot_be_edited_safely_is_left_alone() {
    for (text, why) in [
        ("services: {dovecot-mailcow: {}}\n", "on one line"),
        ("services:\n  dovecot-mailcow: {}\n", "on one line"),
        ("services:\n  dovecot-mailcow:\n    extra_hosts: [a:1]\n", "on one line"),
        ("services:\n  dovecot-mailcow:\n    extra_hosts:\n      a: 1\n", "no list"),
        ("services:\n  dovecot-mailcow: &d\n    image: x\n", ""),
        ("services:\n  a: &d\n    image: x\n  b: *d\n  dovecot-mailcow: *d\n", ""),
        ("a: b\n---\nservices:\n", "more than one document"),
        ("services:\n\tdovecot-mailcow:\n", ""),
        ("services: [\n", "no YAML"),
        ("- services\n", "not in a mapping"),
    ] {
        let end = with(text, &host());
        assert!(end.as_ref().is_err_and(|error| error.contains(why)), "{text}: {end:?}");
    }
}

#[test]
fn an_element_in_another_form_is_found_and_only_taken_out_where_it_has_a_line() {
    let text = "services:\n  nginx-mailcow:\n    ports:\n      - 127.0.0.1:9082:9082\n    image: x\n";
    assert_eq!(with(text, &port()).unwrap(), text);
    assert_eq!(without(text, &port()).unwrap(), "services:\n  nginx-mailcow:\n    image: x\n");
    let flow = "services: {nginx-mailcow: {ports: [\"127.0.0.1:9082:9082\"]}}\n";
    assert!(without(flow, &port()).is_err());
}

proptest! {
    /// Whatever is there: it is refused, or exactly the element is added, and taken out again.
    #[test]
    fn an_edit_is_exact_or_refused(
        lines in proptest::collection::vec(
            "( {0,6})(services:|dovecot-mailcow:|nginx-mailcow:|ports:|extra_hosts:|volumes:|- a:b|- \"c\"|image: x|# note|)", 0..12)
    ) {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        for element in [port(), host()] {
            let Ok(new) = with(&text, &element) else { continue };
            let mut wanted = read(&text).unwrap();
            list_of(&mut wanted, &element).unwrap().push(Value::from(&*element.text));
            prop_assert_eq!(read(&new).unwrap(), wanted);
            let old: Vec<&str> = text.lines().collect();
            let mut rest = new.lines();
            prop_assert!(old.iter().all(|line| rest.any(|new| new == *line)), "lines are kept: {}", new);
        }
    }
}
