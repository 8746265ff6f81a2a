//! A log that several nodes write and read.

use super::{Error, Redis};

/// One entry of a log: `MILLISECONDS-NUMBER`, and its fields, each name before its value.
pub type StreamEntry = (String, Vec<String>);

impl Redis {
    /// Adds an entry to a log of about `most` entries; older ones fall out.
    ///
    /// # Errors
    /// As [`set_field`](Self::set_field).
    pub async fn append(&mut self, log: &str, most: usize, fields: &[(&str, &str)]) -> Result<(), Error> {
        let mut command = redis::cmd("XADD");
        command.arg(log).arg("MAXLEN").arg("~").arg(most).arg("*").arg(fields);
        let _: String = self.query("writing a shared log", &command).await?;
        Ok(())
    }

    /// Up to `count` entries of a log behind the one with this id.
    ///
    /// # Errors
    /// [`Error::TooLong`]: together they are longer than an answer may be. Else as [`set_field`](Self::set_field).
    pub async fn read_after(&mut self, log: &str, id: &str, count: usize) -> Result<Vec<StreamEntry>, Error> {
        let mut command = redis::cmd("XRANGE");
        command.arg(log).arg(format!("({id}")).arg("+").arg("COUNT").arg(count);
        self.query("reading a shared log", &command).await
    }

    /// Deletes a key, whatever it holds.
    ///
    /// # Errors
    /// As [`set_field`](Self::set_field).
    pub async fn delete(&mut self, key: &str) -> Result<(), Error> {
        let mut command = redis::cmd("DEL");
        command.arg(key);
        let _: i64 = self.query("deleting a shared log", &command).await?;
        Ok(())
    }
}
