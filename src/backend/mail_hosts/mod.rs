//! The machines on which mailboxes live: which are there, and which of them answer.
//!
//! Where a mailbox lives is remembered in the database ([`crate::backend::sql::Database::place`]). This is what becomes
//! of that: here, there, or a temporary failure. A mailbox whose machine is away is never sent to another one, where it
//! would be empty.

mod config;
mod state;
mod watch;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::auth::{MailHost, Service, TempFail, TempFailReason};
use crate::backend::sql::{Candidate, Candidates};

pub use config::{Config, MailHostConfig, ProxyTls};
pub use state::MailHostState;
pub use watch::MailHostWatch;

use state::Checks;

/// All of them; clones are the same.
#[derive(Clone, Debug)]
pub struct MailHosts(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    this: Option<String>,
    interval: Duration,
    /// In the order of their names.
    hosts: Vec<Host>,
}

#[derive(Debug)]
struct Host {
    config: MailHostConfig,
    /// `host`, where it is an address.
    literal: Option<IpAddr>,
    checks: Mutex<Checks>,
}

/// Where a mailbox is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MailPlace {
    /// On this machine.
    Here,
    /// On another one.
    There(MailHost),
}

impl MailHosts {
    /// Prepares; nobody is asked yet, and all are taken to be up. `None` where the settings have no backend.
    #[must_use]
    pub fn new(config: &Config, backends: &[MailHostConfig]) -> Option<Self> {
        let host = |config: &MailHostConfig| Host {
            literal: config.host.parse().ok(),
            config: config.clone(),
            checks: Mutex::default(),
        };
        let mut hosts: Vec<Host> = backends.iter().map(host).collect();
        hosts.sort_by(|one, other| one.config.name.cmp(&other.config.name));
        let shared = Shared { this: config.this.clone(), interval: config.check_interval.get(), hosts };
        (!backends.is_empty()).then(|| Self(Arc::new(shared)))
    }

    /// Where a mailbox is opened for a service whose backend has this name.
    ///
    /// # Errors
    /// The backend is down, or there is none of this name.
    pub fn find(&self, backend: &str, service: &Service) -> Result<MailPlace, TempFail> {
        let shared = &*self.0;
        let found = shared.hosts.binary_search_by(|host| host.config.name.as_str().cmp(backend));
        let Ok(found) = found else {
            let detail =
                format!("the mailbox lives on the backend {backend}, and no [[backend]] has this name");
            return Err(TempFail::new(TempFailReason::BackendUnknown, detail));
        };
        if shared.this.as_deref() == Some(backend) {
            return Ok(MailPlace::Here);
        }
        let host = &shared.hosts[found];
        let checks = host.checks();
        if let Some(trouble) = checks.trouble() {
            let detail = format!("the mailbox lives on the backend {backend}: {trouble}");
            return Err(TempFail::new(TempFailReason::BackendDown, detail));
        }
        // A Dovecot that must look a name up takes it for a fault of ours.
        if host.literal.is_none() && checks.address.is_none() {
            let name = &host.config.host;
            let detail = format!("the mailbox lives on the backend {backend}, and {name} has no address yet");
            return Err(TempFail::new(TempFailReason::BackendDown, detail));
        }
        Ok(MailPlace::There(MailHost {
            name: backend.into(),
            host: host.config.host.as_str().into(),
            address: if host.literal.is_some() { None } else { checks.address },
            port: host.config.port(service),
            tls: host.config.tls.field(),
        }))
    }

    /// Whether `doveadm` is passed on to a backend; else it does what it does where it runs.
    #[must_use]
    pub fn passes_doveadm_on(&self, backend: &str) -> bool {
        self.0.hosts.iter().any(|host| host.config.name == backend && host.config.doveadm.is_some())
    }

    /// Each with its state, in the order of their names.
    #[must_use]
    pub fn states(&self) -> Vec<(String, MailHostState)> {
        let state = |host: &Host| match host.checks().trouble() {
            _ if self.0.is_this(host) => MailHostState::This,
            None => MailHostState::Up,
            Some(trouble) => MailHostState::Down(trouble.to_owned()),
        };
        self.0.hosts.iter().map(|host| (host.config.name.clone(), state(host))).collect()
    }

    /// Looks the names among them up, so that the first login need not wait for a check; two seconds at most.
    pub async fn look_up_names(&self) {
        watch::look_up_names(&self.0.hosts).await;
    }

    /// What connects to them now and then.
    #[must_use]
    pub fn watch(&self) -> MailHostWatch {
        MailHostWatch::new(self.clone())
    }
}

/// Among which new mailboxes are shared out; `None` where the settings have no backend.
#[must_use]
pub fn candidates(backends: &[MailHostConfig]) -> Option<Candidates> {
    let candidate =
        |config: &MailHostConfig| Candidate { name: config.name.as_str().into(), weight: config.weight };
    (!backends.is_empty()).then(|| Candidates::new(backends.iter().map(candidate).collect()))
}

impl Shared {
    fn is_this(&self, host: &Host) -> bool {
        self.this.as_deref() == Some(&*host.config.name)
    }
}

impl Host {
    fn checks(&self) -> MutexGuard<'_, Checks> {
        // No code panics while it holds the lock.
        self.checks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(this: Option<&str>) -> MailHosts {
        let read = |text: &str| toml::from_str::<MailHostConfig>(text).unwrap();
        let backends = [
            read("name = 'b2'\nhost = 'mail2.example.org'\ntls = 'starttls'\nlmtp = 2424"),
            read("name = 'b1'\nhost = '192.0.2.1'\nimap = 1143"),
        ];
        MailHosts::new(&Config { this: this.map(str::to_owned), ..Config::default() }, &backends).unwrap()
    }

    fn fields(host: &MailHost) -> String {
        let mut text = String::new();
        host.each_field(|name, value| text.push_str(&format!("{name}={value} ")));
        text
    }

    #[test]
    fn a_mailbox_is_where_its_backend_is() {
        let hosts = hosts(None);
        let there = |backend, service| match hosts.find(backend, &service) {
            Ok(MailPlace::There(host)) => fields(&host),
            other => panic!("{other:?}"),
        };
        assert_eq!(there("b1", Service::Imap), "host=192.0.2.1 port=1143 ");
        assert_eq!(there("b1", Service::Pop3), "host=192.0.2.1 ");
        let unknown = hosts.find("b2", &Service::Lmtp).map_err(|trouble| trouble.reason);
        assert_eq!(unknown, Err(TempFailReason::BackendDown), "its name has not been looked up");
        hosts.0.hosts[1].checks().note(Ok([192, 0, 2, 2].into()));
        let expected = "host=mail2.example.org hostip=192.0.2.2 port=2424 starttls=yes ";
        assert_eq!(there("b2", Service::Lmtp), expected);
    }

    #[test]
    fn what_is_down_or_unknown_is_a_temporary_failure_and_this_machine_is_neither() {
        let hosts = hosts(Some("b2"));
        for host in &hosts.0.hosts {
            for _ in 0..3 {
                host.checks().note(Err("connection refused".to_owned()));
            }
        }
        let reason = |backend| hosts.find(backend, &Service::Imap).map_err(|trouble| trouble.reason);
        assert_eq!(reason("b1"), Err(TempFailReason::BackendDown));
        assert_eq!(reason("b2"), Ok(MailPlace::Here));
        assert_eq!(reason("b3"), Err(TempFailReason::BackendUnknown));
        assert_eq!(hosts.states()[1], ("b2".to_owned(), MailHostState::This));
    }

    #[tokio::test]
    async fn a_name_has_its_address_before_its_server_answers() {
        let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let text = format!("name = 'b1'\nhost = 'localhost'\nimap = {nobody}");
        let hosts = MailHosts::new(&Config::default(), &[toml::from_str(&text).unwrap()]).unwrap();
        assert!(hosts.find("b1", &Service::Imap).is_err(), "its name has not been looked up");
        hosts.look_up_names().await;
        match hosts.find("b1", &Service::Imap) {
            Ok(MailPlace::There(host)) => {
                assert!(fields(&host).starts_with("host=localhost hostip="), "{host:?}")
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn without_a_backend_there_is_nothing() {
        assert!(MailHosts::new(&Config::default(), &[]).is_none());
        assert!(candidates(&[]).is_none());
    }
}
