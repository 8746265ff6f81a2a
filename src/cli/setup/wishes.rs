//! What is wished for, made of the answers and of what the machine is.

use std::path::{Path, PathBuf};

use nix::unistd::{Group, User};

use super::super::storage::Failure;
use super::answers::{Answers, DovecotWay, PostfixQuestion};
use super::change::Access;
use super::dovecot::Dovecot;
use super::files;
use super::journal::Facts;
use super::mariadb::Mariadb;
use super::named;
use super::postfix::Postfix;
use super::service::Service;
use crate::backend::keycloak::{RealmName, ServerUrl};
use crate::backend::sql::DomainName;

/// The template of new mailboxes.
pub(super) const TEMPLATE: &str = "Default";
/// keydove's own user, as the packages make it.
const USER: &str = "keydove";
const MAIL_USER: &str = "vmail";
const MAIL_ID: u32 = 5000;

/// Where mail lies.
#[derive(Clone, Debug)]
pub(super) struct Mail {
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) home: String,
    pub(super) location: String,
}

impl Mail {
    /// The folder, where mail is in a maildir without further parameters.
    pub(super) fn maildir(&self) -> Option<&str> {
        self.location.strip_prefix("maildir:").filter(|path| !path.contains(':'))
    }
}

/// Where the mailboxes are.
#[derive(Debug)]
pub(super) enum Store {
    Sqlite(PathBuf),
    Mariadb(Mariadb),
}

/// Everything that is to be.
#[derive(Debug)]
pub(super) struct Wishes {
    pub(super) config: PathBuf,
    pub(super) server_url: ServerUrl,
    pub(super) realm: RealmName,
    pub(super) client_id: String,
    pub(super) ca_file: Option<PathBuf>,
    pub(super) events: bool,
    pub(super) domains: Vec<DomainName>,
    pub(super) make_mailboxes: bool,
    pub(super) leave_users_behind: bool,
    pub(super) mail: Mail,
    pub(super) dovecot: Option<(Dovecot, DovecotWay)>,
    pub(super) postfix: Option<(Postfix, Vec<PostfixQuestion>)>,
    /// A Postfix that goes on asking Dovecot's own auth server about logins.
    pub(super) beside: Option<Postfix>,
    pub(super) sockets: PathBuf,
    pub(super) store: Store,
    pub(super) service: Service,
}

impl Wishes {
    /// Looks at the machine for what was not said.
    pub(super) fn settle(answers: &Answers, config: &Path) -> Result<Self, Failure> {
        let data = |error: &dyn std::fmt::Display| Failure::Data(error.to_string());
        let text = |answer: &Option<String>| answer.clone().unwrap_or_default();
        let commands = answers.start_command.clone().zip(answers.stop_command.clone());
        let domain = |name: &String| {
            DomainName::parse(name).map_err(|error| Failure::Data(format!("--domain \"{name}\": {error}")))
        };
        let (dovecot, postfix) = (find_dovecot(answers)?, find_postfix(answers)?);
        if dovecot.is_none() && postfix.is_none() && (answers.dovecot.is_none() || answers.postfix.is_none())
        {
            return Err(nobody_asks());
        }
        Ok(Self {
            config: config.to_owned(),
            server_url: ServerUrl::try_from(text(&answers.server_url)).map_err(|error| data(&error))?,
            realm: RealmName::try_from(text(&answers.realm)).map_err(|error| data(&error))?,
            client_id: answers.client_id.clone().unwrap_or_else(|| "keydove".to_owned()),
            ca_file: answers.ca_file.clone(),
            events: answers.events.unwrap_or(false),
            domains: answers.domains.iter().flatten().map(domain).collect::<Result<_, _>>()?,
            make_mailboxes: answers.make_mailboxes.unwrap_or(true),
            leave_users_behind: answers.leave_users_behind.unwrap_or(false),
            mail: mail(answers),
            beside: find_beside(answers, dovecot.is_some(), postfix.as_ref())?,
            dovecot,
            postfix,
            sockets: answers.socket_folder.clone().unwrap_or_else(|| "/run/keydove".into()),
            store: match Mariadb::settle(answers)? {
                Some(mariadb) => Store::Mariadb(mariadb),
                None => Store::Sqlite(
                    answers.database.clone().unwrap_or_else(|| "/var/lib/keydove/keydove.sqlite".into()),
                ),
            },
            service: Service::find(commands)?,
        })
    }

    /// What an undo must know.
    pub(super) fn facts(&self, answers: &Answers) -> Facts {
        Facts {
            server_url: self.server_url.as_str().to_owned(),
            realm: self.realm.as_str().to_owned(),
            ca_file: self.ca_file.clone(),
            admin_realm: answers.admin_realm.clone(),
            dovecot_config: self.dovecot.as_ref().map(|(dovecot, _)| dovecot.config.clone()),
            postfix_config: self.postfix.as_ref().map(|(postfix, _)| postfix.config.clone()),
            postfix_beside: self.beside.as_ref().map(|postfix| postfix.config.clone()),
            mariadb: self.mariadb().map(|mariadb| mariadb.server.clone()),
            mailcow: None,
            portal: None,
            made_folder: false,
        }
    }

    /// Where the client secret lies.
    pub(super) fn secret_file(&self) -> PathBuf {
        let named = named::secret(&self.config);
        named.unwrap_or_else(|| self.config.with_file_name("client-secret"))
    }

    /// Where the database user's password lies.
    pub(super) fn password_file(&self) -> PathBuf {
        let named = named::password(&self.config);
        named.unwrap_or_else(|| self.config.with_file_name("database-password"))
    }

    /// The database, unless it is a file.
    pub(super) fn mariadb(&self) -> Option<&Mariadb> {
        match &self.store {
            Store::Mariadb(mariadb) => Some(mariadb),
            Store::Sqlite(_) => None,
        }
    }

    /// The ways in, in words.
    pub(super) fn describe(&self) -> String {
        let mut lines = vec![format!(
            "Keycloak: {}, realm {}, client {}",
            self.server_url.as_str(),
            self.realm.as_str(),
            self.client_id
        )];
        lines.push(match &self.dovecot {
            Some((dovecot, way)) => {
                format!("Dovecot ({:?}, {}): {way:?}", dovecot.release, dovecot.config.display())
            }
            None => "Dovecot: none".to_owned(),
        });
        lines.push(match &self.postfix {
            Some((postfix, questions)) => format!("Postfix ({}): {questions:?}", postfix.config.display()),
            None => "Postfix: none".to_owned(),
        });
        lines.join("\n").to_lowercase().replace("v2_", "2.")
    }

    /// A file of keydove's own: root writes, keydove reads.
    pub(super) fn access(&self, mode: u32) -> Result<Access, Failure> {
        access_of(&self.service, mode)
    }
}

/// A file of keydove's own: root writes, keydove reads.
pub(super) fn access_of(service: &Service, mode: u32) -> Result<Access, Failure> {
    let (uid, gid) = files::own_ids();
    if *service != Service::Systemd {
        return Ok(Access { mode: mode & 0o744, uid, gid });
    }
    let group = Group::from_name(USER).ok().flatten();
    let group = group.ok_or_else(|| {
        Failure::Data(format!("there is no group {USER}: install the package keydove first"))
    })?;
    Ok(Access { mode, uid, gid: group.gid.as_raw() })
}

fn mail(answers: &Answers) -> Mail {
    let user = User::from_name(MAIL_USER).ok().flatten();
    let (uid, gid) = user.map_or((MAIL_ID, MAIL_ID), |user| (user.uid.as_raw(), user.gid.as_raw()));
    Mail {
        uid: answers.mail_uid.unwrap_or(uid),
        gid: answers.mail_gid.unwrap_or(gid),
        home: answers.mail_home.clone().unwrap_or_else(|| "/var/vmail/%d/%n".to_owned()),
        location: answers.mail_location.clone().unwrap_or_else(|| "maildir:~/Maildir".to_owned()),
    }
}

/// A machine without a mail server of its own.
fn nobody_asks() -> Failure {
    Failure::Data(
        "there is neither a Dovecot nor a Postfix here; --dovecot-config and --postfix-config say where, --mailcow FOLDER names a \
         mailcow, and --dovecot none --postfix none makes Keycloak's part and the service alone"
            .to_owned(),
    )
}

fn find_dovecot(answers: &Answers) -> Result<Option<(Dovecot, DovecotWay)>, Failure> {
    if answers.dovecot == Some(DovecotWay::None) {
        return Ok(None);
    }
    match Dovecot::find(answers.dovecot_config.as_deref())? {
        Some(found) => Ok(Some((found, answers.dovecot.unwrap_or(DovecotWay::Takeover)))),
        None if answers.dovecot.is_some() => Err(Failure::Data(
            "there is no Dovecot here; --dovecot-config names another configuration".to_owned(),
        )),
        None => Ok(None),
    }
}

fn find_postfix(answers: &Answers) -> Result<Option<(Postfix, Vec<PostfixQuestion>)>, Failure> {
    let wanted = answers.postfix.clone();
    if wanted.as_ref().is_some_and(|wanted| wanted.contains(&PostfixQuestion::None)) {
        return Ok(None);
    }
    match Postfix::find(answers.postfix_config.as_deref())? {
        Some(found) => Ok(Some((found, wanted.unwrap_or_else(|| vec![PostfixQuestion::Sasl])))),
        None if wanted.is_some() => {
            Err(Failure::Data("there is no Postfix here; --postfix-config names another folder".to_owned()))
        }
        None => Ok(None),
    }
}

fn find_beside(
    answers: &Answers,
    has_dovecot: bool,
    postfix: Option<&(Postfix, Vec<PostfixQuestion>)>,
) -> Result<Option<Postfix>, Failure> {
    let asks_keydove = postfix.is_some_and(|(_, questions)| questions.contains(&PostfixQuestion::Sasl));
    if !has_dovecot || asks_keydove {
        return Ok(None);
    }
    Ok(Postfix::find(answers.postfix_config.as_deref())?.filter(Postfix::asks_dovecot))
}
