//! Which Keycloak knows the people of a mail domain.

use std::collections::HashMap;
use std::sync::Arc;

use crate::auth::{Denial, NotAccepted, TempFail, Username, normalise_domain};
use crate::backend::keycloak::Client;
use crate::settings::Live;

/// One Keycloak for everybody, or several by mail domain.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// Each once.
    each: Vec<DomainSource>,
    default: Option<DomainSource>,
    by_domain: HashMap<String, DomainSource>,
}

#[derive(Clone, Debug)]
pub(crate) enum DomainSource {
    Fixed(Arc<Client>),
    Live(Live<LiveSource>),
}

/// What is known now of a source whose settings change while keydove runs, because mailcow keeps them.
#[derive(Clone, Debug)]
pub enum LiveSource {
    /// People are in this Keycloak.
    Keycloak {
        /// Who asks it.
        client: Arc<Client>,
        /// Whether their main passwords open mailboxes; mailcow's `mailpassword_flow`.
        mail_passwords: bool,
    },
    /// They are in something that keydove does not ask.
    NotKeycloak,
    /// The settings could not be read yet, or cannot be used.
    Unknown(TempFail),
}

impl LiveSource {
    /// Who asks it, if it is a Keycloak that can be asked.
    fn into_client(self) -> Option<Arc<Client>> {
        match self {
            Self::Keycloak { client, .. } => Some(client),
            Self::NotKeycloak | Self::Unknown(_) => None,
        }
    }

    /// What metrics and logs call it; empty while it has no client.
    fn name(&self) -> &str {
        match self {
            Self::Keycloak { client, .. } => client.name(),
            Self::NotKeycloak | Self::Unknown(_) => "",
        }
    }
}

impl Sources {
    /// Joins the clients, each with its domains; no domains means all that no other names.
    #[must_use]
    pub fn new(clients: Vec<(Vec<String>, Client)>) -> Self {
        let mut sources = Self::default();
        for (domains, client) in clients {
            sources.add(&domains, &DomainSource::Fixed(Arc::new(client)));
        }
        sources
    }

    /// Adds a source whose settings change while keydove runs.
    #[must_use]
    pub fn with_live(mut self, domains: &[String], source: Live<LiveSource>) -> Self {
        self.add(domains, &DomainSource::Live(source));
        self
    }

    fn add(&mut self, domains: &[String], source: &DomainSource) {
        self.each.push(source.clone());
        if domains.is_empty() {
            self.default = Some(source.clone());
        }
        for domain in domains.iter().filter_map(|domain| normalise_domain(domain).ok()) {
            self.by_domain.insert(domain, source.clone());
        }
    }

    /// Each source as it is now, once.
    #[must_use]
    pub fn all(&self) -> Vec<LiveSource> {
        let mut found: Vec<LiveSource> = self.each.iter().map(DomainSource::now).collect();
        found.sort_by(|one, other| one.name().cmp(other.name()));
        found
    }

    /// Each Keycloak that can be asked now, once.
    pub fn clients(&self) -> impl Iterator<Item = Arc<Client>> {
        self.all().into_iter().filter_map(LiveSource::into_client)
    }

    /// Every source, whatever it is now.
    pub(crate) fn each(&self) -> &[DomainSource] {
        &self.each
    }

    /// Whether people of this domain may log in with their main password, or with app passwords only. Asks nobody.
    pub(crate) fn check_mail_passwords_allowed(&self, user: &Username) -> Result<(), NotAccepted> {
        match self.with_source(user, |_, mail_passwords| mail_passwords)? {
            true => Ok(()),
            false => Err(Denial::MailPasswordsOff.into()),
        }
    }

    /// Who to ask about an address.
    ///
    /// # Errors
    /// Nobody: the domain has no source, or what stands for it is no Keycloak, or is not known now.
    pub fn client_for(&self, user: &Username) -> Result<Arc<Client>, NotAccepted> {
        self.with_source(user, |client, _| Arc::clone(client))
    }

    /// Whether this is who to ask about an address.
    ///
    /// # Errors
    /// As for [`client_for`](Self::client_for).
    pub(crate) fn is_client_for(&self, user: &Username, client: &Arc<Client>) -> Result<bool, NotAccepted> {
        self.with_source(user, |own, _| Arc::ptr_eq(own, client))
    }

    /// Whether asking about an address is likely to be in vain.
    pub(crate) fn is_troubled(&self, user: &Username) -> bool {
        self.with_source(user, |client, _| client.is_troubled()).unwrap_or(true)
    }

    /// Looks at who to ask about an address, and whether main passwords are in use there. Lent and not given, because
    /// every login looks twice.
    fn with_source<T>(
        &self,
        user: &Username,
        look: impl FnOnce(&Arc<Client>, bool) -> T,
    ) -> Result<T, NotAccepted> {
        let own = match self.by_domain.is_empty() {
            true => None,
            false => self.by_domain.get(user.domain()),
        };
        match own.or(self.default.as_ref()) {
            Some(DomainSource::Fixed(client)) => Ok(look(client, true)),
            Some(DomainSource::Live(live)) => match &*live.get() {
                LiveSource::Keycloak { client, mail_passwords } => Ok(look(client, *mail_passwords)),
                LiveSource::NotKeycloak => Err(Denial::SourceUnsupported.into()),
                LiveSource::Unknown(trouble) => Err(trouble.clone().into()),
            },
            // A domain that no source names has nobody in Keycloak.
            None => Err(Denial::UserUnknown.into()),
        }
    }
}

impl DomainSource {
    /// What it is at this moment.
    fn now(&self) -> LiveSource {
        match self {
            Self::Fixed(client) => LiveSource::Keycloak { client: Arc::clone(client), mail_passwords: true },
            Self::Live(live) => (*live.get()).clone(),
        }
    }

    /// Who asks it now, if it is a Keycloak that can be asked.
    pub(crate) fn client(&self) -> Option<Arc<Client>> {
        self.now().into_client()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{Secret, TempFailReason};
    use crate::backend::keycloak::Config;

    fn client() -> Client {
        let text = "server_url = 'http://127.0.0.1:9'\nrealm = 'mail'\nclient_id = 'mailcow'";
        let config: Config = toml::from_str(text).unwrap();
        Client::new(config.address().unwrap(), &config, Secret::from("s3cret")).unwrap()
    }

    fn user(name: &str) -> Username {
        Username::parse(name.as_bytes()).unwrap()
    }

    #[test]
    fn a_source_changes_while_it_is_in_use() {
        let trouble = TempFail::new(TempFailReason::SqlUnreachable, "the server is down");
        let live = Live::new(LiveSource::Unknown(trouble.clone()));
        let other = (vec!["other.example".to_owned()], client());
        let sources = Sources::new(vec![other]).with_live(&[], live.clone());
        let alice = user("alice@example.org");

        assert_eq!(sources.check_mail_passwords_allowed(&alice), Err(trouble.clone().into()));
        assert_eq!(sources.client_for(&alice).unwrap_err(), trouble.into());

        live.set(LiveSource::NotKeycloak);
        let unsupported = Err(Denial::SourceUnsupported.into());
        assert_eq!(sources.check_mail_passwords_allowed(&alice), unsupported);
        assert_eq!(sources.client_for(&alice).map(drop), unsupported);

        let client = Arc::new(client());
        for (mail_passwords, allowed) in [(false, Err(Denial::MailPasswordsOff.into())), (true, Ok(()))] {
            live.set(LiveSource::Keycloak { client: Arc::clone(&client), mail_passwords });
            assert_eq!(sources.check_mail_passwords_allowed(&alice), allowed);
            // Whether the person is enabled can be asked all the same.
            assert!(sources.client_for(&alice).is_ok());
        }
    }

    #[test]
    fn each_source_is_listed_once() {
        let domains = ["one.example", "two.example"].map(str::to_owned).to_vec();
        let live = Live::new(LiveSource::NotKeycloak);
        let sources = Sources::new(vec![(domains, client())]).with_live(&[], live);
        let [LiveSource::NotKeycloak, LiveSource::Keycloak { client, mail_passwords: true }] =
            &sources.all()[..]
        else {
            panic!("{:?}", sources.all())
        };
        assert_eq!(client.name(), "keycloak");
    }

    #[test]
    fn another_domains_source_is_not_touched() {
        let live = Live::new(LiveSource::NotKeycloak);
        let other = (vec!["other.example".to_owned()], client());
        let sources = Sources::new(vec![other]).with_live(&["own.example".to_owned()], live);
        assert_eq!(sources.check_mail_passwords_allowed(&user("a@other.example")), Ok(()));
        let unsupported = Err(Denial::SourceUnsupported.into());
        assert_eq!(sources.check_mail_passwords_allowed(&user("a@own.example")), unsupported);
        let unknown = Err(Denial::UserUnknown.into());
        assert_eq!(sources.check_mail_passwords_allowed(&user("a@third.example")), unknown);
    }
}
