//! App passwords as a login sees them: mailcow's rows, and what keydove keeps beside them.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use crate::auth::{Secret, Service, Username};
use crate::backend::sql::database::Database;
use crate::backend::sql::error::Error;
use crate::backend::sql::names::{is_name_of, spellings, texts};
use crate::backend::sql::retry::Fault;
use crate::backend::sql::row::Row;
use crate::backend::sql::session::{Kind, Session, Work};
use crate::settings::Network;

/// The services with a switch of their own, in the order of the bits that [`switches`] makes of them.
const SERVICES: [Service; 6] =
    [Service::Imap, Service::Smtp, Service::Dav, Service::Eas, Service::Pop3, Service::Sieve];
/// The bit that says that keydove made the row.
const IS_OWN: i64 = 1 << SERVICES.len();

/// All switches of a row as one number, a bit for each service: a column costs more than a sum.
pub(super) fn switches(with_own_table: bool) -> &'static str {
    match with_own_table {
        true => {
            "(p.imap_access = 1) + 2 * (p.smtp_access = 1) + 4 * (p.dav_access = 1) + 8 * (p.eas_access = 1) \
             + 16 * (p.pop3_access = 1) + 32 * (p.sieve_access = 1) + 64 * (k.app_passwd IS NOT NULL)"
        }
        false => {
            "(p.imap_access = 1) + 2 * (p.smtp_access = 1) + 4 * (p.dav_access = 1) + 8 * (p.eas_access = 1) \
             + 16 * (p.pop3_access = 1) + 32 * (p.sieve_access = 1)"
        }
    }
}

/// Where a statement has what [`AppPassword::read`] reads.
pub(super) struct Columns {
    pub(super) switches: usize,
    pub(super) networks: usize,
    pub(super) id: usize,
    pub(super) password: usize,
    pub(super) expires: usize,
}

const COLUMNS: Columns = Columns { switches: 1, networks: 2, id: 3, password: 4, expires: 5 };
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
    pub(super) access: [bool; SERVICES.len()],
    /// When it ends; `None` is never.
    pub(super) expires: Option<SystemTime>,
    /// From where it may be used; `None` is from anywhere.
    pub(super) networks: Option<Vec<Network>>,
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

    pub(super) fn read(row: &mut Row, columns: &Columns) -> Result<Self, String> {
        let switches = row.number(columns.switches)?;
        // A time before 1970 has passed as well.
        let since_1970 = |seconds| Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
        let expires = row.integer(columns.expires)?;
        Ok(Self {
            id: row.number(columns.id)?,
            password: Secret::new(row.bytes(columns.password)?.unwrap_or_default()),
            names_itself: switches & IS_OWN != 0,
            access: std::array::from_fn(|bit| switches & (1 << bit) != 0),
            expires: expires.map(|seconds| SystemTime::UNIX_EPOCH + since_1970(seconds)),
            networks: row.text(columns.networks)?.map(|text| read_networks(&text)),
        })
    }
}

/// Puts what was used last first, because it is most likely used again; what was never used comes last, of it the newest
/// first. `last_uses`: numbers of app passwords, and the time by the database's clock as it writes times.
pub(super) fn sort(app_passwords: &mut [AppPassword], last_uses: &[(i64, Option<String>)]) {
    let used = |id| last_uses.iter().find(|(of, _)| *of == id).and_then(|(_, used)| used.as_deref());
    app_passwords.sort_by(|one, other| (used(other.id), other.id).cmp(&(used(one.id), one.id)));
}

/// What is no network has no address in it, so that a slip of the pen opens nothing.
fn read_networks(text: &str) -> Vec<Network> {
    text.split([',', ' ']).filter_map(|item| Network::parse(item).ok()).collect()
}

impl Database {
    /// The active app passwords of a mailbox, the last used first, then the newest. What their switches, dates and
    /// networks mean for a login is the caller's business.
    ///
    /// # Errors
    /// The database cannot be asked, or a row has an impossible value.
    pub async fn app_passwords(&self, user: &Username) -> Result<Vec<AppPassword>, Error> {
        self.run(AppPasswords(user.clone())).await
    }
}

/// The active app passwords of a mailbox.
pub(super) struct AppPasswords(pub(super) Username);

impl Work for AppPasswords {
    const ATTEMPT: &'static str = "reading app passwords";
    const KIND: Kind = Kind::Reads;
    type Output = Vec<AppPassword>;

    async fn run<S: Session>(&self, session: &mut S) -> Result<Self::Output, Fault> {
        let with_own = session.has_own_tables();
        let (networks, expires, own_table) = match with_own {
            true => ("k.networks", "k.expires", OWN_TABLE),
            false => ("NULL", "NULL", ""),
        };
        let switches = switches(with_own);
        let statement = format!(
            "SELECT p.mailbox, {switches}, {networks}, p.id, p.password, {expires} \
               FROM app_passwd p {own_table} {LAST_USED} {WHERE}"
        );
        let [name, unicode, ..] = spellings(&self.0);
        let names = [name.clone(), unicode.clone(), name, unicode];
        let mut found = Vec::new();
        for mut row in session.query(&statement, texts(names)).await? {
            let password = row.read("app_passwd", self.0.as_str(), |row| {
                Ok(match is_name_of(&self.0, &row.words(0)?) {
                    true => Some(AppPassword::read(row, &COLUMNS)?),
                    false => None,
                })
            })?;
            found.extend(password);
        }
        Ok(found)
    }
}
