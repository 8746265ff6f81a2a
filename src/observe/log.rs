//! Where log lines go and how they look.
//!
//! Lines go to stderr, one event a line, in text (`TIME LEVEL message key=value …`) or JSON. Only keydove's own
//! events are shown: what HTTP and SQL libraries say at their debug level may quote a request, and with it a
//! secret.

use std::fmt::{self, Write};

use serde::Deserialize;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, Registry};

use crate::settings::Section;

use super::quote::{SentText, write_on_one_line, write_value};
use super::{AddressForm, addresses, journal, login_lines, login_record};

/// The crate whose events are shown.
const OWN_TARGET: &str = "keydove";

/// The log, on standard error: docs/logging.md.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// The form of a line. Default `"text"`.
    pub format: LogFormat,
    /// The least important kind of line that keydove writes. A login is one line at `info`, or at `warn` for a
    /// temporary failure. Default `"info"`.
    pub level: LogLevel,
    /// How the log shows the addresses of clients. Default `"full"`.
    pub addresses: AddressForm,
}

impl Section for LogConfig {}

/// The form of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// `TIME LEVEL message key=value …`.
    #[default]
    Text,
    /// One JSON object a line; the facts of a login are its members.
    Json,
}

/// How important a line is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// An administrator must act.
    Error,
    /// Something works worse than it should.
    Warn,
    /// Logins, start and stop.
    #[default]
    Info,
    /// The steps in between; off in production.
    Debug,
}

/// Logging cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// That happens once in a process.
    #[error("set up logging: it was set up before")]
    AlreadySetUp,
    /// Pseudonyms need a random key.
    #[error("set up logging: the system has no random numbers: {0}")]
    Random(#[from] getrandom::Error),
}

/// Sends all further events of this process to stderr.
///
/// # Errors
/// [`LogError`] on a second call, or without random numbers where pseudonyms are wanted.
pub fn init(config: &LogConfig) -> Result<(), LogError> {
    addresses::choose(config.addresses)?;
    journal::find_out(&std::io::stderr());
    let subscriber = subscriber(config, journal::Stderr);
    tracing::subscriber::set_global_default(subscriber).map_err(|_| LogError::AlreadySetUp)?;
    if config.format == LogFormat::Text {
        login_lines::take_over(config.level);
    }
    Ok(())
}

/// The same for any writer, so that tests can read what was written.
fn subscriber<W>(config: &LogConfig, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer()
        // It would panic where nobody reads standard error any more.
        .log_internal_errors(false)
        .with_ansi(false)
        .with_writer(writer);
    let layer = match config.format {
        LogFormat::Text => layer.event_format(Line).boxed(),
        LogFormat::Json => {
            layer.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed()
        }
    };
    let own = Targets::new().with_target(OWN_TARGET, LevelFilter::from(config.level));
    Registry::default().with(layer.with_filter(own))
}

impl LogLevel {
    /// As it stands in a line.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Error => "ERROR",
            Self::Warn => "WARN",
            Self::Info => "INFO",
            Self::Debug => "DEBUG",
        }
    }
}

impl From<tracing::Level> for LogLevel {
    fn from(level: tracing::Level) -> Self {
        match level {
            tracing::Level::ERROR => Self::Error,
            tracing::Level::WARN => Self::Warn,
            tracing::Level::INFO => Self::Info,
            _ => Self::Debug,
        }
    }
}

impl From<LogLevel> for LevelFilter {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Error => Self::ERROR,
            LogLevel::Warn => Self::WARN,
            LogLevel::Info => Self::INFO,
            LogLevel::Debug => Self::DEBUG,
        }
    }
}

/// The text format. `tracing-subscriber`'s own neither quotes text nor keeps an event on one line.
struct Line;

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'l> LookupSpan<'l>,
    N: for<'w> FormatFields<'w> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        SystemTime.format_time(&mut out)?;
        write!(out, " {} ", event.metadata().level())?;
        let mut parts = Parts::default();
        event.record(&mut parts);
        write_on_one_line(&parts.message, &mut out)?;
        // The message of a login is made of its fields already, in their documented order.
        if event.metadata().target() != login_record::TARGET {
            out.write_str(&parts.fields)?;
        }
        writeln!(out)
    }
}

/// An event taken apart: its message, and ` key=value` for the rest in the order of writing.
#[derive(Default)]
struct Parts {
    message: String,
    fields: String,
}

impl Visit for Parts {
    /// A string is somebody's text and always quoted.
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.message.push_str(value);
        } else {
            let text = SentText::new(value.as_bytes());
            // Writing into a `String` does not fail.
            let _ = write!(self.fields, " {}={text}", field.name());
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            let _ = write!(self.message, "{value:?}");
        } else {
            let _ = write!(self.fields, " {}=", field.name());
            let _ = write_value(&format!("{value:?}"), &mut self.fields);
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    pub fn capture(format: LogFormat, level: LogLevel, work: impl FnOnce()) -> String {
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let subscriber =
            subscriber(&LogConfig { format, level, ..LogConfig::default() }, move || writer.clone());
        tracing::subscriber::with_default(subscriber, work);
        let bytes = buffer.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    pub fn fields(line: &str) -> serde_json::Value {
        serde_json::from_str(line).unwrap()
    }

    #[test]
    fn an_event_of_ours_is_one_line_in_order() {
        let text = capture(LogFormat::Text, LogLevel::Info, || {
            tracing::info!(path = "/run/a b", count = 3, state = %"up", cause = %"two\nlines", "listening\non");
        });
        let (time, rest) = text.split_once(' ').unwrap();
        assert!(time.ends_with('Z') && time.contains('T'), "{time}");
        assert_eq!(rest, "INFO listening\\non path=\"/run/a b\" count=3 state=up cause=\"two\\nlines\"\n");
    }

    #[test]
    fn what_is_less_important_than_the_level_is_not_written() {
        for format in [LogFormat::Text, LogFormat::Json] {
            let text = capture(format, LogLevel::Warn, || {
                tracing::info!("not me");
                tracing::warn!("but me");
            });
            assert_eq!(text.lines().count(), 1, "{text}");
            assert!(text.contains("but me"));
        }
    }

    #[test]
    fn libraries_are_not_heard() {
        let text = capture(LogFormat::Text, LogLevel::Debug, || {
            tracing::warn!(target: "hyper::proto", "authorization: Bearer eyJ");
            tracing::debug!("ours");
        });
        assert!(text.contains("ours") && !text.contains("Bearer"), "{text}");
    }

    #[test]
    fn json_is_one_object_a_line() {
        let text = capture(LogFormat::Json, LogLevel::Info, || tracing::info!(n = 3, "a \"b\"\nc"));
        assert_eq!(text.lines().count(), 1);
        assert_eq!(fields(&text)["message"], "a \"b\"\nc");
        assert_eq!(fields(&text)["n"], 3);
    }
}
