//! A log that several nodes write and read, and one value that they agree on.

use std::time::Duration;

use super::{Error, Redis};

/// One entry of a log: `MILLISECONDS-NUMBER`, and its fields, each name before its value.
pub type StreamEntry = (String, Vec<String>);

impl Redis {
    /// Sets a value if there is none, and returns the one that is there then.
    ///
    /// # Errors
    /// As [`set_field`](Self::set_field).
    pub async fn agree(&mut self, name: &str, proposal: &str) -> Result<String, Error> {
        let mut command = redis::cmd("SET");
        command.arg(name).arg(proposal).arg("NX");
        let attempt = "agreeing on a value";
        let _: Option<String> = self.query(attempt, &command).await?;
        let mut command = redis::cmd("GET");
        command.arg(name);
        self.query(attempt, &command).await
    }

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
    /// As [`set_field`](Self::set_field).
    pub async fn read_after(&mut self, log: &str, id: &str, count: usize) -> Result<Vec<StreamEntry>, Error> {
        let mut command = redis::cmd("XRANGE");
        command.arg(log).arg(format!("({id}")).arg("+").arg("COUNT").arg(count);
        self.query("reading a shared log", &command).await
    }

    /// The server's clock, since 1970.
    ///
    /// # Errors
    /// As [`set_field`](Self::set_field).
    pub async fn time(&mut self) -> Result<Duration, Error> {
        let (seconds, micros): (u64, u64) =
            self.query("reading the server's clock", &redis::cmd("TIME")).await?;
        Ok(Duration::from_secs(seconds) + Duration::from_micros(micros))
    }
}
