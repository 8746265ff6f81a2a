//! mailcow's table of SOGo's users, where there is one: a row for each mailbox that is on.
//!
//! mailcow itself also tidies the whole table up; that stays mailcow's.

use super::error::Error;
use super::mailbox::is_resource;
use super::names::{Presence, are_one, is_name_of, look_for_address, spellings, texts};
use super::retry::Fault;
use super::session::{Dialect, Session};
use crate::auth::Username;

const FIND_VIEW: &str = "\
SELECT COUNT(*) FROM information_schema.tables \
 WHERE table_schema = DATABASE() AND table_name = '_sogo_static_view'";
const FIND_MAILBOX: &str = "SELECT username, name, kind, active FROM mailbox WHERE username IN (?, ?)";
/// Aliases may have been made before the mailbox. Read without locks, because all of `alias` is looked through.
const FIND_ALIASES: &str = "\
SELECT address, goto FROM alias \
 WHERE active = 1 AND sogo_visible = 1 AND address NOT LIKE '@%' AND FIND_IN_SET(?, goto) ORDER BY address";
const FIND_ALIAS_DOMAINS: &str =
    "SELECT alias_domain, target_domain FROM alias_domain WHERE target_domain IN (?, ?)";
const FIND_FOREIGN_SENDERS: &str = "\
SELECT logged_in_as, send_as FROM sender_acl \
 WHERE external = 1 AND send_as NOT LIKE '@%' AND logged_in_as IN (?, ?)";
const REPLACE_USER: &str = "\
REPLACE INTO _sogo_static_view \
       (c_uid, domain, c_name, c_password, c_cn, mail, aliases, ad_aliases, ext_acl, kind, multiple_bookings) \
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, '', -1)";
const RENAME_USER: &str = "UPDATE _sogo_static_view SET c_cn = ? WHERE c_uid = ?";
const DELETE_USER: &str = "DELETE FROM _sogo_static_view WHERE c_uid = ?";
/// A digest of which nobody knows a password: SOGo lets people in through the mail server only.
const PASSWORD: &str = "{SSHA256}AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

/// Brings the row of a mailbox in line: there with the mailbox's name where it is on, else gone. A resource's row stays
/// as mailcow wrote it.
pub(super) async fn tell<S: Session>(session: &mut S, user: &Username) -> Result<(), Fault> {
    if S::DIALECT == Dialect::Sqlite {
        return Ok(());
    }
    let mut found = session.query(FIND_VIEW, Vec::new()).await?;
    if found.first_mut().is_none_or(|row| row.number(0) != Ok(1)) {
        return Ok(());
    }
    let there = look_for_address(session, ("_sogo_static_view", "c_uid"), user).await?;
    match (find_mailbox(session, user).await?, there) {
        (Found::Resource, _) | (Found::Off, Presence::Free | Presence::Taken(_)) => Ok(()),
        (Found::On(name), Presence::There(stored)) => {
            session.query(RENAME_USER, texts([name, stored])).await.map(drop)
        }
        (Found::On(name), _) => add(session, user, &name).await,
        (Found::Off, Presence::There(stored)) => session.query(DELETE_USER, texts([stored])).await.map(drop),
    }
}

/// As [`tell`], but a missing right to that table is no reason to leave undone what was done before: a mailbox is switched
/// off all the same.
pub(super) async fn tell_if_granted<S: Session>(session: &mut S, user: &Username) -> Result<(), Fault> {
    match tell(session, user).await {
        Err(Fault { error: Error::Schema { detail, .. }, .. }) => {
            tracing::warn!(
                user = user.as_str(),
                detail,
                "SOGo is not told of a mailbox; grant SELECT, INSERT, UPDATE and DELETE on _sogo_static_view"
            );
            Ok(())
        }
        end => end,
    }
}

/// A mailbox, as far as SOGo looks at it.
enum Found {
    /// On, with the name of its person.
    On(String),
    /// Off, receiving only, or not there.
    Off,
    /// A room, a group or a thing.
    Resource,
}

async fn find_mailbox<S: Session>(session: &mut S, user: &Username) -> Result<Found, Fault> {
    let [name, unicode, ..] = spellings(user);
    for mut row in session.query(FIND_MAILBOX, texts([name, unicode])).await? {
        let (stored, found) = row.read("mailbox", user.as_str(), |row| {
            let (stored, name) = (row.words(0)?, row.text(1)?.unwrap_or_default());
            let found = match row.number(3)? {
                _ if is_resource(&row.text(2)?.unwrap_or_default()) => Found::Resource,
                1 => Found::On(name),
                _ => Found::Off,
            };
            Ok((stored, found))
        })?;
        if is_name_of(user, &stored) {
            return Ok(found);
        }
    }
    Ok(Found::Off)
}

/// Addresses elsewhere in whose name the mailbox may send. A database user that may not read them leaves them out, as
/// keydove did before it knew of them.
async fn foreign_senders<S: Session>(session: &mut S, user: &Username) -> Result<String, Fault> {
    let [name, unicode, ..] = spellings(user);
    let rows = match session.query(FIND_FOREIGN_SENDERS, texts([name, unicode])).await {
        Err(Fault { error: Error::Schema { .. }, .. }) => return Ok(String::new()),
        rows => rows?,
    };
    let mut addresses = Vec::new();
    for mut row in rows {
        let (of, address) =
            row.read("sender_acl", user.as_str(), |row| Ok((row.words(0)?, row.words(1)?)))?;
        if is_name_of(user, &of) {
            addresses.push(address);
        }
    }
    Ok(addresses.join(" "))
}

async fn add<S: Session>(session: &mut S, user: &Username, name: &str) -> Result<(), Fault> {
    let (mut aliases, mut domain_aliases) = (Vec::new(), Vec::new());
    for mut row in session.query(FIND_ALIASES, texts([user.to_string()])).await? {
        let (address, goto) = row.read("alias", user.as_str(), |row| Ok((row.words(0)?, row.words(1)?)))?;
        let leads_here = goto.split(',').any(|target| is_name_of(user, target));
        if leads_here && !are_one(&address, user.as_str()) {
            aliases.push(address);
        }
    }
    let [_, _, domain, unicode] = spellings(user);
    for mut row in session.query(FIND_ALIAS_DOMAINS, texts([domain, unicode])).await? {
        let (alias, target) =
            row.read("alias_domain", user.domain(), |row| Ok((row.words(0)?, row.words(1)?)))?;
        if super::names::is_domain_of(user, &target) {
            domain_aliases.push(format!("{}@{alias}", user.local_part()));
        }
    }
    let (aliases, domain_aliases) = (aliases.join(" "), domain_aliases.join(" "));
    let foreign = foreign_senders(session, user).await?;
    let address = user.as_str();
    let values =
        [address, user.domain(), address, PASSWORD, name, address, &aliases, &domain_aliases, &foreign];
    session.query(REPLACE_USER, texts(values.map(str::to_owned))).await.map(drop)
}
