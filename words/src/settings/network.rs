//! Networks such as `192.0.2.0/24` and single addresses.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::Deserialize;

/// A network in CIDR notation (RFC 4632), or one address.
///
/// Addresses are compared in the form in which requests carry them: IPv4 behind `::ffff:` is IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Network(IpNet);

/// A text that is no network.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a network such as `192.0.2.0/24`, `2001:db8::/56` or `192.0.2.7`")]
pub struct NotANetwork(String);

impl Network {
    /// Reads a network; bits behind the prefix do not matter.
    ///
    /// # Errors
    /// What is neither a network nor an address.
    pub fn parse(text: &str) -> Result<Self, NotANetwork> {
        let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        network.map(|network| Self(network.trunc())).map_err(|_| NotANetwork(text.to_owned()))
    }

    /// Its first address.
    #[must_use]
    pub fn first(&self) -> IpAddr {
        self.0.network()
    }

    /// Whether an address is in it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address)
    }
}

impl TryFrom<String> for Network {
    type Error = NotANetwork;

    fn try_from(text: String) -> Result<Self, NotANetwork> {
        Self::parse(&text)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::Network;

    #[test]
    fn an_address_is_in_its_network_and_in_no_other() {
        for (network, inside, outside) in [
            ("192.0.2.0/24", "192.0.2.255", "192.0.3.0"),
            ("192.0.2.9/24", "192.0.2.0", "192.0.1.255"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
            ("2001:db8::/56", "2001:db8:0:ff::1", "2001:db8:0:100::1"),
            ("0.0.0.0/0", "203.0.113.1", "::1"),
        ] {
            let parsed = Network::parse(network).unwrap();
            assert!(parsed.contains(inside.parse().unwrap()), "{network}");
            assert!(!parsed.contains(outside.parse().unwrap()), "{network}");
        }
    }

    #[test]
    fn what_is_no_network_is_named() {
        for text in
            ["", "localhost", "192.0.2.0/33", "192.0.2", "192.0.2.0/", "::/129", "fe80::1%eth0", " ::1"]
        {
            assert_eq!(Network::parse(text).unwrap_err().to_string().split('`').nth(1), Some(text));
        }
    }
}
