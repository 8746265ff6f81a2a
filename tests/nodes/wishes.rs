//! What somebody does next who changes nothing.

use crate::book::{AppPassword, Book, Standing, pick};
use crate::checker::MAIN;
use crate::cluster::PASSWORD;
use crate::schedule::Dice;
use crate::tokens::Token;

/// One thing.
pub enum Wish {
    /// A login with a password, right or wrong.
    Password {
        /// The mailbox.
        user: String,
        /// Its name in the history.
        key: String,
        /// What is typed.
        password: String,
    },
    /// A login with an access token.
    Token(Token),
    /// A look at a page of the portal.
    Session,
}

impl Book {
    /// The next one; `None` where there is nothing of the kind yet.
    pub fn wish(&self, dice: &mut Dice) -> Option<Wish> {
        match dice.below(100) {
            0..24 => self.main_password(dice),
            24..30 => pick(&self.tokens, dice).cloned().map(Wish::Token),
            30..50 => self.recent(Standing::Open, dice).map(Wish::of),
            50..75 => self.recent(Standing::Revoked, dice).map(Wish::of),
            75..82 => pick(&self.passwords(), dice).cloned().map(Wish::of),
            82..85 => {
                let disabled: Vec<_> = self.disabled().iter().cloned().collect();
                pick(&disabled, dice).map(|user| Wish::main(user, MAIN, PASSWORD))
            }
            85..88 => {
                let disabled = self.disabled().clone();
                let tokens: Vec<_> =
                    self.tokens.iter().filter(|token| disabled.contains(&token.user)).collect();
                pick(&tokens, dice).map(|token| Wish::Token((*token).clone()))
            }
            88..94 => Some(Wish::Session),
            _ => pick(&self.residents, dice).map(|user| Wish::main(user, "nonsense", "wrong")),
        }
    }

    fn main_password(&self, dice: &mut Dice) -> Option<Wish> {
        pick(&self.residents, dice).map(|user| Wish::main(user, MAIN, PASSWORD))
    }
}

impl Wish {
    fn main(user: &str, key: &str, password: &str) -> Self {
        Self::Password { user: user.to_owned(), key: key.to_owned(), password: password.to_owned() }
    }

    fn of(one: AppPassword) -> Self {
        Self::Password { user: one.user, key: one.name, password: one.password }
    }
}
