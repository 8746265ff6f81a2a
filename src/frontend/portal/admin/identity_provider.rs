//! *Identity Provider*: its settings, and the connection test.

use super::super::service::{PortalService, out_of_reach};
use crate::backend::sql::{IDENTITY_PROVIDER_KEYS, IdentityProviderRows};
use crate::jobs::errands::Errand;
use crate::portal::Response;
use crate::portal::admin::{AdminResponse, Finding, IdentityProviderRequest, ProviderCard, ProviderSetting};

/// Never shown.
const SECRET: &str = "client_secret";
/// As `keydove check` sorts them, the worst first.
const LEVELS: [&str; 3] = ["fault", "warning", "fine"];

/// Where the settings are.
#[derive(Debug, Default)]
pub struct Provider {
    /// Those of the configuration, as it was read at the start.
    pub settings: Vec<ProviderSetting>,
    /// The others are in mailcow's table.
    pub in_mailcows_table: bool,
}

impl PortalService {
    pub(super) async fn answer_identity_provider(
        &self,
        request: IdentityProviderRequest,
    ) -> Result<AdminResponse, Response> {
        if request == IdentityProviderRequest::Test {
            return Ok(self.begin(Errand::Check));
        }
        let settings = self.provider_settings().await?;
        let (test, found) = self.errand(Errand::Check);
        let mut findings: Vec<Finding> = serde_json::from_value(found).unwrap_or_default();
        findings.sort_by_key(|finding| LEVELS.iter().position(|level| *level == finding.level));
        Ok(AdminResponse::IdentityProvider(Box::new(ProviderCard { settings, test, findings })))
    }

    /// Each setting with the place where it stands.
    pub(super) async fn provider_settings(&self) -> Result<Vec<ProviderSetting>, Response> {
        let provider = &self.admin.provider;
        let mut settings = Vec::new();
        if provider.in_mailcows_table {
            let rows = self.service.decision.database().identity_provider().await;
            settings = of_mailcow(&rows.map_err(|error| out_of_reach(&error))?);
        }
        settings.extend(provider.settings.iter().cloned());
        Ok(settings)
    }
}

fn of_mailcow(rows: &IdentityProviderRows) -> Vec<ProviderSetting> {
    let setting = |key: &&str| {
        let is_secret = *key == SECRET && rows.client_secret().is_some();
        ProviderSetting {
            name: (*key).to_owned(),
            value: rows.text(key).map(str::to_owned),
            is_secret,
            place: format!("mailcow: identity_provider, {key}"),
        }
    };
    IDENTITY_PROVIDER_KEYS.iter().map(setting).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_of_mailcows_table_is_named_and_never_shown() {
        let rows = [("server_url", "https://sso.example.org"), ("client_secret", "hunter2")];
        let rows: IdentityProviderRows =
            rows.into_iter().map(|(key, value)| (key.to_owned(), value.as_bytes().to_vec())).collect();
        let settings = of_mailcow(&rows);
        let of = |name: &str| settings.iter().find(|setting| setting.name == name).unwrap();
        assert_eq!(of("server_url").value.as_deref(), Some("https://sso.example.org"));
        assert!(of("client_secret").is_secret && of("client_secret").value.is_none());
        assert!(!of("realm").is_secret && of("realm").value.is_none());
        assert!(!format!("{settings:?}").contains("hunter2"));
    }
}
