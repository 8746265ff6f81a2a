//! What `keydove check` says of mailcow mode.

use crate::config::Config;
use crate::mailcow::IdentityProvider;
use crate::sql;

/// Which settings the table has now; a warning when it cannot be read, which is no fault of the configuration.
pub(super) fn summary(config: &Config) -> String {
    let from = "  Keycloak's settings come from mailcow's table identity_provider";
    match read(config) {
        Ok(settings) => format!("{from}\n{}", describe(&settings, config.provisioning.enabled)),
        Err(trouble) => format!("{from}\nwarning: they cannot be read now: {trouble}"),
    }
}

/// Why the table cannot be read now.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("cannot start the reactor: {0}")]
    Reactor(std::io::Error),
    #[error(transparent)]
    Database(#[from] sql::Error),
}

fn read(config: &Config) -> Result<IdentityProvider, Trouble> {
    let reactor =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Trouble::Reactor)?;
    let password = config.secrets.duplicate().database_password;
    let rows = reactor.block_on(async {
        let database = sql::open_to_read(&config.storage, password).await?;
        let rows = database.identity_provider().await;
        database.close().await;
        rows
    })?;
    Ok(IdentityProvider::read(&rows))
}

/// `provisioning` is keydove's own setting, which overrules mailcow's.
fn describe(settings: &IdentityProvider, provisioning: Option<bool>) -> String {
    if !settings.is_keycloak() {
        let source = if settings.authsource.is_empty() { "nothing" } else { &settings.authsource };
        return format!("warning: mailcow's identity provider is {source}, not Keycloak");
    }
    let address = match settings.address() {
        Ok(address) => address,
        Err(unusable) => return format!("warning: {unusable}"),
    };
    let on = |on: bool| if on { "on" } else { "off" };
    let default = settings.mapping.default_template().map_or_else(
        || "no default template".to_owned(),
        |template| format!("default template `{template}`"),
    );
    format!(
        "    server_url {}, realm `{}`, client_id `{}`\n    mail passwords {}, provisioning {}, {} mappings, {default}",
        address.server_url.as_str(),
        address.realm.as_str(),
        address.client_id,
        on(settings.mail_passwords),
        on(provisioning.unwrap_or(settings.provisioning)),
        settings.mapping.len(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> IdentityProvider {
        let rows = pairs.iter().map(|&(key, value)| (key.to_owned(), value.as_bytes().to_vec()));
        IdentityProvider::read(&rows.collect())
    }

    #[test]
    fn everything_but_the_secret_is_shown() {
        let settings = settings(&[
            ("authsource", "keycloak"),
            ("server_url", "https://sso.example.org/"),
            ("realm", "mail"),
            ("client_id", "mailcow"),
            ("client_secret", "marker"),
            ("mailpassword_flow", "1"),
            ("login_provisioning", "0"),
            ("mappers", r#"["gold"]"#),
            ("templates", r#"["Gold"]"#),
        ]);
        let expected = "    server_url https://sso.example.org, realm `mail`, client_id `mailcow`\n    \
                        mail passwords on, provisioning off, 1 mappings, no default template";
        assert_eq!(describe(&settings, None), expected);
        assert!(describe(&settings, Some(true)).contains("provisioning on"));
    }

    #[test]
    fn what_stands_against_it_is_a_warning() {
        assert!(describe(&settings(&[("authsource", "ldap")]), None).starts_with("warning: "));
        assert!(describe(&settings(&[]), None).contains("is nothing, not Keycloak"));
        assert!(describe(&settings(&[("authsource", "keycloak")]), None).contains("`server_url`"));
    }
}
