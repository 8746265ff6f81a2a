//! What answers the web portal, made from the settings.

use std::sync::Arc;

use super::provider::provider;
use crate::config::{Config, Credentials};
use crate::frontend::portal::{AdminParts, LookAtDisk, PortalService};
use crate::jobs::errands::Errands;
use crate::jobs::sync::Schedule;
use crate::login::LoginService;
use crate::portal::admin::OnDisk;

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
        disk: look_at_disk(config),
    }
}

/// As `keydove check` compares, with the files that this process may read: its unit's credentials are those of its start.
fn look_at_disk(config: &Config) -> LookAtDisk {
    let (path, in_use) = (config.path.clone(), config.in_use.clone());
    LookAtDisk::new(move || match Config::load_with(&path, &Credentials::own()) {
        Ok(now) => OnDisk { changed: in_use.differences(&now.in_use.tag(UNSENT)), unusable: false },
        Err(_) => OnDisk { changed: Vec::new(), unusable: true },
    })
}

/// What is compared leaves this process at no time, so its key hides nothing.
const UNSENT: [u8; 16] = [0; 16];

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_changed_on_disk_since_the_start_is_named() {
        let folder = std::env::temp_dir().join(format!("keydove-on-disk-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (path, secret) = (folder.join("keydove.toml"), folder.join("secret"));
        let text = include_str!("../../tests/config/good/smallest.toml");
        let own = text.lines().map(|line| match line.split_once(" = ") {
            Some((key, _)) if key.trim() == "client_secret_file" => {
                format!("client_secret_file = \"{}\"\n", secret.display())
            }
            _ => format!("{line}\n"),
        });
        let own: String = own.collect();
        std::fs::write(&secret, "s3cret").unwrap();
        std::fs::set_permissions(&secret, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        std::fs::write(&path, &own).unwrap();
        let config = Config::load_with(&path, &Credentials::own()).unwrap();
        let disk = look_at_disk(&config);
        assert_eq!(disk.look().await, OnDisk::default());
        std::fs::write(&path, format!("{own}\n[login]\ndeadline = \"9s\"\n")).unwrap();
        std::fs::write(&secret, "another").unwrap();
        let changed = disk.look().await.changed;
        assert_eq!(changed, ["[login]", "the client secret of [keycloak]"]);
        std::fs::write(&path, "password = \"hunter2\"\n").unwrap();
        assert_eq!(disk.look().await, OnDisk { changed: Vec::new(), unusable: true });
        std::fs::remove_dir_all(folder).unwrap();
    }
}
