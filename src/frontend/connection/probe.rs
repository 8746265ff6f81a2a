//! Whether the backends answer the running daemon itself, with the settings and secrets that it started with.

use tokio::time::timeout;

use super::Context;

/// What they say that do not; empty where all do. Keycloak is asked for a new token: the one at hand may outlive the
/// secret that it was had with.
pub(super) async fn probe(context: &Context) -> Vec<String> {
    let parts = context.decision.parts();
    let mut troubles = Vec::new();
    for client in parts.passdb.people().sources().clients() {
        let what = || format!("Keycloak, realm `{}`", client.address().realm.as_str());
        match timeout(context.deadline, client.check_with_new_token()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => troubles.push(format!("{}: {error}", what())),
            Err(_) => troubles.push(format!("{}: no answer within {:?}", what(), context.deadline)),
        }
    }
    match timeout(context.deadline, parts.database.check()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => troubles.push(error.to_string()),
        Err(_) => troubles.push(format!("the database: no answer within {:?}", context.deadline)),
    }
    troubles
}
