//! `$md5$` and `$md5,rounds=N$` of crypt(3), made by Solaris: MD5 of its own result in rounds, half of which take in a
//! page of Hamlet as well. Weak.

use md5::{Digest, Md5};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{Expense, Policy, crypt64, md5_crypt, read_count};

/// 128 bits at six a digit.
const ENCODED: usize = 22;
/// Rounds that need no asking.
const ROUNDS: u32 = 4096;
/// crypt(3) ends it with a NUL, which counts. The scene is punctuated as in Project Gutenberg's edition of 1998.
const SOLILOQUY: &[u8] = b"To be, or not to be,--that is the question:--\n\
Whether 'tis nobler in the mind to suffer\n\
The slings and arrows of outrageous fortune\n\
Or to take arms against a sea of troubles,\n\
And by opposing end them?--To die,--to sleep,--\n\
No more; and by a sleep to say we end\n\
The heartache, and the thousand natural shocks\n\
That flesh is heir to,--'tis a consummation\n\
Devoutly to be wish'd. To die,--to sleep;--\n\
To sleep! perchance to dream:--ay, there's the rub;\n\
For in that sleep of death what dreams may come,\n\
When we have shuffled off this mortal coil,\n\
Must give us pause: there's the respect\n\
That makes calamity of so long life;\n\
For who would bear the whips and scorns of time,\n\
The oppressor's wrong, the proud man's contumely,\n\
The pangs of despis'd love, the law's delay,\n\
The insolence of office, and the spurns\n\
That patient merit of the unworthy takes,\n\
When he himself might his quietus make\n\
With a bare bodkin? who would these fardels bear,\n\
To grunt and sweat under a weary life,\n\
But that the dread of something after death,--\n\
The undiscover'd country, from whose bourn\n\
No traveller returns,--puzzles the will,\n\
And makes us rather bear those ills we have\n\
Than fly to others that we know not of?\n\
Thus conscience does make cowards of us all;\n\
And thus the native hue of resolution\n\
Is sicklied o'er with the pale cast of thought;\n\
And enterprises of great pith and moment,\n\
With this regard, their currents turn awry,\n\
And lose the name of action.--Soft you now!\n\
The fair Ophelia!--Nymph, in thy orisons\n\
Be all my sins remember'd.\n\0";

pub(super) struct Hash {
    rounds: u32,
    /// All before the digest and its `$`, which is hashed with the password.
    setting: Box<[u8]>,
    digest: [u8; ENCODED],
}

/// Reads `$md5`, `$` or `,rounds=N$`, salt, one or two `$`, and digest.
pub(super) fn read(text: &[u8]) -> Option<Hash> {
    let (setting, digest) = text.split_last_chunk::<ENCODED>()?;
    let setting = setting.strip_suffix(b"$")?;
    let (b'$' | b',', mut salt) = setting.strip_prefix(b"$md5")?.split_first()? else { return None };
    let mut rounds = ROUNDS;
    if let Some(counted) = salt.strip_prefix(b"rounds=") {
        let end = counted.iter().position(|&byte| byte == b'$')?;
        let more = read_count(&counted[..end]).filter(|_| !counted.starts_with(b"0"))?;
        rounds = rounds.saturating_add(more);
        salt = &counted[end + 1..];
    }
    let salt = salt.strip_suffix(b"$").unwrap_or(salt);
    let is_whole = crypt64::is_text(salt) && crypt64::is_text(digest);
    is_whole.then(|| Hash { rounds, setting: setting.into(), digest: *digest })
}

impl Hash {
    pub(super) fn expense(&self, policy: &Policy) -> Expense {
        Expense { what: "rounds", cost: self.rounds.into(), cap: policy.max_sha_crypt_rounds.into() }
    }

    pub(super) fn matches(&self, password: &[u8]) -> bool {
        // crypt(3) ends a password at its first NUL; no real password has one.
        if password.contains(&0) {
            return false;
        }
        let first = Md5::new().chain_update(password).chain_update(&self.setting).finalize();
        let mut digest = Zeroizing::new(<[u8; 16]>::from(first));
        for round in 0..self.rounds {
            let mut hash = Md5::new_with_prefix(*digest);
            if falls_heads(&digest, round) {
                hash.update(SOLILOQUY);
            }
            hash.update(itoa::Buffer::new().format(round));
            *digest = hash.finalize().into();
        }
        bool::from(md5_crypt::encode(&digest).ct_eq(&self.digest))
    }
}

/// Whether a round takes in the page: the digest picks eight of its own bits twice, each eight pick one more, and these
/// two differ.
fn falls_heads(digest: &[u8; 16], round: u32) -> bool {
    let byte = |place: usize| usize::from(digest[place % 16]);
    let bit = |place: usize| byte(place % 128 / 8) >> (place % 8) & 1;
    let pick = |from: usize| {
        (0..8).fold(0, |picked, i| {
            let (a, b) = (byte(from + i), byte(from + i + 3));
            picked | bit(byte(a >> (b % 5)) >> (b >> (a % 8) & 1)) << i
        })
    };
    let round = (round % 128) as usize;
    bit(pick(0) >> bit(round)) != bit(pick(8) >> bit(round + 64))
}
