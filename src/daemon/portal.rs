//! What answers the web portal, made from the settings.

use std::sync::Arc;

use super::provider::provider;
use crate::config::Config;
use crate::frontend::portal::{AdminParts, PortalService};
use crate::jobs::errands::Errands;
use crate::jobs::sync::Schedule;
use crate::login::LoginService;

pub(super) fn portal_service(
    config: &Config,
    service: &Arc<LoginService>,
    schedule: Option<&Schedule>,
) -> PortalService {
    let holds_within = config.cache.mailbox_staleness.get().as_secs();
    PortalService::new(Arc::clone(service), config.portal.clone(), holds_within)
        .with_administration(administrators(config, schedule))
}

/// What the portal's administrators see and begin.
fn administrators(config: &Config, schedule: Option<&Schedule>) -> AdminParts {
    let program = std::env::current_exe().unwrap_or_else(|_| "keydove".into());
    AdminParts {
        sync: schedule.map(Schedule::status),
        errands: Arc::new(Errands::new(program, config.path.clone())),
        provider: provider(config),
    }
}
