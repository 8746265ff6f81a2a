//! Several bcrypt computations that share one core, coming and going as they like.

use keydove_eksblowfish::{Eksblowfish, MAX_LANES, step};
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use super::Hash;
use crate::credential::scheme::{Usable, hash};

/// Computations of bcrypt on one thread, advanced together; each carries its caller's tag.
///
/// Nothing runs by itself: [`Lanes::step`] advances all by one of their 2^(cost + 1) expansions, about 25 µs with one
/// lane and 50 µs with six. Between two steps lanes may be added and dropped, and costs may differ.
pub struct Lanes<T> {
    /// The busy ones come first, in the order of `jobs`; the others are wiped.
    pub(super) states: Box<[Eksblowfish; MAX_LANES]>,
    jobs: Vec<Job<T>>,
}

struct Job<T> {
    digest: [u8; 23],
    tag: T,
}

impl<T> Lanes<T> {
    /// No computation yet.
    #[must_use]
    pub fn new() -> Self {
        Self { states: Box::new([Eksblowfish::EMPTY; MAX_LANES]), jobs: Vec::with_capacity(MAX_LANES) }
    }

    /// How many computations are under way.
    #[must_use]
    pub fn len(&self) -> usize {
        self.jobs.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// Begins to verify `password`. Takes as long as one step of one lane.
    ///
    /// # Errors
    /// The tag comes back: the hash is not bcrypt's, the password has a NUL or is empty, or all lanes are busy.
    /// [`Usable::matches`] is then the way.
    pub fn add(&mut self, hash: &Usable, password: &[u8], tag: T) -> Result<(), T> {
        let hash::Hash::Bcrypt(hash) = &hash.0.hash else { return Err(tag) };
        if password.is_empty() || password.contains(&0) {
            return Err(tag);
        }
        self.begin(hash, password, tag)
    }

    fn begin(&mut self, hash: &Hash, password: &[u8], tag: T) -> Result<(), T> {
        let Some(state) = self.states.get_mut(self.jobs.len()) else { return Err(tag) };
        state.begin(hash.cost, password, hash.salt, hash.signed);
        self.jobs.push(Job { digest: hash.digest, tag });
        Ok(())
    }

    /// Advances every computation by one expansion, and says of each that has ended whether the password matched.
    pub fn step(&mut self, mut ended: impl FnMut(T, bool)) {
        step(&mut self.states[..self.jobs.len()]);
        for lane in (0..self.jobs.len()).rev() {
            if self.states[lane].is_done() {
                let computed = self.states[lane].digest();
                let Job { digest, tag } = self.clear(lane);
                ended(tag, bool::from(computed[..digest.len()].ct_eq(&digest)));
            }
        }
    }

    /// Drops the computations that nobody wants any more.
    pub fn retain(&mut self, mut wanted: impl FnMut(&T) -> bool) {
        for lane in (0..self.jobs.len()).rev() {
            if !wanted(&self.jobs[lane].tag) {
                self.clear(lane);
            }
        }
    }

    /// Wipes a lane; the last busy one takes its place.
    fn clear(&mut self, lane: usize) -> Job<T> {
        let last = self.jobs.len() - 1;
        self.states.swap(lane, last);
        self.states[last].zeroize();
        self.jobs.swap_remove(lane)
    }
}

impl Lanes<()> {
    /// Lanes, at most [`MAX_LANES`], that compute on and on, of no secret: for measuring how long a step takes.
    #[must_use]
    pub fn rehearsal(lanes: usize) -> Self {
        let mut all = Self::new();
        let endless = Hash { cost: 31, salt: [0; 16], digest: [0; 23], signed: false };
        while all.len() < lanes.min(MAX_LANES) && all.begin(&endless, b"rehearsal", ()).is_ok() {}
        all
    }
}

impl<T> Default for Lanes<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> std::fmt::Debug for Lanes<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Lanes({} of {MAX_LANES} busy)", self.len())
    }
}
