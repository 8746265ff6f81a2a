//! Looks at backends now and then, so that trouble which every login would hide is told, and the end of trouble too.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::Operations;
use crate::backend::keycloak::{Client, Visibility};
use crate::backend::people::LiveSource;

/// How often there is a look at what is due. Readiness returns within this time after trouble, without any login.
const TICK: Duration = Duration::from_secs(10);
/// How often people are looked at while somebody shows the password attribute.
const HOUR: Duration = Duration::from_secs(3600);
/// The same while nobody does, or Keycloak does not answer.
const MINUTE: Duration = Duration::from_secs(60);

/// Looks at the backends for as long as keydove runs.
#[derive(Debug)]
pub struct Watcher {
    operations: Arc<Operations>,
    /// Whether somebody may ask how things stand: then what failed is asked again.
    probes: bool,
    looks: Vec<Look>,
}

/// When the people of a Keycloak are looked at next.
#[derive(Debug)]
struct Look {
    client: Arc<Client>,
    due: Instant,
    /// When the log said last that nobody shows the attribute.
    told: Option<Instant>,
}

impl Watcher {
    /// Prepares. `probes`: whether readiness is asked for at all.
    #[must_use]
    pub fn new(operations: Arc<Operations>, probes: bool) -> Self {
        Self { operations, probes, looks: Vec::new() }
    }

    /// Looks until it is told to stop.
    pub async fn run(mut self, stop: CancellationToken) {
        let look_forever = async {
            loop {
                self.look().await;
                sleep(TICK).await;
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = look_forever => {}
        }
    }

    async fn look(&mut self) {
        let operations = Arc::clone(&self.operations);
        let Some(watched) = operations.watched.get() else { return };
        let decision = &watched.decision;
        let sources = decision.people().sources().all();
        let uses_main_passwords = decision.passdb().uses_main_passwords();
        let clients: Vec<_> = sources
            .into_iter()
            .filter_map(|source| match source {
                LiveSource::Keycloak { client, mail_passwords } => {
                    Some((client, mail_passwords && uses_main_passwords))
                }
                LiveSource::NotKeycloak | LiveSource::Unknown(_) => None,
            })
            .collect();
        if self.probes {
            let sql = decision.database();
            if sql.questions().last_failure().is_some() {
                // How it ended is counted, and that is all that is wanted.
                let _ = sql.check().await;
            }
            for (client, _) in &clients {
                if client.is_troubled() || client.calls().last_failure().is_some() {
                    let _ = client.probe().await;
                }
            }
        }
        self.looks.retain(|look| clients.iter().any(|(client, _)| Arc::ptr_eq(client, &look.client)));
        for (client, _) in clients.into_iter().filter(|(_, password_counts)| *password_counts) {
            self.look_for_attribute(client).await;
        }
    }

    async fn look_for_attribute(&mut self, client: Arc<Client>) {
        let known = self.looks.iter().position(|look| Arc::ptr_eq(&look.client, &client));
        let place = known.unwrap_or_else(|| {
            self.looks.push(Look { client, due: Instant::now(), told: None });
            self.looks.len() - 1
        });
        let look = &mut self.looks[place];
        let is_mended = look.told.is_some() && !look.client.is_attribute_hidden();
        if Instant::now() < look.due && !is_mended {
            return;
        }
        let visibility = look.client.look_for_attribute().await;
        let now = Instant::now();
        look.due = now
            + if matches!(visibility, Ok(Visibility::Visible | Visibility::Unknown)) { HOUR } else { MINUTE };
        match visibility {
            Ok(Visibility::Hidden) if look.told.is_none_or(|told| now >= told + HOUR) => {
                look.told = Some(now);
                let diagnosis = look.client.attribute_hidden();
                tracing::warn!(source = look.client.name(), "{diagnosis}");
            }
            Ok(Visibility::Visible | Visibility::Unknown) if look.told.take().is_some() => {
                tracing::info!(source = look.client.name(), "the password attribute can be seen again");
            }
            // Why Keycloak does not answer is told by the logins that need it.
            Ok(_) | Err(_) => {}
        }
    }
}
