//! What setup adds to `docker-compose.override.yml`, and takes out of it again: whole lines, so that everything else in
//! it stays as the administrator wrote it.
//!
//! Lines are found by their indentation, which YAML does not promise. So a YAML parser reads the file before and after,
//! and the difference must be exactly what was meant; otherwise the file is left alone.

use saphyr::{LoadableYamlNode, Yaml};
use serde_json::{Map, Value};

/// An element of a list of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) service: &'static str,
    pub(super) list: &'static str,
    pub(super) text: String,
    /// No other element of the list may say something of this: a part of an element's text.
    pub(super) alone: Option<&'static str>,
}

/// Behind each line of setup's.
const MARK: &str = "  # by keydove setup";
const SERVICES: &str = "services";
const STEP: usize = 2;

impl Element {
    fn path(&self) -> [&str; 3] {
        [SERVICES, self.service, self.list]
    }

    fn line(&self, indent: usize) -> String {
        format!("{}- {}{MARK}", " ".repeat(indent), quoted(&self.text))
    }
}

/// How an administrator would write them.
pub(super) fn shown(elements: &[Element]) -> String {
    let add = |text: String, element: &Element| with(&text, element).unwrap_or(text);
    elements.iter().fold(String::new(), add).replace(MARK, "")
}

/// The file with this element; the error says why it cannot be added safely.
pub(super) fn with(text: &str, element: &Element) -> Result<String, String> {
    let before = read(text)?;
    let mut wanted = before.clone();
    let list = list_of(&mut wanted, element)?;
    let is_same = |one: &Value| one.as_str() == Some(&element.text);
    if list.iter().any(is_same) {
        return Ok(text.to_owned());
    }
    if let Some(alone) = element.alone
        && let Some(other) = list.iter().find(|one| one.to_string().contains(alone))
    {
        return Err(format!("{} of {} has {other} already", element.list, element.service));
    }
    list.push(Value::from(&*element.text));
    let new = insert(text, element)?;
    checked(new, &wanted)
}

/// The file without it. What is empty then goes too.
pub(super) fn without(text: &str, element: &Element) -> Result<String, String> {
    let mut wanted = read(text)?;
    if !remove_from(&mut wanted, &element.path(), &element.text) {
        return Ok(text.to_owned());
    }
    if wanted.as_object().is_some_and(Map::is_empty) {
        wanted = Value::Null;
    }
    let mut lines: Vec<&str> = text.lines().collect();
    let mut parents = Vec::new();
    let mut block = Block { start: 0, end: lines.len(), least: 0 };
    for key in element.path() {
        let (at, inner) = find(&lines, block, key)?.ok_or("it is not where it should be")?;
        parents.push(at);
        block = inner;
    }
    let is_it =
        |line: &&str| line.trim_start().strip_prefix("- ").is_some_and(|item| bare(item) == element.text);
    let at = lines[block.start..block.end].iter().position(is_it).ok_or("it is not on a line of its own")?;
    lines.remove(block.start + at);
    // Keys without anything in them, the innermost first.
    for at in parents.into_iter().rev() {
        let block = Block { start: at + 1, end: lines.len(), least: indent(lines[at]) };
        if end_of(&lines, block, true) > at + 1 {
            break;
        }
        lines.remove(at);
    }
    let new = lines.iter().map(|line| format!("{line}\n")).collect();
    checked(new, &wanted)
}

/// The text, if it says what is wanted.
fn checked(text: String, wanted: &Value) -> Result<String, String> {
    match read(&text)? == *wanted {
        true => Ok(text),
        false => Err("its lines are in another order or form than setup knows".to_owned()),
    }
}

/// What the file says. An empty one says nothing.
fn read(text: &str) -> Result<Value, String> {
    let documents = Yaml::load_from_str(text).map_err(|error| format!("it is no YAML: {error}"))?;
    match &documents[..] {
        [] => Ok(Value::Null),
        [one] => value(one),
        _ => Err("it has more than one document".to_owned()),
    }
}

fn value(yaml: &Yaml<'_>) -> Result<Value, String> {
    match yaml {
        Yaml::Sequence(items) => items.iter().map(value).collect(),
        Yaml::Mapping(pairs) => {
            let mut object = Map::new();
            for (key, inner) in pairs {
                object.insert(value(key)?.to_string(), value(inner)?);
            }
            Ok(Value::Object(object))
        }
        Yaml::Value(scalar) => Ok(match scalar {
            saphyr::Scalar::Null => Value::Null,
            saphyr::Scalar::String(text) => Value::from(&**text),
            other => Value::from(format!("{other:?}")),
        }),
        _ => Err("it uses YAML's tags or anchors".to_owned()),
    }
}

/// Keys as [`value`] writes them.
fn key(name: &str) -> String {
    Value::from(name).to_string()
}

/// The list, made where it is missing.
fn list_of<'a>(root: &'a mut Value, element: &Element) -> Result<&'a mut Vec<Value>, String> {
    let mut place = root;
    for name in element.path() {
        if place.is_null() {
            *place = Value::Object(Map::new());
        }
        let Value::Object(object) = place else { return Err(format!("{name} is not in a mapping")) };
        place = object.entry(key(name)).or_insert(Value::Null);
    }
    if place.is_null() {
        *place = Value::Array(Vec::new());
    }
    place.as_array_mut().ok_or_else(|| format!("{} of {} is no list", element.list, element.service))
}

/// Whether it was there.
fn remove_from(place: &mut Value, path: &[&str], text: &str) -> bool {
    match (place, path) {
        (Value::Array(list), []) => {
            let before = list.len();
            list.retain(|one| one.as_str() != Some(text));
            list.len() < before
        }
        (Value::Object(object), [name, rest @ ..]) => {
            let Some(inner) = object.get_mut(&key(name)) else { return false };
            let is_gone = remove_from(inner, rest, text);
            let is_empty =
                inner.as_array().is_some_and(Vec::is_empty) || inner.as_object().is_some_and(Map::is_empty);
            if is_gone && is_empty {
                object.remove(&key(name));
            }
            is_gone
        }
        _ => false,
    }
}

/// The lines inside a key, all of which are indented by more than `least`, or not at all at the root.
#[derive(Clone, Copy)]
struct Block {
    start: usize,
    end: usize,
    least: usize,
}

fn insert(text: &str, element: &Element) -> Result<String, String> {
    let lines: Vec<&str> = text.lines().collect();
    let mut block = Block { start: 0, end: lines.len(), least: 0 };
    let mut depth = 0;
    let path = element.path();
    for key in path {
        let Some((_, inner)) = find(&lines, block, key)? else { break };
        block = inner;
        depth += 1;
    }
    let is_content = |at: &usize| is_content(lines[*at]);
    let first = (block.start..block.end).find(is_content);
    let mut indent = match (first, depth) {
        (Some(first), _) => indent(lines[first]),
        (None, 0) => 0,
        (None, _) => block.least + STEP,
    };
    let mut new = Vec::new();
    for key in &path[depth..] {
        new.push(format!("{}{key}:", " ".repeat(indent)));
        indent += STEP;
    }
    new.push(element.line(indent));
    let at = (block.start..block.end).rev().find(is_content).map_or(block.start, |last| last + 1);
    let at = if depth == 0 && first.is_none() { lines.len() } else { at };
    let all = lines[..at].iter().map(|line| (*line).to_owned()).chain(new);
    Ok(all.chain(lines[at..].iter().map(|line| (*line).to_owned())).map(|line| line + "\n").collect())
}

/// The line of a key, and what is inside it.
fn find(lines: &[&str], block: Block, key: &str) -> Result<Option<(usize, Block)>, String> {
    let Some(first) = (block.start..block.end).find(|at| is_content(lines[*at])) else { return Ok(None) };
    let own = indent(lines[first]);
    for at in first..block.end {
        let line = lines[at];
        if !is_content(line) || indent(line) != own {
            continue;
        }
        let Some((name, rest)) = line.trim().split_once(':') else { continue };
        if bare(name) != key {
            continue;
        }
        if !rest.trim().is_empty() && !rest.trim_start().starts_with('#') {
            return Err(format!("{key} is written on one line"));
        }
        let inner = Block { start: at + 1, end: block.end, least: own };
        return Ok(Some((at, Block { end: end_of(lines, inner, true), ..inner })));
    }
    Ok(None)
}

/// Where it ends: behind its last line with something on it. A list may stand as far left as its key.
fn end_of(lines: &[&str], block: Block, may_be_list: bool) -> usize {
    let mut end = block.start;
    for (at, line) in lines.iter().enumerate().take(block.end).skip(block.start) {
        if !is_content(line) {
            continue;
        }
        let is_item = may_be_list && indent(line) == block.least && line.trim_start().starts_with("- ");
        if indent(line) <= block.least && !is_item {
            break;
        }
        end = at + 1;
    }
    end
}

fn is_content(line: &str) -> bool {
    let text = line.trim();
    !text.is_empty() && !text.starts_with('#') && text != "---"
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

/// A scalar without quotes and comment.
fn bare(text: &str) -> &str {
    let text = text.trim();
    for quote in ['"', '\''] {
        if let Some((inner, _)) = text.strip_prefix(quote).and_then(|rest| rest.split_once(quote)) {
            return inner;
        }
    }
    text.split(" #").next().unwrap_or(text).trim_end()
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

#[cfg(test)]
#[path = "overlay_tests.rs"]
mod tests;
