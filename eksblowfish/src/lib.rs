//! Eksblowfish, the key schedule of bcrypt, for several passwords at once.
//!
//! The algorithm is that of Provos and Mazières, "A Future-Adaptable Password Scheme" (USENIX 1999): a Blowfish
//! whose tables are encrypted with themselves, 2^cost times with the password and 2^cost times with the salt.
//!
//! Each round of Blowfish needs four table entries at places that the round before decides, so a processor spends
//! most of one computation waiting for its first-level cache. Several computations that take turns round by
//! round fill these gaps. Six of them are 25 KiB of tables, which is what a first-level cache of 32 KiB bears.

use std::array;

use zeroize::{Zeroize, ZeroizeOnDrop};

mod pi;
#[cfg(test)]
mod tests;

/// The most computations that one core advances together; a seventh would leave the first-level cache.
pub const MAX_LANES: usize = 6;

/// The bytes of a password that count; PHP, crypt(3) and Dovecot cut silently, in the middle of a character too.
pub const MAX_KEY: usize = 72;

/// What is encrypted with the finished tables.
const TEXT: &[u8; DIGEST] = b"OrpheanBeholderScryDoubt";
const TEXT_PASSES: usize = 64;
/// Bytes that [`Eksblowfish::digest`] makes.
pub const DIGEST: usize = 24;

const ROUNDS: usize = 16;
type Subkeys = [u32; ROUNDS + 2];
type Boxes = [[u32; 256]; 4];

/// The tables of one computation; wiped when it ends.
///
/// The order of the fields is held fast: with the subkeys behind the boxes, one lane alone takes a tenth longer.
#[derive(Zeroize, ZeroizeOnDrop)]
#[repr(C, align(64))]
pub struct Eksblowfish {
    p: Subkeys,
    s: Boxes,
    /// What the expansions take turns to mix into `p`: the salt in odd turns, the password in even ones.
    turns: [Subkeys; 2],
    /// Expansions to go.
    left: u64,
}

impl Eksblowfish {
    /// A place for a computation, with none in it.
    pub const EMPTY: Self =
        Self { p: [0; ROUNDS + 2], s: [[0; 256]; 4], turns: [[0; ROUNDS + 2]; 2], left: 0 };

    /// Begins a computation here, as long as one more expansion. The password ends before its first NUL and before
    /// byte 73; the cost is below 63. `signed` is how a broken implementation read the password.
    pub fn begin(&mut self, cost: u32, password: &[u8], salt: [u8; 16], signed: bool) {
        let key = password.iter().copied().take_while(|&byte| byte != 0).chain([0]).take(MAX_KEY);
        let key = cyclic(key.map(|byte| if signed { i32::from(byte as i8) as u32 } else { byte.into() }));
        let salt = cyclic(salt.into_iter().map(u32::from));
        self.turns = [key, salt];
        self.left = 2 << cost;
        self.s = pi::S;
        self.p = array::from_fn(|i| pi::P[i] ^ key[i]);
        let halves = [[salt[0], salt[1]], [salt[2], salt[3]]];
        expand(array::from_mut(self), |block, [left], [right]| {
            let [first, second] = halves[block % 2];
            *left ^= first;
            *right ^= second;
        });
    }

    /// Whether nothing of a computation is left here.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        let Self { p, s, turns, left } = self;
        let mut words = p.iter().chain(s.as_flattened()).chain(turns.as_flattened());
        words.all(|&word| word == 0) && *left == 0
    }

    /// Whether no expansion is left.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.left == 0
    }

    /// What bcrypt makes of the finished tables; the last byte is never stored.
    #[must_use]
    pub fn digest(&self) -> [u8; DIGEST] {
        let mut digest = [0; DIGEST];
        let (blocks, _) = TEXT.as_chunks::<8>();
        let (places, _) = digest.as_chunks_mut::<8>();
        for (block, place) in blocks.iter().zip(places) {
            let text = u64::from_be_bytes(*block);
            let [mut left, mut right] = [[(text >> 32) as u32], [text as u32]];
            for _ in 0..TEXT_PASSES {
                encrypt(array::from_ref(self), &mut left, &mut right);
            }
            *place = (u64::from(left[0]) << 32 | u64::from(right[0])).to_be_bytes();
        }
        digest
    }
}

/// Repeats the bytes until all subkeys are filled.
fn cyclic(bytes: impl Iterator<Item = u32> + Clone) -> Subkeys {
    let mut bytes = bytes.cycle();
    array::from_fn(|_| (0..4).fold(0, |word, _| word << 8 | bytes.next().unwrap_or(0)))
}

/// One expansion of each computation, none of which has ended: 521 blocks, for up to [`MAX_LANES`] computations 25 to
/// 50 µs on a core of today. More take turns.
pub fn step(states: &mut [Eksblowfish]) {
    let mut rest = states;
    while !rest.is_empty() {
        // What is interleaved must be known when it is compiled.
        rest = match rest.len() {
            1 => step_first::<1>(rest),
            2 => step_first::<2>(rest),
            3 => step_first::<3>(rest),
            4 => step_first::<4>(rest),
            5 => step_first::<5>(rest),
            _ => step_first::<MAX_LANES>(rest),
        };
    }
}

/// Returns those that it has not advanced.
fn step_first<const N: usize>(states: &mut [Eksblowfish]) -> &mut [Eksblowfish] {
    let Some((first, rest)) = states.split_first_chunk_mut::<N>() else { return &mut [] };
    step_all(first);
    rest
}

/// Never inlined: among the others, one lane alone takes a tenth longer.
#[inline(never)]
fn step_all<const N: usize>(states: &mut [Eksblowfish; N]) {
    for state in states.iter_mut() {
        let turn = state.turns[usize::from(state.left % 2 == 1)];
        state.p.iter_mut().zip(turn).for_each(|(p, word)| *p ^= word);
        state.left -= 1;
    }
    expand(states, |_, _, _| ());
}

/// Fills the tables with what they encrypt each other to; `prepare` changes the block of that number beforehand.
#[inline(always)]
fn expand<const N: usize>(
    states: &mut [Eksblowfish; N],
    prepare: impl Fn(usize, &mut [u32; N], &mut [u32; N]),
) {
    let (mut left, mut right) = ([0; N], [0; N]);
    for pair in 0..ROUNDS / 2 + 1 {
        prepare(pair, &mut left, &mut right);
        encrypt(states, &mut left, &mut right);
        for n in 0..N {
            states[n].p[2 * pair] = left[n];
            states[n].p[2 * pair + 1] = right[n];
        }
    }
    for number in 0..4 {
        for pair in 0..128 {
            // The nine blocks that went before are an odd number.
            prepare(pair + 1, &mut left, &mut right);
            encrypt(states, &mut left, &mut right);
            for n in 0..N {
                states[n].s[number][2 * pair] = left[n];
                states[n].s[number][2 * pair + 1] = right[n];
            }
        }
    }
}

/// Encrypts one block of each computation. Written out, because only constant places need no address arithmetic.
#[inline(always)]
fn encrypt<const N: usize>(states: &[Eksblowfish; N], left: &mut [u32; N], right: &mut [u32; N]) {
    for n in 0..N {
        left[n] ^= states[n].p[0];
    }
    round::<1, N>(states, left, right);
    round::<2, N>(states, right, left);
    round::<3, N>(states, left, right);
    round::<4, N>(states, right, left);
    round::<5, N>(states, left, right);
    round::<6, N>(states, right, left);
    round::<7, N>(states, left, right);
    round::<8, N>(states, right, left);
    round::<9, N>(states, left, right);
    round::<10, N>(states, right, left);
    round::<11, N>(states, left, right);
    round::<12, N>(states, right, left);
    round::<13, N>(states, left, right);
    round::<14, N>(states, right, left);
    round::<15, N>(states, left, right);
    round::<16, N>(states, right, left);
    for n in 0..N {
        right[n] ^= states[n].p[17];
    }
    std::mem::swap(left, right);
}

/// One round of each computation. The subkey goes first: it is at hand while the tables are not.
#[inline(always)]
fn round<const ROUND: usize, const N: usize>(
    states: &[Eksblowfish; N],
    from: &[u32; N],
    onto: &mut [u32; N],
) {
    for n in 0..N {
        onto[n] ^= states[n].p[ROUND];
        onto[n] ^= substitute(&states[n].s, from[n]);
    }
}

/// Blowfish's F. A byte is always a place within 256 entries, so nothing is checked at run time.
#[inline(always)]
fn substitute(s: &Boxes, half: u32) -> u32 {
    let [a, b, c, d] = half.to_be_bytes().map(usize::from);
    (s[0][a].wrapping_add(s[1][b]) ^ s[2][c]).wrapping_add(s[3][d])
}
