//! The Keycloaks: do they answer, may the client see people, can the attributes be seen, and by whom?

use std::time::{Duration, SystemTime};

use super::Checked;
use super::finding::{Finding, Findings, Level};
use super::stores;
use crate::backend::keycloak::{Address, Client, Error, MisspeltBase, SetupError, Visibility};

/// How far the clocks may be apart: half of what is left of a token of a minute when it is renewed.
const CLOCK_LIMIT: Duration = Duration::from_secs(30);
/// So many values of the template attribute are looked for; each is a call.
const MAX_VALUES: usize = 50;

pub(super) async fn look(checked: &Checked<'_>) -> Vec<Finding> {
    let mut findings = Findings::of("keycloak");
    for client in clients(checked, &mut findings) {
        look_at(&client, checked, &mut findings).await;
    }
    findings.into_vec()
}

/// Those of the configuration, or the one of mailcow's table.
fn clients(checked: &Checked<'_>, findings: &mut Findings) -> Vec<Client> {
    let config = checked.config;
    let mut clients = Vec::new();
    let mut add = |made: Result<Client, SetupError>| match made {
        Ok(client) => clients.push(client),
        Err(error) => findings.fault(error.to_string(), "mend ca_file"),
    };
    let secrets = config.secrets.duplicate().client_secrets;
    for ((address, keycloak), secret) in config.keycloaks.iter().zip(secrets) {
        add(Client::new(address.clone(), keycloak, secret));
    }
    if let Some(keycloak) = &config.mailcow_keycloak
        && let Some(settings) = &checked.mailcow
        && settings.is_keycloak()
        && let Ok(address) = settings.address()
    {
        let keycloak = settings.client_settings(keycloak, &config.mailcow);
        add(Client::new(address, &keycloak, settings.client_secret.duplicate()));
    }
    clients
}

async fn look_at(client: &Client, checked: &Checked<'_>, findings: &mut Findings) {
    let realm = client.address().realm.as_str().to_owned();
    match client.check().await {
        Ok(()) => {
            findings.fine(format!("realm `{realm}`: Keycloak answers, and the service account sees people"))
        }
        Err(error) => return tell_trouble(client, &error, findings).await,
    }
    look_at_realm(client, checked, findings).await;
    stores::look(client, findings).await;
    match client.find_profile_flaws().await {
        Ok(flaws) => {
            flaws.iter().for_each(|flaw| findings.told(Level::Warning, format!("realm `{realm}`: {flaw}")))
        }
        Err(error) => findings.told(
            Level::Warning,
            format!("realm `{realm}`: the user profile was not looked through: {error}"),
        ),
    }
    match client.look_for_attribute().await {
        Ok(Visibility::Hidden) => {
            findings.told(Level::Fault, format!("realm `{realm}`: {}", client.attribute_hidden()));
        }
        Ok(Visibility::Visible | Visibility::Unknown) => {}
        Err(error) => findings.told(Level::Fault, format!("realm `{realm}`: {error}")),
    }
    if client.event_period().is_some()
        && let Err(error) = client.check_events().await
    {
        findings.told(Level::Warning, format!("realm `{realm}`: {error}"));
    }
    if checked.makes_mailboxes {
        tell_who_gets_mailboxes(client, findings).await;
        look_for_values(client, checked, findings).await;
    }
}

/// A call that failed says itself what to do; a base path that is wrong can be told from a wrong realm.
async fn tell_trouble(client: &Client, error: &Error, findings: &mut Findings) {
    let Address { realm, server_url, .. } = client.address();
    let what = format!("realm `{}`: {error}", realm.as_str());
    let cure = match error {
        Error::NotFound { .. } => match client.find_base().await {
            Some(MisspeltBase::Other(base)) => format!("set server_url = \"{base}\""),
            Some(MisspeltBase::Realm) => {
                format!(
                    "{} is a Keycloak; it has no realm of this name: letter case counts",
                    server_url.as_str()
                )
            }
            None => String::new(),
        },
        _ => String::new(),
    };
    findings.fault(what, cure);
}

async fn look_at_realm(client: &Client, checked: &Checked<'_>, findings: &mut Findings) {
    #[expect(clippy::disallowed_methods, reason = "the command line has no clock but the system's")]
    let now = SystemTime::now();
    let realm = client.address().realm.as_str();
    let found = match client.look_at_realm(now).await {
        Ok(found) => found,
        Err(error) => return findings.told(Level::Warning, format!("realm `{realm}`: {error}")),
    };
    if let Some(distance) = found.clock_distance.filter(|distance| *distance > CLOCK_LIMIT) {
        let what = format!("the clocks of this machine and of Keycloak are {} s apart", distance.as_secs());
        let cure = "set both by NTP: timedatectl set-ntp true";
        match &checked.config.oauth {
            Some(oauth) if distance > oauth.leeway.get() => {
                findings
                    .fault(format!("{what}, so access tokens count as expired or as not yet valid"), cure);
            }
            _ => findings.warning(what, cure),
        }
    }
    let own = client.issuer();
    if found.issuer != own {
        findings.warning(
            format!("realm `{realm}`: Keycloak calls itself {}, and is asked as {own}", found.issuer),
            "use one address everywhere, or set Keycloak's option `hostname`",
        );
    }
}

async fn tell_who_gets_mailboxes(client: &Client, findings: &mut Findings) {
    match client.count_people().await {
        Ok(people) => findings.fine(format!(
            "[provisioning] is on: of {people} people, everybody whose address is in one of your domains gets a \
             mailbox at their first login; required_role or required_group narrow it, \
             `keydove domain set --mailboxes` limits it"
        )),
        Err(error) => findings.told(Level::Warning, format!("people were not counted: {error}")),
    }
}

/// A value that nobody has is often a misspelt one.
async fn look_for_values(client: &Client, checked: &Checked<'_>, findings: &mut Findings) {
    let attribute = client.template_attribute();
    for (value, template) in checked.mapping.pairs().take(MAX_VALUES) {
        if matches!(client.has_template_value(value).await, Ok(false)) {
            findings.warning(
                format!(
                    "nobody has the value `{value}` of `{attribute}`, which means the template `{template}`"
                ),
                "look at the spelling, letter case included; or take the mapping out",
            );
        }
    }
}
