//! Logins through a real Keycloak: how many, how long, and how often it is asked.

use std::sync::Arc;
use std::time::Duration;

use keydove_load::{Load, Pace};
use reqwest::Client;
use serde_json::Value;

use super::cold::one_hash;
use super::hot::{HEAD, show};
use super::keydove::{Keydove, Source};
use super::loads::{each_once, run};
use super::machine::{median, micros, now};
use super::report::Report;
use super::stage::keycloak::Keycloak;
use super::stage::names::REALM;
use super::stage::relay::Conduct;
use super::stage::{Failure, Result, Stage};
use super::{Plan, people, say};

/// Somebody of the test realm with a cheap hash, so that a thousand guesses are not held up by hashing.
const GUESSED: &str = "ssha512@example.org";
/// Somebody of the test realm with a bcrypt hash of cost 10.
const SOMEBODY: &str = "plain@example.org";
const PARALLEL: usize = 200;
const THOUSAND: usize = 1000;
const GUESSES_PER_SECOND: f64 = 200.0;
/// How requests about people begin.
const SEARCH: &str = "/admin/realms/";
/// In the request by which keydove looks, by the hour, whether the password attribute can be seen: no login's.
const LOOK: &str = "/users?enabled=true&";

/// Measures. The hashes are of everybody who logs in here. Returns the Keycloak, which knows them.
pub fn measure(plan: &Plan, stage: &Arc<Stage>, hashes: &[String], report: &mut Report) -> Result<Keycloak> {
    say("\nKeycloak starts (10 to 30 s) ...");
    let mut keycloak = Keycloak::start(stage)?;
    keycloak.wait_until_ready()?;
    let admin = keycloak.admin();
    let everybody: Vec<Value> =
        hashes.iter().enumerate().map(|(number, hash)| people::representation(number, hash)).collect();
    admin.import(&everybody)?;
    count_calls(plan, stage, &keycloak, report)?;
    let mut keydove = Keydove::start(stage, "real", &keycloak.url(), "")?;
    fill(&keydove, hashes.len())?;
    one_at_a_time(plan, &keycloak, &mut keydove, hashes, report)?;
    end_to_end(plan, &mut keydove, hashes.len(), report)?;
    Ok(keycloak)
}

fn fill(keydove: &Keydove, count: usize) -> Result<()> {
    let names: Vec<String> = (0..count).map(people::name).collect();
    let more = [GUESSED, SOMEBODY];
    keydove.fill(names.iter().map(String::as_str).chain(more).map(|name| (name, Source::Keycloak)))
}

/// Counts the requests that reach Keycloak, at a relay before it.
fn count_calls(plan: &Plan, stage: &Arc<Stage>, keycloak: &Keycloak, report: &mut Report) -> Result<()> {
    let relay = keycloak.relay(Conduct::Pass)?;
    let keydove = Keydove::start(stage, "calls", &relay.url(), "")?;
    fill(&keydove, 3)?;
    let socket = keydove.socket();
    let count = || relay.requests(SEARCH).iter().filter(|request| !request.contains(LOOK)).count() as f64;
    let somebody = people::people([0]);
    run("a first login", &each_once(&socket, &somebody, (1, 1)), None, report)?;
    report.set("keycloak_calls_first_login", count());
    let tokens = relay.requests("/token").len();
    let before = count();
    let again = people::people(std::iter::repeat_n(0, THOUSAND));
    run("the next thousand", &each_once(&socket, &again, (8, 1)), None, report)?;
    report.set("keycloak_calls_next_thousand", count() - before);
    let before = count();
    let another = people::people(std::iter::repeat_n(1, PARALLEL));
    run("200 at once", &each_once(&socket, &another, (20, 10)), None, report)?;
    report.set("keycloak_calls_200_parallel", count() - before);
    // Whoever is worth guessing is known; finding them is the first login's call.
    let guessed = people::named(GUESSED, plan.guesses);
    run("the owner logs in", &each_once(&socket, &people::named(GUESSED, 1), (1, 1)), None, report)?;
    let before = count();
    let pace = Pace::Open { per_second: GUESSES_PER_SECOND };
    let guesses = Load { pace, wrong_percent: 100, ..each_once(&socket, &guessed, (32, 1)) };
    let sample = run("wrong guesses", &guesses, None, report)?;
    report.set("keycloak_calls_wrong_guesses", count() - before);
    say(&format!(
        "counted at a relay: {} requests about people in all, {tokens} for a token; {} wrong guesses",
        count(),
        sample.outcome.sent
    ));
    Ok(())
}

/// One cold login after the other, beside one hash and one search: all in turns, each of somebody else, so that Keycloak
/// has not seen them either.
fn one_at_a_time(
    plan: &Plan,
    keycloak: &Keycloak,
    keydove: &mut Keydove,
    hashes: &[String],
    report: &mut Report,
) -> Result<()> {
    keydove.start_again()?;
    let socket = keydove.socket();
    // The token and the connection to Keycloak are there before.
    run("a first login", &each_once(&socket, &people::named(SOMEBODY, 1), (1, 1)), None, report)?;
    let searcher = Searcher::new(keycloak)?;
    searcher.search(SOMEBODY)?;
    let share = plan.singles.min(hashes.len() / 2 / plan.rounds);
    let (mut ratios, mut logins, mut parts) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..plan.rounds {
        let first = 2 * round * share;
        let (mut hash, mut search, mut login) = (Vec::new(), Vec::new(), Vec::new());
        for (number, stored) in hashes.iter().enumerate().skip(first).take(share) {
            hash.push(one_hash(stored)?);
            search.push(searcher.search(&people::name(number + share))?);
            let load_people = people::people([number]);
            let sample = run("one cold login", &each_once(&socket, &load_people, (1, 1)), None, report)?;
            login.push(sample.quantile(1000));
        }
        let (hash, search, login) = (median(hash), median(search), median(login));
        ratios.push(login / (hash + search));
        logins.push(login);
        parts.push((hash, search));
    }
    say(&format!(
        "one cold login {:.1} ms; one hash {:.1} ms, one search {:.1} ms",
        median(logins) / 1e3,
        median(parts.iter().map(|part| part.0)) / 1e3,
        median(parts.iter().map(|part| part.1)) / 1e3
    ));
    report.set("cold_latency_to_hash_and_search", median(ratios));
    Ok(())
}

/// Everybody once, as many as come through.
fn end_to_end(plan: &Plan, keydove: &mut Keydove, count: usize, report: &mut Report) -> Result<()> {
    let everybody = people::people(0..count);
    let socket = keydove.socket();
    let mut samples = Vec::new();
    for _ in 0..plan.rounds {
        keydove.start_again()?;
        samples.push(run(
            "cold logins through Keycloak",
            &each_once(&socket, &everybody, (32, 1)),
            Some(keydove.id()?),
            report,
        )?);
    }
    say(&format!("\ncold logins of {count} people through Keycloak\n{HEAD}"));
    show("   32 x 1  keydove, everybody once", &samples);
    Ok(())
}

/// Asks Keycloak what keydove asks, with a connection and a token that are there already.
struct Searcher {
    reactor: tokio::runtime::Runtime,
    client: Client,
    token: String,
    url: String,
}

impl Searcher {
    fn new(keycloak: &Keycloak) -> Result<Self> {
        let failed = |error: &dyn std::fmt::Display| Failure(format!("fetch a token from Keycloak: {error}"));
        let reactor = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| failed(&error))?;
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .no_proxy()
            .http1_only()
            .timeout(Duration::from_secs(10))
            .build()
            .map_err(|error| failed(&error))?;
        let url = format!("{}/realms/{REALM}/protocol/openid-connect/token", keycloak.url());
        let form =
            [("grant_type", "client_credentials"), ("client_id", "mailcow"), ("client_secret", "s3cret")];
        let answer =
            reactor.block_on(async { client.post(url).form(&form).send().await?.json::<Value>().await });
        let answer = answer.map_err(|error| failed(&error))?;
        let token =
            answer["access_token"].as_str().ok_or_else(|| failed(&"there is none in the answer"))?.to_owned();
        Ok(Self { reactor, client, token, url: format!("{}/admin/realms/{REALM}/users", keycloak.url()) })
    }

    /// How long it took to learn about one person, in µs.
    fn search(&self, name: &str) -> Result<f64> {
        let query = [("email", name), ("exact", "true"), ("max", "2"), ("briefRepresentation", "false")];
        let begin = now();
        let request = self.client.get(&self.url).query(&query).bearer_auth(&self.token);
        let answer = self.reactor.block_on(async { request.send().await?.json::<Value>().await });
        let took = micros(now() - begin);
        match answer {
            Ok(people) if people.as_array().is_some_and(|people| people.len() == 1) => Ok(took),
            Ok(other) => Err(Failure(format!("search {name} in Keycloak: {other}"))),
            Err(error) => Err(Failure(format!("search {name} in Keycloak: {error}"))),
        }
    }
}
