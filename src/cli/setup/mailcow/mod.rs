//! `keydove setup` beside mailcow: shadow mode, then keydove decides, and all of it back.
//!
//! mailcow's own files stay as they are. What is changed is its administrator's: `docker-compose.override.yml`
//! ([`overlay`]) and `data/conf/dovecot/extra.conf`.

mod compose;
mod host;
mod machine;
mod overlay;
mod plan;
mod probe;
mod text;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::super::output::say;
use super::super::storage::Failure;
use super::answers::{Answers, agrees};
use super::apply::{apply, take_back};
use super::change::{Change, Phase};
use super::interrupt;
use super::journal::{Facts, Journal};
use super::mariadb::Session;
use super::running;
use super::service::Service;
use super::{Arguments, confirm_undo, given, must_be_root, put_elsewhere_first, tell_kept, test_user};
pub(super) use compose::Compose;
use host::Host;
pub(super) use host::Web;
use machine::{Goal, Site};
use plan::Plan;

const DOVECOT: &str = "dovecot-mailcow";
const NGINX: &str = "nginx-mailcow";
/// Which containers must run for this.
const NEEDED: [&str; 5] = [DOVECOT, NGINX, "php-fpm-mailcow", "mysql-mailcow", "redis-mailcow"];

/// What an undo must know of a mailcow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mailcow {
    folder: PathBuf,
    is_standalone: bool,
    /// The commands that start and stop keydove, without systemd.
    commands: Option<(String, String)>,
    /// From where MariaDB sees keydove come.
    database_from: String,
    /// Whether keydove decides.
    decides: bool,
}

impl Mailcow {
    /// mailcow's MariaDB, in its container.
    pub(super) fn database(&self) -> Session {
        Session::InContainer(self.compose())
    }

    fn compose(&self) -> Compose {
        Compose {
            folder: self.folder.clone(),
            is_standalone: self.is_standalone,
            // A mailcow.conf that is broken by now keeps nobody from going back.
            root_password: Host::read(&self.folder).ok().and_then(|host| host.root_password),
        }
    }

    /// What is said now counts before what the run before was told.
    fn settle(host: &Host, answers: &Answers, (known, decide): (Option<&Self>, bool)) -> Self {
        let commands = answers.start_command.clone().zip(answers.stop_command.clone());
        let from = answers.mariadb_from.clone().or_else(|| known.map(|known| known.database_from.clone()));
        Self {
            folder: host.folder.clone(),
            is_standalone: host.is_standalone,
            commands: commands.or_else(|| known.and_then(|known| known.commands.clone())),
            database_from: from.unwrap_or_else(|| "%".to_owned()),
            decides: decide || known.is_some_and(|known| known.decides),
        }
    }
}

/// The mailcow that is meant: the one that was named, that of the run before, or the usual one where nothing is said of
/// other mail servers.
pub(super) fn find(answers: &Answers, config: &Path) -> Result<Option<PathBuf>, Failure> {
    if let Some(folder) = &answers.mailcow {
        return Ok(Some(folder.clone()));
    }
    if let Some(known) = Journal::read(&Journal::path(config))?.and_then(|journal| journal.facts.mailcow) {
        return Ok(Some(known.folder));
    }
    let is_for_others = answers.dovecot.is_some()
        || answers.postfix.is_some()
        || answers.dovecot_config.is_some()
        || answers.postfix_config.is_some()
        || answers.server_url.is_some();
    Ok(if is_for_others { None } else { Host::usual() })
}

/// Tells whether `keydove check` finds no fault at the end.
pub(super) fn set_up(arguments: &Arguments, config: &Path, folder: &Path) -> Result<bool, Failure> {
    let answers = given(arguments)?;
    must_be_root(arguments)?;
    let path = Journal::path(config);
    let mut journal = Journal::read(&path)?.unwrap_or_else(|| Journal::new(Facts::default()));
    must_be_next(arguments, &journal)?;
    let host = Host::read(folder)?;
    let mailcow = Mailcow::settle(&host, &answers, (journal.facts.mailcow.as_ref(), arguments.decide));
    let service = Service::find(mailcow.commands.clone())?;
    let compose = Compose {
        folder: folder.to_owned(),
        is_standalone: host.is_standalone,
        root_password: host.root_password.clone(),
    };
    compose.must_run(&NEEDED)?;
    let database = Session::InContainer(compose.clone());
    let plan = Plan::new((config, &journal), (&host, &service), &answers, &mailcow)?;
    let changes = plan.changes(&database)?;
    say(&describe(&host, mailcow.decides));
    changes.iter().for_each(|change| say(&change.show()));
    say(&steps(changes.iter().map(|change| change.phase)));
    if arguments.dry_run {
        say(&format!("changes: {}; none was made", changes.len()));
        return Ok(true);
    }
    if !changes.is_empty() && !arguments.yes && !agrees("make these changes?")? {
        return Err(Failure::Usage(
            "nothing was changed; --yes makes the changes without a question".to_owned(),
        ));
    }
    let goal = Goal {
        address: host.own_address(),
        sogo_secret: host.sogo_secret.clone(),
        test_user: test_user(&answers)?,
    };
    let password = plan.mariadb.password.clone();
    let (config, written) = (config.to_owned(), Vec::new());
    let mut site = Site { config, compose, database, password, service, goal: Some(goal), written };
    interrupt::watch()?;
    let decides = mailcow.decides;
    if changes.is_empty() {
        site.must_answer()?;
    } else {
        make(&mut site, &changes, &mut journal, mailcow)?;
    }
    let is_sound = running::show(&site.check()?);
    say(&match changes.is_empty() {
        true => "nothing had to be changed".to_owned(),
        false => done(&path, decides),
    });
    Ok(is_sound)
}

/// Shadow mode comes first, and no other mail servers are set up.
fn must_be_next(arguments: &Arguments, journal: &Journal) -> Result<(), Failure> {
    let what = match &journal.facts.mailcow {
        Some(_) => return Ok(()),
        None if !journal.entries.is_empty() => {
            "setup has set up mail servers of this machine; take that back by `keydove setup --undo` before mailcow"
        }
        None if arguments.decide => {
            "keydove is not in shadow mode yet: run `keydove setup --mailcow`, watch the differences as docs/mailcow.md says, \
             and decide then"
        }
        None => return Ok(()),
    };
    Err(Failure::Usage(what.to_owned()))
}

/// Makes the changes. If they fail after shadow mode was reached, it goes on.
fn make(site: &mut Site, changes: &[Change], journal: &mut Journal, mailcow: Mailcow) -> Result<(), Failure> {
    let path = Journal::path(&site.config);
    let before = std::mem::take(&mut journal.facts);
    journal.facts = Facts { made_folder: before.made_folder, mailcow: Some(mailcow), ..Facts::default() };
    journal.make_folder(&path)?;
    let end = apply(site, changes, journal);
    if end.is_err() && before.mailcow.is_some() {
        journal.facts.mailcow = before.mailcow;
        journal.write(&path)?;
    }
    end
}

fn describe(host: &Host, decides: bool) -> String {
    let mode = match decides {
        true => "keydove decides each login",
        false => "shadow mode: mailcow decides each login as before, and keydove is only compared with it",
    };
    format!(
        "mailcow: {}, network {}.0/24, database {} at {}, Redis at {}, {}\n{mode}",
        host.folder.display(),
        host.network,
        host.database,
        host.sql,
        host.redis,
        if host.sogo_secret.is_some() { "with SOGo" } else { "without SOGo" },
    )
}

/// What is done besides the changes.
fn steps(phases: impl Iterator<Item = Phase>) -> String {
    let mut lines: Vec<&str> = Vec::new();
    for phase in phases {
        let line = match phase {
            Phase::Nginx => {
                "then: `docker compose up -d nginx-mailcow`; mailcow's web pages are away for some seconds"
            }
            Phase::Keydove => "then: keydove is started, and `keydove check` must find no fault",
            Phase::Containers => {
                "then: `docker compose up -d` for Dovecot and nginx; mail clients connect again after some seconds"
            }
            _ => continue,
        };
        if lines.last() != Some(&line) {
            lines.push(line);
        }
    }
    lines.join("\n")
}

fn done(journal: &Path, decides: bool) -> String {
    let next = match decides {
        true => "keydove decides; `journalctl -fu keydove` has a line of each login",
        false => {
            "mailcow decides as before; `journalctl -u keydove | grep 'mailcow and keydove differ'` shows the differences, and \
             `keydove setup --decide` is the next step"
        }
    };
    format!(
        "done: {next}\n{} says what was changed, and `keydove setup --undo` takes it back",
        journal.display()
    )
}

/// Takes all of it back: from a keydove that decides, and from shadow mode.
pub(super) fn undo(
    arguments: &Arguments,
    config: &Path,
    (mut journal, known): (Journal, &Mailcow),
) -> Result<(), Failure> {
    confirm_undo(arguments, &journal)?;
    let from = match arguments.keep_keycloak {
        true => put_elsewhere_first(&mut journal),
        false => 0,
    };
    let compose = known.compose();
    let mut site = Site {
        config: config.to_owned(),
        database: Session::InContainer(compose.clone()),
        compose,
        password: String::new(),
        service: Service::find(known.commands.clone())?,
        goal: None,
        written: Vec::new(),
    };
    tell_kept(&take_back(&mut site, &mut journal, from)?, &Journal::path(config))?;
    say(match from > 0 {
        true => "taken back, but for the database user",
        false => {
            "everything is as it was before setup; keydove's own tables (keydove_...) stay in mailcow's database"
        }
    });
    Ok(())
}
