//! Is this password right? Hashes, the threads on which they are computed, and what is remembered of them.
//!
//! * [`scheme`]: `{SCHEME}` hashes as Dovecot writes them. One table of schemes; verifying, generating, strength. Pure.
//! * [`hashing`]: the threads on which passwords are hashed, several bcrypt computations interleaved on each.
//! * [`compared`]: which password was compared with which hash, as keyed tags, so that a hash is computed once.

pub mod compared;
pub mod hashing;
pub mod scheme;
