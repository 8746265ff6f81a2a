//! Postfix as it is found, and its files as Postfix's own tool changes them.
//!
//! `postconf` works on a copy of the two files, so that the change is known before it is made.

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
        let services = asking(copy)?;
        let is_in_main = postconf(&copy.0, &["-h", "smtpd_sasl_auth_enable"])?.trim() == "yes";
        if services.is_empty() && !is_in_main {
            return copy.append(MASTER, SUBMISSION);
        }
        for service in &services {
            let name = if service.starts_with("submission") { "submission" } else { "smtp" };
            for (setting, value) in [
                ("smtpd_sasl_auth_enable", "yes"),
                ("smtpd_sasl_type", "dovecot"),
                ("smtpd_sasl_path", "private/keydove"),
                ("smtpd_sasl_service", name),
            ] {
                set(copy, service, setting, value)?;
            }
        }
        if is_in_main {
            postconf(&copy.0, &["-e", "smtpd_sasl_type=dovecot", "smtpd_sasl_path=private/keydove"])?;
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

/// The services that take logins.
fn asking(copy: &Copy) -> Result<Vec<String>, Failure> {
    let all = postconf(&copy.0, &["-M"])?;
    let takes_logins = |service: &str| {
        value_of(copy, service, "smtpd_sasl_auth_enable").is_ok_and(|value| value.as_deref() == Some("yes"))
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
    for service in asking(copy)? {
        let value = match value_of(copy, &service, "smtpd_sender_restrictions")? {
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
    if value_of(copy, service, name)?.as_deref() != Some(value) {
        postconf(&copy.0, &["-P", &format!("{service}/{name}={value}")])?;
    }
    Ok(())
}

fn value_of(copy: &Copy, service: &str, name: &str) -> Result<Option<String>, Failure> {
    let wanted = format!("{service}/{name}");
    Ok(postconf(&copy.0, &["-P"])?.lines().find_map(|line| {
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
    fn the_shipped_parameters_are_read() {
        let maps = parameters(MAPS);
        assert_eq!(maps.len(), 6);
        assert!(maps.contains(&("virtual_alias_domains".to_owned(), String::new())));
        let policy = parameters(POLICY);
        assert_eq!(policy.len(), 1);
        assert!(policy[0].1.starts_with("check_policy_service {"), "{policy:?}");
    }
}
