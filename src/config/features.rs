//! What the configuration asks the database for.

use super::{ListenerProtocol, Tables};
use crate::backend::sql::Feature;
use crate::jobs::sync::Deactivate;

/// Everything that the daemon may ask the database for with these settings.
pub(super) fn of(file: &Tables) -> Vec<Feature> {
    let has_protocol = |protocol| file.listeners.iter().any(|listener| listener.protocol == protocol);
    let is_mailcows = file.mailcow.identity_provider;
    let makes_mailboxes = file.provisioning.enabled.unwrap_or(is_mailcows) || file.sync.import == Some(true);
    let follows_templates = !file.provisioning.mappings.is_empty() || is_mailcows;
    let is_kept = |period: crate::settings::Period| !period.get().is_zero();
    let deactivates = file.sync.deactivate != Deactivate::Off;
    let is_followed = is_mailcows && file.sync.interval.is_none() && file.http_login.shadow_url.is_none();
    let syncs =
        !file.sync.interval().is_zero() || is_followed || file.sync.import == Some(true) || deactivates;
    let keeps_house = is_kept(file.housekeeping.interval);
    if only_compares(file) {
        let features = [
            (Feature::Logins, true),
            (Feature::AppPasswords, true),
            (Feature::IdentityProvider, is_mailcows),
            (Feature::AliasLogins, file.login.alias_domains || file.login.aliases),
            (Feature::Maps, has_protocol(ListenerProtocol::Socketmap)),
            (Feature::Policy, has_protocol(ListenerProtocol::Policy)),
            (Feature::Comparisons, true),
        ];
        return features.into_iter().filter_map(|(feature, is_on)| is_on.then_some(feature)).collect();
    }
    let features = [
        (Feature::Logins, true),
        (Feature::AppPasswords, true),
        (Feature::Owners, true),
        (Feature::IdentityProvider, is_mailcows),
        (Feature::AliasLogins, file.login.alias_domains || file.login.aliases),
        (Feature::Maps, has_protocol(ListenerProtocol::Socketmap)),
        (Feature::Policy, has_protocol(ListenerProtocol::Policy)),
        (Feature::FirstLogins, makes_mailboxes),
        (Feature::Templates, follows_templates),
        (Feature::LoginLog, file.bookkeeping.login_log),
        (Feature::Sync, syncs),
        (Feature::Deactivation, deactivates),
        (Feature::Housekeeping, keeps_house),
        (Feature::OldPeople, keeps_house && is_kept(file.housekeeping.people)),
        (Feature::Portal, has_protocol(ListenerProtocol::Portal)),
        (Feature::Commands, has_protocol(ListenerProtocol::Portal) && file.portal.administrators),
        (Feature::Notices, file.notices.relay.is_some()),
        (Feature::Backends, !file.mail_hosts.is_empty()),
        (Feature::OldLogins, keeps_house && file.housekeeping.login_log.is_some_and(is_kept)),
    ];
    features.into_iter().filter_map(|(feature, is_on)| is_on.then_some(feature)).collect()
}

/// mailcow decides, nobody else asks, and nothing is set that writes by itself.
fn only_compares(file: &Tables) -> bool {
    let asks = |protocol| {
        matches!(
            protocol,
            ListenerProtocol::AuthClient
                | ListenerProtocol::AuthMaster
                | ListenerProtocol::Hook
                | ListenerProtocol::Portal
        )
    };
    let syncs = !file.sync.interval().is_zero()
        || file.sync.import == Some(true)
        || file.sync.deactivate != Deactivate::Off;
    file.http_login.shadow_url.is_some()
        && !syncs
        && file.notices.relay.is_none()
        && !file.listeners.iter().any(|listener| asks(listener.protocol))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn features(text: &str) -> Vec<Feature> {
        of(&toml::from_str(text).unwrap())
    }

    #[test]
    fn what_is_switched_on_is_asked_for() {
        let least = features("");
        assert!(least.contains(&Feature::Logins) && !least.contains(&Feature::FirstLogins));
        assert!(features("[provisioning]\nenabled = true").contains(&Feature::FirstLogins));
        assert!(features("[mailcow]\nidentity_provider = true").contains(&Feature::FirstLogins));
        let off = features("[mailcow]\nidentity_provider = true\n[provisioning]\nenabled = false");
        assert!(!off.contains(&Feature::FirstLogins) && off.contains(&Feature::IdentityProvider));
        let maps = features("[[listener]]\ndoor = 'socketmap'\npath = '/run/x'");
        assert!(maps.contains(&Feature::Maps) && !maps.contains(&Feature::Policy));
        let sync = features("[sync]\ndeactivate = 'disabled'");
        assert!(sync.contains(&Feature::Sync) && sync.contains(&Feature::Deactivation));
        assert!(!features("[bookkeeping]\nlogin_log = false").contains(&Feature::LoginLog));
        let mailcow = "[mailcow]\nidentity_provider = true\n";
        assert!(features(mailcow).contains(&Feature::Sync), "mailcow's table may say so");
        for more in ["[sync]\ninterval = '0'", "[http_login]\nshadow_url = 'https://x'"] {
            assert!(!features(&format!("{mailcow}{more}")).contains(&Feature::Sync), "{more}");
        }
        let shadow = "[http_login]\nlisten = '127.0.0.1:1'\nshadow_url = 'https://x'\n";
        assert!(features(shadow).contains(&Feature::Comparisons));
        assert!(
            !features(shadow).contains(&Feature::Owners) && !features(shadow).contains(&Feature::LoginLog)
        );
        for more in ["[[listener]]\ndoor = 'hook'\npath = '/run/x'", "[sync]\nimport = true"] {
            assert!(!features(&format!("{shadow}{more}")).contains(&Feature::Comparisons), "{more}");
        }
        let house = features("[housekeeping]\ninterval = '0'\npeople = '90d'");
        assert!(!house.contains(&Feature::Housekeeping) && !house.contains(&Feature::OldPeople));
    }
}
