//! `make demo`: a whole mail system out of one folder, and people who log in to it.
//!
//! Starts Keycloak, keydove with an embedded database, Dovecot and Postfix on loopback, as the tests do; shows logins,
//! refusals, a mail on its way and an outage; starts the web portal, and then stays up until Ctrl-C. With `DEMO_EXIT=1` it ends instead.
//! The exit code says whether everything went as it should.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a demonstration talks to the terminal and reads the clock"
)]

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

use keydove_stage as stage;
use stage::clients::{Imap, Login, Smtp, imap_login, pop3_login, sieve_login, smtp_login};
use stage::portal::{PROVISIONING, Portal, take_mailbox};
use stage::system::{Database, Plan, System};
use stage::{Failure, Result};

const ALICE: Login<'_> = Login { user: "alice@example.org", password: "pw" };
const CAROL: Login<'_> = Login { user: "carol@example.org", password: "pw" };
/// Somebody of whom keydove knows nothing when Keycloak stops.
const LATECOMER: Login<'_> = Login { user: "plain@example.org", password: "pw" };
const SUBJECT: &str = "Hello from the demo";
/// Somebody whose first sign-in at the portal makes their mailbox.
const NEWCOMER: &str = "notemplate@example.org";
const DELIVERY_LIMIT: Duration = Duration::from_secs(20);

fn main() -> ExitCode {
    if let Some(code) = stage::root::become_root() {
        return code;
    }
    match demonstrate() {
        Ok(0) => ExitCode::SUCCESS,
        Ok(surprises) => {
            eprintln!("\n{surprises} answers were not as expected");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Returns how many answers were not as expected.
fn demonstrate() -> Result<u32> {
    let start = Instant::now();
    println!("Starting the servers (Keycloak takes 10 to 30 s) ...");
    let binary = built("keydove")?;
    let plan = Plan { binary: &binary, database: Database::Sqlite, failure_delay: "2s", remembers: true };
    let mut system =
        System::boot(&plan, &|step| println!("  {:>6.1} s  {step}", start.elapsed().as_secs_f64()))?;
    let mut show = Show { surprises: 0 };
    show_logins(&system, &mut show);
    show_refusals(&system, &mut show);
    show_mail(&system, &mut show);
    show_outage(&mut system, &mut show)?;
    let portal = show_portal(&mut system, &mut show)?;
    tell(&system, &portal);
    if std::env::var_os("DEMO_EXIT").is_none_or(|value| value.is_empty() || value == "0") {
        stay()?;
    }
    println!("\nStopping the servers ...");
    Ok(show.surprises)
}

fn show_logins(system: &System, show: &mut Show) {
    show.title("alice logs in: the first time, and again");
    for _ in 0..2 {
        show.answer("IMAP", "OK ", || imap_login(system.dovecot.imap, ALICE));
        show.answer("POP3", "+OK", || pop3_login(system.dovecot.pop3, ALICE));
        show.answer("ManageSieve", "OK ", || sieve_login(system.dovecot.sieve, ALICE));
        show.answer("SMTP", "235 ", || smtp_login(system.postfix.submission, ALICE));
    }
}

fn show_refusals(system: &System, show: &mut Show) {
    show.title("refused, each after the failure delay of 2 s");
    let cases = [
        ("wrong password", "alice@example.org", "wrong"),
        ("unknown", "ghost@example.org", "pw"),
        ("disabled", "disabled@example.org", "pw"),
    ];
    for (what, user, password) in cases {
        let login = Login { user, password };
        let refused = "NO [AUTHENTICATIONFAILED]";
        show.answer(&format!("IMAP, {what}"), refused, || imap_login(system.dovecot.imap, login));
        show.answer(&format!("SMTP, {what}"), "535 ", || smtp_login(system.postfix.submission, login));
    }
}

fn show_mail(system: &System, show: &mut Show) {
    show.title("alice sends a mail by submission, carol reads it over IMAP");
    show.answer("SMTP, send", "250 ", || {
        let mut smtp = Smtp::connect(system.postfix.submission)?;
        smtp.auth_plain(ALICE)?;
        smtp.send(ALICE.user, CAROL.user, SUBJECT, "It works.")
    });
    show.answer("IMAP, read", "Subject: ", || {
        let start = Instant::now();
        while start.elapsed() < DELIVERY_LIMIT {
            let mut imap = Imap::connect(system.dovecot.imap)?;
            imap.login(CAROL)?;
            if let Some(text) = imap.find_message(SUBJECT)? {
                return Ok(text
                    .lines()
                    .find(|line| line.starts_with("Subject:"))
                    .unwrap_or_default()
                    .to_owned());
            }
            sleep(Duration::from_millis(50));
        }
        Ok("no mail came".to_owned())
    });
}

fn show_outage(system: &mut System, show: &mut Show) -> Result<()> {
    show.title("Keycloak is stopped: who was seen lately logs in, nobody is told that a password is wrong");
    system.keycloak.stop()?;
    show.answer("IMAP, alice", "OK ", || imap_login(system.dovecot.imap, ALICE));
    show.answer("SMTP, alice", "235 ", || smtp_login(system.postfix.submission, ALICE));
    show.answer("IMAP, somebody else", "NO [UNAVAILABLE]", || imap_login(system.dovecot.imap, LATECOMER));
    show.answer("SMTP, somebody else", "454 ", || smtp_login(system.postfix.submission, LATECOMER));
    println!("  starting Keycloak again ...");
    system.keycloak.start_again()?;
    system.keycloak.wait_until_ready()?;
    show.answer("IMAP", "OK ", || imap_login(system.dovecot.imap, LATECOMER));
    show.answer("SMTP", "235 ", || smtp_login(system.postfix.submission, LATECOMER));
    Ok(())
}

fn show_portal(system: &mut System, show: &mut Show) -> Result<Portal> {
    show.title("the web portal starts, and is checked");
    take_mailbox(system, NEWCOMER)?;
    let words = vec![built("keydove-portal")?.into()];
    let portal = Portal::start(system, words, |text| text + PROVISIONING)?;
    system.keycloak.admin().let_administrate_portal(CAROL.user, true)?;
    let checked = portal.check()?;
    for line in checked.lines().filter(|line| line.ends_with(": good")) {
        show.answer("keydove-portal check", "", || Ok(line.to_owned()));
    }
    show.answer("", "3 good", || Ok(format!("{} good", checked.matches(": good").count())));
    Ok(portal)
}

/// Where everything is, and whom to sign in as.
fn tell(system: &System, portal: &Portal) {
    println!(
        "\nEverything is up on 127.0.0.1, without TLS. People: alice, bob (bob-pw), carol; password pw."
    );
    println!(
        "  IMAP {}   POP3 {}   ManageSieve {}",
        system.dovecot.imap, system.dovecot.pop3, system.dovecot.sieve
    );
    println!("  SMTP submission {}", system.postfix.submission);
    println!(
        "  web portal {}: sign in as {}, or as {NEWCOMER}, who has no mailbox yet",
        portal.address, ALICE.user
    );
    println!("    its administrators' pages {}/admin: sign in as {}", portal.address, CAROL.user);
    println!("  Keycloak {}/admin/master/console/#/mail (admin, admin)", system.keycloak.url());
    println!("  folder with logs and configuration: {}", system.stage().path("").display());
}

fn stay() -> Result<()> {
    println!("Ctrl-C ends it.");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let waited = runtime.and_then(|runtime| runtime.block_on(tokio::signal::ctrl_c()));
    waited.map_err(|error| Failure(format!("wait for Ctrl-C: {error}")))
}

/// Prints answers and counts those that are not as expected.
struct Show {
    surprises: u32,
}

impl Show {
    fn title(&self, text: &str) {
        println!("\n{text}");
    }

    fn answer(&mut self, what: &str, beginning: &str, ask: impl FnOnce() -> io::Result<String>) {
        let start = Instant::now();
        let answer = ask().unwrap_or_else(|error| format!("error: {error}"));
        let time = start.elapsed().as_secs_f64() * 1000.0;
        // The list of capabilities says nothing here.
        let brief = match (answer.find("[CAPABILITY"), answer.find("] ")) {
            (Some(from), Some(to)) => format!("{}{}", &answer[..from], &answer[to + 2..]),
            _ => answer.clone(),
        };
        let expected = answer.starts_with(beginning);
        let note = if expected { String::new() } else { format!("   <-- expected {beginning}") };
        println!("  {what:<22} {time:>7.1} ms   {brief}{note}");
        self.surprises += u32::from(!expected);
    }
}

/// A program that was built beside this one.
fn built(name: &str) -> Result<PathBuf> {
    let this = std::env::current_exe().map_err(|error| Failure(format!("find this program: {error}")))?;
    let binary = this.ancestors().nth(2).map(|folder| folder.join(name));
    binary.filter(|path| path.exists()).ok_or_else(|| {
        Failure(format!("find {name} beside the demo: run `cargo build --workspace --bins` first"))
    })
}
