//! The user stores behind a Keycloak (LDAP, Active Directory): are they on, and do they answer?

use super::finding::{Findings, Level};
use crate::backend::keycloak::{Client, StoreSetup};

pub(super) async fn look(client: &Client, findings: &mut Findings) {
    let realm = client.address().realm.as_str();
    match client.list_stores().await {
        Ok(Some(stores)) => {
            for store in &stores {
                look_at(client, store, findings).await;
            }
        }
        Ok(None) => findings.fine(format!(
            "realm `{realm}`: user stores behind Keycloak (LDAP, Active Directory) are not looked at; if there are any, \
             give the service account the role view-realm of realm-management, see docs/ldap.md"
        )),
        Err(error) => findings
            .told(Level::Warning, format!("realm `{realm}`: the user stores were not looked at: {error}")),
    }
}

async fn look_at(client: &Client, store: &StoreSetup, findings: &mut Findings) {
    let (realm, name) = (client.address().realm.as_str(), &store.name);
    if !store.enabled {
        return findings.warning(
            format!(
                "realm `{realm}`: the user store `{name}` is switched off, so none of its people can log in"
            ),
            "switch it on in Keycloak under User federation, if that is not meant",
        );
    }
    if let Err(error) = client.probe_now(&store.id).await {
        return findings.fault(format!("realm `{realm}`, user store `{name}`: {error}"), "");
    }
    let copies = match store.imports {
        true => "Keycloak keeps copies of its people",
        false => {
            "Keycloak keeps no copies of its people (Import users is off) and does not count them, so the sync confirms \
             each of them by their id before it takes anybody for gone"
        }
    };
    findings.fine(format!("realm `{realm}`: the user store `{name}` answers; {copies}"));
}
