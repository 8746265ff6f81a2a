//! Reads mailcow's settings while keydove runs, and puts what changed into use.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{Config, IdentityProvider};
use crate::auth::{Secret, TempFail, TempFailReason};
use crate::backend::keycloak;
use crate::backend::keycloak::{Address, Client, SetupError};
use crate::backend::people::LiveSource;
use crate::backend::sql;
use crate::backend::sql::{Database, IdentityProviderRows};
use crate::jobs::sync;
use crate::jobs::sync::Wanted;
use crate::provision::Rules;
use crate::settings::Live;

/// How soon the table is asked again while its settings are not known at all: until then nobody logs in.
const RETRY: Duration = Duration::from_secs(1);

/// Keeps a Keycloak source and the rules of provisioning as mailcow's table has them.
///
/// What was read once stays in use while the database is down.
pub struct Refresher {
    config: Config,
    database: Arc<Database>,
    keycloak: keycloak::Config,
    /// `[provisioning] enabled`, which overrules mailcow where it is set.
    provisioning: Option<bool>,
    /// `[sync]`, which overrules mailcow where something is set.
    sync: sync::Config,
    period: Duration,
    wanted: Live<Wanted>,
    source: Live<LiveSource>,
    rules: Live<Rules>,
    /// The rows that are in use.
    applied: Option<IdentityProviderRows>,
    client: Option<Connected>,
    /// The last attempt failed, and the log says so.
    in_trouble: Arc<AtomicBool>,
}

/// A client and what it was made from.
struct Connected {
    address: Address,
    /// Whether it looks at Keycloak's certificate.
    verifies: bool,
    secret: Secret,
    client: Arc<Client>,
}

impl Refresher {
    /// Prepares; nothing is read yet, and until then nobody can tell.
    ///
    /// `keycloak` is what mailcow has no setting for; `provisioning` and `sync` overrule mailcow.
    #[must_use]
    pub fn new(
        config: &Config,
        database: Arc<Database>,
        keycloak: keycloak::Config,
        (provisioning, sync): (Option<bool>, sync::Config),
    ) -> Self {
        let detail = "Keycloak's settings were not read from mailcow's table yet";
        let unread = TempFail::new(TempFailReason::SqlUnreachable, detail);
        Self {
            config: config.clone(),
            database,
            keycloak,
            provisioning,
            sync,
            wanted: Live::new(Wanted::NOTHING),
            period: config.refresh.get(),
            source: Live::new(LiveSource::Unknown(unread.clone())),
            rules: Live::new(Rules::Unknown(unread)),
            applied: None,
            client: None,
            in_trouble: Arc::default(),
        }
    }

    /// The source that follows the table.
    #[must_use]
    pub fn source(&self) -> Live<LiveSource> {
        self.source.clone()
    }

    /// The rules that follow the table.
    #[must_use]
    pub fn rules(&self) -> Live<Rules> {
        self.rules.clone()
    }

    /// What the sync is to do, by the table and the settings.
    #[must_use]
    pub fn wanted(&self) -> Live<Wanted> {
        self.wanted.clone()
    }

    /// Whether the table could not be read last time. What was read before is in use meanwhile.
    #[must_use]
    pub fn trouble(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.in_trouble)
    }

    /// Refreshes for as long as keydove runs.
    pub async fn run(mut self, stop: CancellationToken) {
        let refresh_forever = async {
            loop {
                let pause = if self.knows_nothing() { RETRY.min(self.period) } else { self.period };
                tokio::time::sleep(pause).await;
                self.refresh().await;
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = refresh_forever => {}
        }
    }

    /// Reads the table once. Nothing is exchanged unless a row differs from what is in use.
    pub async fn refresh(&mut self) {
        match self.database.identity_provider().await {
            Ok(rows) => {
                if self.in_trouble.swap(false, Relaxed) {
                    tracing::info!("mailcow's table identity_provider can be read again");
                }
                if !self.applied.as_ref().is_some_and(|applied| applied.equals(&rows)) {
                    self.apply(rows);
                }
            }
            Err(error) => self.keep(&error),
        }
    }

    fn apply(&mut self, rows: IdentityProviderRows) {
        let settings = IdentityProvider::read(&rows);
        let (source, is_final) = match self.find_source(&settings) {
            Ok(source) => (source, true),
            // `ca_file` was taken away; the same rows may do next time.
            Err(error) => {
                let trouble = TempFail::new(TempFailReason::KeycloakSettings, error.to_string());
                (LiveSource::Unknown(trouble), false)
            }
        };
        let makes_mailboxes = settings.is_keycloak() && settings.provisioning;
        let enabled = self.provisioning.unwrap_or(makes_mailboxes);
        report(&settings, &source, enabled);
        self.report_tls(&settings);
        self.wanted.set(self.sync.overriding(settings.sync));
        self.applied = is_final.then_some(rows);
        self.rules.set(Rules::Known { enabled, mapping: settings.mapping });
        self.source.set(source);
    }

    fn find_source(&mut self, settings: &IdentityProvider) -> Result<LiveSource, SetupError> {
        if !settings.is_keycloak() {
            return Ok(LiveSource::NotKeycloak);
        }
        let address = match settings.address() {
            Ok(address) => address,
            Err(unusable) => return Ok(LiveSource::Unknown(unusable.temp_fail())),
        };
        let keycloak = settings.client_settings(&self.keycloak, &self.config);
        let client = self.connect(address, &keycloak, &settings.client_secret)?;
        Ok(LiveSource::Keycloak { client, mail_passwords: settings.mail_passwords })
    }

    /// The client in use, if it is for the same address and secret: it has a token and open connections.
    fn connect(
        &mut self,
        address: Address,
        keycloak: &keycloak::Config,
        secret: &Secret,
    ) -> Result<Arc<Client>, SetupError> {
        if let Some(connected) = &self.client
            && connected.address == address
            && connected.verifies == keycloak.tls_verify
            && connected.secret.matches(secret.expose())
        {
            return Ok(Arc::clone(&connected.client));
        }
        let client = Arc::new(Client::new(address.clone(), keycloak, secret.duplicate())?);
        let (verifies, secret) = (keycloak.tls_verify, secret.duplicate());
        self.client = Some(Connected { address, verifies, secret, client: Arc::clone(&client) });
        Ok(client)
    }

    fn report_tls(&self, settings: &IdentityProvider) {
        match (settings.ignores_tls, self.config.ignore_ssl_error) {
            (true, true) => tracing::warn!(
                "mailcow ignores SSL errors, and so does keydove ([mailcow] ignore_ssl_error): NO CERTIFICATE OF KEYCLOAK IS \
                 VERIFIED; whoever answers in its place decides who may log in"
            ),
            (true, false) => tracing::info!(
                "mailcow ignores SSL errors; keydove verifies Keycloak's certificate all the same ([mailcow] ignore_ssl_error)"
            ),
            (false, _) => {}
        }
    }

    fn knows_nothing(&self) -> bool {
        matches!(&*self.rules.get(), Rules::Unknown(_))
    }

    /// Goes on with what is known. If nothing is, logins hear what the trouble is.
    fn keep(&mut self, error: &sql::Error) {
        if !self.in_trouble.swap(true, Relaxed) {
            tracing::warn!(%error, "cannot read Keycloak's settings from mailcow's table; those that are known stay in use");
        }
        if self.knows_nothing() {
            let trouble = error.temp_fail();
            let detail = format!("Keycloak's settings cannot be read: {}", trouble.detail);
            let trouble = TempFail::new(trouble.reason, detail);
            self.source.set(LiveSource::Unknown(trouble.clone()));
            self.rules.set(Rules::Unknown(trouble));
        }
    }
}

/// Tells the log what is in use from now on.
fn report(settings: &IdentityProvider, source: &LiveSource, provisioning: bool) {
    match source {
        LiveSource::Keycloak { mail_passwords, .. } => tracing::info!(
            server_url = settings.server_url,
            realm = settings.realm,
            client_id = settings.client_id,
            mail_passwords,
            provisioning,
            mappings = settings.mapping.len(),
            "took Keycloak's settings from mailcow's table"
        ),
        LiveSource::NotKeycloak => tracing::warn!(
            authsource = settings.authsource,
            "mailcow's identity provider is not Keycloak; logins of Keycloak mailboxes are refused"
        ),
        LiveSource::Unknown(trouble) => {
            tracing::warn!(%trouble, "mailcow's settings of Keycloak cannot be used");
        }
    }
    let in_the_clear = settings.address().is_ok_and(|address| address.server_url.is_in_the_clear());
    if settings.is_keycloak() && in_the_clear {
        let danger = "the client secret and password hashes travel in the clear";
        tracing::warn!("server_url in mailcow's table is http: {danger}");
    }
}

impl std::fmt::Debug for Refresher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Refresher").field("period", &self.period).finish_non_exhaustive()
    }
}
