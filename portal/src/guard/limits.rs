//! How often one address may sign in.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

use lru::LruCache;

use crate::problem::Problem;

/// So many steps of sign-ins at once: a company behind one address comes to work at one time.
const BURST: u64 = 240;
/// And then so many a second.
const PER_SECOND: u64 = 2;
/// How many addresses are remembered. Whoever has more than that is not held up by counting addresses.
const REMEMBERED: usize = 16_384;

/// Counts steps of sign-ins. Each sign-in takes two.
#[derive(Debug)]
pub struct SignInLimits(Mutex<LruCache<IpAddr, Bucket>>);

#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: u64,
    at: u64,
}

impl Default for SignInLimits {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(NonZeroUsize::new(REMEMBERED).unwrap_or(NonZeroUsize::MIN))))
    }
}

impl SignInLimits {
    /// Counts one step.
    ///
    /// # Errors
    /// There were too many.
    pub fn count(&self, remote: Option<IpAddr>, now: u64) -> Result<(), Problem> {
        // A proxy at a Unix socket that forwards no address has one bucket for everybody, which would lock everybody out.
        let Some(remote) = remote else { return Ok(()) };
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = buckets.get_or_insert_mut(network(remote), || Bucket { left: BURST, at: now });
        let more = now.saturating_sub(bucket.at).saturating_mul(PER_SECOND);
        *bucket = Bucket { left: bucket.left.saturating_add(more).min(BURST), at: now.max(bucket.at) };
        bucket.left = bucket.left.checked_sub(1).ok_or(Problem::TooMany)?;
        Ok(())
    }
}

/// Who has one address of IPv6 has a whole network of them.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !(u128::MAX >> 64)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_thousand_sign_ins_of_one_address_are_slowed_down_and_others_are_not() {
        let limits = SignInLimits::default();
        let (flood, other) = ("192.0.2.1".parse().ok(), "192.0.2.2".parse().ok());
        let passed = (0..10_000).filter(|_| limits.count(flood, 1000).is_ok()).count();
        assert_eq!(passed, 240);
        assert!(limits.count(other, 1000).is_ok());
        assert!(limits.count(flood, 1000).is_err() && limits.count(flood, 1001).is_ok());
        assert!(limits.count(flood, 999).is_ok() && limits.count(flood, 999).is_err());
        assert!((0..10_000).all(|_| limits.count(None, 1000).is_ok()));
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let limits = SignInLimits::default();
        let address = |last: u128| IpAddr::from(Ipv6Addr::from_bits((0x2001_0db8 << 96) | last));
        let passed = (0..1000).filter(|last| limits.count(Some(address(*last)), 1000).is_ok()).count();
        assert_eq!(passed, 240);
    }
}
