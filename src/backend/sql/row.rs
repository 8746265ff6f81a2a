//! Values on their way into a statement and out of an answer, the same for both drivers.

use super::error::Error;
use crate::auth::Secret;

/// A value for a `?`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Parameter {
    Null,
    Integer(i64),
    Text(String),
}

impl From<i64> for Parameter {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<&str> for Parameter {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<&Secret> for Parameter {
    /// For a stored hash, which is text.
    fn from(hash: &Secret) -> Self {
        Self::Text(String::from_utf8_lossy(hash.expose()).into_owned())
    }
}

impl From<Option<&str>> for Parameter {
    fn from(text: Option<&str>) -> Self {
        text.map_or(Self::Null, Self::from)
    }
}

/// A value of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cell {
    Null,
    Integer(i64),
    Bytes(Vec<u8>),
    /// A kind of value that no column here has.
    Odd,
}

/// A row of an answer. What its readers return as an error is a few words on what a column holds instead.
pub(super) struct Row(pub(super) Vec<Cell>);

impl Row {
    /// Reads the cells; the error names the table and the row.
    pub(super) fn read<T>(
        &mut self,
        table: &'static str,
        key: &str,
        read: impl FnOnce(&mut Self) -> Result<T, String>,
    ) -> Result<T, Error> {
        read(self).map_err(|detail| Error::BadRow { table, key: key.to_owned(), detail })
    }

    pub(super) fn integer(&self, column: usize) -> Result<Option<i64>, String> {
        match self.0.get(column) {
            Some(Cell::Null) => Ok(None),
            Some(Cell::Integer(number)) => Ok(Some(*number)),
            _ => Err(format!("column {column} holds no number")),
        }
    }

    /// Takes the bytes out of the row.
    pub(super) fn bytes(&mut self, column: usize) -> Result<Option<Vec<u8>>, String> {
        match self.0.get_mut(column) {
            Some(Cell::Null) => Ok(None),
            Some(Cell::Bytes(bytes)) => Ok(Some(std::mem::take(bytes))),
            _ => Err(format!("column {column} holds no text")),
        }
    }

    /// Takes the text out of the row.
    pub(super) fn text(&mut self, column: usize) -> Result<Option<String>, String> {
        let Some(bytes) = self.bytes(column)? else { return Ok(None) };
        String::from_utf8(bytes).map(Some).map_err(|_| format!("column {column} is not UTF-8"))
    }

    /// A number that must be there.
    pub(super) fn number(&self, column: usize) -> Result<i64, String> {
        self.integer(column)?.ok_or_else(|| format!("column {column} is NULL"))
    }

    /// A text that must be there.
    pub(super) fn words(&mut self, column: usize) -> Result<String, String> {
        self.text(column)?.ok_or_else(|| format!("column {column} is NULL"))
    }
}
