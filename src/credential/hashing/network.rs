//! From which network somebody asks, as far as fairness goes.

use std::net::IpAddr;

/// What one household or one server has: a /24 of IPv4, a /56 of IPv6. Others share the fate of all unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Network {
    Unknown,
    V4([u8; 3]),
    V6([u8; 7]),
}

impl Network {
    /// An IPv4 address within IPv6 is the IPv4 address.
    pub(super) fn of(address: Option<IpAddr>) -> Self {
        match address.map(|address| address.to_canonical()) {
            None => Self::Unknown,
            Some(IpAddr::V4(address)) => {
                let [a, b, c, _] = address.octets();
                Self::V4([a, b, c])
            }
            Some(IpAddr::V6(address)) => {
                let [a, b, c, d, e, f, g, ..] = address.octets();
                Self::V6([a, b, c, d, e, f, g])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Network;

    fn of(address: &str) -> Network {
        Network::of(Some(address.parse().unwrap()))
    }

    #[test]
    fn neighbours_share_a_network_and_strangers_do_not() {
        for (one, other, same) in [
            ("192.0.2.1", "192.0.2.254", true),
            ("192.0.2.1", "192.0.3.1", false),
            ("192.0.2.1", "::ffff:192.0.2.9", true),
            ("2001:db8:1:200::1", "2001:db8:1:2ff:ffff::", true),
            ("2001:db8:1:200::1", "2001:db8:1:300::1", false),
        ] {
            assert_eq!(of(one) == of(other), same, "{one} and {other}");
        }
        assert_ne!(Network::of(None), of("0.0.0.0"));
    }
}
