//! What is wished for of the portal, made of the answers, of keydove.toml and of what is there.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use reqwest::Url;

use super::super::super::storage::{Failure, with_database};
use super::super::answers::{Answers, ask};
use super::super::journal::Facts;
use super::super::mailcow::{self, Web};
use super::super::running;
use super::super::service::Service;
use super::values::{TABLE_BEFORE, Values};
use super::{Portal, Proxy};
use crate::auth::{Username, normalise_domain};
use crate::backend::keycloak::{Address, RealmName, ServerUrl};
use crate::backend::sql;
use crate::config::{Config, ListenerProtocol};
use crate::jobs::mailcow::IdentityProvider;

const CLIENT: &str = "keydove-portal";
const ROLE: &str = "administrator";
const FILE: &str = "/etc/keydove-portal/keydove-portal.toml";
const SOCKET_FOLDER: &str = "/run/keydove";
const PORT: u16 = 8484;

/// Everything that is to be.
#[derive(Debug)]
pub(super) struct Wishes {
    /// keydove.toml
    pub(super) config: PathBuf,
    /// keydove-portal.toml
    pub(super) file: PathBuf,
    /// What people open, without a slash at its end.
    pub(super) public_url: String,
    pub(super) server_url: ServerUrl,
    pub(super) realm: RealmName,
    pub(super) ca_file: Option<PathBuf>,
    /// What Keycloak calls the realm in its tokens.
    pub(super) issuer: String,
    pub(super) client_id: String,
    pub(super) role: &'static str,
    /// Who is given the role.
    pub(super) administrators: Vec<String>,
    pub(super) domains: Vec<String>,
    pub(super) mail_host: String,
    pub(super) listen: SocketAddr,
    /// Where proxies connect from.
    pub(super) trusted: Vec<String>,
    pub(super) proxies: Vec<Proxy>,
    pub(super) socket: PathBuf,
    /// Whether the socket is to be made by setup: an administrator's own listener stays as it is.
    pub(super) is_own_listener: bool,
    pub(super) has_table: bool,
    /// Whether keydove takes anybody for an administrator, by the `[portal]` that is there.
    pub(super) has_administrators: bool,
    /// Whether keydove asks Keycloak for the role of the realm, or will once setup has brought its own table up to date.
    pub(super) asks_for_role: bool,
    /// Whether the mailboxes are on a database server, where keydove has the rights that somebody gave it.
    pub(super) is_on_server: bool,
    pub(super) service: Service,
    pub(super) mailcow: Option<Web>,
}

impl Wishes {
    /// Looks at what is there for what was not said, and asks on a terminal for the rest.
    pub(super) fn settle(answers: &Answers, config: &Path, known: Option<&Portal>) -> Result<Self, Failure> {
        if !config.exists() {
            return Err(Failure::Data(format!(
                "there is no {}: set keydove up first (`keydove setup`), and the portal then",
                config.display()
            )));
        }
        let keydove = Config::load(config)?;
        let (address, ca_file) = keycloak(config, &keydove)?;
        let file = answers.portal_config.clone().or_else(|| known.map(|known| known.file.clone()));
        let file = file.unwrap_or_else(|| FILE.into());
        let there = Values::read(&file)?;
        let mailcow = mailcow::find(answers, config)?.map(|folder| Web::read(&folder)).transpose()?;
        let mut asked = Asked::default();
        let public_url = asked.answer(
            answers.public_url.clone().or(there.public_url),
            "the portal's own address, such as https://account.example.org",
            "--public-url",
        )?;
        let mail_host = answers.mail_host.clone().or(there.mail_host);
        let mail_host = asked.answer(
            mail_host.or_else(|| mailcow.as_ref()?.hostname.clone()),
            "the mail server's name, as mail programs reach it",
            "--mail-host",
        )?;
        asked.complete()?;
        let listen = answers.portal_listen.or(there.listen).unwrap_or_else(|| address_of(mailcow.as_ref()));
        let own = keydove.listeners.iter().find(|listener| listener.protocol == ListenerProtocol::Portal);
        let socket = own.map_or_else(|| usual_socket(answers, &keydove), |listener| listener.path.clone());
        let known_socket = known.map(|known| known.socket.clone());
        let commands = answers.start_command.clone().zip(answers.stop_command.clone());
        let commands = commands.or_else(|| known.and_then(|known| known.commands.clone()));
        let text = std::fs::read_to_string(config).unwrap_or_default();
        let wishes = Self {
            config: config.to_owned(),
            public_url: parse_url(&public_url, mailcow.as_ref())?,
            issuer: String::new(),
            client_id: answers
                .portal_client_id
                .clone()
                .or(there.client_id)
                .unwrap_or_else(|| CLIENT.to_owned()),
            server_url: address.server_url,
            realm: address.realm,
            ca_file,
            role: ROLE,
            administrators: administrators(answers)?,
            domains: domains(answers, config)?,
            mail_host: parse_host(&mail_host)?,
            trusted: trusted(&listen, mailcow.as_ref()),
            listen,
            proxies: Proxy::chosen(answers.proxy, mailcow.is_some())?,
            is_own_listener: own.is_none() || known_socket.as_deref() == Some(&*socket),
            socket,
            has_table: toml::from_str::<toml::Table>(&text).is_ok_and(|table| table.contains_key("portal")),
            has_administrators: keydove.portal.administrators,
            asks_for_role: keydove.portal.administrator_realm_role.is_some() || text.contains(TABLE_BEFORE),
            is_on_server: matches!(keydove.storage, sql::Config::Mariadb(_)),
            service: Service::find(commands)?,
            mailcow,
            file,
        };
        Ok(wishes)
    }

    /// keydove answers before anything is changed, so that it is known whose fault it is if it does not afterwards.
    pub(super) fn keydove_must_run(&self) -> Result<(), Failure> {
        let listeners = Config::load_listeners(&self.config)?;
        let is_asked = listeners.iter().any(|listener| listener.protocol == ListenerProtocol::Control);
        if is_asked && !running::answers(&self.config) {
            return Err(Failure::Data(
                "keydove does not answer: start it (`systemctl start keydove`), see what `keydove check` says, and set the portal \
                 up then"
                    .to_owned(),
            ));
        }
        Ok(())
    }

    /// What an undo must know.
    pub(super) fn facts(&self, answers: &Answers) -> Facts {
        Facts {
            server_url: self.server_url.as_str().to_owned(),
            realm: self.realm.as_str().to_owned(),
            ca_file: self.ca_file.clone(),
            admin_realm: answers.admin_realm.clone(),
            portal: Some(self.portal()),
            ..Facts::default()
        }
    }

    /// The part of that which is the portal's own.
    pub(super) fn portal(&self) -> Portal {
        let commands = match &self.service {
            Service::Commands { start, stop } => Some((start.clone(), stop.clone())),
            Service::Systemd => None,
        };
        Portal {
            file: self.file.clone(),
            client_id: self.client_id.clone(),
            socket: self.socket.clone(),
            commands,
        }
    }

    /// The realm as this machine reaches it.
    pub(super) fn backend(&self) -> String {
        let address = Address {
            server_url: self.server_url.clone(),
            realm: self.realm.clone(),
            client_id: String::new(),
        };
        address.issuer(None)
    }

    /// The portal's name, without a port.
    pub(super) fn host(&self) -> String {
        let url = Url::parse(&self.public_url).ok();
        url.and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default()
    }

    /// In words.
    pub(super) fn describe(&self) -> String {
        format!(
            "the portal: {}, at {}, {}\nkeycloak: {}, client {}, role {} for administrators\nmail: {} of {}",
            self.public_url,
            self.listen,
            self.file.display(),
            self.issuer,
            self.client_id,
            self.role,
            self.mail_host,
            self.domains.join(", "),
        )
    }
}

/// What was asked for on the terminal in vain.
#[derive(Default)]
struct Asked(Vec<&'static str>);

impl Asked {
    fn answer(
        &mut self,
        given: Option<String>,
        question: &str,
        flag: &'static str,
    ) -> Result<String, Failure> {
        let answer = match given {
            Some(answer) => Some(answer),
            None => ask(question)?,
        };
        if answer.is_none() {
            self.0.push(flag);
        }
        Ok(answer.unwrap_or_default())
    }

    fn complete(self) -> Result<(), Failure> {
        match self.0.as_slice() {
            [] => Ok(()),
            missing => Err(Failure::Usage(format!(
                "setup has to know more: give {}, or answer on a terminal",
                missing.join(", ")
            ))),
        }
    }
}

/// The Keycloak of keydove's users: the one of keydove.toml, or of mailcow's settings.
fn keycloak(config: &Path, keydove: &Config) -> Result<(Address, Option<PathBuf>), Failure> {
    if let Some(settings) = &keydove.mailcow_keycloak {
        let rows = with_database(config, async |database| Ok(database.identity_provider().await?))?;
        let address = IdentityProvider::read(&rows).address();
        let address = address.map_err(|fault| Failure::Data(fault.to_string()))?;
        return Ok((address, settings.ca_file.clone()));
    }
    match keydove.keycloaks.first() {
        Some((address, settings)) => Ok((address.clone(), settings.ca_file.clone())),
        None => Err(Failure::Data(format!("{} names no Keycloak: it has no [keycloak]", config.display()))),
    }
}

/// Beside keydove's other sockets.
fn usual_socket(answers: &Answers, keydove: &Config) -> PathBuf {
    let beside = || {
        let control =
            keydove.listeners.iter().find(|listener| listener.protocol == ListenerProtocol::Control)?;
        Some(control.path.parent()?.to_owned())
    };
    let folder = answers.socket_folder.clone().or_else(beside);
    folder.unwrap_or_else(|| SOCKET_FOLDER.into()).join("portal")
}

/// Where the proxy reaches the portal: loopback, and from mailcow's containers the host's address in their network.
fn address_of(mailcow: Option<&Web>) -> SocketAddr {
    let host = mailcow.and_then(|web| web.own_address().parse().ok());
    SocketAddr::new(host.unwrap_or(IpAddr::from([127, 0, 0, 1])), PORT)
}

fn trusted(listen: &SocketAddr, mailcow: Option<&Web>) -> Vec<String> {
    match mailcow {
        Some(web) if !listen.ip().is_loopback() => vec![web.containers()],
        _ => vec!["127.0.0.1".to_owned(), "::1".to_owned()],
    }
}

fn parse_url(text: &str, mailcow: Option<&Web>) -> Result<String, Failure> {
    let wrong = |what: &str| Failure::Data(format!("--public-url \"{text}\": {what}"));
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let Some(url) = url else {
        return Err(wrong("this is no address; write it like https://account.example.org"));
    };
    let host = url.host_str().unwrap_or_default();
    let is_here = host == "localhost"
        || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    if url.scheme() == "http" && !is_here {
        return Err(wrong(
            "without TLS everybody on the way reads app passwords: write https://, and put a proxy with TLS before the portal",
        ));
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
        return Err(wrong("the portal needs a name of its own, without anything behind it"));
    }
    if mailcow.and_then(|web| web.hostname.as_deref()) == Some(host) {
        return Err(wrong(
            "mailcow's own pages have this name; the portal needs one of its own, such as account.example.org",
        ));
    }
    Ok(url.origin().ascii_serialization())
}

fn parse_host(text: &str) -> Result<String, Failure> {
    // A server's name is of the same form as a mail domain in ASCII.
    match normalise_domain(text) {
        Ok(name) if name.is_ascii() => Ok(name),
        _ => Err(Failure::Data(format!(
            "--mail-host \"{text}\": this is no name of a server; write it as its certificate has it, such as mail.example.org"
        ))),
    }
}

fn administrators(answers: &Answers) -> Result<Vec<String>, Failure> {
    let parse = |text: &String| match Username::parse(text.as_bytes()) {
        Ok(user) => Ok(user.as_str().to_owned()),
        Err(error) => Err(Failure::Data(format!("--administrator {text}: {error}"))),
    };
    answers.administrators.iter().flatten().map(parse).collect()
}

/// Those that were said, or that keydove serves.
fn domains(answers: &Answers, config: &Path) -> Result<Vec<String>, Failure> {
    let found = match &answers.domains {
        Some(domains) => domains.clone(),
        None => with_database(config, async |database| Ok(database.domains().await?))?
            .into_iter()
            .map(|domain| domain.name)
            .collect(),
    };
    let mut names = Vec::new();
    for domain in &found {
        let name = normalise_domain(domain)
            .map_err(|error| Failure::Data(format!("--domain \"{domain}\": {error}")))?;
        names.push(name);
    }
    names.sort();
    names.dedup();
    match names.is_empty() {
        true => Err(Failure::Data(
            "there is no mail domain yet: add one with `keydove domain add`, or name it with --domain"
                .to_owned(),
        )),
        false => Ok(names),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_address_of_its_own_is_taken() {
        for (text, wanted) in [
            ("https://account.example.org", "https://account.example.org"),
            ("https://Account.example.org/", "https://account.example.org"),
            ("https://account.example.org:8443", "https://account.example.org:8443"),
            ("http://localhost:8484", "http://localhost:8484"),
        ] {
            assert_eq!(parse_url(text, None).unwrap(), wanted, "{text}");
        }
        for (text, said) in [
            ("account.example.org", "this is no address"),
            ("ftp://account.example.org", "this is no address"),
            ("http://account.example.org", "without TLS"),
            ("https://account.example.org/portal", "a name of its own"),
            ("https://a@account.example.org", "a name of its own"),
            ("https://account.example.org?x", "a name of its own"),
        ] {
            let trouble = parse_url(text, None).unwrap_err().to_string();
            assert!(trouble.contains(said), "{text}: {trouble}");
        }
    }

    #[test]
    fn beside_mailcow_the_containers_reach_it_and_mailcows_own_name_is_taken() {
        let web = Web::sample();
        assert_eq!(address_of(Some(&web)).to_string(), "172.22.1.1:8484");
        assert_eq!(trusted(&address_of(Some(&web)), Some(&web)), ["172.22.1.0/24"]);
        assert_eq!(trusted(&address_of(None), None), ["127.0.0.1", "::1"]);
        let trouble = parse_url("https://mail.example.org", Some(&web)).unwrap_err().to_string();
        assert!(trouble.contains("mailcow's own pages have this name"), "{trouble}");
    }
}
