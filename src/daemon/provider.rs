//! The settings by which users come from Keycloak, each with the place where it stands, for the portal's administrators.

use std::path::Path;

use crate::backend::keycloak;
use crate::config::Config;
use crate::frontend::portal::Provider;
use crate::portal::admin::ProviderSetting;

/// All of them; where mailcow has the first ones, only what its page has not.
pub(super) fn provider(config: &Config) -> Provider {
    let file = file_name(&config.path);
    let mut settings = Vec::new();
    for (number, (address, source)) in config.keycloaks.iter().enumerate() {
        let table = if number == 0 { "[keycloak]" } else { "[[keycloak_source]]" };
        settings.extend(of_source((&file, table), address, source));
    }
    if let Some(source) = &config.mailcow_keycloak {
        settings.extend(of_both((&file, "[keycloak]"), source));
    }
    settings.extend(of_mailboxes(&file, config));
    Provider { settings, in_mailcows_table: config.mailcow_keycloak.is_some() }
}

fn file_name(path: &Path) -> String {
    path.display().to_string()
}

fn setting((file, table): (&str, &str), key: &str, name: &str, value: Option<String>) -> ProviderSetting {
    ProviderSetting {
        name: name.to_owned(),
        value: value.filter(|value| !value.is_empty()),
        is_secret: false,
        place: format!("{file}, {table} {key}"),
    }
}

fn of_source(
    place: (&str, &str),
    address: &keycloak::Address,
    source: &keycloak::Config,
) -> Vec<ProviderSetting> {
    let key = match source.client_secret_credential {
        Some(_) => "client_secret_credential",
        None => "client_secret_file",
    };
    let secret = ProviderSetting { is_secret: true, ..setting(place, key, "client_secret", None) };
    let mut settings = vec![
        setting(place, "server_url", "server_url", Some(address.server_url.as_str().to_owned())),
        setting(place, "realm", "realm", Some(address.realm.as_str().to_owned())),
        setting(place, "client_id", "client_id", Some(address.client_id.clone())),
        secret,
    ];
    settings.extend(of_both(place, source));
    settings
}

/// What mailcow's page has no field for, or keydove has another one.
fn of_both(place: (&str, &str), source: &keycloak::Config) -> Vec<ProviderSetting> {
    let yes = |is_on: bool| Some(if is_on { "true" } else { "false" }.to_owned());
    let public = source.public_url.as_ref().map(|url| url.as_str().to_owned());
    let authority = source.ca_file.as_ref().map(|path| path.display().to_string());
    vec![
        setting(place, "public_url", "public_url", public),
        setting(place, "tls_verify", "tls_verify", yes(source.tls_verify)),
        setting(place, "ca_file", "ca_file", authority),
        setting(place, "domains", "domains", Some(source.domains.join(", "))),
        setting(place, "password_attribute", "password_attribute", Some(source.password_attribute.clone())),
        setting(place, "template_attribute", "template_attribute", Some(source.template_attribute.clone())),
        setting(place, "required_role", "required_role", source.required_role.clone()),
        setting(place, "required_group", "required_group", source.required_group.clone()),
        setting(place, "required_attribute", "required_attribute", source.required_attribute.clone()),
        setting(
            place,
            "require_verified_email",
            "require_verified_email",
            yes(source.require_verified_email),
        ),
    ]
}

fn of_mailboxes(file: &str, config: &Config) -> Vec<ProviderSetting> {
    let yes = |is_on: Option<bool>| is_on.map(|is_on| if is_on { "true" } else { "false" }.to_owned());
    let (provisioning, sync) = ((file, "[provisioning]"), (file, "[sync]"));
    let mut settings = vec![
        setting(provisioning, "enabled", "login_provisioning", yes(config.provisioning.enabled)),
        setting(
            provisioning,
            "default_template",
            "default_template",
            config.provisioning.default_template.clone(),
        ),
    ];
    for (value, template) in &config.provisioning.mappings {
        let place = (file, "[provisioning.mappings]");
        settings.push(setting(place, value, "mapping", Some(format!("{value} → {template}"))));
    }
    let interval = config.sync.interval.map(|interval| format!("{} s", interval.get().as_secs()));
    settings.push(setting(sync, "interval", "sync_interval", interval));
    settings.push(setting(sync, "import", "import_users", yes(config.sync.import)));
    settings
}
