//! The package's parts name the same units and sockets. That they work, `tests/machine` shows on a booted machine.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The units by their file names.
fn units() -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    files.filter(|name| name.ends_with(".service") || name.ends_with(".socket")).collect()
}

/// The values of a key, one a line.
fn values(text: &str, key: &str) -> BTreeSet<String> {
    let lines = text.lines().filter_map(|line| line.strip_prefix(key)?.trim_start().strip_prefix('='));
    lines.map(|value| value.trim().trim_matches('"').to_owned()).collect()
}

fn sockets_of(unit: &str) -> BTreeSet<String> {
    values(&read(&format!("systemd/{unit}")), "ListenStream")
}

#[test]
fn a_removal_stops_every_unit_and_the_page_names_it() {
    let (removal, page) = (read("packaging/debian/keydove.prerm"), read("docs/packages.md"));
    assert_eq!(units().len(), 6);
    for unit in units() {
        assert!(removal.contains(&unit), "keydove.prerm does not stop {unit}");
        assert!(page.contains(&format!("/usr/lib/systemd/system/{unit}`")), "docs/packages.md lacks {unit}");
    }
}

#[test]
fn the_shipped_configuration_has_a_listener_for_each_socket_and_the_units_a_socket_for_each_listener() {
    let mut sockets: BTreeSet<String> =
        ["keydove-login.socket", "keydove-master.socket", "keydove-postfix.socket"]
            .into_iter()
            .flat_map(sockets_of)
            .collect();
    // keydove's own user asks there, so keydove makes it.
    sockets.insert("/run/keydove/control".to_owned());
    assert_eq!(values(&read("packaging/keydove.toml"), "path"), sockets);
}

#[test]
fn dovecot_is_sent_to_sockets_that_a_unit_opens() {
    let opened = sockets_of("keydove-master.socket");
    for release in ["2.3", "2.4"] {
        let drop_in = read(&format!("dovecot/takeover-{release}.conf"));
        let words = drop_in.split_whitespace().filter(|word| word.starts_with("/run/keydove/"));
        let named: BTreeSet<&str> = words.collect();
        assert_eq!(named.len(), 2, "{release}: {named:?}");
        assert!(named.iter().all(|path| opened.contains(*path)), "{release}: {named:?}");
    }
}

#[test]
fn no_socket_is_opened_before_keydove_could_answer() {
    for unit in units() {
        let conditions = values(&read(&format!("systemd/{unit}")), "ConditionPathExists");
        assert!(conditions.contains("/etc/keydove/keydove.toml"), "{unit}");
    }
}

#[test]
fn units_pull_no_sockets_in() {
    // Which of them are wanted, whoever enables them says.
    let service = read("systemd/keydove.service");
    for key in ["Wants", "Requires", "Sockets", "Also"] {
        assert!(!values(&service, key).iter().any(|value| value.contains(".socket")), "{key}");
    }
}
