//! What people do at a node: they log in, make and revoke app passwords, sign in at the portal and out again.

use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::book::{AppPassword, Book, Session, Standing, pick};
use crate::checker::MAIN;
use crate::cluster::PASSWORD;
use crate::history::{Act, Outcome};
use crate::node::Node;
use crate::portal::key_of;
use crate::recorder::Recorder;
use crate::schedule::{Dice, NODES};
use crate::stage::clients::{
    Login, coming_from, imap_login, imap_token, pop3_login, sieve_login, smtp_login, smtp_token,
};
use crate::tokens::Token;

/// Where guesses come from; everybody else is trusted.
pub const GUESSER: [u8; 4] = [127, 0, 0, 66];

/// Where a password is tried.
#[derive(Clone, Copy, Debug)]
pub enum Service {
    /// Dovecot,
    Imap,
    /// the same,
    Pop3,
    /// and the same.
    Sieve,
    /// Postfix.
    Smtp,
}

impl Service {
    /// Each of them.
    pub const ALL: [Self; 4] = [Self::Imap, Self::Pop3, Self::Sieve, Self::Smtp];
    /// As often as they are used.
    const OFTEN: [Self; 6] = [Self::Imap, Self::Imap, Self::Pop3, Self::Sieve, Self::Smtp, Self::Smtp];
}

/// Where a token is tried, and how it is presented.
#[derive(Clone, Copy, Debug)]
pub enum TokenWay {
    /// Dovecot
    ImapXoauth2,
    /// Dovecot
    ImapOauthbearer,
    /// Postfix
    SmtpXoauth2,
    /// Postfix
    SmtpOauthbearer,
}

impl TokenWay {
    /// Each of them.
    pub const ALL: [Self; 4] =
        [Self::ImapXoauth2, Self::ImapOauthbearer, Self::SmtpXoauth2, Self::SmtpOauthbearer];
}

/// Whoever acts at one node.
pub struct Client<'a> {
    /// Where.
    pub node: &'a Node,
    /// The node's place.
    pub place: usize,
    /// What is known.
    pub book: &'a Book,
    /// Where it is written down.
    pub recorder: &'a Recorder,
    /// What is done next.
    pub dice: Dice,
}

impl Client<'_> {
    /// The node's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        NODES[self.place]
    }

    /// Somebody logs in, or uses a session.
    pub fn come(&mut self) {
        let chosen = match self.dice.below(100) {
            0..24 => self.main_password(),
            24..30 => return self.come_with_token(),
            30..50 => self.book.recent(Standing::Open, &mut self.dice).map(named),
            50..75 => self.book.recent(Standing::Revoked, &mut self.dice).map(named),
            75..82 => pick(&self.book.passwords(), &mut self.dice).cloned().map(named),
            82..85 => {
                let disabled: Vec<_> = self.book.disabled().iter().cloned().collect();
                pick(&disabled, &mut self.dice)
                    .map(|user| (user.clone(), MAIN.to_owned(), PASSWORD.to_owned()))
            }
            85..88 => return self.come_disabled_with_token(),
            88..94 => return self.use_session(),
            _ => self.main_password().map(|(user, ..)| (user, "nonsense".to_owned(), "wrong".to_owned())),
        };
        if let Some((user, key, password)) = chosen {
            self.log_in(&user, &key, &password);
        }
    }

    fn main_password(&mut self) -> Option<(String, String, String)> {
        let user = pick(&self.book.residents, &mut self.dice)?;
        Some((user.clone(), MAIN.to_owned(), PASSWORD.to_owned()))
    }

    fn come_with_token(&mut self) {
        if let Some(token) = pick(&self.book.tokens, &mut self.dice) {
            self.log_in_by_token(token);
        }
    }

    fn come_disabled_with_token(&mut self) {
        let disabled = self.book.disabled().clone();
        let tokens: Vec<_> = self.book.tokens.iter().filter(|token| disabled.contains(&token.user)).collect();
        if let Some(token) = pick(&tokens, &mut self.dice) {
            self.log_in_by_token(token);
        }
    }

    /// Logs in at any of the services.
    pub fn log_in(&mut self, user: &str, key: &str, password: &str) -> Outcome {
        let service = pick(&Service::OFTEN, &mut self.dice).copied().unwrap_or(Service::Imap);
        self.log_in_at(service, (user, key, password))
    }

    /// Logs in at this one.
    pub fn log_in_at(&self, service: Service, (user, key, password): (&str, &str, &str)) -> Outcome {
        let act = Act::Login { user: user.to_owned(), key: key.to_owned() };
        let (dovecot, login) = (&self.node.dovecot, Login { user, password });
        self.recorder.record(self.name(), act, || match service {
            Service::Imap => imap(imap_login(dovecot.imap, login)),
            Service::Pop3 => pop3(pop3_login(dovecot.pop3, login)),
            Service::Sieve => sieve(sieve_login(dovecot.sieve, login)),
            Service::Smtp => smtp(smtp_login(self.node.submission, login)),
        })
    }

    /// The same with an access token, which opens what the main password opens.
    pub fn log_in_by_token(&mut self, token: &Token) -> Outcome {
        let way = pick(&TokenWay::ALL, &mut self.dice).copied().unwrap_or(TokenWay::ImapXoauth2);
        self.log_in_by_token_at(way, token)
    }

    /// The same by this way.
    pub fn log_in_by_token_at(&self, way: TokenWay, Token { user, text }: &Token) -> Outcome {
        let act = Act::Login { user: user.clone(), key: MAIN.to_owned() };
        let xoauth2 = ("XOAUTH2", format!("user={user}\x01auth=Bearer {text}\x01\x01"), "");
        let oauthbearer = ("OAUTHBEARER", format!("n,a={user},\x01auth=Bearer {text}\x01\x01"), "AQ==");
        let at_imap = |(mechanism, response, refused): (&str, String, &str)| {
            imap(imap_token(self.node.dovecot.imap, mechanism, &response, refused).map(|(_, end)| end))
        };
        let at_smtp = |(mechanism, response, refused): (&str, String, &str)| {
            smtp(smtp_token(self.node.submission, mechanism, &response, refused).map(|(_, end)| end))
        };
        self.recorder.record(self.name(), act, || match way {
            TokenWay::ImapXoauth2 => at_imap(xoauth2),
            TokenWay::ImapOauthbearer => at_imap(oauthbearer),
            TokenWay::SmtpXoauth2 => at_smtp(xoauth2),
            TokenWay::SmtpOauthbearer => at_smtp(oauthbearer),
        })
    }

    /// Tries a password that nobody has tried.
    pub fn guess(&mut self, user: &str, guess: &str) -> Outcome {
        let from = GUESSER.map(|byte| byte.to_string()).join(".");
        let act = Act::Guess { user: user.to_owned(), from };
        self.recorder.record(self.name(), act, || {
            // Dovecot takes no password from another address than its own without TLS.
            coming_from(GUESSER, || smtp(smtp_login(self.node.submission, Login { user, password: guess })))
        })
    }

    /// Makes something, or ends it.
    pub fn change(&mut self, number: u64) {
        match self.dice.below(10) {
            0..4 => self.make(number),
            4..7 => self.revoke(),
            7 | 8 => self.sign_in(number),
            _ => self.sign_out(),
        }
    }

    fn make(&mut self, number: u64) {
        let Some(user) = pick(&self.book.residents, &mut self.dice).cloned() else { return };
        let name = format!("{}-{number}", self.name());
        let act = Act::Make { user: user.clone(), key: name.clone(), expires: None };
        let mut password = String::new();
        let arguments = ["add", &user, "--name", &name, "--service", "imap,smtp,pop3,sieve"];
        let made =
            self.recorder.record(self.name(), act, || match self.node.command("app-password", &arguments) {
                Ok(printed) => {
                    printed.trim().clone_into(&mut password);
                    Outcome::Yes
                }
                // It may have been written.
                Err(_) => Outcome::NoAnswer,
            });
        if made == Outcome::Yes {
            let standing = Standing::Open;
            self.book.passwords().push(AppPassword { user, name, password, standing });
        }
    }

    fn revoke(&mut self) {
        let Some(AppPassword { user, name, .. }) = self.book.recent(Standing::Open, &mut self.dice) else {
            return;
        };
        let stand = |standing| {
            for one in self.book.passwords().iter_mut().filter(|one| one.name == name) {
                one.standing = standing;
            }
        };
        stand(Standing::Unknown);
        let act = Act::Revoke { user: user.clone(), key: name.clone() };
        let arguments = ["revoke", &user, "--name", &name, "--yes"];
        let revoked = self.recorder.record(self.name(), act, || {
            self.node.command("app-password", &arguments).map_or(Outcome::NoAnswer, |_| Outcome::Yes)
        });
        if revoked == Outcome::Yes {
            stand(Standing::Revoked);
        }
    }

    fn sign_in(&mut self, number: u64) {
        let whom = self.dice.below(self.book.residents.len());
        let (user, subject) = (&self.book.residents[whom], &self.book.ids[whom]);
        if self.book.disabled().contains(user) {
            return;
        }
        let name = format!("{}-{number}", self.name());
        let cookie = format!("{:064x}", (number << 8) + self.place as u64);
        let act = Act::SignIn { user: user.clone(), session: name.clone() };
        let done = self.recorder.record(self.name(), act, || {
            let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            outcome(self.node.ask_for_portal(&json!({
                "request": "sign_in", "issuer": self.node.issuer, "subject": subject, "email": user,
                "email_verified": null, "session": key_of(&cookie), "replaces": key_of(&cookie), "sid": name, "auth_time": seconds,
                "acr": null, "administrator": false, "remote": "203.0.113.5", "browser": "Firefox, Linux",
            })))
        });
        if done == Outcome::Yes {
            self.book.sessions().push(Session { name, cookie, ended: false });
        }
    }

    fn sign_out(&mut self) {
        let Some(Session { name, cookie, ended: false }) = self.book.recent_session(&mut self.dice) else {
            return;
        };
        for one in self.book.sessions().iter_mut().filter(|one| one.name == name) {
            one.ended = true;
        }
        self.recorder.record(self.name(), Act::SignOut { session: name }, || {
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
        let Some(Session { name, cookie, .. }) = self.book.recent_session(&mut self.dice) else { return };
        self.look_at_session(&name, &cookie);
    }

    /// The same for a session of one's choice, in a browser.
    pub fn look_at_session(&self, name: &str, cookie: &str) -> Outcome {
        let act = Act::Session { session: name.to_owned() };
        self.recorder.record(self.name(), act, || self.node.portal.open(cookie))
    }
}

fn named(one: AppPassword) -> (String, String, String) {
    (one.user, one.name, one.password)
}

fn outcome(answer: io::Result<Value>) -> Outcome {
    match answer {
        Ok(answer) if answer["answer"] == "session" => Outcome::Yes,
        Ok(answer) if answer["answer"] == "no_session" => Outcome::No,
        Ok(_) => Outcome::CannotTell,
        Err(_) => Outcome::NoAnswer,
    }
}

fn imap(answer: io::Result<String>) -> Outcome {
    match answer {
        Ok(line) if line.starts_with("OK") => Outcome::Yes,
        Ok(line) if line.starts_with("NO [AUTHENTICATIONFAILED]") => Outcome::No,
        Ok(_) => Outcome::CannotTell,
        Err(_) => Outcome::NoAnswer,
    }
}

fn pop3(answer: io::Result<String>) -> Outcome {
    match answer {
        Ok(line) if line.starts_with("+OK") => Outcome::Yes,
        Ok(line) if line.starts_with("-ERR [AUTH]") => Outcome::No,
        Ok(_) => Outcome::CannotTell,
        Err(_) => Outcome::NoAnswer,
    }
}

fn sieve(answer: io::Result<String>) -> Outcome {
    match answer {
        Ok(line) if line.starts_with("OK") => Outcome::Yes,
        // What is only for now comes with `(TRYLATER)`.
        Ok(line) if line.starts_with("NO \"") => Outcome::No,
        Ok(_) => Outcome::CannotTell,
        Err(_) => Outcome::NoAnswer,
    }
}

fn smtp(answer: io::Result<String>) -> Outcome {
    match answer {
        Ok(line) if line.starts_with("235") => Outcome::Yes,
        Ok(line) if line.starts_with("535") => Outcome::No,
        Ok(_) => Outcome::CannotTell,
        Err(_) => Outcome::NoAnswer,
    }
}
