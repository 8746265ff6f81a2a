//! App passwords: mailcow's rows, and what keydove keeps beside them.

use std::time::{Duration, SystemTime};

use super::checks::texts;
use super::spellings;
use crate::auth::{Secret, Service, Username};
use crate::sql::mailbox::is_name_of;
use crate::sql::rows::Cells;
use crate::sql::session::{Fault, Row, Session, Work};

/// The switches in the order in which [`COLUMNS`] asks for them.
const SERVICES: [Service; 6] =
    [Service::Imap, Service::Smtp, Service::Dav, Service::Eas, Service::Pop3, Service::Sieve];
const COLUMNS: &str = "\
p.mailbox, p.id, p.password, p.imap_access, p.smtp_access, p.dav_access, p.eas_access, p.pop3_access, p.sieve_access";
const WHERE: &str = "WHERE p.mailbox IN (?, ?) AND p.active = 1 ORDER BY p.id DESC";

/// A row of `app_passwd` with `active = 1`.
#[derive(Debug)]
pub struct AppPassword {
    /// Its number, which goes into `sasl_log`.
    pub id: i64,
    /// The hash.
    pub password: Secret,
    /// The services it opens.
    access: [bool; SERVICES.len()],
    /// When it ends; `None` is never.
    pub expires: Option<SystemTime>,
    /// From where it may be used, as written; `None` is from anywhere.
    pub networks: Option<Vec<String>>,
}

impl AppPassword {
    /// Whether it opens a service. One without a switch is opened by none.
    #[must_use]
    pub fn allows(&self, service: &Service) -> bool {
        SERVICES.iter().zip(self.access).any(|(known, allowed)| known == service && allowed)
    }

    fn read(row: &mut Row, with_own: bool) -> Result<Self, String> {
        let mut access = [false; SERVICES.len()];
        for (column, switch) in (3..).zip(&mut access) {
            *switch = row.number(column)? == 1;
        }
        let (mut expires, mut networks) = (None, None);
        if with_own {
            // A time before 1970 has passed as well.
            let since_1970 = |seconds| Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
            expires = row.integer(9)?.map(|seconds| SystemTime::UNIX_EPOCH + since_1970(seconds));
            networks = row.text(10)?.map(|text| split_list(&text));
        }
        let password = Secret::new(row.bytes(2)?.unwrap_or_default());
        Ok(Self { id: row.number(1)?, password, access, expires, networks })
    }
}

fn split_list(text: &str) -> Vec<String> {
    text.split([',', ' ']).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

/// Which app passwords does a mailbox have?
pub(super) struct AppPasswords(pub(super) Username);

impl Work for AppPasswords {
    const ATTEMPT: &'static str = "reading app passwords";
    const WRITES: bool = false;
    type Output = Vec<AppPassword>;

    async fn run<S: Session>(&self, session: &mut S) -> Result<Self::Output, Fault> {
        let with_own = session.has_own_tables();
        let statement = if with_own {
            format!(
                "SELECT {COLUMNS}, k.expires, k.networks FROM app_passwd p \
                 LEFT JOIN keydove_app_password k ON k.app_passwd = p.id {WHERE}"
            )
        } else {
            format!("SELECT {COLUMNS} FROM app_passwd p {WHERE}")
        };
        let [name, unicode, ..] = spellings(&self.0);
        let mut found = Vec::new();
        for mut row in session.query(&statement, texts([name, unicode])).await? {
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
