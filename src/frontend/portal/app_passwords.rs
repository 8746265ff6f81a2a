//! A person's own app passwords.

use std::net::IpAddr;

use super::service::{
    PortalService, SERVICES, SignedIn, is_recent, name_of, out_of_reach, unavailable, unsigned,
};
use crate::auth::{APP_PASSWORD_BYTES, Secret, Service};
use crate::backend::sql::{
    AdminError, AppPasswordOrigin, AppPasswordRow, AppPasswordUse, NewAppPassword, Obstacle, Revocation,
    TooManyAppPasswords,
};
use crate::credential::scheme::SALT_BYTES;
use crate::observe;
use crate::portal::{
    LastUse, Limits, Made, OwnAppPassword, Rejection, Response, SentSecret, WantedAppPassword,
};
use crate::settings::Network;

const DAY: i64 = 86_400;
/// In characters; the width of the column is 255.
const LONGEST_NAME: usize = 100;
const MOST_NETWORKS: usize = 20;

/// What is wrong with a field.
type Fault = (&'static str, Rejection);

/// What was wanted, read.
#[derive(Debug, PartialEq, Eq)]
struct Wish {
    name: String,
    services: Vec<Service>,
    days: Option<u32>,
    networks: Vec<String>,
}

impl PortalService {
    pub(super) async fn list_app_passwords(&self, asked: &SignedIn) -> Result<Response, Response> {
        let own = self.service.decision.database().own_app_passwords(&asked.user).await;
        let own = own.map_err(|error| out_of_reach(&error))?;
        Ok(Response::AppPasswords { passwords: own.into_iter().map(shown).collect(), limits: self.limits() })
    }

    fn limits(&self) -> Limits {
        Limits {
            default_days: self.config.default_days.or(self.config.longest_days),
            longest_days: self.config.longest_days,
            most: u32::try_from(self.config.app_passwords).unwrap_or(u32::MAX),
        }
    }

    /// It is shown once, so whoever asks must have proven who they are just now.
    pub(super) async fn make_app_password(
        &self,
        asked: &SignedIn,
        wanted: WantedAppPassword,
        (remote, now): (Option<IpAddr>, i64),
    ) -> Result<Response, Response> {
        if !is_recent(&asked.session, now) {
            return Ok(Response::Stale);
        }
        let decision = &self.service.decision;
        let known = decision.mailboxes().find(&asked.user).await.map_err(|trouble| unavailable(&trouble))?;
        let mailbox = known.record.hosting.mailbox.as_ref();
        // An app password goes round the mailbox's own switches: what the administrator has switched off stays off.
        let allows = |service: &Service| mailbox.is_some_and(|mailbox| mailbox.access.allows(service));
        let Wish { name, services, days, networks } = match read(wanted, allows, self.config.longest_days) {
            Ok(wish) => wish,
            Err((field, why)) => return Ok(Response::Rejected { field: field.to_owned(), why }),
        };
        let expires = days.map(|days| now.saturating_add(i64::from(days) * DAY));
        let (random, salt) = random_bytes()?;
        let new =
            NewAppPassword { user: asked.user.clone(), name, services, expires, networks, random, salt };
        let origin = AppPasswordOrigin {
            most: self.config.app_passwords,
            most_per_hour: self.config.app_passwords_per_hour,
            remote: remote.map(|remote| remote.to_string()),
            now,
        };
        let made = match decision.database().add_own_app_password(new, origin).await {
            Ok(Ok(made)) => made,
            Ok(Err(too_many)) => {
                let why = match too_many {
                    TooManyAppPasswords::InAll => Rejection::TooMany,
                    TooManyAppPasswords::WithinAnHour => Rejection::TooFast,
                };
                return Ok(Response::Rejected { field: String::new(), why });
            }
            Err(error) => return Err(trouble(&error)),
        };
        decision.forget(&asked.user);
        tracing::info!(
            user = asked.user.as_str(),
            id = made.id,
            remote = observe::remote_field(remote),
            "an app password was made in the portal"
        );
        let password = SentSecret::new(String::from_utf8_lossy(made.password.expose()).into_owned());
        Ok(Response::Made(Box::new(Made { id: made.id, password, expires: expires.map(unsigned) })))
    }

    /// Without a number all of them.
    pub(super) async fn revoke(
        &self,
        asked: &SignedIn,
        id: Option<i64>,
        remote: Option<IpAddr>,
    ) -> Result<Response, Response> {
        let which = id.map_or(Revocation::All, Revocation::Number);
        let decision = &self.service.decision;
        let revoked = match decision.database().revoke_app_passwords(&asked.user, &which).await {
            Ok(revoked) => revoked,
            Err(AdminError::Obstacle(Obstacle::AppPasswordUnknown { .. })) => return Ok(Response::NotFound),
            Err(error) => return Err(trouble(&error)),
        };
        decision.forget(&asked.user);
        tracing::info!(
            user = asked.user.as_str(),
            ids = ?revoked,
            remote = observe::remote_field(remote),
            "app passwords were revoked in the portal"
        );
        let passwords = u64::try_from(revoked.len()).unwrap_or(u64::MAX);
        Ok(Response::Revoked { passwords, holds_within: self.holds_within().await })
    }
}

fn trouble(error: &AdminError) -> Response {
    match error {
        AdminError::Database(error) => out_of_reach(error),
        AdminError::Obstacle(obstacle) => {
            tracing::warn!(%obstacle, "the portal could not change an app password");
            Response::NotFound
        }
    }
}

/// Reads what was wanted, as far as it may be.
fn read(
    wanted: WantedAppPassword,
    allows: impl Fn(&Service) -> bool,
    longest: Option<u32>,
) -> Result<Wish, Fault> {
    let name = wanted.name.trim().to_owned();
    if name.is_empty() {
        return Err(("name", Rejection::Empty));
    }
    if name.chars().count() > LONGEST_NAME {
        return Err(("name", Rejection::TooLong));
    }
    if name.chars().any(char::is_control) {
        return Err(("name", Rejection::Malformed));
    }
    let mut services = Vec::new();
    for name in &wanted.services {
        let service = SERVICES.iter().find(|service| service.name() == name);
        let service = service.ok_or(("services", Rejection::Malformed))?;
        if !allows(service) {
            return Err(("services", Rejection::NotAllowed));
        }
        if !services.contains(service) {
            services.push(service.clone());
        }
    }
    if services.is_empty() {
        return Err(("services", Rejection::Empty));
    }
    match (wanted.days, longest) {
        (Some(0), _) => return Err(("days", Rejection::Malformed)),
        (Some(days), Some(longest)) if days > longest => return Err(("days", Rejection::NotAllowed)),
        (None, Some(_)) => return Err(("days", Rejection::NotAllowed)),
        (Some(_), _) | (None, None) => {}
    }
    if wanted.networks.len() > MOST_NETWORKS {
        return Err(("networks", Rejection::TooMany));
    }
    let networks = wanted.networks.iter().map(|text| Network::parse(text.trim()));
    let networks = networks.collect::<Result<Vec<_>, _>>().map_err(|_| ("networks", Rejection::Malformed))?;
    let networks = networks.iter().map(ToString::to_string).collect();
    Ok(Wish { name, services, days: wanted.days, networks })
}

fn random_bytes() -> Result<(Secret, [u8; SALT_BYTES]), Response> {
    let (mut random, mut salt) = (vec![0; APP_PASSWORD_BYTES], [0; SALT_BYTES]);
    let filled = getrandom::fill(&mut random).and_then(|()| getrandom::fill(&mut salt));
    filled.map_err(|error| Response::Error { detail: format!("no random bytes: {error}") })?;
    Ok((Secret::new(random), salt))
}

pub(super) fn shown((row, known): (AppPasswordRow, AppPasswordUse)) -> OwnAppPassword {
    OwnAppPassword {
        id: row.id,
        name: row.name,
        services: row.services.iter().map(|service| name_of(&Service::parse(service))).collect(),
        networks: row.networks,
        created: unsigned(known.created),
        created_from: known.created_from,
        expires: row.expires.map(unsigned),
        last: known.last.map(|(at, remote, service)| LastUse { at: unsigned(at), remote, service }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(name: &str, services: &[&str], days: Option<u32>, networks: &[&str]) -> WantedAppPassword {
        let owned = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        WantedAppPassword {
            name: name.to_owned(),
            services: owned(services),
            days,
            networks: owned(networks),
        }
    }

    #[test]
    fn what_cannot_be_is_rejected_by_its_field() {
        let long = "x".repeat(LONGEST_NAME + 1);
        let many = vec!["192.0.2.1"; MOST_NETWORKS + 1];
        for (wanted, fault) in [
            (wanted(" ", &["imap"], None, &[]), ("name", Rejection::Empty)),
            (wanted(&long, &["imap"], None, &[]), ("name", Rejection::TooLong)),
            (wanted("a\r\nb", &["imap"], None, &[]), ("name", Rejection::Malformed)),
            (wanted("phone", &[], None, &[]), ("services", Rejection::Empty)),
            (wanted("phone", &["lmtp"], None, &[]), ("services", Rejection::Malformed)),
            (wanted("phone", &["portal"], None, &[]), ("services", Rejection::Malformed)),
            (wanted("phone", &["imap", "pop3"], None, &[]), ("services", Rejection::NotAllowed)),
            (wanted("phone", &["imap"], Some(0), &[]), ("days", Rejection::Malformed)),
            (wanted("phone", &["imap"], None, &["here"]), ("networks", Rejection::Malformed)),
            (wanted("phone", &["imap"], None, &many), ("networks", Rejection::TooMany)),
        ] {
            assert_eq!(read(wanted, |service| *service != Service::Pop3, None), Err(fault));
        }
    }

    #[test]
    fn what_the_administrator_limits_is_limited() {
        let days =
            |days| read(wanted("phone", &["imap"], days, &[]), |_| true, Some(30)).map(|wish| wish.days);
        assert_eq!(days(Some(30)), Ok(Some(30)));
        assert_eq!(days(Some(31)), Err(("days", Rejection::NotAllowed)));
        assert_eq!(days(None), Err(("days", Rejection::NotAllowed)));
    }

    #[test]
    fn a_wish_is_read() {
        let wish = read(wanted(" phone ", &["imap", "imap", "smtp"], None, &[" 192.0.2.7 "]), |_| true, None);
        let wish = wish.unwrap();
        assert_eq!((wish.name.as_str(), wish.services), ("phone", vec![Service::Imap, Service::Smtp]));
        assert_eq!(wish.networks.len(), 1);
    }
}
