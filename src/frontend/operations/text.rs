//! Numbers as text in the form of `OpenMetrics`: their names, what they mean, and their labels.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use super::Numbers;
use crate::backend::breaker::Condition;
use crate::backend::records::RecordCounts;
use crate::jobs::sync::StatusNumbers;
use crate::login::throttle;
use crate::observe::metrics::{CallsSnapshot, HistogramSnapshot, LoginCount};

impl Numbers {
    /// The whole answer to `/metrics`.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut registry = Registry::with_prefix("keydove");
        registry.register_collector(Box::new(Text(self.clone())));
        let mut text = String::new();
        // Writing into a `String` does not fail.
        let _ = encode(&mut text, &registry);
        text
    }
}

/// What the library calls back.
#[derive(Debug)]
struct Text(Numbers);

impl Collector for Text {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let numbers = &self.0;
        let mut page = Page(encoder);
        page.build()?;
        page.logins(numbers)?;
        page.backends(numbers)?;
        page.hashing(numbers)?;
        page.caches(&numbers.caches)?;
        page.throttle(&numbers.throttle)?;
        page.sync(&numbers.sync)?;
        let notes = "Notes about logins that fitted into no queue.";
        page.counter("bookkeeping_dropped", notes, numbers.dropped_notes)?;
        let settings = numbers.insecure.iter().map(|name| ([("name", name.as_str())], 1));
        page.gauges(
            ("insecure_setting", None),
            "Settings that work but should not stay as they are.",
            settings,
        )
    }
}

/// Writes one family of metrics after the other.
struct Page<'a>(DescriptorEncoder<'a>);

impl Page<'_> {
    fn build(&mut self) -> fmt::Result {
        let mut encoder =
            self.0.encode_descriptor("build", "Which keydove this is.", None, MetricType::Info)?;
        encoder.encode_info(&[("version", env!("CARGO_PKG_VERSION"))])
    }

    fn logins(&mut self, numbers: &Numbers) -> fmt::Result {
        let counts = numbers.logins.counts.iter().map(|count| {
            let LoginCount { service, verdict, reason, count } = *count;
            ([("service", service), ("verdict", verdict), ("reason", reason)], count)
        });
        self.counters("logins", "Logins, each with one line in the log.", counts)?;
        let guesses =
            numbers.logins.guesses.iter().map(|&(repeated, count)| ([("repeated", repeated)], count));
        self.counters("guesses", "Refused secrets that did not fit and names that nobody has.", guesses)?;
        let seconds = numbers.logins.seconds.iter().map(|(path, seconds)| ([("path", *path)], seconds));
        let help = "How long a verdict took: nobody was asked (hit), somebody (cold), in vain (stale).";
        self.histograms("login", help, seconds)?;
        let help = "How old answers were that served although a backend could not tell.";
        self.histogram("answer_age", help, &numbers.logins.ages)?;
        let pairs = numbers
            .shadow
            .iter()
            .map(|pair| ([("mailcow", pair.mailcow), ("keydove", pair.keydove)], pair.count));
        let help = "Logins that mailcow decided, and what keydove would have said.";
        self.counters("shadow_logins", help, pairs)
    }

    fn backends(&mut self, numbers: &Numbers) -> fmt::Result {
        let keycloaks = || numbers.keycloaks.iter().map(|(name, calls)| (name.as_str(), calls));
        let results = |(source, calls): (_, &CallsSnapshot)| {
            let label = move |(result, count)| ([("source", source), ("result", result)], count);
            calls.results.clone().into_iter().map(label).collect::<Vec<_>>()
        };
        self.counters(
            "keycloak_calls",
            "Calls of Keycloak, by how they ended.",
            keycloaks().flat_map(results),
        )?;
        let seconds = keycloaks().map(|(source, calls)| ([("source", source)], &calls.seconds));
        self.histograms("keycloak_call", "How long calls of Keycloak took.", seconds)?;
        let events = numbers
            .events
            .iter()
            .map(|(source, age)| ([("source", source.as_str())], i64::try_from(*age).unwrap_or(i64::MAX)));
        let help = "How long ago events of Keycloak were read, where they are polled.";
        self.gauges(("events_age", Some(Unit::Seconds)), help, events)?;
        let results = numbers.sql.results.iter().map(|&(result, count)| ([("result", result)], count));
        self.counters("sql_questions", "Questions of logins to the database, by how they ended.", results)?;
        let help = "How long questions of logins to the database took.";
        self.histogram("sql_question", help, &numbers.sql.seconds)?;
        let breakers = numbers.breakers.iter().map(|(backend, condition)| {
            let state = match condition {
                Condition::Closed => 0,
                Condition::HalfOpen => 1,
                Condition::Open => 2,
            };
            ([("backend", backend.as_str())], state)
        });
        let help = "Whether a backend is asked (0), tried again (1), or left alone for a while (2).";
        self.gauges(("breaker_state", None), help, breakers)
    }

    fn hashing(&mut self, numbers: &Numbers) -> fmt::Result {
        let hashing = &numbers.hashing;
        let help = "Passwords that wait for a hashing thread.";
        self.gauge("hashing_queue_length", help, hashing.waiting)?;
        let help = "bcrypt computations that can run at once.";
        self.gauge("hashing_lanes", help, hashing.lanes)?;
        let help = "Passwords that were turned away because too many waited.";
        self.counter("hashing_shed", help, hashing.shed)?;
        let help = "How long hashed passwords took, waiting included.";
        self.histogram("hash", help, &hashing.seconds)
    }

    fn caches(&mut self, caches: &[(&'static str, RecordCounts)]) -> fmt::Result {
        let gauge = |value: fn(&RecordCounts) -> usize| {
            caches.iter().map(move |(cache, counts)| ([("cache", *cache)], to_gauge(value(counts))))
        };
        self.gauges(("cache_entries", None), "Records in memory.", gauge(|counts| counts.entries))?;
        let bytes = ("cache", Some(Unit::Bytes));
        self.gauges(bytes, "About how much memory records take.", gauge(|counts| counts.bytes))?;
        type Counter = (&'static str, &'static str, fn(&RecordCounts) -> u64);
        let counters: [Counter; 4] = [
            ("cache_hits", "Answers from memory.", |counts| counts.hits),
            ("cache_misses", "Answers that somebody waited for.", |counts| counts.misses),
            ("cache_stale", "Answers older than they should be.", |counts| counts.stale),
            ("cache_fetches", "Records that a backend was asked for.", |counts| counts.fetches),
        ];
        for (name, help, value) in counters {
            let values = caches.iter().map(|(cache, counts)| ([("cache", *cache)], value(counts)));
            self.counters(name, help, values)?;
        }
        Ok(())
    }

    fn throttle(&mut self, counts: &throttle::Counts) -> fmt::Result {
        let help = "Logins that were put off because too much was wrong from there.";
        self.counter("throttled_logins", help, counts.throttled)?;
        let help = "Accounts at a place, and places, that have to wait.";
        self.gauge("throttle_waiting", help, counts.waiting)?;
        self.gauge("throttle_entries", "Counters of what was wrong.", counts.entries)?;
        let help = "About how much memory these counters take.";
        let bytes = [([("kind", "counters")], to_gauge(counts.bytes))];
        self.gauges(("throttle", Some(Unit::Bytes)), help, bytes)
    }

    fn sync(&mut self, numbers: &StatusNumbers) -> fmt::Result {
        let runs = numbers.runs.iter().map(|&(result, count)| ([("result", result)], count));
        self.counters("sync_runs", "Runs of the sync, by how they ended.", runs)?;
        let ages =
            numbers.age.iter().map(|age| ([("run", "complete")], i64::try_from(*age).unwrap_or(i64::MAX)));
        let help = "How long ago the last complete run of the sync ended.";
        self.gauges(("sync_age", Some(Unit::Seconds)), help, ages)?;
        let people = numbers
            .people
            .iter()
            .map(|&(outcome, count)| ([("outcome", outcome)], i64::try_from(count).unwrap_or(i64::MAX)));
        self.gauges(
            ("sync_people", None),
            "People of the last run of the sync, by what became of them.",
            people,
        )
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let mut encoder = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        encoder.encode_counter::<NoLabelSet, _, u64>(&value, None)
    }

    fn gauge(&mut self, name: &str, help: &str, value: usize) -> fmt::Result {
        let mut encoder = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        encoder.encode_gauge(&to_gauge(value))
    }

    fn histogram(&mut self, name: &str, help: &str, value: &HistogramSnapshot) -> fmt::Result {
        let HistogramSnapshot { sum, count, buckets } = value;
        let mut encoder =
            self.0.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Histogram)?;
        encoder.encode_histogram::<NoLabelSet>(*sum, *count, buckets, None)
    }

    fn counters<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (L, u64)>,
    ) -> fmt::Result {
        let mut encoder = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        values.into_iter().try_for_each(|(labels, value)| {
            encoder.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(&value, None)
        })
    }

    fn gauges<L: EncodeLabelSet>(
        &mut self,
        (name, unit): (&str, Option<Unit>),
        help: &str,
        values: impl IntoIterator<Item = (L, i64)>,
    ) -> fmt::Result {
        let mut encoder = self.0.encode_descriptor(name, help, unit.as_ref(), MetricType::Gauge)?;
        let mut values = values.into_iter();
        values.try_for_each(|(labels, value)| encoder.encode_family(&labels)?.encode_gauge(&value))
    }

    /// Of durations; the name gets `_seconds` after it.
    fn histograms<'s, L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (L, &'s HistogramSnapshot)>,
    ) -> fmt::Result {
        let unit = Some(&Unit::Seconds);
        let mut encoder = self.0.encode_descriptor(name, help, unit, MetricType::Histogram)?;
        values.into_iter().try_for_each(|(labels, HistogramSnapshot { sum, count, buckets })| {
            encoder.encode_family(&labels)?.encode_histogram::<NoLabelSet>(*sum, *count, buckets, None)
        })
    }
}

fn to_gauge(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::metrics::{Calls, Histogram};

    #[test]
    fn each_family_has_its_name_its_labels_and_its_unit() {
        let calls = Calls::default();
        calls.count(Ok(()), std::time::Duration::from_millis(3));
        let logins = crate::observe::metrics::LoginsSnapshot {
            counts: vec![LoginCount { service: "imap", verdict: "accept", reason: "ok", count: 7 }],
            seconds: vec![("hit", Histogram::of_answers().snapshot())],
            ages: Histogram::of_ages().snapshot(),
            guesses: vec![("no", 3), ("yes", 9)],
        };
        let numbers = Numbers {
            logins,
            keycloaks: vec![("staff".to_owned(), calls.snapshot())],
            events: vec![("staff".to_owned(), 3)],
            sql: calls.snapshot(),
            breakers: vec![("sql".to_owned(), Condition::Open)],
            caches: vec![(
                "people",
                RecordCounts { entries: 3, bytes: 900, hits: 5, ..RecordCounts::default() },
            )],
            dropped_notes: 2,
            insecure: vec!["keycloak.tls_verify".to_owned()],
            ..Numbers::default()
        };
        let text = numbers.to_text();
        for line in [
            &*format!("keydove_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION")),
            "keydove_logins_total{service=\"imap\",verdict=\"accept\",reason=\"ok\"} 7",
            "keydove_login_seconds_bucket{le=\"+Inf\",path=\"hit\"} 0",
            "keydove_answer_age_seconds_count 0",
            "keydove_keycloak_calls_total{source=\"staff\",result=\"ok\"} 1",
            "keydove_keycloak_call_seconds_bucket{le=\"0.005\",source=\"staff\"} 1",
            "keydove_events_age_seconds{source=\"staff\"} 3",
            "keydove_sql_questions_total{result=\"ok\"} 1",
            "keydove_sql_question_seconds_sum 0.003",
            "keydove_breaker_state{backend=\"sql\"} 2",
            "keydove_hashing_queue_length 0",
            "keydove_hashing_shed_total 0",
            "keydove_hashing_lanes 0",
            "keydove_hash_seconds_count 0",
            "keydove_cache_entries{cache=\"people\"} 3",
            "keydove_cache_bytes{cache=\"people\"} 900",
            "keydove_cache_hits_total{cache=\"people\"} 5",
            "keydove_bookkeeping_dropped_total 2",
            "keydove_insecure_setting{name=\"keycloak.tls_verify\"} 1",
            "# EOF",
        ] {
            assert!(text.lines().any(|found| found == line), "`{line}` is missing in\n{text}");
        }
    }
}
