//! Postfix as it is found, and its files as Postfix's own tool changes them.
//!
//! `postconf` works on a copy of the two files, so that the change is known before it is made.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use super::super::storage::Failure;
use super::answers::PostfixQuestion;
use super::change::{Change, Phase, Place, State};
use super::dovecot::Lmtp;
use super::{command, files};

const SUBMISSION: &str = include_str!("../../../postfix/submission.cf");
const POLICY: &str = include_str!("../../../postfix/policy.cf");
const MAPS: &str = include_str!("../../../postfix/maps.cf");
const MAIN: &str = "main.cf";
const MASTER: &str = "master.cf";
/// Where mail clients send, by their usual names.
const SUBMISSIONS: [&str; 3] = ["submission/inet", "submissions/inet", "smtps/inet"];
const TRANSPORT: &str = "lmtp:unix:private/dovecot-lmtp";
const RESTRICTIONS: &str = "$keydove_sender_restrictions";

/// The ports of `/etc/services`, as far as Postfix's own files name them.
const PORTS: [(&str, u16); 4] = [("smtp", 25), ("smtps", 465), ("submissions", 465), ("submission", 587)];
/// keydove's socket, from the queue folder.
const OWN_SOCKET: &str = "private/keydove";

/// Where Postfix takes logins.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Port {
    /// As this machine reaches it.
    pub(super) address: SocketAddr,
    /// Whether TLS comes before the greeting.
    pub(super) is_under_tls: bool,
}

/// A Postfix that was found.
#[derive(Clone, Debug)]
pub(super) struct Postfix {
    pub(super) config: PathBuf,
    pub(super) queue: PathBuf,
    transport: String,
}

impl Postfix {
    /// Looks for it; `None` without one.
    pub(super) fn find(config: Option<&Path>) -> Result<Option<Self>, Failure> {
        let config = config.map_or_else(|| PathBuf::from("/etc/postfix"), Path::to_owned);
        if !config.join(MAIN).exists() || !config.join(MASTER).exists() {
            return Ok(None);
        }
        let Ok(queue) = postconf(&config, &["-h", "queue_directory"]) else { return Ok(None) };
        let transport = postconf(&config, &["-h", "virtual_transport"])?.trim().to_owned();
        Ok(Some(Self { queue: queue.trim().into(), transport, config }))
    }

    /// Where Dovecot must take mail, if Postfix has no other way to deliver to mailboxes.
    pub(super) fn lmtp(&self, questions: &[PostfixQuestion]) -> Option<Lmtp> {
        let is_missing = self.transport.is_empty() || self.transport == "virtual";
        let path = self.queue.join("private/dovecot-lmtp");
        let is_wanted =
            questions.contains(&PostfixQuestion::Maps) && (is_missing || self.transport == TRANSPORT);
        is_wanted.then_some(Lmtp { path, is_missing })
    }

    /// Whether a service asks Dovecot's own auth server about logins; its open connections there end with a reload of
    /// Dovecot.
    pub(super) fn asks_dovecot(&self) -> bool {
        postconf(&self.config, &["-P"]).is_ok_and(|services| {
            let is_type = |line: &str| line.contains("smtpd_sasl_type") && line.ends_with("dovecot");
            let in_main = postconf(&self.config, &["-h", "smtpd_sasl_type"]).unwrap_or_default();
            services.lines().any(is_type) || in_main.trim() == "dovecot"
        })
    }

    /// The ports where it takes logins.
    pub(super) fn ports(&self) -> Result<Vec<Port>, Failure> {
        let mut services = asking(&self.config)?;
        if services.is_empty() && takes_logins_everywhere(&self.config)? {
            services.push("smtp/inet".to_owned());
        }
        let everywhere = postconf(&self.config, &["-h", "smtpd_tls_wrappermode"])?;
        let mut ports = Vec::new();
        for service in services {
            let wrapper = value_of(&self.config, &service, "smtpd_tls_wrappermode")?;
            let is_under_tls = wrapper.as_deref().unwrap_or(everywhere.trim()) == "yes";
            ports.extend(address(&service).map(|address| Port { address, is_under_tls }));
        }
        Ok(ports)
    }

    /// All changes of its files.
    pub(super) fn plan(&self, questions: &[PostfixQuestion]) -> Result<Vec<Change>, Failure> {
        let copy = Copy::of(&self.config)?;
        if questions.contains(&PostfixQuestion::Sasl) {
            self.ask_for_logins(&copy)?;
        }
        if questions.contains(&PostfixQuestion::Maps) {
            set_parameters(&copy, MAPS)?;
            if self.lmtp(questions).is_some_and(|lmtp| lmtp.is_missing) {
                postconf(&copy.0, &["-e", &format!("virtual_transport={TRANSPORT}")])?;
            }
        }
        if questions.contains(&PostfixQuestion::Policy) {
            set_parameters(&copy, POLICY)?;
            restrict_senders(&copy)?;
        }
        let mut changes = Vec::new();
        for name in [MAIN, MASTER] {
            let (before, after) = (files::read(&self.config.join(name))?, files::read(&copy.0.join(name))?);
            let (State::File { access, .. }, State::File { text, .. }) = (&before, after) else { continue };
            let after = State::File { text, access: *access };
            let phase = match name == MAIN && questions.contains(&PostfixQuestion::Maps) {
                true => Phase::Postfix,
                false => Phase::Submission,
            };
            changes.extend(Change::new(phase, Place::File(self.config.join(name)), before, after));
        }
        Ok(changes)
    }

    fn ask_for_logins(&self, copy: &Copy) -> Result<(), Failure> {
        let services = asking(&copy.0)?;
        let is_in_main = takes_logins_everywhere(&copy.0)?;
        if services.is_empty() && !is_in_main {
            return copy.append(MASTER, SUBMISSION);
        }
        for service in &services {
            let name = if service.starts_with("submission") { "submission" } else { "smtp" };
            for (setting, value) in [
                ("smtpd_sasl_auth_enable", "yes"),
                ("smtpd_sasl_type", "dovecot"),
                ("smtpd_sasl_path", OWN_SOCKET),
                ("smtpd_sasl_service", name),
            ] {
                set(copy, service, setting, value)?;
            }
        }
        if is_in_main {
            let path = format!("smtpd_sasl_path={OWN_SOCKET}");
            postconf(&copy.0, &["-e", "smtpd_sasl_type=dovecot", &path])?;
        }
        Ok(())
    }
}

/// A folder with the two files, gone with it.
struct Copy(PathBuf);

impl Copy {
    fn of(config: &Path) -> Result<Self, Failure> {
        let failed =
            |error: &std::io::Error| Failure::System(format!("cannot copy Postfix's files: {error}"));
        let mut random = [0; 8];
        getrandom::fill(&mut random)?;
        let name = format!("keydove-setup-{:016x}", u64::from_ne_bytes(random));
        let copy = Self(std::env::temp_dir().join(name));
        // Nobody else may look into it, or put something there.
        std::os::unix::fs::DirBuilderExt::mode(&mut std::fs::DirBuilder::new(), 0o700)
            .create(&copy.0)
            .map_err(|error| failed(&error))?;
        for name in [MAIN, MASTER] {
            std::fs::copy(config.join(name), copy.0.join(name)).map_err(|error| failed(&error))?;
        }
        Ok(copy)
    }

    fn append(&self, name: &str, text: &str) -> Result<(), Failure> {
        use std::io::Write;
        let path = self.0.join(name);
        let own = std::fs::read_to_string(&path).unwrap_or_default();
        let end = if own.is_empty() || own.ends_with('\n') { "" } else { "\n" };
        let mut file = std::fs::OpenOptions::new().append(true).open(&path);
        file.as_mut()
            .map_err(|error| Failure::System(error.to_string()))
            .and_then(|file| write!(file, "{end}{text}").map_err(|error| Failure::System(error.to_string())))
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Whether all services take logins that do not say otherwise.
fn takes_logins_everywhere(config: &Path) -> Result<bool, Failure> {
    Ok(postconf(config, &["-h", "smtpd_sasl_auth_enable"])?.trim() == "yes")
}

/// Where this machine reaches a service such as `submission/inet` or `192.0.2.1:587/inet`.
fn address(service: &str) -> Option<SocketAddr> {
    let (name, _) = service.rsplit_once('/')?;
    let (host, port) = name.rsplit_once(':').unwrap_or(("", name));
    let known = PORTS.iter().find(|(known, _)| *known == port).map(|(_, number)| *number);
    let host = host.trim_matches(['[', ']']).parse().ok().filter(|host: &IpAddr| !host.is_unspecified());
    Some(SocketAddr::new(host.unwrap_or(Ipv4Addr::LOCALHOST.into()), known.or_else(|| port.parse().ok())?))
}

/// The services that take logins.
fn asking(config: &Path) -> Result<Vec<String>, Failure> {
    let all = postconf(config, &["-M"])?;
    let takes_logins = |service: &str| {
        value_of(config, service, "smtpd_sasl_auth_enable").is_ok_and(|value| value.as_deref() == Some("yes"))
    };
    let services = all.lines().filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [name, kind, _, _, _, _, _, program, ..] = words[..] else { return None };
        let service = format!("{name}/{kind}");
        (program == "smtpd" && (SUBMISSIONS.contains(&&*service) || takes_logins(&service)))
            .then_some(service)
    });
    Ok(services.collect())
}

/// Sets the parameters of a shipped file; a line that begins with a blank goes on with the one before.
fn set_parameters(copy: &Copy, shipped: &str) -> Result<(), Failure> {
    for (name, value) in parameters(shipped) {
        let now = postconf(&copy.0, &["-n", "-h", &name])?;
        if now.trim() != value {
            postconf(&copy.0, &["-e", &format!("{name}={value}")])?;
        }
    }
    Ok(())
}

fn parameters(shipped: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    for line in shipped.lines().filter(|line| !line.starts_with('#')) {
        if let (Some((_, value)), true) = (found.last_mut(), line.starts_with(' ')) {
            value.push_str(line);
        } else if let Some((name, value)) = line.split_once('=') {
            found.push((name.trim().to_owned(), value.to_owned()));
        }
    }
    found.into_iter().map(|(name, value)| (name, value.trim().to_owned())).collect()
}

fn restrict_senders(copy: &Copy) -> Result<(), Failure> {
    for service in asking(&copy.0)? {
        let value = match value_of(&copy.0, &service, "smtpd_sender_restrictions")? {
            Some(now) if now.contains(RESTRICTIONS) => continue,
            Some(now) if !now.is_empty() => format!("{RESTRICTIONS},{now}"),
            _ => RESTRICTIONS.to_owned(),
        };
        set(copy, &service, "smtpd_sender_restrictions", &value)?;
    }
    Ok(())
}

/// Sets a parameter of a service. One that is right stays as it is written.
fn set(copy: &Copy, service: &str, name: &str, value: &str) -> Result<(), Failure> {
    if value_of(&copy.0, service, name)?.as_deref() != Some(value) {
        postconf(&copy.0, &["-P", &format!("{service}/{name}={value}")])?;
    }
    Ok(())
}

fn value_of(config: &Path, service: &str, name: &str) -> Result<Option<String>, Failure> {
    let wanted = format!("{service}/{name}");
    Ok(postconf(config, &["-P"])?.lines().find_map(|line| {
        let (found, value) = line.split_once('=')?;
        (found.trim() == wanted).then(|| value.trim().to_owned())
    }))
}

fn postconf(config: &Path, arguments: &[&str]) -> Result<String, Failure> {
    command::output(command::program("/usr/sbin/postconf").arg("-c").arg(config).args(arguments))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_has_an_address() {
        for (service, wanted) in [
            ("submission/inet", Some("127.0.0.1:587")),
            ("0.0.0.0:submissions/inet", Some("127.0.0.1:465")),
            ("192.0.2.1:2525/inet", Some("192.0.2.1:2525")),
            ("[::1]:smtp/inet", Some("[::1]:25")),
            ("mail.example.org:587/inet", Some("127.0.0.1:587")),
            ("unheard-of/inet", None),
        ] {
            assert_eq!(address(service), wanted.map(|text| text.parse().unwrap()), "{service}");
        }
    }

    #[test]
    fn the_shipped_parameters_are_read() {
        let maps = parameters(MAPS);
        assert_eq!(maps.len(), 6);
        assert!(maps.contains(&("virtual_alias_domains".to_owned(), String::new())));
        let policy = parameters(POLICY);
        assert_eq!(policy.len(), 1);
        assert!(policy[0].1.starts_with("check_policy_service {"), "{policy:?}");
    }
}
