//! The machine that is set up, and its Keycloak: every place read and written, every phase settled.

use std::path::{Path, PathBuf};

use tokio::runtime::Runtime;

use super::super::output::say;
use super::super::storage::Failure;
use super::answers::{DovecotWay, PostfixQuestion};
use super::apply::{Machine, Way};
use super::change::{Phase, Place, State};
use super::dovecot::Dovecot;
use super::journal::{Facts, Journal};
use super::login::{End, TestUser};
use super::mariadb::Session;
use super::people;
use super::postfix::Postfix;
use super::realm::Realm;
use super::running::{self, wait};
use super::service::{self, SERVICE};
use super::wishes::Wishes;
use super::{command, files, interrupt};
use crate::backend::keycloak::Admin;

/// This machine.
pub(super) struct Site {
    config: PathBuf,
    facts: Facts,
    admin: Option<Admin>,
    database: Option<Session>,
    reactor: Runtime,
    wishes: Option<Wishes>,
    test_user: Option<TestUser>,
    /// What was written in this run.
    written: Vec<Place>,
    /// Which mail servers were reloaded in this run; all of them count as such in an undo.
    reloaded: Option<Vec<Phase>>,
}

impl Site {
    /// For changes.
    pub(super) fn new(
        config: &Path,
        facts: Facts,
        (admin, database): (Option<Admin>, Option<Session>),
        reactor: Runtime,
    ) -> Self {
        let config = config.to_owned();
        Self {
            config,
            facts,
            admin,
            database,
            reactor,
            wishes: None,
            test_user: None,
            written: Vec::new(),
            reloaded: None,
        }
    }

    /// What is to be, from now on.
    pub(super) fn wish(&mut self, wishes: Wishes, test_user: Option<TestUser>) {
        self.wishes = Some(wishes);
        self.test_user = test_user;
        self.reloaded = Some(Vec::new());
    }

    /// The administrator's view of the realm.
    pub(super) fn realm(&self) -> Result<Realm<'_>, Failure> {
        match &self.admin {
            Some(admin) => Ok(Realm { admin, reactor: &self.reactor }),
            None => Err(Failure::Usage(
                "an administrator of Keycloak must sign in for this: give --admin-user".to_owned(),
            )),
        }
    }

    /// The administrator's view of MariaDB.
    pub(super) fn database(&self) -> Result<&Session, Failure> {
        self.database.as_ref().ok_or_else(|| {
            Failure::Usage(
                "an administrator of MariaDB must sign in for this: give --mariadb-admin".to_owned(),
            )
        })
    }

    /// Whether a keydove of this configuration answers.
    pub(super) fn runs(&self) -> bool {
        running::answers(&self.config)
    }

    /// Data, and what a login finds of it: once keydove answers, and before any mail server asks it.
    pub(super) fn serve(&mut self) -> Result<(), Failure> {
        running::wait_until_it_answers(&self.config)?;
        let Some(wishes) = &self.wishes else { return Ok(()) };
        for line in people::make(wishes)? {
            say(&format!("  {line}"));
        }
        people::check_that_nobody_is_left_behind(wishes)?;
        running::check_before_the_switch(&self.config, self.test_user.as_ref())?;
        let socket = wishes.sockets.join("auth-client");
        // A socket of another way in may still lie there, shut.
        let is_asked = matches!(wishes.dovecot, Some((_, DovecotWay::Takeover)))
            || std::os::unix::net::UnixStream::connect(&socket).is_ok();
        if let Some(test) = self.test_user.as_ref().filter(|_| is_asked) {
            // Keycloak's first answers can take longer than a login may.
            let mut end = End::NotTried(String::new());
            wait(|| {
                end = test.at_socket(&socket).unwrap_or_else(|error| End::Out(error.to_string()));
                !matches!(&end, End::Out(words) if words.contains("code=temp_fail"))
            });
            match end {
                End::In => say(&format!("  {} logs in at keydove", test.user)),
                End::NotTried(why) | End::Out(why) => {
                    return Err(cannot_log_in(test, "at keydove", &why));
                }
            }
        }
        Ok(())
    }

    /// Shows what `keydove check` says of everything, and tells whether it is no fault.
    pub(super) fn check_all(&self) -> Result<bool, Failure> {
        let output = running::check(&self.config, self.test_user.as_ref(), |command| {
            for (flag, path) in [
                ("--dovecot-config", &self.facts.dovecot_config),
                ("--postfix-config", &self.facts.postfix_config),
            ] {
                if let Some(path) = path {
                    command.arg(flag).arg(path);
                }
            }
        })?;
        Ok(running::show(&output))
    }

    fn settle_keydove(&mut self, way: Way) -> Result<(), Failure> {
        let is_systemd = Path::new("/run/systemd/system").is_dir();
        if way == Way::Back {
            return if is_systemd { service::forget() } else { Ok(()) };
        }
        let starts = |place: &Place| match place {
            Place::Unit(name) => name == SERVICE,
            place => matches!(place, Place::Program { .. }),
        };
        if !self.written.iter().any(starts) {
            match &self.wishes.as_ref().map(|wishes| wishes.service.clone()) {
                Some(service::Service::Commands { start, stop }) => {
                    command::shell(stop)?;
                    wait(|| !self.runs());
                    command::shell(start)?;
                }
                _ => service::restart()?,
            }
        }
        self.serve()
    }

    fn settle_dovecot(&mut self, way: Way) -> Result<(), Failure> {
        let Some(config) = self.facts.dovecot_config.clone() else { return Ok(()) };
        let settings = command::output(command::program("doveconf").arg("-c").arg(&config).arg("-n"))?;
        let wish = self.wishes.as_ref().filter(|_| way == Way::Forth);
        let proof = wish.and_then(|wishes| {
            let (_, way) = wishes.dovecot.as_ref()?;
            Dovecot::proof(*way, &wishes.sockets)
        });
        if let Some(proof) = proof.filter(|proof| !settings.contains(proof.as_str())) {
            return Err(Failure::System(format!(
                "Dovecot does not take what setup wrote: `doveconf -n` does not show `{proof}`; something that it reads \
                 later says otherwise"
            )));
        }
        if !self.is_due(Phase::Dovecot, way) {
            return Ok(());
        }
        let mut reload = command::program("doveadm");
        match command::output(reload.arg("-c").arg(&config).arg("reload")) {
            Ok(_) => say("  Dovecot is reloaded"),
            Err(error) if error.to_string().contains("not running") => {
                say("  Dovecot does not run; it reads this when it starts");
                return Ok(());
            }
            Err(error) => return Err(error),
        }
        // Its open connections lead to the auth server of before.
        let beside = match &self.facts.postfix_beside {
            Some(postfix) => reload_postfix(postfix)?,
            None => false,
        };
        let (Some(test), Some(wishes), Way::Forth) = (&self.test_user, &self.wishes, way) else {
            return Ok(());
        };
        log_in(test, "IMAP", || test.by_imap(&config))?;
        let is_judge = matches!(&wishes.dovecot, Some((_, way)) if *way != DovecotWay::Takeover);
        match &wishes.beside {
            Some(postfix) if beside && is_judge => log_in_by_smtp(test, postfix),
            _ => Ok(()),
        }
    }

    fn settle_postfix(&mut self, phase: Phase, way: Way) -> Result<(), Failure> {
        let Some(config) = self.facts.postfix_config.clone() else { return Ok(()) };
        tell_postfix(&config, "check")?;
        if !self.is_due(phase, way) || !reload_postfix(&config)? || way == Way::Back {
            return Ok(());
        }
        let asks = self.wishes.as_ref().and_then(|wishes| wishes.postfix.as_ref());
        match (&self.test_user, asks) {
            (Some(test), Some((postfix, questions))) if questions.contains(&PostfixQuestion::Sasl) => {
                log_in_by_smtp(test, postfix)
            }
            _ => Ok(()),
        }
    }

    /// Whether a mail server must be reloaded: not to go back to what it never left.
    fn is_due(&mut self, phase: Phase, way: Way) -> bool {
        match (&mut self.reloaded, way) {
            (Some(reloaded), Way::Forth) => {
                reloaded.push(phase);
                true
            }
            (Some(reloaded), Way::Back) => reloaded.contains(&phase),
            (None, _) => true,
        }
    }
}

/// The old login processes end a moment later.
fn log_in(test: &TestUser, how: &str, once: impl Fn() -> End) -> Result<(), Failure> {
    let mut last = End::In;
    wait(|| {
        last = once();
        !matches!(last, End::Out(_))
    });
    match last {
        End::In => say(&format!("  {} logs in by {how}", test.user)),
        End::NotTried(why) => say(&format!("  a login by {how} was not tried: {why}")),
        End::Out(why) => return Err(cannot_log_in(test, &format!("by {how}"), &why)),
    }
    Ok(())
}

fn cannot_log_in(test: &TestUser, how: &str, answer: &str) -> Failure {
    Failure::Data(format!(
        "the test user {} cannot log in {how}; the answer is: {answer}\nIs it the right password? `journalctl -u keydove` has the \
         reason for each refusal (keydove's own log, without systemd)",
        test.user
    ))
}

fn log_in_by_smtp(test: &TestUser, postfix: &Postfix) -> Result<(), Failure> {
    for port in postfix.ports()? {
        log_in(test, &format!("SMTP at port {}", port.address.port()), || test.by_smtp(&port))?;
    }
    Ok(())
}

fn tell_postfix(config: &Path, word: &str) -> Result<(), Failure> {
    command::output(command::program("/usr/sbin/postfix").arg("-c").arg(config).arg(word)).map(drop)
}

/// Tells whether it runs.
fn reload_postfix(config: &Path) -> Result<bool, Failure> {
    if tell_postfix(config, "status").is_err() {
        say("  Postfix does not run; it reads this when it starts");
        return Ok(false);
    }
    tell_postfix(config, "reload")?;
    say("  Postfix is reloaded");
    Ok(true)
}

impl Machine for Site {
    fn read(&mut self, place: &Place) -> Result<State, Failure> {
        match place {
            Place::File(path) | Place::Folder(path) => files::read(path),
            Place::Unit(name) => service::read(name),
            Place::Database(name) => self.database()?.read(name),
            Place::DatabaseUser(account) => self.database()?.read_user(account),
            Place::Program { .. } => Ok(State::Running(self.runs())),
            _ => self.realm()?.read(place),
        }
    }

    fn write(&mut self, place: &Place, state: &State) -> Result<(), Failure> {
        match (place, state) {
            (Place::File(path) | Place::Folder(path), state) => files::write(path, state)?,
            (Place::Unit(name), State::Running(runs)) => service::write(name, *runs)?,
            (Place::Database(name), state) => self.database()?.write(name, state)?,
            (Place::DatabaseUser(account), state) => {
                let mariadb = self.wishes.as_ref().and_then(Wishes::mariadb);
                let password = mariadb.map(|mariadb| mariadb.password.as_str()).unwrap_or_default();
                self.database()?.write_user(account, state, password)?;
            }
            (Place::Program { start, stop }, State::Running(runs)) => {
                command::shell(if *runs { start } else { stop })?;
                if !wait(|| self.runs() == *runs) {
                    let what = if *runs { "does not answer after" } else { "goes on after" };
                    let line = if *runs { start } else { stop };
                    return Err(Failure::System(format!("keydove {what} `{line}`")));
                }
            }
            _ => self.realm()?.write(place, state)?,
        }
        self.written.push(place.clone());
        Ok(())
    }

    fn client_secret(&mut self) -> Result<String, Failure> {
        let client = self.wishes.as_ref().map(|wishes| wishes.client_id.clone()).unwrap_or_default();
        self.realm()?.secret(&client)
    }

    fn settle(&mut self, phase: Phase, way: Way) -> Result<(), Failure> {
        match phase {
            Phase::Keycloak | Phase::Database | Phase::Nginx | Phase::Containers | Phase::Portal => Ok(()),
            Phase::Keydove => self.settle_keydove(way),
            Phase::Dovecot => self.settle_dovecot(way),
            Phase::Submission | Phase::Postfix => self.settle_postfix(phase, way),
        }
    }

    fn keep(&mut self, journal: &Journal) -> Result<(), Failure> {
        journal.write(&Journal::path(&self.config))
    }

    fn is_interrupted(&self) -> bool {
        interrupt::came()
    }

    fn say(&mut self, line: &str) {
        say(line);
    }
}
