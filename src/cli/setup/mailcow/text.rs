//! keydove.toml beside mailcow: the shipped one, with the values of this mailcow.

use std::path::{Path, PathBuf};

use super::super::super::storage::Failure;
use super::host::Host;

/// What the package ships, in shadow mode.
const SHIPPED: &str = include_str!("../../../../mailcow/keydove.toml");
const SHADOW: [&str; 3] = ["shadow_url", "shadow_ca_file", "shadow_tls_verify"];
/// What the shipped file says before these.
const ABOUT_SHADOW: &str = "# Shadow mode:";

/// What is said besides mailcow's own values.
#[derive(Debug)]
pub(super) struct Own<'a> {
    /// The folder of keydove.toml.
    pub(super) folder: &'a Path,
    pub(super) sockets: &'a Path,
    pub(super) database_user: &'a str,
    /// The port of loopback at which nginx publishes mailcow's own login.
    pub(super) shadow_port: u16,
    /// The port of loopback for metrics and probes.
    pub(super) operations_port: u16,
}

/// Where the copy of SOGo's secret lies.
pub(super) fn copy_of_sogo_secret(config: &Path) -> PathBuf {
    config.with_file_name("sogo-sso")
}

/// The file in shadow mode.
pub(super) fn in_shadow(host: &Host, own: &Own<'_>) -> String {
    let file = |name: &str| quoted(&own.folder.join(name).display().to_string());
    let mut text = SHIPPED.to_owned();
    for (table, key, value) in [
        ("[[listener]]", "path", quoted(&own.sockets.join("control").display().to_string())),
        ("[storage.mariadb]", "host", quoted(&host.sql.ip().to_string())),
        ("[storage.mariadb]", "port", host.sql.port().to_string()),
        ("[storage.mariadb]", "user", quoted(own.database_user)),
        ("[storage.mariadb]", "password_file", file("database-password")),
        ("[storage.mariadb]", "database", quoted(&host.database)),
        ("[redis]", "host", quoted(&host.redis.ip().to_string())),
        ("[redis]", "port", host.redis.port().to_string()),
        ("[redis]", "password_file", file("redis-password")),
        ("[sogo]", "addresses", format!("[\"{}.248\"]", host.network)),
        ("[sogo]", "single_sign_on_file", file("sogo-sso")),
        ("[http_login]", "listen", format!("\"{}:9082\"", host.own_address())),
        ("[http_login]", "allow", format!("[\"{}.0/24\"]", host.network)),
        ("[http_login]", "shadow_url", format!("\"https://127.0.0.1:{}\"", own.shadow_port)),
        ("[http]", "listen", format!("\"127.0.0.1:{}\"", own.operations_port)),
    ] {
        text = set(&text, table, key, &value);
    }
    match host.sogo_secret {
        Some(_) => text,
        None => without_table(&text, "[sogo]"),
    }
}

/// Another value of a key; what is said behind it stays.
fn set(text: &str, table: &str, key: &str, value: &str) -> String {
    let mut current = "";
    let line = |line| {
        if is_head(line) {
            current = line;
        }
        let old = line.strip_prefix(key).and_then(|rest| rest.strip_prefix(" = "));
        match old.filter(|_| current == table) {
            Some(old) => match old.split_once(" #") {
                Some((before, comment)) => {
                    let width = before.len().max(value.len());
                    format!("{key} = {value:width$} #{comment}\n")
                }
                None => format!("{key} = {value}\n"),
            },
            None => format!("{line}\n"),
        }
    };
    text.lines().map(line).collect()
}

fn without_table(text: &str, table: &str) -> String {
    let mut is_in = false;
    let mut keep = |line: &&str| {
        if is_head(line) {
            is_in = *line == table;
        }
        !is_in
    };
    text.split_inclusive('\n').filter(|line| keep(&line.trim_end_matches('\n'))).collect()
}

fn is_head(line: &str) -> bool {
    line.starts_with('[')
}

/// The same file, and keydove decides. Everything else in it stays as it is, whoever wrote it.
pub(super) fn deciding(path: &Path, text: &str) -> Result<String, Failure> {
    let names_shadow = |line: &str| {
        let key = line.trim_start().split(['=', ' ', '\t']).next().unwrap_or_default();
        SHADOW.contains(&key) || line.starts_with(ABOUT_SHADOW)
    };
    let new: String = text.split_inclusive('\n').filter(|line| !names_shadow(line)).collect();
    let parse = |text: &str| {
        toml::from_str::<toml::Table>(text)
            .map_err(|error| Failure::Data(format!("{}:\n{error}", path.display())))
    };
    let (mut wanted, found) = (parse(text)?, parse(&new)?);
    if let Some(login) = wanted.get_mut("http_login").and_then(toml::Value::as_table_mut) {
        SHADOW.iter().for_each(|key| drop(login.remove(*key)));
    }
    if wanted != found {
        return Err(Failure::Data(format!(
            "{}: setup cannot take {} out of [http_login] without changing more; take them out yourself, and run setup again",
            path.display(),
            SHADOW.join(", ")
        )));
    }
    Ok(new)
}

#[cfg(test)]
fn is_in_shadow(text: &str) -> bool {
    let table: Option<toml::Table> = toml::from_str(text).ok();
    table.is_some_and(|table| table.get("http_login").and_then(|login| login.get("shadow_url")).is_some())
}

/// A text as TOML writes it.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(has_sogo: bool) -> Host {
        Host {
            folder: "/m".into(),
            network: "10.9.8".to_owned(),
            sql: "127.0.0.2:3307".parse().unwrap(),
            redis: "127.0.0.3:6380".parse().unwrap(),
            redis_password: "s3cret".to_owned(),
            root_password: None,
            database: "cow".to_owned(),
            sogo_secret: has_sogo.then(|| "/m/sso".into()),
            is_standalone: false,
            compose_override: "/m/o".into(),
        }
    }

    fn text(has_sogo: bool) -> String {
        let own = Own {
            folder: Path::new("/e"),
            sockets: Path::new("/s"),
            database_user: "kd",
            shadow_port: 9999,
            operations_port: 9000,
        };
        in_shadow(&host(has_sogo), &own)
    }

    #[test]
    fn every_value_of_this_mailcow_takes_the_place_of_the_shipped_one() {
        let text = text(true);
        for part in [
            "path = \"/s/control\"",
            "host = \"127.0.0.2\"",
            "port = 3307",
            "user = \"kd\"",
            "password_file = \"/e/database-password\"",
            "database = \"cow\"",
            "host = \"127.0.0.3\"",
            "port = 6380",
            "password_file = \"/e/redis-password\"",
            "addresses = [\"10.9.8.248\"]",
            "single_sign_on_file = \"/e/sogo-sso\"",
            "listen = \"10.9.8.1:9082\"",
            "allow = [\"10.9.8.0/24\"]",
            "shadow_url = \"https://127.0.0.1:9999\"",
            "listen = \"127.0.0.1:9000\"",
        ] {
            assert!(text.lines().any(|line| line.starts_with(part)), "no `{part}` in\n{text}");
        }
        assert!(!text.contains("172.22") && !text.contains("/etc/keydove/d") && !text.contains("s3cret"));
        assert!(crate::config::Config::parse_features(Path::new("/e/keydove.toml"), &text).is_ok());
        assert!(is_in_shadow(&text));
    }

    #[test]
    fn a_mailcow_without_sogo_has_no_table_of_it() {
        assert!(text(true).contains("[sogo]"));
        let without = text(false);
        assert!(!without.contains("sogo") && without.contains("[http_login]"), "{without}");
    }

    #[test]
    fn only_the_lines_of_shadow_mode_are_taken_out() {
        let path = Path::new("/e/keydove.toml");
        let own = text(true).replace("[http]", "# mine\n[audit]\nx = 1\n\n[http]");
        let decides = deciding(path, &own).unwrap();
        assert!(!is_in_shadow(&decides) && decides.contains("# mine") && !decides.contains("shadow"));
        assert_eq!(deciding(path, &decides).unwrap(), decides);
        let odd = "http_login = { listen = '127.0.0.1:1', shadow_url = 'https://x' }\n";
        assert!(deciding(path, odd).unwrap_err().to_string().contains("take them out yourself"));
    }
}
