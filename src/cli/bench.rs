//! `keydove bench`: logins by the thousand at any server of the auth client protocol, and how long they took.
//!
//! The password comes from the terminal or the first line of standard input. No configuration is read.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use keydove_load::{
    Expect, Histogram, Load, MOST_CONNECTIONS, MOST_DEPTH, MOST_PEOPLE, Moment, Outcome, Pace, Pattern,
    People, Request, Reuse, Turns,
};
use serde_json::json;

use super::input::Input;
use super::output::{say, say_error};
use super::{FAILED, USAGE, fail};
use crate::settings::Period;

/// Some reply was wrong, missing, never asked for, or could not tell.
const FLAWED: u8 = 1;
/// No load lasts longer.
const LONGEST: Duration = Duration::from_secs(3600);
/// More arrivals per second than any server takes.
const MOST_PER_SECOND: u32 = 1_000_000;
/// Longer than the 2 s that a refusal waits, and than the 5 s in which keydove decides; Dovecot takes its time.
const GRACE: Duration = Duration::from_secs(30);
const PER_MILLE: [u64; 5] = [500, 900, 950, 990, 999];
const BAR: u64 = 40;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The server's socket, such as /run/dovecot/auth-client.
    socket: PathBuf,
    /// The user names: %d is a number, %04d one with at least four digits.
    #[arg(long, value_name = "PATTERN", default_value = "u%04d@example.org", value_parser = Pattern::parse)]
    user: Pattern,
    /// How many users the pattern stands for.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = up_to(MOST_PEOPLE))]
    people: usize,
    /// The number of the first user.
    #[arg(long, value_name = "N", default_value_t = 0)]
    first: usize,
    /// Connections at once.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = up_to(MOST_CONNECTIONS))]
    connections: usize,
    /// Logins under way on each connection.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = up_to(MOST_DEPTH))]
    depth: usize,
    /// How long to measure; at most an hour.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_time)]
    duration: Duration,
    /// How long the load runs before the measurement.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = parse_time)]
    warm_up: Duration,
    /// This many logins per second at random moments, whatever the server does; the latency counts from that moment.
    #[arg(long, value_name = "PER_SECOND", conflicts_with_all = ["depth", "connection_per_login"],
        value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_PER_SECOND)))]
    rate: Option<u32>,
    /// One connection for each login, as Dovecot's login processes do; the latency includes the connect.
    #[arg(long, conflicts_with = "depth")]
    connection_per_login: bool,
    /// Each user logs in once and the load ends, or ends after --duration: this warms a cache.
    #[arg(long, conflicts_with = "warm_up")]
    each_once: bool,
    /// This many of a hundred logins have a wrong password, each another one.
    #[arg(long, value_name = "PERCENT", default_value_t = 0,
        value_parser = clap::value_parser!(u8).range(0..=100))]
    wrong: u8,
    /// The service that users log in to.
    #[arg(long, value_name = "NAME", default_value = "imap", value_parser = parse_field)]
    service: String,
    /// A further field of each request, such as no-penalty for Dovecot; it replaces one of the same name. Repeat it for more.
    #[arg(long = "field", value_name = "FIELD", value_parser = parse_field)]
    fields: Vec<String>,
    /// Print one JSON document; times are in µs.
    #[arg(long)]
    json: bool,
}

/// A number of at least one.
fn up_to(most: usize) -> impl Fn(&str) -> Result<usize, String> + Clone + Send + Sync + 'static {
    move |text| {
        let number = text.parse().ok().filter(|number| (1..=most).contains(number));
        number.ok_or_else(|| format!("it is no whole number from 1 to {most}"))
    }
}

fn parse_time(text: &str) -> Result<Duration, String> {
    let time = Period::try_from(text.to_owned()).map_err(|error| error.to_string())?.get();
    if time > LONGEST { Err("it is more than `1h`".to_owned()) } else { Ok(time) }
}

fn parse_field(text: &str) -> Result<String, String> {
    if text.is_empty() || text.contains(['\t', '\n', '\0']) {
        return Err("it is empty, or holds a tab or a line end".to_owned());
    }
    Ok(text.to_owned())
}

/// Exit codes: 0 every login was decided rightly, 1 not so, 64 wrong use, 70 the server cannot be reached.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    if arguments.people > 1 && !arguments.user.has_number() {
        say_error("keydove: --people needs a %d in --user");
        return USAGE.into();
    }
    let password = match Input::standard().ask("password of all these people") {
        Ok(password) => password,
        Err(error) => return fail(error.code(), &error),
    };
    let last = arguments.first.saturating_add(arguments.people);
    let names = (arguments.first..last).map(|number| arguments.user.name(number));
    let people = People::new(names, password.expose(), &request(arguments));
    say_error(&warning(arguments));
    let mut progress = Progress::new();
    match keydove_load::run(&load_of(arguments, &people), &mut |moment, outcome| {
        progress.hear(moment, outcome)
    }) {
        Ok(outcome) => {
            progress.end();
            say(&if arguments.json { document(&outcome) } else { report(&outcome) });
            if outcome.is_flawless() { ExitCode::SUCCESS } else { FLAWED.into() }
        }
        Err(error) => {
            say_error(&format!("keydove: cannot load {}: {error}", arguments.socket.display()));
            FAILED.into()
        }
    }
}

fn request(arguments: &Arguments) -> Request {
    let mut request = Request { service: arguments.service.clone(), ..Request::default() };
    let name = |field: &str| field.split('=').next().unwrap_or_default().to_owned();
    for field in &arguments.fields {
        request.fields.retain(|known| name(known) != name(field));
        request.fields.push(field.clone());
    }
    request
}

fn load_of<'a>(arguments: &'a Arguments, people: &'a People) -> Load<'a> {
    Load {
        socket: &arguments.socket,
        people,
        connections: arguments.connections,
        pace: match arguments.rate {
            Some(rate) => Pace::Open { per_second: rate.into() },
            None => Pace::Closed { depth: arguments.depth },
        },
        reuse: if arguments.connection_per_login { Reuse::PerLogin } else { Reuse::Kept },
        turns: if arguments.each_once { Turns::EachOnce } else { Turns::Random },
        wrong_percent: arguments.wrong,
        warm_up: if arguments.each_once { Duration::ZERO } else { arguments.warm_up },
        window: arguments.duration,
        grace: GRACE,
        expect: Expect::Verdicts,
    }
}

fn warning(arguments: &Arguments) -> String {
    format!(
        "This is a load test: as many logins at {} as it answers, for up to {} s. It is meant for a server that nobody \
         needs meanwhile. Ctrl-C ends it.",
        arguments.socket.display(),
        (arguments.warm_up + arguments.duration).as_secs_f64()
    )
}

/// One line on a terminal that is written over and over.
struct Progress {
    is_shown: bool,
    ticks: u32,
}

impl Progress {
    fn new() -> Self {
        Self { is_shown: std::io::stderr().is_terminal(), ticks: 0 }
    }

    fn hear(&mut self, moment: Moment, outcome: &Outcome) {
        self.ticks += u32::from(moment == Moment::Ticks);
        if self.is_shown && moment == Moment::Ticks {
            let Outcome { ok, fail, temp, .. } = outcome;
            let seconds = f64::from(self.ticks) / 2.0;
            let faults = outcome.unexpected + outcome.lost;
            // A terminal that is gone is no reason to stop.
            let _ = write!(
                std::io::stderr(),
                "\r\x1b[K{seconds:>6.1} s  {ok} accepted, {fail} refused, {temp} cannot tell, {faults} wrong"
            );
        }
    }

    fn end(&self) {
        if self.is_shown && self.ticks > 0 {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

fn report(outcome: &Outcome) -> String {
    let mut text =
        format!("{:.0} logins per second, {:.1} s\n", outcome.rate(), outcome.measured.as_secs_f64());
    for (name, count) in counts(outcome) {
        // Writing into a `String` does not fail.
        let _ = writeln!(text, "  {name:<12} {count:>10}");
    }
    text += "latency\n";
    for per_mille in PER_MILLE {
        let name = format!("p{}", per_mille as f64 / 10.0);
        let _ = writeln!(text, "  {name:<12} {:>10}", show(outcome.latency.quantile(per_mille)));
    }
    let _ = writeln!(text, "  {:<12} {:>10}", "longest", show(outcome.latency.max()));
    text += &bars(&outcome.latency);
    text.trim_end().to_owned()
}

fn counts(outcome: &Outcome) -> [(&'static str, u64); 7] {
    [
        ("sent", outcome.sent),
        ("accepted", outcome.ok),
        ("refused", outcome.fail),
        ("cannot tell", outcome.temp),
        ("unexpected", outcome.unexpected),
        ("lost", outcome.lost),
        ("hung up", outcome.closed),
    ]
}

/// The histogram, a bar for each doubling of the latency.
fn bars(latency: &Histogram) -> String {
    let rows = latency.doublings();
    let most = rows.iter().map(|row| row.1).max().unwrap_or(1).max(1);
    let row = |(end, count): &(Duration, u64)| {
        let bar = "#".repeat((count * BAR).div_ceil(most) as usize);
        format!("  < {:<10} {count:>10} {bar}", show(*end)).trim_end().to_owned()
    };
    rows.iter().map(row).collect::<Vec<_>>().join("\n")
}

fn show(time: Duration) -> String {
    let micros = time.as_secs_f64() * 1e6;
    match micros {
        1e6.. => format!("{:.2} s", micros / 1e6),
        1e3.. => format!("{:.2} ms", micros / 1e3),
        _ => format!("{micros:.1} µs"),
    }
}

fn document(outcome: &Outcome) -> String {
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    let mut value = json!({
        "logins_per_second": outcome.rate(),
        "seconds": outcome.measured.as_secs_f64(),
        "latency_max": micros(outcome.latency.max()),
        "histogram": outcome.latency.doublings().iter().map(|(end, count)| json!([micros(*end), count])).collect::<Vec<_>>(),
    });
    for (name, count) in counts(outcome) {
        value[name.replace(' ', "_")] = count.into();
    }
    for per_mille in PER_MILLE {
        value[format!("latency_p{per_mille:03}")] = micros(outcome.latency.quantile(per_mille)).into();
    }
    format!("{value:#}")
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn parse(line: &str) -> Result<Arguments, clap::Error> {
        Line::try_parse_from(format!("bench {line}").split(' ')).map(|line| line.arguments)
    }

    #[test]
    fn a_load_is_bounded() {
        assert!(parse("/s --connections 4096 --depth 4096 --duration 1h --people 1000000").is_ok());
        for line in [
            "--connections 4097",
            "--connections 0",
            "--depth 4097",
            "--duration 61m",
            "--people 0",
            "--rate 0",
            "--wrong 101",
            "--rate 5 --depth 2",
            "--user %s",
            "--field a\tb",
        ] {
            let whole = format!("/s {line}");
            assert!(parse(&whole).is_err(), "{line}");
        }
    }

    #[test]
    fn a_field_replaces_the_one_of_its_name() {
        let request = request(&parse("/s --field rip=::1 --field no-penalty --field secured").unwrap());
        assert_eq!(
            request.fields,
            ["nologin", "lip=127.0.0.1", "session=Xk3vA8", "rip=::1", "no-penalty", "secured"]
        );
    }

    #[test]
    fn times_have_a_readable_unit() {
        let show = |nanos| show(Duration::from_nanos(nanos));
        assert_eq!(
            (show(1500), show(1_500_000), show(1_500_000_000)),
            ("1.5 µs".into(), "1.50 ms".into(), "1.50 s".into())
        );
    }

    #[test]
    fn both_reports_say_how_many_and_how_long() {
        let mut outcome =
            Outcome { ok: 3, sent: 4, lost: 1, measured: Duration::from_secs(2), ..Outcome::default() };
        for micros in [80, 90, 300] {
            outcome.latency.add(Duration::from_micros(micros));
        }
        let text = report(&outcome);
        assert!(text.starts_with("2 logins per second, 2.0 s\n"), "{text}");
        assert!(text.contains("lost                  1") && text.contains("300.0 µs"), "{text}");
        assert!(text.lines().any(|line| line.ends_with(&"#".repeat(40))), "{text}");
        let document: serde_json::Value = serde_json::from_str(&document(&outcome)).unwrap();
        assert_eq!((&document["accepted"], &document["lost"]), (&3.into(), &1.into()));
        assert_eq!(
            document["histogram"].as_array().unwrap().len(),
            3,
            "a row without any between two with some"
        );
        assert!(!outcome.is_flawless());
    }
}
