//! What people do at a node: they log in, make and revoke app passwords, sign in at the portal and out again.

use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::book::{AppPassword, Session, Standing, pick};
use crate::cluster::PASSWORD;
use crate::history::{Act, Outcome};
use crate::logins::{Guest, smtp};
use crate::node::Node;
use crate::portal::{issuer, key_of};
use crate::stage::clients::{Login, coming_from, smtp_login};

/// Where guesses come from; everybody else is trusted.
pub const GUESSER: [u8; 4] = [127, 0, 0, 66];

/// Whoever acts at one node.
pub struct Client<'a> {
    /// As one who only logs in there.
    pub guest: Guest<'a>,
    /// Where.
    pub node: &'a Node,
    /// The node's place.
    pub place: usize,
}

impl Client<'_> {
    /// Somebody logs in, or uses a session.
    pub fn come(&mut self) {
        if self.guest.come() {
            self.use_session();
        }
    }

    /// Tries a password that nobody has tried.
    pub fn guess(&mut self, user: &str, guess: &str) -> Outcome {
        let from = GUESSER.map(|byte| byte.to_string()).join(".");
        let act = Act::Guess { user: user.to_owned(), from };
        self.guest.recorder.record(self.guest.machine, act, || {
            // Dovecot takes no password from another address than its own without TLS.
            coming_from(GUESSER, || {
                smtp(smtp_login(self.guest.doors.submission, Login { user, password: guess }))
            })
        })
    }

    /// Makes something, or ends it.
    pub fn change(&mut self, number: u64) {
        match self.guest.dice.below(10) {
            0..4 => self.make(number),
            4..7 => self.revoke(),
            7 | 8 => self.sign_in(number),
            _ => self.sign_out(),
        }
    }

    fn make(&mut self, number: u64) {
        let Some(user) = pick(&self.guest.book.residents, &mut self.guest.dice).cloned() else { return };
        let name = format!("{}-{number}", self.guest.machine);
        let act = Act::Make { user: user.clone(), key: name.clone(), expires: None };
        let mut password = String::new();
        let arguments = ["add", &user, "--name", &name, "--service", "imap,smtp,pop3,sieve"];
        let made = self.guest.recorder.record(self.guest.machine, act, || {
            match self.node.command("app-password", &arguments) {
                Ok(printed) => {
                    printed.trim().clone_into(&mut password);
                    Outcome::Yes
                }
                // It may have been written.
                Err(_) => Outcome::NoAnswer,
            }
        });
        if made == Outcome::Yes {
            let standing = Standing::Open;
            self.guest.book.passwords().push(AppPassword { user, name, password, standing });
        }
    }

    fn revoke(&mut self) {
        let Some(AppPassword { user, name, .. }) =
            self.guest.book.recent(Standing::Open, &mut self.guest.dice)
        else {
            return;
        };
        let stand = |standing| {
            for one in self.guest.book.passwords().iter_mut().filter(|one| one.name == name) {
                one.standing = standing;
            }
        };
        stand(Standing::Unknown);
        let act = Act::Revoke { user: user.clone(), key: name.clone() };
        let arguments = ["revoke", &user, "--name", &name, "--yes"];
        let revoked = self.guest.recorder.record(self.guest.machine, act, || {
            self.node.command("app-password", &arguments).map_or(Outcome::NoAnswer, |_| Outcome::Yes)
        });
        if revoked == Outcome::Yes {
            stand(Standing::Revoked);
        }
    }

    /// Somebody signs in: at Keycloak's page, or as if that had been.
    fn sign_in(&mut self, number: u64) {
        if self.guest.dice.below(2) == 0 {
            self.sign_in_with_a_browser(number);
        } else {
            self.sign_in_at_the_socket(number);
        }
    }

    /// The whole way, of somebody who has a password at Keycloak. It may come to nothing.
    pub fn sign_in_with_a_browser(&mut self, number: u64) -> Outcome {
        let holder = pick(&self.guest.book.tokens, &mut self.guest.dice).map(|token| token.user.clone());
        let Some(user) = holder.filter(|user| !self.guest.book.disabled().contains(user)) else {
            return Outcome::CannotTell;
        };
        let name = format!("{}-{number}", self.guest.machine);
        let act = Act::SignIn { user: user.clone(), session: name.clone() };
        let mut cookie = String::new();
        let done = self.guest.recorder.record(self.guest.machine, act, || {
            let end;
            (end, cookie) = self.node.portal.sign_in(&user, PASSWORD);
            end
        });
        if done == Outcome::Yes {
            self.guest.book.sessions().push(Session { name, cookie, ended: false });
        }
        done
    }

    fn sign_in_at_the_socket(&mut self, number: u64) {
        let whom = self.guest.dice.below(self.guest.book.residents.len());
        let (user, subject) = (&self.guest.book.residents[whom], &self.guest.book.ids[whom]);
        if self.guest.book.disabled().contains(user) {
            return;
        }
        let name = format!("{}-{number}", self.guest.machine);
        let cookie = format!("{:064x}", (number << 8) + self.place as u64);
        let act = Act::SignIn { user: user.clone(), session: name.clone() };
        let done = self.guest.recorder.record(self.guest.machine, act, || {
            let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            outcome(self.node.ask_for_portal(&json!({
                "request": "sign_in", "issuer": issuer(), "subject": subject, "email": user,
                "email_verified": null, "session": key_of(&cookie), "replaces": key_of(&cookie), "sid": name, "auth_time": seconds,
                "acr": null, "administrator": false, "remote": "203.0.113.5", "browser": "Firefox, Linux",
            })))
        });
        if done == Outcome::Yes {
            self.guest.book.sessions().push(Session { name, cookie, ended: false });
        }
    }

    fn sign_out(&mut self) {
        let Some(Session { name, cookie, ended: false }) =
            self.guest.book.recent_session(&mut self.guest.dice)
        else {
            return;
        };
        for one in self.guest.book.sessions().iter_mut().filter(|one| one.name == name) {
            one.ended = true;
        }
        let in_a_browser = self.guest.dice.below(2) == 0;
        self.guest.recorder.record(self.guest.machine, Act::SignOut { session: name }, || {
            if in_a_browser {
                return self.node.portal.sign_out(&cookie);
            }
            let answer =
                self.node.ask_for_portal(&json!({ "request": "end_session", "session": key_of(&cookie) }));
            match answer {
                Ok(answer) if answer["answer"] == "ended" => Outcome::Yes,
                Ok(_) => Outcome::CannotTell,
                Err(_) => Outcome::NoAnswer,
            }
        });
    }

    /// Looks whether somebody is signed in.
    pub fn use_session(&mut self) {
        let Some(Session { name, cookie, .. }) = self.guest.book.recent_session(&mut self.guest.dice) else {
            return;
        };
        self.look_at_session(&name, &cookie);
    }

    /// The same for a session of one's choice, in a browser.
    pub fn look_at_session(&self, name: &str, cookie: &str) -> Outcome {
        let act = Act::Session { session: name.to_owned() };
        self.guest.recorder.record(self.guest.machine, act, || self.node.portal.open(cookie))
    }
}

fn outcome(answer: io::Result<Value>) -> Outcome {
    match answer {
        Ok(answer) if answer["answer"] == "session" => Outcome::Yes,
        Ok(answer) if answer["answer"] == "no_session" => Outcome::No,
        Ok(_) => Outcome::CannotTell,
        Err(_) => Outcome::NoAnswer,
    }
}
