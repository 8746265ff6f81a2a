//! From where somebody tries: an address, and the network around it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::observe;
use crate::settings::Network;

/// An address (`/32`, or `/56` of IPv6, which is what one household or customer gets) or the network around it (`/24`,
/// `/48`): a `/64` costs nothing, whoever has one has 256 or 65,536 of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum ClientNetwork {
    /// The mail server named none. All such requests share this place, so networks mean nothing here.
    Nowhere,
    /// An IPv4 address.
    Host4([u8; 4]),
    /// A /24.
    Net4([u8; 3]),
    /// A /56.
    Host6([u8; 7]),
    /// A /48.
    Net6([u8; 6]),
}

impl ClientNetwork {
    /// The address itself. IPv4 within IPv6 is IPv4.
    #[must_use]
    pub fn narrow(remote: Option<IpAddr>) -> Self {
        match remote.map(|remote| remote.to_canonical()) {
            None => Self::Nowhere,
            Some(IpAddr::V4(address)) => Self::Host4(address.octets()),
            Some(IpAddr::V6(address)) => {
                let [a, b, c, d, e, f, g, ..] = address.octets();
                Self::Host6([a, b, c, d, e, f, g])
            }
        }
    }

    /// The network around it.
    #[must_use]
    pub fn wide(self) -> Self {
        match self {
            Self::Host4([a, b, c, _]) => Self::Net4([a, b, c]),
            Self::Host6([a, b, c, d, e, f, _]) => Self::Net6([a, b, c, d, e, f]),
            other => other,
        }
    }

    /// Whether it is a network around addresses.
    #[must_use]
    pub fn is_wide(self) -> bool {
        matches!(self, Self::Net4(_) | Self::Net6(_))
    }

    /// Whether others than people of one household may hide behind one such address: a container's gateway, a proxy, a
    /// webmail on the same machine.
    #[must_use]
    pub fn is_private(self) -> bool {
        match self.first() {
            Some(IpAddr::V4(address)) => {
                address.is_private() || address.is_loopback() || address.is_link_local()
            }
            Some(IpAddr::V6(address)) => {
                address.is_unique_local()
                    || address.is_unicast_link_local()
                    || address.octets()[..7] == [0; 7]
            }
            None => false,
        }
    }

    /// Whether it lies in a network; what is nowhere lies in none.
    #[must_use]
    pub fn is_in(self, network: &Network) -> bool {
        self.first().is_some_and(|address| network.contains(address))
    }

    /// Whether it is where a network begins, or around that.
    #[must_use]
    pub fn covers(self, network: &Network) -> bool {
        let narrow = Self::narrow(Some(network.first()));
        self == narrow || self == narrow.wide()
    }

    /// As it stands in the log: as `[log] addresses` says.
    pub(super) fn shown(self) -> impl fmt::Display {
        let network = self.network();
        fmt::from_fn(move |f| match network {
            None => f.write_str("nowhere"),
            Some(network) => write!(f, "{}", observe::shown(network)),
        })
    }

    fn network(self) -> Option<IpNet> {
        let prefix = match self {
            Self::Nowhere => return None,
            Self::Host4(_) => 32,
            Self::Net4(_) => 24,
            Self::Host6(_) => 56,
            Self::Net6(_) => 48,
        };
        self.first().and_then(|first| IpNet::new(first, prefix).ok())
    }

    fn first(self) -> Option<IpAddr> {
        let v4 = |a, b, c, d| Some(Ipv4Addr::new(a, b, c, d).into());
        let v6 = |head: &[u8]| {
            let mut octets = [0; 16];
            octets[..head.len()].copy_from_slice(head);
            Some(Ipv6Addr::from(octets).into())
        };
        match self {
            Self::Nowhere => None,
            Self::Host4([a, b, c, d]) => v4(a, b, c, d),
            Self::Net4([a, b, c]) => v4(a, b, c, 0),
            Self::Host6(head) => v6(&head),
            Self::Net6(head) => v6(&head),
        }
    }
}

impl fmt::Display for ClientNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.network() {
            None => f.write_str("nowhere"),
            Some(network) if network.prefix_len() == 32 && network.addr().is_ipv4() => network.addr().fmt(f),
            Some(network) => network.fmt(f),
        }
    }
}

impl From<ClientNetwork> for String {
    fn from(place: ClientNetwork) -> Self {
        place.to_string()
    }
}

/// A text that is none of ours.
#[derive(Debug, thiserror::Error)]
#[error("this is no address or network of a throttle")]
pub struct NotAClientNetwork;

impl TryFrom<String> for ClientNetwork {
    type Error = NotAClientNetwork;

    fn try_from(text: String) -> Result<Self, NotAClientNetwork> {
        if text == "nowhere" {
            return Ok(Self::Nowhere);
        }
        let (address, prefix) = text.split_once('/').unwrap_or((&text, ""));
        let narrow = Self::narrow(Some(address.parse().map_err(|_| NotAClientNetwork)?));
        match (narrow, prefix) {
            (Self::Host4(_), "") | (Self::Host6(_), "56") => Ok(narrow),
            (Self::Host4(_), "24") | (Self::Host6(_), "48") => Ok(narrow.wide()),
            _ => Err(NotAClientNetwork),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(address: &str) -> ClientNetwork {
        ClientNetwork::narrow(Some(address.parse().unwrap()))
    }

    #[test]
    fn an_address_has_a_network_and_a_name() {
        for (address, narrow, wide, private) in [
            ("192.0.2.7", "192.0.2.7", "192.0.2.0/24", false),
            ("::ffff:192.0.2.7", "192.0.2.7", "192.0.2.0/24", false),
            ("172.22.1.1", "172.22.1.1", "172.22.1.0/24", true),
            ("127.0.0.1", "127.0.0.1", "127.0.0.0/24", true),
            ("2001:db8:1:2ff::9", "2001:db8:1:200::/56", "2001:db8:1::/48", false),
            ("fd4d::1", "fd4d::/56", "fd4d::/48", true),
            ("::1", "::/56", "::/48", true),
        ] {
            let place = of(address);
            assert_eq!((&*place.to_string(), &*place.wide().to_string()), (narrow, wide));
            assert_eq!(place.is_private(), private, "{address}");
            for place in [place, place.wide()] {
                assert_eq!(ClientNetwork::try_from(place.to_string()).unwrap(), place);
            }
        }
        assert_eq!(ClientNetwork::narrow(None).wide(), ClientNetwork::Nowhere);
        for text in
            ["", "x", "192.0.2.0/25", "192.0.2.7/32", "2001:db8::1", "2001:db8::/64", "fe80::1%eth0/56"]
        {
            assert!(ClientNetwork::try_from(text.to_owned()).is_err(), "{text}");
        }
    }

    #[test]
    fn a_place_lies_in_its_networks() {
        let network = Network::parse("192.0.2.0/24").unwrap();
        assert!(of("192.0.2.9").is_in(&network) && of("192.0.2.9").wide().is_in(&network));
        assert!(!of("192.0.3.9").is_in(&network) && !ClientNetwork::Nowhere.is_in(&network));
    }
}
