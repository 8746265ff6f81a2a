//! What `keydove check` says of mailcow mode.

use super::finding::{Findings, Level};
use crate::backend::redis::Redis;
use crate::cli::date;
use crate::config::Config;
use crate::jobs::mailcow::IdentityProvider;
use crate::jobs::sync;

/// Which settings the table has now. `provisioning` is keydove's own setting, which overrules mailcow's.
pub(super) fn tell(settings: &IdentityProvider, provisioning: Option<bool>, findings: &mut Findings) {
    findings.fine("Keycloak's settings come from mailcow's table identity_provider");
    match describe(settings, provisioning) {
        Ok(lines) => lines.into_iter().for_each(|line| findings.fine(line)),
        Err(trouble) => findings.told(Level::Fault, trouble),
    }
}

/// mailcow's own job beside keydove's sync.
pub(super) async fn look_for_its_job(config: &Config, settings: &IdentityProvider, findings: &mut Findings) {
    let follows = config.http_login.shadow_url.is_none() || config.sync.interval.is_some();
    if !follows || config.sync.overriding(settings.sync).interval.is_zero() {
        return;
    }
    let Some(redis) = &config.redis else { return };
    let Ok(mut redis) = Redis::new(redis, config.secrets.redis.duplicate()) else { return };
    let now = u64::try_from(date::now()).unwrap_or_default();
    if sync::mailcows_job_runs(&mut redis, now).await.unwrap_or(false) {
        let cure = "switch one of the two off: docs/mailcow.md, \"The sync\"";
        findings.warning("mailcow's own job keycloak-sync.php runs beside keydove's sync", cure);
    }
}

fn describe(settings: &IdentityProvider, provisioning: Option<bool>) -> Result<[String; 2], String> {
    if !settings.is_keycloak() {
        let source = if settings.authsource.is_empty() { "nothing" } else { &settings.authsource };
        return Err(format!("mailcow's identity provider is {source}, not Keycloak"));
    }
    let address = settings.address().map_err(|unusable| unusable.to_string())?;
    let on = |on: bool| if on { "on" } else { "off" };
    let default = settings.mapping.default_template().map_or_else(
        || "no default template".to_owned(),
        |template| format!("default template `{template}`"),
    );
    let (url, realm) = (address.server_url.as_str(), address.realm.as_str());
    Ok([
        format!("server_url {url}, realm `{realm}`, client_id `{}`", address.client_id),
        format!(
            "mail passwords {}, provisioning {}, {} mappings, {default}",
            on(settings.mail_passwords),
            on(provisioning.unwrap_or(settings.provisioning)),
            settings.mapping.len(),
        ),
    ])
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
        let expected = [
            "server_url https://sso.example.org, realm `mail`, client_id `mailcow`",
            "mail passwords on, provisioning off, 1 mappings, no default template",
        ];
        assert_eq!(describe(&settings, None).unwrap(), expected);
        assert!(describe(&settings, Some(true)).unwrap()[1].contains("provisioning on"));
    }

    #[test]
    fn what_stands_against_it_is_said() {
        let trouble = |pairs: &[(&str, &str)]| describe(&settings(pairs), None).unwrap_err();
        assert!(trouble(&[("authsource", "ldap")]).contains("is ldap, not Keycloak"));
        assert!(trouble(&[]).contains("is nothing, not Keycloak"));
        assert!(trouble(&[("authsource", "keycloak")]).contains("`server_url`"));
    }
}
