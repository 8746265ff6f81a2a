//! One real person: found, enabled, with a password that can be compared with, and a template.

use super::Checked;
use super::finding::Findings;
use crate::auth::Username;
use crate::cli::advice::advice;
use crate::keycloak::{Client, Lookup, Person};

pub(super) async fn look(client: &Client, user: &Username, checked: &Checked<'_>, findings: &mut Findings) {
    match client.find_person(user).await {
        Ok(Lookup::Found(person)) => look_at(client, &person, checked, findings).await,
        Ok(Lookup::Unknown) => findings.fault(
            format!("{user}: nobody in Keycloak has this address"),
            "look at the person's email in Keycloak, and at `lookup` in [keycloak]",
        ),
        Ok(Lookup::Conflict) => {
            findings.fault(format!("{user}: several people in Keycloak have this address"), "make it unique");
        }
        Err(error) => findings.fault(format!("{user}: {error}"), ""),
    }
}

async fn look_at(client: &Client, person: &Person, checked: &Checked<'_>, findings: &mut Findings) {
    let user = &person.address;
    if let Some(denial) = person.state.denial() {
        let cure = advice(denial.code()).unwrap_or_default();
        return findings.fault(format!("{user} is {}", person.state.words()), cure);
    }
    match client.find_unmet(person).await {
        Ok(None) => {}
        Ok(Some(unmet)) => {
            let cure = "give the person what it demands, or change the setting";
            findings.fault(format!("{user} does not meet {}", unmet.setting()), cure);
        }
        Err(error) => findings.fault(format!("{user}: {error}"), ""),
    }
    let attribute = client.password_attribute();
    let Some(stored) = &person.password else {
        return findings.fault(
            format!("{user} has no `{attribute}`, or it cannot be seen"),
            "set it to what `keydove hash` prints",
        );
    };
    let schemes = &checked.config.hashing.schemes;
    let usable = schemes.parse(stored.expose()).and_then(|hash| hash.permit(schemes));
    if person.password_values > 1 {
        findings.warning(
            format!(
                "{user} has {} values in `{attribute}`, of which only the first counts",
                person.password_values
            ),
            "leave one value there",
        );
    }
    match usable {
        Ok(hash) => findings.fine(format!("{user}: found, enabled, with a {{{}}} password", hash.scheme())),
        Err(error) => {
            let cure = error.cure();
            findings.fault(format!("{user}: `{attribute}` cannot be compared with: {error}"), cure);
        }
    }
    if checked.makes_mailboxes {
        match checked.mapping.for_new(person.template()) {
            Ok(template) => findings.fine(format!("{user}: a first login takes the template `{template}`")),
            Err(_) => findings.warning(
                format!("{user}: no mapping fits, and there is no default template"),
                "set [provisioning] default_template, or the person's template attribute",
            ),
        }
    }
}
