//! `keydove check`: what stands against logins now, on the real path, with the step that mends it.

mod database;
mod database_file;
mod dovecot;
mod finding;
mod keycloak;
mod mailcow;
mod person;
mod postfix;
mod sockets;
mod stores;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use nix::unistd::{AccessFlags, access};

use super::output::say;
use super::{CONFIG, FAILED, fail};
use crate::auth::Username;
use crate::config::Config;
use crate::frontend::http_login;
use crate::mailcow::IdentityProvider;
use crate::provision::Mapping;
use finding::{Finding, Findings, Level, show};

/// Something stands against logins.
const FAULT: u8 = 1;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Look at this person as well: could they log in now, and if not, why?
    #[arg(long, value_name = "ADDRESS")]
    user: Option<String>,
    /// Read the configuration only; ask nobody.
    #[arg(long)]
    offline: bool,
    /// Exit code 1 for warnings too.
    #[arg(long)]
    strict: bool,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
    /// Dovecot's configuration, where it is not the usual one.
    #[arg(long, value_name = "FILE")]
    dovecot_config: Option<PathBuf>,
    /// Postfix's configuration folder, where it is not the usual one.
    #[arg(long, value_name = "FOLDER")]
    postfix_config: Option<PathBuf>,
}

/// What several looks need.
struct Checked<'a> {
    config: &'a Config,
    /// Who is looked up as well.
    user: Option<&'a Username>,
    /// Whether first logins make mailboxes.
    makes_mailboxes: bool,
    /// And from which templates.
    mapping: Mapping,
    /// Keycloak's settings, where mailcow keeps them and they could be read.
    mailcow: Option<IdentityProvider>,
}

/// Exit codes: 0 nothing stands against logins, 1 something does, 78 the configuration is wrong.
pub(super) fn run(arguments: &Arguments, path: &Path) -> ExitCode {
    let config = match Config::load(path) {
        Ok(config) => config,
        Err(error) => return fail(CONFIG, &error),
    };
    if let Err(error) = http_login::check(&config.http_login) {
        return fail(CONFIG, &*error);
    }
    let findings = match look(arguments, &config, path) {
        Ok(findings) => findings,
        Err(error) => return fail(FAILED, error.as_ref()),
    };
    if arguments.json {
        match serde_json::to_string_pretty(&findings) {
            Ok(text) => say(&text),
            Err(error) => return fail(FAILED, &error),
        }
    } else {
        say(&format!("the configuration is sound\n{}", show(&findings)));
        say(&summary(&findings));
    }
    let limit = if arguments.strict { Level::Warning } else { Level::Fault };
    match findings.iter().any(|finding| finding.level >= limit) {
        true => FAULT.into(),
        false => ExitCode::SUCCESS,
    }
}

fn look(
    arguments: &Arguments,
    config: &Config,
    path: &Path,
) -> Result<Vec<Finding>, Box<dyn std::error::Error>> {
    let user = match &arguments.user {
        Some(text) => Some(Username::parse(text.as_bytes())?),
        None => None,
    };
    let mut findings = configuration(config);
    if arguments.offline {
        return Ok(findings);
    }
    let reactor = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut checked = Checked {
        config,
        user: user.as_ref(),
        makes_mailboxes: config.provisioning.enabled == Some(true),
        mapping: config.provisioning.mapping(),
        mailcow: None,
    };
    findings.extend(sockets::look(&config.listeners));
    let database = reactor.block_on(database::look(&mut checked));
    // A SQLite file that is not there is not made by a look.
    let is_sound = database.iter().all(|finding| finding.level < Level::Fault);
    findings.extend(database);
    findings.extend(reactor.block_on(keycloak::look(&checked)));
    if let Some(user) = user.as_ref().filter(|_| is_sound) {
        findings.extend(person::look(user, config, path));
    }
    findings.extend(dovecot::look(
        &config.listeners,
        config.login.default_domain.as_deref(),
        arguments.dovecot_config.as_deref(),
    ));
    findings.extend(postfix::look(&config.listeners, arguments.postfix_config.as_deref()));
    Ok(findings)
}

/// What would be served, and what the file itself makes one think of.
fn configuration(config: &Config) -> Vec<Finding> {
    let mut findings = Findings::of("configuration");
    for listener in &config.listeners {
        let role = listener.role.map_or_else(String::new, |role| format!(" for {}", role.name()));
        findings.fine(format!("{}{role} on {}", listener.door.name(), listener.path.display()));
    }
    if let Some(address) = config.http_login.listen {
        let tls = if config.http_login.speaks_tls() { "with" } else { "without" };
        findings.fine(format!("http-login on {address}, {tls} TLS"));
    }
    if let Some(url) = &config.http_login.shadow_url {
        findings.fine(format!("shadow mode: {url} decides about logins over HTTP"));
    }
    for (address, keycloak) in &config.keycloaks {
        let (url, realm) = (address.server_url.as_str(), address.realm.as_str());
        let domains = match keycloak.domains.join(", ") {
            domains if domains.is_empty() => String::new(),
            domains => format!(" for {domains}"),
        };
        findings.fine(format!("Keycloak at {url}, realm `{realm}`{domains}"));
    }
    findings.fine(config.storage.to_string());
    if let Some(program) = config.kick.as_ref().and_then(|kick| kick.command.first()) {
        match access(Path::new(program), AccessFlags::X_OK) {
            Ok(()) => findings.fine(format!("open sessions are ended by {program}")),
            Err(error) => findings.warning(
                format!(
                    "{program} of [kick] cannot be run ({error}): open sessions go on after access has ended"
                ),
                "name a program by its whole path that keydove's user may run",
            ),
        }
    }
    config.warnings.iter().for_each(|warning| findings.told(Level::Warning, warning.to_string()));
    findings.into_vec()
}

fn summary(findings: &[Finding]) -> String {
    let count = |level| findings.iter().filter(|finding| finding.level == level).count();
    match (count(Level::Fault), count(Level::Warning)) {
        (0, 0) => "nothing stands against logins".to_owned(),
        (0, warnings) => format!("nothing stands against logins; warnings: {warnings}"),
        (faults, warnings) => format!("faults: {faults}; warnings: {warnings}"),
    }
}

/// A setting in lines of `name = value`, as Dovecot's and Postfix's own tools print them: one that is not indented.
fn value_of<'a>(settings: &'a str, name: &str) -> Option<&'a str> {
    settings.lines().find_map(|line| Some(line.strip_prefix(name)?.trim_start().strip_prefix('=')?.trim()))
}

/// What another program prints; `None` where it is not there, or says nothing of use.
fn output_of(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}
