//! App passwords: mailcow's rows, and what keydove keeps beside them.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use crate::auth::{Secret, Service, Username};
use crate::backend::records::seconds;
use crate::backend::sql::names::{is_name_of, spellings, texts};
use crate::backend::sql::rows::Cells;
use crate::backend::sql::saved::{SavedAppPassword, restore_time};
use crate::backend::sql::session::{Fault, Kind, Row, Session, Work};
use crate::credential::scheme;
use crate::settings::Network;

/// The switches in the order in which [`COLUMNS`] asks for them.
const SERVICES: [Service; 6] =
    [Service::Imap, Service::Smtp, Service::Dav, Service::Eas, Service::Pop3, Service::Sieve];
const COLUMNS: &str = "\
p.mailbox, p.id, p.password, p.imap_access, p.smtp_access, p.dav_access, p.eas_access, p.pop3_access, p.sieve_access";
const OWN_COLUMNS: &str = "k.expires, k.networks, k.app_passwd";
const OWN_TABLE: &str = "LEFT JOIN keydove_app_password k ON k.app_passwd = p.id";
/// The history is looked through by its owner, for which mailcow has an index; by app password it has none.
const LAST_USED: &str = "\
LEFT JOIN (SELECT app_password, MAX(datetime) AS used FROM sasl_log WHERE username IN (?, ?) GROUP BY app_password) u \
ON u.app_password = p.id";
/// What was used last is most likely used again; what was never used is most likely the newest.
const WHERE: &str =
    "WHERE p.mailbox IN (?, ?) AND p.active = 1 ORDER BY u.used IS NULL, u.used DESC, p.id DESC";

/// A row of `app_passwd` with `active = 1`.
#[derive(Debug)]
pub struct AppPassword {
    /// Its number, which goes into `sasl_log`.
    pub id: i64,
    /// The hash.
    pub password: Secret,
    /// Made by keydove, so that the password names this row.
    pub names_itself: bool,
    /// The services it opens.
    access: [bool; SERVICES.len()],
    /// When it ends; `None` is never.
    expires: Option<SystemTime>,
    /// From where it may be used; `None` is from anywhere.
    networks: Option<Vec<Network>>,
}

impl AppPassword {
    /// Whether it opens a service. One without a switch is opened by none.
    #[must_use]
    pub fn allows(&self, service: &Service) -> bool {
        SERVICES.iter().zip(self.access).any(|(known, allowed)| known == service && allowed)
    }

    /// Whether its time is over.
    #[must_use]
    pub fn has_expired(&self, now: SystemTime) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }

    /// Whether it may be used from an address. An address that nobody told is in no network.
    #[must_use]
    pub fn allows_from(&self, remote: Option<IpAddr>) -> bool {
        let Some(networks) = &self.networks else { return true };
        remote.is_some_and(|remote| networks.iter().any(|network| network.contains(remote)))
    }

    /// Whether it opens the same.
    #[must_use]
    pub fn is_as_good_as(&self, other: &Self) -> bool {
        let rights = |row: &Self| (row.id, row.access, row.expires);
        rights(self) == rights(other)
            && self.networks == other.networks
            && self.password.matches(other.password.expose())
    }

    pub(in crate::backend::sql) fn save(&self) -> Option<SavedAppPassword> {
        Some(SavedAppPassword {
            id: self.id,
            password: scheme::strong_text(&self.password)?,
            names_itself: self.names_itself,
            access: self.access.to_vec(),
            expires: self.expires.map(seconds),
            networks: self
                .networks
                .as_ref()
                .map(|networks| networks.iter().map(ToString::to_string).collect()),
        })
    }

    pub(in crate::backend::sql) fn restore(saved: SavedAppPassword) -> Option<Self> {
        let networks = |networks: Vec<String>| -> Option<Vec<Network>> {
            networks.iter().map(|text| Network::parse(text).ok()).collect()
        };
        Some(Self {
            id: saved.id,
            password: Secret::from(saved.password.as_str()),
            names_itself: saved.names_itself,
            access: saved.access.try_into().ok()?,
            expires: match saved.expires {
                Some(seconds) => Some(restore_time(seconds)?),
                None => None,
            },
            networks: match saved.networks {
                Some(texts) => Some(networks(texts)?),
                None => None,
            },
        })
    }

    fn read(row: &mut Row, with_own: bool) -> Result<Self, String> {
        let mut access = [false; SERVICES.len()];
        for (column, switch) in (3..).zip(&mut access) {
            *switch = row.number(column)? == 1;
        }
        let (mut expires, mut networks, mut names_itself) = (None, None, false);
        if with_own {
            // A time before 1970 has passed as well.
            let since_1970 = |seconds| Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
            expires = row.integer(9)?.map(|seconds| SystemTime::UNIX_EPOCH + since_1970(seconds));
            networks = row.text(10)?.map(|text| read_networks(&text));
            names_itself = row.integer(11)?.is_some();
        }
        let password = Secret::new(row.bytes(2)?.unwrap_or_default());
        Ok(Self { id: row.number(1)?, password, names_itself, access, expires, networks })
    }
}

/// What is no network has no address in it, so that a slip of the pen opens nothing.
fn read_networks(text: &str) -> Vec<Network> {
    text.split([',', ' ']).filter_map(|item| Network::parse(item).ok()).collect()
}

/// Which app passwords does a mailbox have?
pub(super) struct AppPasswords(pub(super) Username);

impl Work for AppPasswords {
    const ATTEMPT: &'static str = "reading app passwords";
    const KIND: Kind = Kind::Reads;
    type Output = Vec<AppPassword>;

    async fn run<S: Session>(&self, session: &mut S) -> Result<Self::Output, Fault> {
        let with_own = session.has_own_tables();
        let statement = if with_own {
            format!("SELECT {COLUMNS}, {OWN_COLUMNS} FROM app_passwd p {OWN_TABLE} {LAST_USED} {WHERE}")
        } else {
            format!("SELECT {COLUMNS} FROM app_passwd p {LAST_USED} {WHERE}")
        };
        let [name, unicode, ..] = spellings(&self.0);
        let names = [name.clone(), unicode.clone(), name, unicode];
        let mut found = Vec::new();
        for mut row in session.query(&statement, texts(names)).await? {
            let password = row.read("app_passwd", self.0.as_str(), |row| {
                Ok(match is_name_of(&self.0, &row.words(0)?) {
                    true => Some(AppPassword::read(row, with_own)?),
                    false => None,
                })
            })?;
            found.extend(password);
        }
        Ok(found)
    }
}
