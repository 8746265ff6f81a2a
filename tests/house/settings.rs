//! The reference of the settings, `docs/configuration.md`, made of the doc comments of the structs that read them; and
//! that what it says of names and defaults is so.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use keydove::config::Config;
use keydove::frontend::control::InUse;

use crate::config::write_private;

/// A table of the file, the source of its struct, and the struct.
const TABLES: [(&str, &str, &str); 25] = [
    ("[[listener]]", "config/listener.rs", "ListenerConfig"),
    ("[keycloak]", "backend/keycloak/config.rs", "Config"),
    ("[mailcow]", "jobs/mailcow/config.rs", "Config"),
    ("[storage.sqlite]", "backend/sql/config.rs", "SqliteConfig"),
    ("[storage.mariadb]", "backend/sql/config.rs", "MariadbConfig"),
    ("[userdb]", "login/userdb/mod.rs", "Config"),
    ("[login]", "login/service/config.rs", "Config"),
    ("[provisioning]", "provision/config.rs", "Config"),
    ("[app_passwords]", "login/passdb/app_password.rs", "AppPasswordConfig"),
    ("[oauth]", "credential/token/config.rs", "Config"),
    ("[master_users]", "login/passdb/master_users.rs", "MasterUsersConfig"),
    ("[sogo]", "login/decision/webmail.rs", "SogoConfig"),
    ("[cache]", "backend/records/config.rs", "Config"),
    ("[throttle]", "login/throttle/config.rs", "Config"),
    ("[redis]", "backend/redis/config.rs", "Config"),
    ("[kick]", "backend/kick/config.rs", "Config"),
    ("[sync]", "jobs/sync/config.rs", "Config"),
    ("[housekeeping]", "jobs/housekeeping/config.rs", "Config"),
    ("[bookkeeping]", "jobs/bookkeeping/config.rs", "Config"),
    ("[hashing]", "credential/hashing/mod.rs", "Config"),
    ("[hashing.schemes]", "credential/scheme/policy.rs", "Policy"),
    ("[log]", "observe/log.rs", "LogConfig"),
    ("[http]", "frontend/operations/config.rs", "Config"),
    ("[http_login]", "frontend/http_login/config.rs", "Config"),
    ("the file", "config/mod.rs", "File"),
];

/// Fields that are tables: described with their own table, or as further lines of it.
const NOT_A_ROW: [&str; 1] = ["schemes"];

/// A setting, as its struct has it.
struct Setting {
    name: String,
    kind: String,
    default: String,
    meaning: String,
}

fn source(file: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(file)).unwrap()
}

/// The doc comment that ends before a line, as paragraphs, and the attributes between them.
fn comment_above(lines: &[&str], at: usize) -> (Vec<String>, Vec<String>) {
    let above = lines[..at].iter().rev().map(|line| line.trim());
    let mut above: Vec<&str> =
        above.take_while(|line| line.starts_with("///") || line.starts_with("#[")).collect();
    above.reverse();
    let attributes = above.iter().filter(|line| line.starts_with('#')).map(ToString::to_string).collect();
    let doc: Vec<&str> = above.iter().filter_map(|line| line.strip_prefix("///")).map(str::trim).collect();
    (doc.split(|line| line.is_empty()).map(|paragraph| paragraph.join(" ")).collect(), attributes)
}

/// The lines of a struct or enum, and where in them it begins.
fn item<'a>(lines: &'a [&'a str], kind: &str, name: &str) -> Option<(usize, usize)> {
    let begin = lines.iter().position(|line| {
        let line = line.trim_start_matches("pub ");
        line.strip_prefix(kind).and_then(|rest| rest.strip_prefix(name)).is_some_and(|rest| rest == " {")
    })?;
    Some((begin, begin + lines[begin..].iter().position(|line| *line == "}")?))
}

fn settings(file: &str, name: &str) -> Vec<Setting> {
    let text = source(file);
    let lines: Vec<&str> = text.lines().collect();
    let (begin, end) = item(&lines, "struct ", name).unwrap_or_else(|| panic!("{file} has no struct {name}"));
    let is_field = |line: &str| line.starts_with("    ") && !line.trim_start().starts_with(['/', '#']);
    let fields = (begin + 1..end).filter(|&at| is_field(lines[at]));
    let attributes = comment_above(&lines, begin).1;
    let has_default = attributes.iter().any(|line| line.starts_with("#[serde") && line.contains("default"));
    fields
        .filter(|&at| !NOT_A_ROW.iter().any(|name| lines[at].trim().starts_with(&format!("pub {name}:"))))
        .map(|at| setting(&lines, at, has_default))
        .collect()
}

fn setting(lines: &[&str], at: usize, has_default: bool) -> Setting {
    let field = lines[at].trim().trim_start_matches("pub ").trim_end_matches(',');
    let (name, kind) = field.split_once(": ").unwrap();
    let (doc, attributes) = comment_above(lines, at);
    let renamed = attributes.iter().find_map(|line| line.split_once("rename = \"")?.1.split('"').next());
    let name = renamed.unwrap_or(name).to_owned();
    let doc = doc.join(" ");
    let (meaning, default) = match doc.rfind("Default") {
        Some(begin) => (doc[..begin].trim(), doc[begin + "Default".len()..].trim_start_matches(':').trim()),
        None => (doc.as_str(), ""),
    };
    let default = default.trim_end_matches('.').to_owned();
    let is_optional = kind.starts_with("Option<");
    let is_list = kind.starts_with("Vec<") || kind.starts_with("BTreeMap<");
    let may_be_left_out = has_default || attributes.iter().any(|line| line.contains("default"));
    let default = match default.as_str() {
        "" if is_optional || (is_list && may_be_left_out) => "none".to_owned(),
        "" => "required".to_owned(),
        _ => default,
    };
    let (kind, values) = type_of(kind);
    Setting { name, kind, default, meaning: format!("{meaning}{values}") }
}

/// How a type is written in the file; of words, also what each means.
fn type_of(kind: &str) -> (String, String) {
    let inner = |before: &str| kind.strip_prefix(before).and_then(|rest| rest.strip_suffix('>'));
    if let Some(kind) = inner("Option<") {
        return type_of(kind);
    }
    let known = match kind {
        "bool" => "true, false",
        "String" | "ServerUrl" | "RealmName" | "DefaultScheme" => "text",
        "char" => "character",
        "PathBuf" => "path",
        "Period" => "duration",
        "FileMode" => "mode",
        "Template" => "template",
        "SocketAddr" => "address:port",
        "u16" | "u32" | "u64" | "usize" | "NonZeroUsize" => "number",
        "Vec<String>" | "Vec<ReservedName>" | "Vec<WeakScheme>" => "list of texts",
        "Vec<Network>" => "list of networks",
        "BTreeMap<String, String>" => "table of texts",
        "BTreeMap<String, Template>" => "table of templates",
        _ => {
            return words_of(kind)
                .unwrap_or_else(|| panic!("say in tests/house/settings.rs what `{kind}` is"));
        }
    };
    (known.to_owned(), String::new())
}

/// The words of an enum, wherever it is.
fn words_of(name: &str) -> Option<(String, String)> {
    let files = [
        "config/listener.rs",
        "backend/keycloak/config.rs",
        "jobs/sync/config.rs",
        "observe/log.rs",
        "observe/addresses.rs",
        "frontend/http_login/config.rs",
    ];
    let text = files.map(source).into_iter().find(|text| text.contains(&format!("pub enum {name} {{")))?;
    let lines: Vec<&str> = text.lines().collect();
    let (begin, end) = item(&lines, "enum ", name)?;
    let case = comment_above(&lines, begin).1;
    let case =
        case.iter().find_map(|line| line.split_once("rename_all = \"")?.1.split('"').next()).unwrap_or("");
    let mut values = String::new();
    let mut words = Vec::new();
    for at in begin + 1..end {
        let Some(variant) = lines[at].trim().strip_suffix(',').filter(|line| !line.starts_with(['/', '#']))
        else {
            continue;
        };
        let (doc, attributes) = comment_above(&lines, at);
        let renamed = attributes.iter().find_map(|line| line.split_once("rename = \"")?.1.split('"').next());
        let word = renamed.map_or_else(|| in_case(variant, case), str::to_owned);
        let _ = write!(values, "<br>`\"{word}\"`: {}", doc.join(" "));
        words.push(format!("`\"{word}\"`"));
    }
    Some((words.join(", "), values))
}

/// `AuthClient` as `auth-client`.
fn in_case(variant: &str, case: &str) -> String {
    let mut word = String::new();
    for c in variant.chars() {
        let between = match case {
            "kebab-case" => "-",
            "snake_case" => "_",
            _ => "",
        };
        if c.is_uppercase() && !word.is_empty() {
            word.push_str(between);
        }
        word.extend(c.to_lowercase());
    }
    word
}

/// `docs/NAME.md` as a link of a page in `docs`.
fn with_links(text: &str) -> String {
    let mut linked = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("docs/") {
        let Some((name, after)) = after.split_once(".md") else { break };
        let _ = write!(linked, "{before}[{name}.md]({name}.md)");
        rest = after;
    }
    linked + rest
}

/// The generated part of `docs/configuration.md`.
pub fn page() -> String {
    let mut text = String::new();
    for (heading, file, name) in &TABLES[..TABLES.len() - 1] {
        let source = source(file);
        let lines: Vec<&str> = source.lines().collect();
        let (begin, _) = item(&lines, "struct ", name).unwrap();
        let (intro, _) = comment_above(&lines, begin);
        let _ = writeln!(text, "## `{heading}`\n\n{}\n", with_links(&intro.join("\n\n")));
        let _ = writeln!(text, "| setting | type | default | meaning |\n|---|---|---|---|");
        for Setting { name, kind, default, meaning } in settings(file, name) {
            let row = format!("| `{name}` | {kind} | {default} | {meaning} |");
            let _ = writeln!(text, "{}", with_links(&row));
        }
        text.push('\n');
    }
    text.trim_end().to_owned() + "\n"
}

/// What each table needs beside the setting that is tried.
const NEEDED: [(&str, &str); 6] = [
    ("[[listener]]", "door = 'auth-client'\nrole = 'dovecot'\npath = '/run/keydove/auth'\n"),
    ("[storage.mariadb]", "host = 'localhost'\nuser = 'keydove'\ndatabase = 'mailcow'\n"),
    ("[oauth]", "audiences = ['keydove']\n"),
    ("[redis]", "host = 'localhost'\n"),
    ("[kick]", "command = ['/bin/true', '{user}']\n"),
    ("[http_login]", "listen = '127.0.0.1:9082'\n"),
];

/// A whole file with one table, and one line more in it.
fn file_with(table: &str, line: &str) -> String {
    let secret = secret();
    let needed = |table: &str| match table {
        "[keycloak]" => format!(
            "server_url = 'https://sso.example.org'\nrealm = 'mail'\nclient_id = 'keydove'\nclient_secret_file = '{}'\n",
            secret.display()
        ),
        "[master_users]" => format!("file = '{}'\n", masters().display()),
        _ => NEEDED
            .iter()
            .find(|(name, _)| *name == table)
            .map_or_else(String::new, |(_, text)| (*text).to_owned()),
    };
    let mut tables = vec!["[[listener]]", "[keycloak]"];
    if !tables.contains(&table) {
        tables.push(table);
    }
    let texts = tables.into_iter().map(|name| {
        let more = if name == table { line } else { "" };
        format!("{name}\n{}{more}\n", needed(name))
    });
    texts.collect()
}

fn secret() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| write_private("settings", b"s3cret s3cret s3cret\n"))
}

fn masters() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| write_private("owners", b"admin:{PLAIN}pw\n"))
}

fn parse(text: &str) -> Result<String, String> {
    let path = Path::new("keydove.toml");
    // What stands for the text as a whole differs with every letter of it.
    let config = Config::parse(path, text).map(|config| Config { in_use: InUse::default(), ..config });
    config.map(|config| format!("{config:?}")).map_err(|error| error.to_string())
}

#[test]
fn every_setting_that_the_file_takes_is_in_the_reference() {
    for (table, file, name) in &TABLES[..TABLES.len() - 1] {
        let error = parse(&file_with(table, "no_such_setting = 1\n")).unwrap_err();
        let expected = error
            .lines()
            .find(|line| line.contains("unknown field"))
            .unwrap_or_else(|| panic!("{table}: {error}"));
        let (_, expected) = expected.split_once("expected ").unwrap();
        let mut expected: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
        expected.retain(|name| !NOT_A_ROW.contains(name));
        let rows = settings(file, name);
        let rows: Vec<&str> = rows.iter().map(|setting| setting.name.as_str()).collect();
        assert_eq!(rows, expected, "{table}");
    }
}

#[test]
fn every_table_that_the_file_takes_is_in_the_reference() {
    let (_, file, name) = TABLES[TABLES.len() - 1];
    let described = |table: &str| {
        TABLES.iter().any(|(heading, ..)| {
            let heading = heading.trim_matches(['[', ']']);
            heading == table || heading.split('.').next() == Some(table)
        })
    };
    let missing: Vec<_> =
        settings_of_file(file, name).into_iter().filter(|table| !described(table)).collect();
    assert_eq!(missing, ["keycloak_source"], "it is described with [keycloak]; nothing else may be missing");
}

fn settings_of_file(file: &str, name: &str) -> Vec<String> {
    let text = source(file);
    let lines: Vec<&str> = text.lines().collect();
    let (begin, end) = item(&lines, "struct ", name).unwrap();
    let field = |at: usize| {
        let (name, _) = lines[at].trim().split_once(": ")?;
        let (_, attributes) = comment_above(&lines, at);
        let renamed = attributes.iter().find_map(|line| line.split_once("rename = \"")?.1.split('"').next());
        Some(renamed.unwrap_or(name).to_owned())
    };
    (begin + 1..end).filter(|&at| !lines[at].trim().starts_with('#')).filter_map(field).collect()
}

#[test]
fn every_default_of_the_reference_is_the_one_that_counts() {
    let mut tried = 0;
    for (table, file, name) in &TABLES[..TABLES.len() - 1] {
        let without = parse(&file_with(table, "")).unwrap_or_else(|error| panic!("{table}: {error}"));
        for setting in settings(file, name) {
            let literal = setting.default.strip_prefix('`').and_then(|rest| rest.strip_suffix('`'));
            let Some(literal) = literal.filter(|literal| !literal.contains('_') || literal.starts_with('"'))
            else {
                continue;
            };
            let with = parse(&file_with(table, &format!("{} = {literal}\n", setting.name)));
            let with = with.unwrap_or_else(|error| panic!("{table} {}: {error}", setting.name));
            assert!(with == without, "the default of `{}` in {table} is not {literal}", setting.name);
            tried += 1;
        }
    }
    assert!(tried > 60, "{tried} defaults were found");
}
