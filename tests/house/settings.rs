//! The reference of the settings, `docs/configuration.md`, made of the doc comments of the structs that read them; and
//! that what it says of names and defaults is so.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use keydove::config::Config;
use keydove::frontend::control::InUse;

use crate::config::write_private;

/// The rows of the file's tables.
const ROWS: &str = "config/tables.rs";

/// Tables within tables: their structs, by the table that holds them and the module.
const WITHIN: [(&str, &str, &str, &str); 3] = [
    ("storage", "sqlite", "sql", "SqliteConfig"),
    ("storage", "mariadb", "sql", "MariadbConfig"),
    ("hashing", "schemes", "scheme", "Policy"),
];
/// Described with another: it has the same settings as `[keycloak]`.
const ALIKE: &str = "keycloak_source";

/// Fields that are tables: described with their own table, or as further lines of it.
const NOT_A_ROW: [&str; 1] = ["schemes"];

/// A setting, as its struct has it.
struct Setting {
    name: String,
    kind: String,
    default: String,
    meaning: String,
}

/// Every file of the source by its path.
fn sources() -> &'static [(String, String)] {
    static SOURCES: OnceLock<Vec<(String, String)>> = OnceLock::new();
    SOURCES.get_or_init(crate::layers::sources)
}

/// A table of the file.
struct Table {
    /// As it is written: `[login]`, `[[listener]]`.
    heading: String,
    /// The source of its struct.
    source: &'static str,
    /// The struct.
    name: String,
}

impl Table {
    fn new(heading: String, module: &str, name: &str) -> Self {
        let is_there = |(path, text): &&'static (String, String)| {
            let folder = Path::new(path).parent().and_then(Path::file_name);
            let in_module = module.is_empty() || folder.is_some_and(|folder| folder == module);
            in_module && text.contains(&format!("pub struct {name} {{"))
        };
        let found: Vec<_> = sources().iter().filter(is_there).collect();
        assert_eq!(found.len(), 1, "the struct {module}::{name} of {heading}");
        Self { heading, source: &found[0].1, name: name.to_owned() }
    }
}

/// The tables of the file, as their rows have them.
fn tables() -> Vec<Table> {
    let (_, rows) = sources().iter().find(|(path, _)| path == ROWS).unwrap();
    let mut tables = Vec::new();
    for row in rows.lines().filter_map(|line| line.strip_prefix("    \"")) {
        let Some((table, rest)) = row.split_once("\" => ") else { continue };
        let kind = rest.split_once(": ").unwrap().1.trim_end_matches(',');
        if table == ALIKE {
            continue;
        }
        let inner = |outer: &str| kind.strip_prefix(outer).and_then(|kind| kind.strip_suffix('>'));
        let heading = if inner("Vec<").is_some() { format!("[[{table}]]") } else { format!("[{table}]") };
        let kind = inner("Vec<").or_else(|| inner("Option<")).unwrap_or(kind);
        let (path, name) = kind.rsplit_once("::").unwrap_or(("", kind));
        let module = path.rsplit("::").next().unwrap_or_default();
        if table != "storage" {
            tables.push(Table::new(heading, module, name));
        }
        for (_, below, module, name) in WITHIN.iter().filter(|(above, ..)| *above == table) {
            tables.push(Table::new(format!("[{table}.{below}]"), module, name));
        }
    }
    tables
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

fn settings(table: &Table) -> Vec<Setting> {
    let lines: Vec<&str> = table.source.lines().collect();
    let (begin, end) = item(&lines, "struct ", &table.name).unwrap();
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
        "FieldTemplate" => "template",
        "SocketAddr" => "address:port",
        "u16" | "u32" | "u64" | "usize" | "NonZeroUsize" => "number",
        "Vec<String>" | "Vec<ReservedName>" | "Vec<WeakScheme>" => "list of texts",
        "Vec<Network>" => "list of networks",
        "BTreeMap<String, String>" => "table of texts",
        "BTreeMap<String, FieldTemplate>" => "table of templates",
        _ => {
            return words_of(kind)
                .unwrap_or_else(|| panic!("say in tests/house/settings.rs what `{kind}` is"));
        }
    };
    (known.to_owned(), String::new())
}

/// The words of an enum, wherever it is.
fn words_of(name: &str) -> Option<(String, String)> {
    let (_, text) = sources().iter().find(|(_, text)| text.contains(&format!("pub enum {name} {{")))?;
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
    for table in tables() {
        let lines: Vec<&str> = table.source.lines().collect();
        let (begin, _) = item(&lines, "struct ", &table.name).unwrap();
        let (intro, _) = comment_above(&lines, begin);
        let _ = writeln!(text, "## `{}`\n\n{}\n", table.heading, with_links(&intro.join("\n\n")));
        let _ = writeln!(text, "| setting | type | default | meaning |\n|---|---|---|---|");
        for Setting { name, kind, default, meaning } in settings(&table) {
            let row = format!("| `{name}` | {kind} | {default} | {meaning} |");
            let _ = writeln!(text, "{}", with_links(&row));
        }
        text.push('\n');
    }
    text.trim_end().to_owned() + "\n"
}

/// What each table needs beside the setting that is tried.
const NEEDED: [(&str, &str); 7] = [
    ("[[listener]]", "door = 'auth-client'\nrole = 'dovecot'\npath = '/run/keydove/auth'\n"),
    ("[storage.mariadb]", "host = 'localhost'\nuser = 'keydove'\ndatabase = 'mailcow'\n"),
    ("[oauth]", "audiences = ['keydove']\n"),
    ("[redis]", "host = 'localhost'\n"),
    ("[kick]", "command = ['/bin/true', '{user}']\n"),
    ("[http_login]", "listen = '127.0.0.1:9082'\n"),
    ("[[backend]]", "name = 'mail1'\nhost = '192.0.2.11'\n"),
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
    for table in tables() {
        let heading = &table.heading;
        let error = parse(&file_with(heading, "no_such_setting = 1\n")).unwrap_err();
        let expected = error
            .lines()
            .find(|line| line.contains("unknown field"))
            .unwrap_or_else(|| panic!("{heading}: {error}"));
        let (_, expected) = expected.split_once("expected ").unwrap();
        let mut expected: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
        expected.retain(|name| !NOT_A_ROW.contains(name));
        let rows = settings(&table);
        let rows: Vec<&str> = rows.iter().map(|setting| setting.name.as_str()).collect();
        assert_eq!(rows, expected, "{heading}");
    }
}

#[test]
fn every_default_of_the_reference_is_the_one_that_counts() {
    let mut tried = 0;
    for table in tables() {
        let heading = &table.heading;
        let without = parse(&file_with(heading, "")).unwrap_or_else(|error| panic!("{heading}: {error}"));
        for setting in settings(&table) {
            let literal = setting.default.strip_prefix('`').and_then(|rest| rest.strip_suffix('`'));
            let Some(literal) = literal.filter(|literal| !literal.contains('_') || literal.starts_with('"'))
            else {
                continue;
            };
            let with = parse(&file_with(heading, &format!("{} = {literal}\n", setting.name)));
            let with = with.unwrap_or_else(|error| panic!("{heading} {}: {error}", setting.name));
            assert!(with == without, "the default of `{}` in {heading} is not {literal}", setting.name);
            tried += 1;
        }
    }
    assert!(tried > 60, "{tried} defaults were found");
}
