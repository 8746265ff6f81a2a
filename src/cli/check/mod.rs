//! `keydove check`: what stands against logins now, on the real path, with the step that mends it.

mod backends;
mod database;
mod database_file;
mod database_servers;
mod dovecot;
mod files;
mod finding;
mod keycloak;
mod kick;
mod logins;
mod mail_settings;
mod mailcow;
mod mailcow_rows;
mod person;
mod postfix;
mod protocols;
mod redis;
mod rights;
mod running;
mod service;
mod sockets;
mod stores;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use super::output::{say, say_error};
use super::{CONFIG, FAILED, USAGE, fail};
use crate::auth::Username;
use crate::config::{Config, Credentials};
use crate::frontend::http_login;
use crate::jobs::mailcow::IdentityProvider;
use crate::provision::Mapping;
use finding::{Finding, Findings, Level, show};
use service::Service;

/// In this order they are shown.
const AREAS: [&str; 14] = [
    "service",
    "configuration",
    "files",
    "sockets",
    "running",
    "database",
    "keycloak",
    "logins",
    "person",
    "kick",
    "backends",
    "redis",
    "dovecot",
    "postfix",
];
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
    /// Leave Dovecot and Postfix out, as before they are switched over to keydove.
    #[arg(long, conflicts_with_all = ["dovecot_config", "postfix_config"])]
    no_mail_servers: bool,
    /// Look as the service's user, and print what was found for another process of this command.
    #[arg(long, hide = true)]
    as_service: bool,
    /// Become this user, and say which of the sockets they may open.
    #[arg(long, hide = true, value_name = "USER", requires = "knock")]
    knock_as: Option<String>,
    /// A socket.
    #[arg(long, hide = true, value_name = "SOCKET")]
    knock: Vec<PathBuf>,
}

/// First logins that can make nothing, and the cure.
const NO_TEMPLATE: (&str, &str) = (
    "first logins make mailboxes, but no template is named for anybody",
    "set [provisioning] default_template",
);

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

/// Exit codes: 0 nothing stands against logins, 1 something does, 64 there is no such address, 78 the configuration is
/// wrong or cannot be read by the service's user.
pub(super) fn run(arguments: &Arguments, path: &Path) -> ExitCode {
    if let Some(user) = &arguments.knock_as {
        return sockets::knock(user, &arguments.knock);
    }
    // Both while this process may: systemd reads them as root, too.
    let (mut credentials, service) = (Credentials::find(path), Service::find(path));
    if arguments.as_service {
        credentials.hold();
    }
    if arguments.as_service
        && let Some(service) = &service
        && let Err(error) = service.take_place()
    {
        return fail(FAILED, &error);
    }
    let config = match Config::load_with(path, &credentials) {
        Ok(config) => config,
        Err(error) => return fail(CONFIG, &error),
    };
    if let Err(error) = http_login::check(&config.http_login) {
        return fail(CONFIG, &*error);
    }
    let user = match arguments.user.as_deref().map(|text| Username::parse(text.as_bytes())).transpose() {
        Ok(user) => user,
        Err(error) => return fail(USAGE, &error),
    };
    let looked = Looked { arguments, config: &config, path, user: user.as_ref(), service: service.as_ref() };
    if arguments.as_service {
        return match looked.inside().map(|findings| serde_json::to_string(&findings)) {
            Ok(Ok(text)) => {
                say(&text);
                ExitCode::SUCCESS
            }
            Ok(Err(error)) => fail(FAILED, &error),
            Err(error) => fail(FAILED, &error),
        };
    }
    match looked.everywhere() {
        Ok(findings) => conclude(arguments, &findings),
        Err(code) => code,
    }
}

fn conclude(arguments: &Arguments, findings: &[Finding]) -> ExitCode {
    if arguments.json {
        match serde_json::to_string_pretty(findings) {
            Ok(text) => say(&text),
            Err(error) => return fail(FAILED, &error),
        }
    } else {
        say(&format!("the configuration is sound\n{}", show(findings)));
        say(&summary(findings, arguments.offline));
    }
    let limit = if arguments.strict { Level::Warning } else { Level::Fault };
    match findings.iter().any(|finding| finding.level >= limit) {
        true => FAULT.into(),
        false => ExitCode::SUCCESS,
    }
}

/// What is looked at, and as whom.
struct Looked<'a> {
    arguments: &'a Arguments,
    config: &'a Config,
    path: &'a Path,
    user: Option<&'a Username>,
    service: Option<&'a Service>,
}

impl Looked<'_> {
    /// What depends on the user is looked at by the service's, everything else by root if we are.
    fn everywhere(&self) -> Result<Vec<Finding>, ExitCode> {
        let other = self.service.and_then(Service::other).filter(|_| nix::unistd::geteuid().is_root());
        let mut findings = service::tell(self.service, other.is_some());
        findings.extend(match other {
            Some(account) => self.ask_other(&account.name)?,
            None => self.inside().map_err(|error| fail(FAILED, &error))?,
        });
        if !self.arguments.offline {
            findings.extend(self.outside());
        }
        let place = |finding: &Finding| AREAS.iter().position(|area| *area == finding.area);
        findings.sort_by_key(place);
        Ok(findings)
    }

    /// The same command in a process that becomes the service's user.
    fn ask_other(&self, name: &str) -> Result<Vec<Finding>, ExitCode> {
        let itself = std::env::current_exe().map_err(|error| fail(FAILED, &error))?;
        let mut command = Command::new(itself);
        command.arg("check").arg("--as-service").arg("--config").arg(self.path);
        command.args(self.arguments.offline.then_some("--offline"));
        if let Some(user) = self.user {
            command.arg("--user").arg(user.as_str());
        }
        let output = command.output().map_err(|error| fail(FAILED, &error))?;
        let findings = serde_json::from_slice(&output.stdout).ok().filter(|_| output.status.success());
        findings.ok_or_else(|| {
            say_error(String::from_utf8_lossy(&output.stderr).trim_end());
            say_error(&format!("keydove: this was found as the user `{name}`, as whom the service runs"));
            let code = output.status.code().and_then(|code| u8::try_from(code).ok());
            code.filter(|code| *code != 0).unwrap_or(FAILED).into()
        })
    }

    /// What the service itself meets.
    fn inside(&self) -> Result<Vec<Finding>, std::io::Error> {
        let Self { config, path, .. } = *self;
        let mut findings = configuration(config);
        findings.extend(files::look(config, path, self.service));
        if self.arguments.offline {
            return Ok(findings);
        }
        let reactor = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut checked = Checked {
            config,
            user: self.user,
            makes_mailboxes: config.provisioning.enabled == Some(true),
            mapping: config.provisioning.mapping(),
            mailcow: None,
        };
        let (database, candidates) = reactor.block_on(database::look(&mut checked));
        // A SQLite file that is not there is not made by a look.
        let is_sound = candidates.is_some();
        let keycloak = reactor.block_on(keycloak::look(&checked));
        let finds_fault = database.iter().chain(&keycloak).any(|finding| finding.level == Level::Fault);
        findings.extend(database);
        findings.extend(keycloak);
        let (running, answers) = running::look(config, path, finds_fault);
        findings.extend(running);
        let daemon = answers.then_some(path);
        if let Some(candidates) = &candidates {
            findings.extend(logins::look(&checked, candidates, daemon));
        }
        if let Some(user) = self.user.filter(|_| is_sound) {
            findings.extend(person::look(user, config, daemon));
        }
        findings.extend(reactor.block_on(kick::look(config)));
        if is_sound {
            findings.extend(reactor.block_on(backends::look(config)));
        }
        findings.extend(reactor.block_on(redis::look(config)));
        Ok(findings)
    }

    /// What the mail servers meet.
    fn outside(&self) -> Vec<Finding> {
        let mut findings = sockets::look(self.config);
        if self.arguments.no_mail_servers {
            return findings;
        }
        findings.extend(dovecot::look(self.config, self.arguments.dovecot_config.as_deref()));
        findings.extend(postfix::look(&self.config.listeners, self.arguments.postfix_config.as_deref()));
        findings
    }
}

/// What would be served, and what the file itself makes one think of.
fn configuration(config: &Config) -> Vec<Finding> {
    let mut findings = Findings::of("configuration");
    for listener in &config.listeners {
        let role = listener.role.map_or_else(String::new, |role| format!(" for {}", role.name()));
        findings.fine(format!("{}{role} on {}", listener.protocol.name(), listener.path.display()));
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
    let provisioning = &config.provisioning;
    let is_own = config.mailcow_keycloak.is_none() && provisioning.enabled == Some(true);
    if is_own && provisioning.default_template.is_none() && provisioning.mappings.is_empty() {
        findings.fault(NO_TEMPLATE.0, NO_TEMPLATE.1);
    }
    config.warnings.iter().for_each(|warning| findings.told(Level::Warning, warning.to_string()));
    findings.into_vec()
}

fn summary(findings: &[Finding], offline: bool) -> String {
    let count = |level| findings.iter().filter(|finding| finding.level == level).count();
    let sound = match offline {
        true => "nothing in the configuration stands against logins; nobody was asked",
        false => "nothing stands against logins",
    };
    match (count(Level::Fault), count(Level::Warning)) {
        (0, 0) => sound.to_owned(),
        (0, warnings) => format!("{sound}; warnings: {warnings}"),
        (faults, warnings) => format!("faults: {faults}; warnings: {warnings}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_area_has_its_row_in_the_manual() {
        let manual = include_str!("../../../docs/check.md");
        let rows = manual.lines().filter(|line| line.starts_with("| `"));
        let areas: Vec<&str> = rows.filter_map(|line| line.split('`').nth(1)).collect();
        assert_eq!(areas, AREAS);
    }

    #[test]
    fn the_last_line_counts_faults_before_it_says_that_all_is_well() {
        let mut findings = Findings::of("logins");
        assert_eq!(summary(&[], false), "nothing stands against logins");
        assert!(summary(&[], true).ends_with("nobody was asked"));
        findings.warning("a", "");
        let warned = findings.into_vec();
        assert_eq!(summary(&warned, false), "nothing stands against logins; warnings: 1");
        let mut findings = Findings::of("logins");
        findings.fault("a", "");
        assert_eq!(summary(&findings.into_vec(), false), "faults: 1; warnings: 0");
    }
}
