//! What a reason implies for the rest of keydove: the columns of the [table](super::table).

/// What a row says about a reason, beside its name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row<C> {
    /// In log lines and metrics.
    pub code: &'static str,
    /// A sentence or two for administrators.
    pub meaning: &'static str,
    /// What to look at or to change.
    pub cure: &'static str,
    /// What it implies for the rest of keydove.
    pub implies: C,
}

impl<C> Row<C> {
    /// Without what it implies.
    pub(super) fn texts(self) -> Row<()> {
        Row { code: self.code, meaning: self.meaning, cure: self.cure, implies: () }
    }
}

/// What a refusal implies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refusal {
    /// What was guessed, if something was.
    pub guess: Option<Guess>,
    /// What may have put the refusal out of date.
    pub outdated: Outdated,
    /// What it says about the main password.
    pub main_password: MainPassword,
}

/// What a temporary failure implies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trouble {
    /// How a mail client hears of it.
    pub telling: Telling,
    /// What it says about the stored hash that was looked at.
    pub stored_hash: HashTrouble,
}

/// What a refusal says about the user who tried: they guessed.
///
/// A guess is a secret that was compared and did not fit, or a name that nobody has. Only guesses are counted by the
/// throttle, told to ban tools and listed in the filters of `docs/logging.md`.
///
/// No guess is a right secret that meets a switch, a demand or a second factor; a refusal before which nothing was
/// compared, since nothing is learnt by it; a secret of a form that nobody's has; and a token, which nobody guesses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Guess {
    /// A secret that was compared and did not fit.
    Secret,
    /// A name that nobody has.
    Name,
}

/// What may have put a refusal out of date, so that keydove asks again before it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outdated {
    /// Nothing: it holds until what keydove remembers is too old.
    Never,
    /// A mailbox, a switch or a password that was changed a moment ago.
    ByCredentials,
    /// A user who was not there a moment ago. Such a refusal does not outlast the ability to ask.
    ByArrival,
    /// Keycloak has shut the user out. A user who is let in again there gets in at the next try; during an outage the
    /// refusal stays.
    ByReturn,
}

/// What a refusal says about the main password of the mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MainPassword {
    /// Nothing, or what became of it.
    Counts,
    /// It opens nothing here, whatever it is; app passwords may.
    Off,
}

/// How a mail client hears of a temporary failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Telling {
    /// "Try again", at once. No client can bring it about, or only with a right password.
    AtOnce,
    /// "Try again", no sooner than a refusal. A client can bring it about, for any name alike.
    Late,
    /// As a refusal. A client can bring it about only for a name that exists, so any other answer would tell that it
    /// does. To log, throttle and ban tools it stays a temporary failure.
    AsRefusal,
}

/// What a temporary failure says about the stored hash that was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashTrouble {
    /// Nothing: another hash of the same mailbox would end the same way.
    Unconcerned,
    /// This one cannot be seen; another may still do.
    Hidden,
    /// This one matches nothing until it is set again; another may still do.
    Useless,
}
