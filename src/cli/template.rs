//! `keydove template`: what a new mailbox gets.

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::{Value, json};

use super::size::{parse_bytes, show_quota};
use super::storage::{Answer, Failure, document, parse_label, with_database};
use super::table::table;
use crate::backend::sql::{Obstacle, StoredTemplate};
use crate::provision::{Kind, TemplateFault, TemplateText};

/// Longest template that is read, in bytes.
const MAX_BYTES: u64 = 65_536;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Add a template: mailcow's defaults (everything on, no quota), changed by --set; or a file.
    Add(Change),
    /// List all templates: name, quota, services. With a name and --json: that template, byte for byte as it is stored.
    List(List),
    /// Change a template: single keys with --set, or all of it from a file. An unknown key is refused, and the known ones are listed.
    Set(Change),
}

#[derive(Debug, clap::Args)]
struct Change {
    /// The template's name, such as Default. Letter case does not matter.
    #[arg(value_parser = parse_name)]
    name: String,
    /// Take the JSON from this file, or from standard input with `-`; it is stored as it is.
    #[arg(long, value_name = "FILE", conflicts_with = "set")]
    file: Option<PathBuf>,
    /// Set one key, such as `quota=5GiB`, `pop3_access=0`, `tags=staff,berlin`. May be repeated.
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_pair)]
    set: Vec<(String, String)>,
}

#[derive(Debug, clap::Args)]
struct List {
    /// Only this one.
    name: Option<String>,
    /// JSON: of one template exactly what is stored, else one document with all.
    #[arg(long)]
    json: bool,
}

fn parse_name(text: &str) -> Result<String, String> {
    match parse_label(text)?.trim() {
        "" => Err("it is empty".to_owned()),
        name => Ok(name.to_owned()),
    }
}

fn parse_pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write KEY=VALUE, such as quota=5GiB")?;
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}

impl From<TemplateFault> for Failure {
    fn from(fault: TemplateFault) -> Self {
        Self::Data(fault.to_string())
    }
}

pub(super) fn run(arguments: &Arguments, config: &Path) -> Result<Answer, Failure> {
    match &arguments.command {
        Command::Add(change) => add(change, config),
        Command::List(list) => {
            let templates = with_database(config, async |database| Ok(database.templates().await?))?;
            show(list, &templates)
        }
        Command::Set(change) => set(change, config),
    }
}

fn add(change: &Change, config: &Path) -> Result<Answer, Failure> {
    let text = match &change.file {
        Some(file) => read(file)?,
        None => apply(TemplateText::seeded(), &change.set)?.to_string(),
    };
    with_database(config, async |database| Ok(database.add_template(&change.name, &text).await?))?;
    Ok(format!(
        "the template {name} is added\nnext: name it in [provisioning] default_template or mappings, or use it: \
         `keydove mailbox add ADDRESS --template {name:?}`",
        name = change.name
    )
    .into())
}

fn set(change: &Change, config: &Path) -> Result<Answer, Failure> {
    let new = match &change.file {
        Some(file) => Some(read(file)?),
        None if change.set.is_empty() => {
            return Err(Failure::Usage("say what to change: --set KEY=VALUE or --file FILE".to_owned()));
        }
        None => None,
    };
    with_database(config, async |database| {
        let templates = database.templates().await?;
        let now = find(&templates, &change.name)?;
        let text = match &new {
            Some(text) => text.clone(),
            None => apply(TemplateText::read_stored(&now.attributes)?, &change.set)?.to_string(),
        };
        Ok(database.set_template(&change.name, &now.attributes, &text).await?)
    })?;
    Ok(format!("the template {} is changed; new mailboxes get it as it is now", change.name).into())
}

fn apply(mut template: TemplateText, pairs: &[(String, String)]) -> Result<TemplateText, Failure> {
    for (key, value) in pairs {
        let value = match TemplateText::kind(key) {
            Some(Kind::Bytes) => parse_bytes(value).map_err(Failure::Data)?.to_string(),
            Some(Kind::Switch | Kind::State) => match value.as_str() {
                "on" => "1".to_owned(),
                "off" => "0".to_owned(),
                _ => value.clone(),
            },
            _ => value.clone(),
        };
        template.set(key, &value)?;
    }
    Ok(template)
}

/// Reads a new template. White space around it is no part of it.
fn read(file: &Path) -> Result<String, Failure> {
    let failed = |error| Failure::Data(format!("cannot read {}: {error}", file.display()));
    let mut text = String::new();
    let read = match file.to_str() {
        Some("-") => std::io::stdin().lock().take(MAX_BYTES + 1).read_to_string(&mut text),
        _ => std::fs::File::open(file).and_then(|file| file.take(MAX_BYTES + 1).read_to_string(&mut text)),
    };
    read.map_err(failed)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(Failure::Data(format!("{} has more than {MAX_BYTES} bytes", file.display())));
    }
    let text = text.trim();
    TemplateText::read_new(text)?;
    Ok(text.to_owned())
}

fn find<'a>(templates: &'a [StoredTemplate], name: &str) -> Result<&'a StoredTemplate, Failure> {
    let found = templates.iter().find(|template| template.is_named(name));
    found.ok_or_else(|| Obstacle::TemplateUnknown(name.to_owned()).into())
}

fn show(list: &List, templates: &[StoredTemplate]) -> Result<Answer, Failure> {
    let one = list.name.as_deref().map(|name| find(templates, name)).transpose()?;
    Ok(match (one, list.json) {
        (Some(template), true) => template.attributes.clone().into(),
        (Some(template), false) => as_table(std::slice::from_ref(template)).into(),
        (None, true) => document(&as_json(templates)),
        (None, false) => as_table(templates).into(),
    })
}

fn as_table(templates: &[StoredTemplate]) -> String {
    let rows = templates.iter().map(|template| {
        let attributes: Value = serde_json::from_str(&template.attributes).unwrap_or_default();
        let number = |key: &str| match &attributes[key] {
            Value::String(text) => text.parse().ok(),
            value => value.as_i64(),
        };
        let services = ["imap", "pop3", "smtp", "sieve", "dav", "eas"];
        let on = services.into_iter().filter(|service| number(&format!("{service}_access")) != Some(0));
        let tags = attributes["tags"].as_array().map_or_else(String::new, |tags| {
            tags.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(",")
        });
        [
            template.name.clone(),
            show_quota(number("quota").unwrap_or(0)),
            on.collect::<Vec<_>>().join(","),
            tags,
        ]
    });
    table(["template", "quota", "services", "tags"], rows.collect())
}

fn as_json(templates: &[StoredTemplate]) -> Value {
    let rows = templates.iter().map(|template| {
        let attributes: Value = serde_json::from_str(&template.attributes).unwrap_or_default();
        json!({ "name": template.name, "attributes": attributes })
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_switches_are_written_as_people_write_them() {
        let pair = |text: &str| parse_pair(text).unwrap();
        let pairs = ["quota=2GiB", "pop3_access=off", "tags=a, b"].map(pair);
        let text = apply(TemplateText::seeded(), &pairs).unwrap().to_string();
        assert!(text.contains("\"quota\":2147483648") && text.contains("\"pop3_access\":0"), "{text}");
        assert!(text.contains("\"tags\":[\"a\",\"b\"]"), "{text}");
        for wrong in ["quota=2", "quota=2GB", "pop3_access=no", "colour=red"] {
            assert!(apply(TemplateText::seeded(), &[pair(wrong)]).is_err(), "{wrong}");
        }
        assert!(parse_pair("quota").is_err());
    }
}
