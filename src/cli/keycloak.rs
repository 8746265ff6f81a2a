//! What `keydove check` finds when it asks the Keycloaks of the configuration.

use crate::config::Config;
use crate::keycloak::{Client, Error, SetupError};

/// Why a Keycloak cannot be asked.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("cannot start the reactor: {0}")]
    Reactor(std::io::Error),
    #[error(transparent)]
    Setup(#[from] SetupError),
    #[error(transparent)]
    Keycloak(#[from] Error),
}

/// A few lines for each Keycloak. One that does not answer is a warning: it is no fault of the configuration.
pub(super) fn summary(config: &Config) -> String {
    let secrets = config.secrets.duplicate().client_secrets;
    let mut lines = Vec::new();
    for ((address, keycloak), secret) in config.keycloaks.iter().zip(secrets) {
        let realm = address.realm.as_str();
        let found = Client::new(address.clone(), keycloak, secret)
            .map_err(Trouble::from)
            .and_then(|client| ask(&client, config.provisioning.enabled == Some(true)));
        match found {
            Ok(found) => lines.extend(found.into_iter().map(|line| format!("{line} (realm `{realm}`)"))),
            Err(trouble) => lines.push(format!("warning: Keycloak, realm `{realm}`: {trouble}")),
        }
    }
    lines.join("\n")
}

fn ask(client: &Client, makes_mailboxes: bool) -> Result<Vec<String>, Trouble> {
    let reactor =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Trouble::Reactor)?;
    reactor.block_on(async {
        client.check().await?;
        let mut lines = vec!["  Keycloak answers, and the service account sees people".to_owned()];
        match client.find_profile_flaws().await {
            Ok(flaws) => lines.extend(flaws.iter().map(|flaw| format!("warning: {flaw}"))),
            Err(error) => lines.push(format!("warning: the user profile was not looked through: {error}")),
        }
        if makes_mailboxes {
            let people = client.count_people().await?;
            lines.push(format!(
                "  [provisioning] is on: of {people} people, everybody whose address is in one of your domains gets a \
                 mailbox at their first login; required_role or required_group narrow it, \
                 `keydove domain set --mailboxes` limits it"
            ));
        }
        Ok(lines)
    })
}
