//! Postfix's effective settings: which services ask keydove, and is port 25 left alone?

use std::path::{Path, PathBuf};
use std::process::Command;

use super::finding::{Finding, Findings};
use super::mail_settings::{Silence, output_of, value_of};
use super::service::Account;
use super::sockets::obstacle;
use crate::config::{ListenerConfig, ListenerProtocol, ListenerRole};

/// Where mail is handed over to Dovecot.
const TRANSPORTS: [&str; 3] = ["virtual_transport", "mailbox_transport", "local_transport"];

pub(super) fn look(listeners: &[ListenerConfig], config: Option<&Path>) -> Vec<Finding> {
    let mut findings = Findings::of("postfix");
    let sockets: Vec<&Path> = listeners
        .iter()
        .filter(|listener| listener.role == Some(ListenerRole::Postfix))
        .map(|listener| listener.path.as_path())
        .collect();
    let has_protocol = |protocol| listeners.iter().any(|listener| listener.protocol == protocol);
    let is_asked = !sockets.is_empty()
        || has_protocol(ListenerProtocol::Policy)
        || has_protocol(ListenerProtocol::Socketmap);
    if !is_asked && config.is_none() {
        return findings.into_vec();
    }
    let postconf = |arguments: &[&str]| {
        let mut command = Command::new("postconf");
        if let Some(config) = config {
            command.arg("-c").arg(config);
        }
        output_of(command.args(arguments))
    };
    let asked = ["queue_directory", "smtpd_sasl_auth_enable", "smtpd_sasl_type", "smtpd_sasl_path"];
    let main = postconf(&[&asked[..], &TRANSPORTS[..]].concat());
    match (main, postconf(&["-P"])) {
        (Ok(main), Ok(services)) => {
            if !sockets.is_empty() {
                judge(&main, &services, &sockets, &mut findings);
            }
            judge_transports(&main, &mut findings);
        }
        // Postfix may run in a container.
        (Err(Silence::NotHere), _) if config.is_none() => {}
        (Err(Silence::Failed(words)), _) | (_, Err(Silence::Failed(words))) => {
            let name =
                config.map_or_else(|| "Postfix's settings".to_owned(), |path| path.display().to_string());
            findings.read_failed(
                config.is_some(),
                format!("{name} cannot be read: {words}"),
                "postconf must print them; does --postfix-config name the folder of main.cf?",
            );
        }
        _ => findings.fault(
            "Postfix's settings were not looked at: there is no postconf here",
            "run keydove check where Postfix is installed",
        ),
    }
    findings.into_vec()
}

/// Sockets to which Postfix hands mail over.
fn judge_transports(main: &str, findings: &mut Findings) {
    let queue = Path::new(value_of(main, "queue_directory").unwrap_or_default());
    for setting in TRANSPORTS {
        let Some(path) = value_of(main, setting).and_then(|value| value.strip_prefix("lmtp:unix:")) else {
            continue;
        };
        let path = queue.join(path);
        let shown = path.display();
        let peer = Account::find("postfix");
        if !path.exists() {
            findings.fault(
                format!("Postfix's {setting} is {shown}, and there is no such socket: mail waits in the queue"),
                format!(
                    "in Dovecot: service lmtp {{ unix_listener {shown} {{ mode = 0600, user = postfix, group = postfix }} }}, and \
                     lmtp among its protocols; then restart Dovecot"
                ),
            );
        } else if let Some(obstacle) = peer.and_then(|peer| obstacle(&peer, &path)) {
            findings.fault(
                format!("Postfix's {setting} is {shown}, but postfix may not open it: {obstacle}"),
                "set mode, user and group of the unix_listener in Dovecot's service lmtp",
            );
        } else {
            findings.fine(format!("{setting}: {shown} is there, and postfix may open it"));
        }
    }
}

/// `main` is what `postconf` says of the settings of main.cf, `services` what `postconf -P` says of master.cf.
fn judge(main: &str, services: &str, sockets: &[&Path], findings: &mut Findings) {
    let of_main = |name: &str| value_of(main, name).unwrap_or_default();
    let queue = Path::new(of_main("queue_directory"));
    if of_main("smtpd_sasl_auth_enable") == "yes" {
        findings.warning(
            "smtpd_sasl_auth_enable is set in main.cf, so port 25 closes too while no login server answers",
            "postconf -X smtpd_sasl_auth_enable, and set it for the submission services (postfix/submission.cf)",
        );
    }
    let mut asking = 0;
    for service in names_of(services) {
        let of_service =
            |name: &str| value_of(services, &format!("{service}/{name}")).unwrap_or_else(|| of_main(name));
        if of_service("smtpd_sasl_auth_enable") != "yes" {
            continue;
        }
        let path = resolve(queue, of_service("smtpd_sasl_path"));
        let is_ours = path.as_deref().is_some_and(|path| sockets.contains(&path));
        if is_ours && of_service("smtpd_sasl_type") == "dovecot" {
            asking += 1;
            findings.fine(format!("{service} asks keydove"));
        } else if is_ours {
            findings.fault(
                format!(
                    "{service} names keydove's socket, but smtpd_sasl_type is {}",
                    of_service("smtpd_sasl_type")
                ),
                format!("postconf -P {service}/smtpd_sasl_type=dovecot && postfix reload"),
            );
        } else {
            findings.warning(
                format!("{service} asks another login server: {}", of_service("smtpd_sasl_path")),
                format!("postconf -P {service}/smtpd_sasl_path=private/keydove && postfix reload"),
            );
        }
    }
    if asking == 0 {
        // One that does may run in a container.
        let cure = "append postfix/submission.cf to master.cf, and reload Postfix";
        findings.warning("no service of this machine's Postfix asks keydove", cure);
    }
}

/// Relative to the queue directory, as Postfix reads it.
fn resolve(queue: &Path, path: &str) -> Option<PathBuf> {
    if path.is_empty() || path.starts_with("inet:") {
        return None;
    }
    Some(queue.join(path.strip_prefix("unix:").unwrap_or(path)))
}

/// The services with settings of their own, such as `submission/inet`, each once.
fn names_of(services: &str) -> Vec<&str> {
    let name = |line| {
        let setting = str::split_once(line, '=')?.0.trim_end();
        Some(setting.rsplit_once('/')?.0)
    };
    let mut names: Vec<&str> = services.lines().filter_map(name).collect();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    const MAIN: &str = "queue_directory = /var/spool/postfix\nsmtpd_sasl_auth_enable = no\n\
                        smtpd_sasl_type = cyrus\nsmtpd_sasl_path = smtpd\n";

    fn judged(main: &str, services: &str) -> Vec<(Level, String)> {
        let mut findings = Findings::of("postfix");
        judge(main, services, &[Path::new("/var/spool/postfix/private/keydove")], &mut findings);
        findings.into_vec().into_iter().map(|finding| (finding.level, finding.what)).collect()
    }

    #[test]
    fn each_service_with_logins_is_told() {
        let services = "submission/inet/smtpd_sasl_auth_enable = yes\nsubmission/inet/smtpd_sasl_path = private/keydove\n\
                        submission/inet/smtpd_sasl_type = dovecot\n";
        assert_eq!(judged(MAIN, services), [(Level::Fine, "submission/inet asks keydove".to_owned())]);
        let found = judged(MAIN, &services.replace("dovecot", "cyrus"));
        assert_eq!((found[0].0, found[1].0), (Level::Fault, Level::Warning));
        let found = judged(MAIN, &services.replace("private/keydove", "inet:dovecot:10001"));
        assert_eq!((found[0].0, found[1].0), (Level::Warning, Level::Warning));
        assert_eq!(judged(MAIN, "").len(), 1);
    }

    #[test]
    fn logins_on_port_25_are_told() {
        let main = MAIN.replace("enable = no", "enable = yes");
        let services = "submission/inet/smtpd_sasl_path = unix:private/keydove\nsubmission/inet/smtpd_sasl_type = dovecot\n";
        let found = judged(&main, services);
        assert_eq!((found[0].0, found[1].0), (Level::Warning, Level::Fine));
    }
}
