//! The ways in, and what their answers mean.

use std::io;

use crate::book::Book;
use crate::checker::MAIN;
use crate::history::{Act, Outcome};
use crate::recorder::Recorder;
use crate::schedule::Dice;
use crate::stage::clients::{Login, imap_login, imap_token, pop3_login, sieve_login, smtp_login, smtp_token};
use crate::tokens::Token;
use crate::wishes::Wish;

/// Where a password is tried.
#[derive(Clone, Copy, Debug)]
pub enum Service {
    /// Dovecot,
    Imap,
    /// the same,
    Pop3,
    /// and the same.
    Sieve,
    /// Postfix; before the nodes it is Dovecot's.
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
    /// By IMAP.
    ImapXoauth2,
    /// By IMAP.
    ImapOauthbearer,
    /// By submission.
    SmtpXoauth2,
    /// By submission.
    SmtpOauthbearer,
}

impl TokenWay {
    /// Each of them.
    pub const ALL: [Self; 4] =
        [Self::ImapXoauth2, Self::ImapOauthbearer, Self::SmtpXoauth2, Self::SmtpOauthbearer];
}

/// The ports of one machine.
#[derive(Clone, Copy, Debug)]
pub struct Doors {
    /// IMAP.
    pub imap: u16,
    /// POP3.
    pub pop3: u16,
    /// ManageSieve.
    pub sieve: u16,
    /// Submission.
    pub submission: u16,
}

/// Whoever logs in at one machine, and does nothing else.
pub struct Guest<'a> {
    /// The machine's name in the history.
    pub machine: &'static str,
    /// Where it takes logins.
    pub doors: Doors,
    /// What is known.
    pub book: &'a Book,
    /// Where it is written down.
    pub recorder: &'a Recorder,
    /// What is done next.
    pub dice: Dice,
}

impl Guest<'_> {
    /// Logs in; or says, by `true`, that it is time to look at a session instead.
    pub fn come(&mut self) -> bool {
        match self.book.wish(&mut self.dice) {
            Some(Wish::Password { user, key, password }) => {
                self.log_in(&user, &key, &password);
            }
            Some(Wish::Token(token)) => {
                self.log_in_by_token(&token);
            }
            Some(Wish::Session) => return true,
            None => {}
        }
        false
    }

    /// Logs in at any of the services.
    pub fn log_in(&mut self, user: &str, key: &str, password: &str) -> Outcome {
        let service = self.dice.one_of(&Service::OFTEN);
        self.log_in_at(service, (user, key, password))
    }

    /// Logs in at this one.
    pub fn log_in_at(&self, service: Service, (user, key, password): (&str, &str, &str)) -> Outcome {
        let act = Act::Login { user: user.to_owned(), key: key.to_owned() };
        let login = Login { user, password };
        self.recorder.record(self.machine, act, || match service {
            Service::Imap => imap(imap_login(self.doors.imap, login)),
            Service::Pop3 => pop3(pop3_login(self.doors.pop3, login)),
            Service::Sieve => sieve(sieve_login(self.doors.sieve, login)),
            Service::Smtp => smtp(smtp_login(self.doors.submission, login)),
        })
    }

    /// The same with an access token, which opens what the main password opens.
    fn log_in_by_token(&mut self, token: &Token) -> Outcome {
        let way = self.dice.one_of(&TokenWay::ALL);
        self.log_in_by_token_at(way, token)
    }

    /// The same by this way.
    pub fn log_in_by_token_at(&self, way: TokenWay, Token { user, text }: &Token) -> Outcome {
        let act = Act::Login { user: user.clone(), key: MAIN.to_owned() };
        let xoauth2 = ("XOAUTH2", format!("user={user}\x01auth=Bearer {text}\x01\x01"), "");
        let oauthbearer = ("OAUTHBEARER", format!("n,a={user},\x01auth=Bearer {text}\x01\x01"), "AQ==");
        let at_imap = |(mechanism, response, refused): (&str, String, &str)| {
            imap(imap_token(self.doors.imap, mechanism, &response, refused).map(|(_, end)| end))
        };
        let at_smtp = |(mechanism, response, refused): (&str, String, &str)| {
            smtp(smtp_token(self.doors.submission, mechanism, &response, refused).map(|(_, end)| end))
        };
        self.recorder.record(self.machine, act, || match way {
            TokenWay::ImapXoauth2 => at_imap(xoauth2),
            TokenWay::ImapOauthbearer => at_imap(oauthbearer),
            TokenWay::SmtpXoauth2 => at_smtp(xoauth2),
            TokenWay::SmtpOauthbearer => at_smtp(oauthbearer),
        })
    }
}

fn imap(answer: io::Result<String>) -> Outcome {
    told(answer, "OK", "NO [AUTHENTICATIONFAILED]")
}

fn pop3(answer: io::Result<String>) -> Outcome {
    told(answer, "+OK", "-ERR [AUTH]")
}

fn sieve(answer: io::Result<String>) -> Outcome {
    // What is only for now comes with `(TRYLATER)`.
    told(answer, "OK", "NO \"")
}

/// What submission said to a login.
pub fn smtp(answer: io::Result<String>) -> Outcome {
    told(answer, "235", "535")
}

/// By how an answer begins.
fn told(answer: io::Result<String>, accepted: &str, refused: &str) -> Outcome {
    match answer {
        Ok(line) if line.starts_with(accepted) => Outcome::Yes,
        Ok(line) if line.starts_with(refused) => Outcome::No,
        Ok(_) => Outcome::CannotTell,
        Err(_) => Outcome::NoAnswer,
    }
}
