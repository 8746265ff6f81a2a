//! What is broken, when, and for how long. A seed decides all of it.

use std::fmt;
use std::time::Duration;

/// The nodes.
pub const NODES: [&str; 3] = ["n1", "n2", "n3"];
/// The machine with the proxies, through which each node is reached.
pub const FRONT: &str = "front";

/// A program of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// keydove.
    Keydove,
    /// The node's MariaDB.
    Database,
    /// The one Redis that counts.
    Redis,
}

/// Something that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The node's cable is out.
    Unplug(usize),
    /// What the first sends to the second is lost; the other way is open.
    OneWay(usize, usize),
    /// A program stands still, and its connections stay open.
    Freeze(Part, usize),
    /// A program ends as in a power cut, and is started again.
    Kill(Part, usize),
    /// Keycloak's answers to the node take this many milliseconds more.
    Slow(usize, u64),
    /// The node's connections to Keycloak lead nowhere, and none ends.
    HalfOpen(usize),
}

impl Fault {
    /// Whose trouble it is; `None`: everybody's.
    #[must_use]
    pub fn node(self) -> Option<usize> {
        match self {
            Self::Freeze(Part::Redis, _) | Self::Kill(Part::Redis, _) => None,
            Self::Unplug(node)
            | Self::OneWay(_, node)
            | Self::Freeze(_, node)
            | Self::Kill(_, node)
            | Self::Slow(node, _)
            | Self::HalfOpen(node) => Some(node),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |node: usize| NODES[node % NODES.len()];
        match *self {
            Self::Unplug(node) => write!(f, "{} is unplugged", name(node)),
            Self::OneWay(from, to) => write!(f, "{} does not hear {}", name(to), name(from)),
            Self::Freeze(part, node) => write!(f, "{part:?} of {} stands still", name(node)),
            Self::Kill(part, node) => write!(f, "{part:?} of {} is killed", name(node)),
            Self::Slow(node, delay) => write!(f, "Keycloak is {delay} ms slower for {}", name(node)),
            Self::HalfOpen(node) => write!(f, "Keycloak's connections lead nowhere for {}", name(node)),
        }
    }
}

/// A fault, how long it lasts, and how long nothing happens after it.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// What goes wrong.
    pub fault: Fault,
    /// For how long.
    pub lasts: Duration,
    /// The time without a fault after it.
    pub rest: Duration,
}

/// The short run: a node that is cut off, and a database that dies.
#[must_use]
pub fn short(seed: u64) -> Vec<Step> {
    let mut dice = Dice::new(seed);
    let cut = dice.below(NODES.len());
    let other = (cut + 1 + dice.below(NODES.len() - 1)) % NODES.len();
    let step = |fault, lasts| Step { fault, lasts: Duration::from_secs(lasts), rest: Duration::from_secs(3) };
    vec![step(Fault::Unplug(cut), 9), step(Fault::Kill(Part::Database, other), 3)]
}

/// A long run, until its time is over.
#[must_use]
pub fn long(seed: u64, length: Duration) -> Vec<Step> {
    let mut dice = Dice::new(seed);
    let (mut steps, mut sum) = (Vec::new(), Duration::ZERO);
    while sum < length {
        let (node, other) = (dice.below(NODES.len()), 1 + dice.below(NODES.len() - 1));
        let fault = match dice.below(12) {
            0 | 1 => Fault::Unplug(node),
            2 | 3 => Fault::OneWay((node + other) % NODES.len(), node),
            4 => Fault::Freeze(Part::Keydove, node),
            5 => Fault::Freeze(Part::Database, node),
            6 => Fault::Freeze(Part::Redis, 0),
            7 => Fault::Kill(Part::Keydove, node),
            8 => Fault::Kill(Part::Database, node),
            9 => Fault::Kill(Part::Redis, 0),
            10 => Fault::Slow(node, 200 + 100 * dice.below(15) as u64),
            _ => Fault::HalfOpen(node),
        };
        let lasts = Duration::from_millis(3_000 + dice.below(17_000) as u64);
        let rest = Duration::from_millis(3_000 + dice.below(9_000) as u64);
        sum += lasts + rest;
        steps.push(Step { fault, lasts, rest });
    }
    steps
}

/// Numbers that a seed decides (Steele, Lea and Flood's `SplitMix64`).
pub struct Dice(u64);

impl Dice {
    /// The same seed, the same numbers.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number, of this many.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        usize::try_from(mixed % bound.max(1) as u64).unwrap_or_default()
    }

    /// One of several.
    pub fn one_of<T: Copy, const MANY: usize>(&mut self, of: &[T; MANY]) -> T {
        of[self.below(MANY)]
    }
}
