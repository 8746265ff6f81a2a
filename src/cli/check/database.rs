//! The database: does it answer, are tables and rights there, and is there room for the next mailbox?

use super::finding::{Finding, Findings, Level};
use super::logins::{Candidates, find_candidates};
use super::{Checked, NO_TEMPLATE};
use super::{database_file, database_servers, mailcow, mailcow_rows, rights};
use crate::auth::Username;
use crate::backend::sql;
use crate::backend::sql::{Database, DomainRow, StoredTemplate};
use crate::cli::size::show_mib;
use crate::cli::storage::explain;
use crate::jobs::mailcow::IdentityProvider;
use crate::provision::{ReservedName, Template};

/// And who could log in, where the database can be asked.
pub(super) async fn look(checked: &mut Checked<'_>) -> (Vec<Finding>, Option<Candidates>) {
    let mut findings = Findings::of("database");
    let password = checked.config.secrets.duplicate().database_password;
    if let sql::Config::Sqlite(file) = &checked.config.storage {
        database_file::look(&file.path, &mut findings);
    }
    let database = match sql::open_to_read(&checked.config.storage, password).await {
        Ok(database) => database,
        Err(error) => {
            let cure = "look at [storage]; a SQLite file is made at keydove's first start";
            findings.fault(format!("it cannot be opened: {error}"), cure);
            return (findings.into_vec(), None);
        }
    };
    if let sql::Config::Mariadb(config) = &checked.config.storage {
        database_servers::look(&database, !config.hosts.is_empty(), &mut findings).await;
    }
    let mut candidates = None;
    match database.check().await {
        Ok(()) => {
            findings.fine("it answers, and has the tables and columns of logins");
            look_inside(&database, checked, &mut findings).await;
            candidates = Some(find_candidates(&database).await);
        }
        Err(error @ sql::Error::Schema { .. }) => {
            findings.fault(explain(&error), "");
            rights::look(&database, checked, &mut findings).await;
        }
        Err(error) => findings.fault(explain(&error), "look at [storage], and at the database's own log"),
    }
    database.close().await;
    (findings.into_vec(), candidates)
}

async fn look_inside(database: &Database, checked: &mut Checked<'_>, findings: &mut Findings) {
    if checked.config.mailcow.identity_provider {
        match database.identity_provider().await {
            Ok(rows) => {
                let settings = IdentityProvider::read(&rows);
                checked.makes_mailboxes =
                    checked.config.provisioning.enabled.unwrap_or(settings.provisioning);
                checked.mapping = settings.mapping.clone();
                mailcow::tell(&settings, checked.config.provisioning.enabled, findings);
                if let Ok(keys) = database.identity_provider_keys().await {
                    let lines = mailcow_rows::lines(&keys, &settings, checked);
                    lines.into_iter().for_each(|line| findings.fine(line));
                }
                if settings.ignores_tls && checked.config.mailcow.ignore_ssl_error {
                    let cure = "give Keycloak a certificate of an authority that [keycloak] ca_file names";
                    findings
                        .warning("no certificate of Keycloak is verified: mailcow ignores SSL errors", cure);
                }
                mailcow::look_for_its_job(checked.config, &settings, findings).await;
                checked.mailcow = Some(settings);
            }
            Err(error) => findings.fault(
                format!("mailcow's settings of Keycloak cannot be read: {}", explain(&error)),
                "grant SELECT on identity_provider, or configure [keycloak] here",
            ),
        }
    }
    rights::look(database, checked, findings).await;
    match database.domains().await {
        Ok(domains) if domains.is_empty() => {
            findings.fault("there is no domain, so everybody is unknown", "keydove domain add DOMAIN");
        }
        Ok(domains) => domains.iter().for_each(|domain| tell_domain(domain, findings)),
        // A database user for logins alone need not have this right.
        Err(error) => findings.fine(format!("the domains' limits were not looked at: {}", explain(&error))),
    }
    if checked.makes_mailboxes {
        tell_reserved_names(checked, findings);
        look_at_templates(database, checked, findings).await;
    }
    if let Some(user) = checked.user {
        look_at_app_passwords(database, user, checked, findings).await;
    }
}

/// A hash that can never match shuts nobody else out, but its owner waits for it in vain.
async fn look_at_app_passwords(
    database: &Database,
    user: &Username,
    checked: &Checked<'_>,
    findings: &mut Findings,
) {
    let rows = match database.app_passwords(user).await {
        Ok(rows) => rows,
        Err(error) => {
            let what = format!("{user}: the app passwords cannot be read: {}", explain(&error));
            return findings.told(Level::Fault, what);
        }
    };
    let schemes = &checked.config.hashing.schemes;
    for row in rows {
        if let Err(error) = schemes.parse(row.password.expose()).and_then(|hash| hash.permit(schemes)) {
            findings.warning(
                format!("{user}: app password {} can never match: {error}", row.id),
                "revoke it and make a new one: keydove app-password, or allow its scheme in [hashing.schemes]",
            );
        }
    }
}

fn tell_domain(domain: &DomainRow, findings: &mut Findings) {
    let given = domain.quota_given >> 20;
    let DomainRow { name, mailboxes, mailboxes_used, quota_mib, .. } = domain;
    let room = format!(
        "domain {name}: {mailboxes_used} of {mailboxes} mailboxes, {} of {} given",
        show_mib(given),
        show_mib(*quota_mib)
    );
    if !domain.active {
        let cure = format!("keydove domain set {name} --active on");
        return findings.warning(format!("domain {name} is switched off: nobody of it logs in"), cure);
    }
    // Whether a first login has room there is tried.
    findings.fine(room);
}

/// Whoever may choose such an address in Keycloak may have certificates made for the domain.
fn tell_reserved_names(checked: &Checked<'_>, findings: &mut Findings) {
    let allowed = &checked.config.provisioning.allow_reserved_names;
    if !allowed.is_empty() {
        let names: Vec<&str> = allowed.iter().map(ReservedName::as_str).collect();
        findings.warning(
            format!("whoever has such an address in Keycloak gets a mailbox of a reserved name: {}", names.join(", ")),
            "make these mailboxes with `keydove mailbox add`, and take [provisioning] allow_reserved_names away",
        );
    }
}

async fn look_at_templates(database: &Database, checked: &Checked<'_>, findings: &mut Findings) {
    let stored = match database.templates().await {
        Ok(stored) => stored,
        Err(error) => {
            return findings.told(Level::Fault, format!("the templates cannot be read: {}", explain(&error)));
        }
    };
    let default = checked.mapping.default_template();
    let cure = "keydove template add NAME, or change the mapping";
    if default.is_none() && checked.mapping.is_empty() && checked.mailcow.is_some() {
        findings
            .fault(NO_TEMPLATE.0, "choose a default template in mailcow's settings of the identity provider");
    }
    if let Some(name) = default.filter(|name| !is_usable(&stored, name)) {
        findings.fault(format!("the default template `{name}` is not there, or is no template"), cure);
    }
    for (value, name) in checked.mapping.pairs().filter(|(_, name)| !is_usable(&stored, name)) {
        let what = format!("the attribute value `{value}` means the template `{name}`, which is not there");
        findings.fault(what, cure);
    }
    let named = stored.iter().filter(|template| {
        default.is_some_and(|name| template.is_named(name))
            || checked.mapping.pairs().any(|(_, name)| template.is_named(name))
    });
    findings.fine(format!("{} of {} templates are in use", named.count(), stored.len()));
}

fn is_usable(stored: &[StoredTemplate], name: &str) -> bool {
    Template::find(stored, name).is_ok()
}
