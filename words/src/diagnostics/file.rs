//! Text → types, and where in the text a fault is.

use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use strsim::levenshtein;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::Diagnostic;
use crate::settings::SettingFault;

const MAX_BYTES: u64 = 1 << 20;

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("cannot read the configuration {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// Anybody may write the file, and with it choose whom keydove trusts.
    #[error("the configuration {path} may be written by everybody; run: chmod o-w {path}")]
    WritableByAll {
        /// The file.
        path: PathBuf,
    },
    /// The file is larger than any configuration.
    #[error("the configuration {path} is larger than 1 MiB")]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The file is wrong, in these places.
    #[error("{}", show_all(.0))]
    Faults(Vec<Diagnostic>),
}

fn show_all(faults: &[Diagnostic]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// The text of a configuration file, of at most 1 MiB.
///
/// # Errors
/// All of [`Error`]; of its faults only that the text is not UTF-8.
pub fn read(path: &Path) -> Result<String, Error> {
    let failed = |source| Error::Read { path: path.to_owned(), source };
    let status = std::fs::metadata(path).map_err(failed)?;
    if status.mode() & 0o002 != 0 && status.is_file() {
        return Err(Error::WritableByAll { path: path.to_owned() });
    }
    if status.len() > MAX_BYTES {
        return Err(Error::TooLarge { path: path.to_owned() });
    }
    let bytes = std::fs::read(path).map_err(failed)?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
        Error::Faults(vec![Diagnostic::new(path, &text, valid..valid + 1, "this is not UTF-8")])
    })
}

/// The types of a file's text. For messages: its `path`, and the page that lists its settings.
///
/// # Errors
/// [`Error::Faults`], with the first fault.
pub fn parse<T: DeserializeOwned>(path: &Path, text: &str, page: &str) -> Result<T, Error> {
    toml::from_str(text).map_err(|fault| Error::Faults(vec![explain(path, text, page, &fault)]))
}

/// A fault that the TOML reader or a type has found.
fn explain(path: &Path, text: &str, page: &str, fault: &toml::de::Error) -> Diagnostic {
    let message = fault.message().lines().next().unwrap_or_default();
    let span = narrow(text, fault.span().unwrap_or(0..0), message);
    let diagnostic = Diagnostic::new(path, text, span, message);
    diagnostic.with_advice(advise_on_key(message).unwrap_or_else(|| advise_on_form(message, page)))
}

/// The TOML reader names the whole list. Where the message begins with the entry that is wrong, its place is that entry.
fn narrow(text: &str, span: Range<usize>, message: &str) -> Range<usize> {
    let list = text.get(span.clone()).filter(|list| list.starts_with('['));
    let entry = message.strip_prefix('`').and_then(|rest| rest.split_once('`'));
    let (Some(list), Some((entry, _))) = (list, entry) else { return span };
    let written = [format!("\"{entry}\""), format!("'{entry}'")];
    let found = written.iter().find_map(|entry| Some((list.find(entry)?, entry.len())));
    found.map_or(span.clone(), |(start, length)| span.start + start..span.start + start + length)
}

/// For an unknown key: what may have been meant.
fn advise_on_key(message: &str) -> Option<String> {
    let (unknown, expected) = message.strip_prefix("unknown field `")?.split_once('`')?;
    let known = || expected.split('`').skip(1).step_by(2);
    // A secret can come from a file or from systemd; nothing else has both names.
    let is_known = |end: &str| known().any(|key| key.strip_suffix(end) == Some(unknown));
    if is_known("_file") && is_known("_credential") {
        return Some(format!(
            "secrets do not stand here: put it into a file, mode 0600, and set {unknown}_file"
        ));
    }
    let nearest = known().map(|key| (levenshtein(unknown, key), key)).min()?;
    (nearest.0 <= 2).then(|| format!("did you mean `{}`?", nearest.1))
}

/// For everything else that the TOML reader or a type does not take.
fn advise_on_form(message: &str, page: &str) -> String {
    let begins = |beginning| message.starts_with(beginning);
    match message {
        _ if begins("missing field") => format!("add it to this table; {page} lists every setting"),
        _ if begins("wanted exactly 1 element") => {
            "keep [storage.sqlite] or [storage.mariadb], not both".to_owned()
        }
        _ if begins("unknown variant") => "use one of the expected words".to_owned(),
        _ if begins("unknown field") => format!("take it out; {page} lists every setting"),
        _ if begins("invalid type") => "texts stand in quotes, numbers and true or false do not".to_owned(),
        "invalid socket address syntax" => {
            "write the address as a number, with its port: \"127.0.0.1:9153\"".to_owned()
        }
        _ => format!("{page} shows how every setting is written"),
    }
}

/// Faults that types cannot find, with their places, in the order of the file.
#[must_use]
pub fn locate(path: &Path, text: &str, faults: Vec<SettingFault>) -> Error {
    let root = DeTable::parse(text).ok();
    let place = |fault: &SettingFault| root.as_ref().map_or(0..0, |root| find_place(root, &fault.keys));
    let mut faults: Vec<_> = faults.into_iter().map(|fault| (place(&fault), fault)).collect();
    faults.sort_by_key(|(span, _)| span.start);
    let show = |(span, fault): (Range<usize>, SettingFault)| {
        Diagnostic::new(path, text, span, &fault.sentence).with_advice(fault.advice)
    };
    Error::Faults(faults.into_iter().map(show).collect())
}

/// The place of a setting: its value, or the nearest table above it that is written down.
fn find_place(root: &Spanned<DeTable<'_>>, keys: &[String]) -> Range<usize> {
    let mut span = 0..0;
    let mut table = root.get_ref();
    let mut list: Option<&DeArray<'_>> = None;
    for key in keys {
        let value = match (list.take(), key.parse::<usize>()) {
            (Some(items), Ok(index)) => items.get(index),
            _ => table.get(key.as_str()),
        };
        let Some(value) = value else { break };
        span = value.span();
        match value.get_ref() {
            DeValue::Table(inner) => table = inner,
            DeValue::Array(items) => list = Some(items),
            _ => break,
        }
    }
    span
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_miss_is_recognised() {
        let message = "unknown field `relm`, expected one of `server_url`, `realm`, `client_id`";
        assert_eq!(advise_on_key(message).as_deref(), Some("did you mean `realm`?"));
        assert_eq!(advise_on_key("unknown field `colour`, expected one of `realm`, `client_id`"), None);
    }
}
