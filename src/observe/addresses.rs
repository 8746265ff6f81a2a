//! How the addresses of clients stand in the log: as they are, as networks, or as pseudonyms.
//!
//! An address is personal data, and a log is kept longer and read by more people than anything else. Where lines only
//! have to be told apart, a pseudonym does; where it matters from which provider somebody comes, a network does. What
//! acts on addresses always gets them as they are: ban lists, the login history, throttling, the last attempts in
//! memory.

use std::fmt;
use std::net::IpAddr;
use std::sync::OnceLock;

use hmac::{Hmac, KeyInit, Mac};
use ipnet::IpNet;
use serde::Deserialize;
use sha2::Sha256;
use zeroize::Zeroizing;

/// `[log] addresses`: what stands in place of a client's address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AddressForm {
    /// The address.
    #[default]
    Full,
    /// The /24 of IPv4 or the /48 of IPv6 that it is in.
    Network,
    /// A word that is the same for the same address until keydove restarts, and that nobody can turn back.
    Pseudonym,
}

/// The bytes of a pseudonym that are shown. Two of a million addresses share one about once in 500 logs.
const PSEUDONYM_BYTES: usize = 6;

static CHOSEN: OnceLock<Addresses> = OnceLock::new();

/// The form, and for pseudonyms the key. The key lives in memory only and dies with the process: with it whoever has
/// the log could try all four billion addresses of IPv4.
#[derive(Clone, Debug)]
pub(super) enum Addresses {
    Full,
    Network,
    Pseudonym(Box<Hmac<Sha256>>),
}

/// From now on addresses are shown so.
pub(super) fn choose(form: AddressForm) -> Result<(), getrandom::Error> {
    // A second call changes nothing, and the first one's words hold.
    let _ = CHOSEN.set(Addresses::new(form)?);
    Ok(())
}

/// How addresses are shown.
pub(super) fn chosen() -> &'static Addresses {
    CHOSEN.get().unwrap_or(&Addresses::Full)
}

/// An address or network, in the form of the log.
#[must_use]
pub fn shown(place: IpNet) -> impl fmt::Display {
    fmt::from_fn(move |f| chosen().write(place, f))
}

/// A client's address as a field of a line; the only way in which one becomes a field, so that none is shown otherwise.
#[must_use]
pub fn remote_field(remote: Option<IpAddr>) -> Option<tracing::field::DisplayValue<impl fmt::Display>> {
    remote.map(|remote| tracing::field::display(shown(remote.into())))
}

impl Addresses {
    pub(super) fn new(form: AddressForm) -> Result<Self, getrandom::Error> {
        Ok(match form {
            AddressForm::Full => Self::Full,
            AddressForm::Network => Self::Network,
            AddressForm::Pseudonym => {
                let mut key = Zeroizing::new([0_u8; 32]);
                getrandom::fill(&mut *key)?;
                let keyed = Hmac::new_from_slice(&*key).expect("HMAC takes keys of any length");
                Self::Pseudonym(Box::new(keyed))
            }
        })
    }

    /// Whether an address can be read from a line. Then so may what contains one, as Dovecot's session ids do.
    pub(super) fn are_full(&self) -> bool {
        matches!(self, Self::Full)
    }

    /// Adds an address.
    pub(super) fn push(&self, address: IpAddr, line: &mut String) {
        match (self, address) {
            (Self::Full, IpAddr::V4(address)) => push_v4(address.octets(), line),
            // Writing into a `String` does not fail.
            _ => {
                let _ = self.write(address.into(), line);
            }
        }
    }

    fn write(&self, place: IpNet, out: &mut impl fmt::Write) -> fmt::Result {
        let is_one_address = place.prefix_len() == place.max_prefix_len();
        match self {
            Self::Full if is_one_address => write!(out, "{}", place.addr()),
            Self::Full => write!(out, "{}", place.trunc()),
            Self::Network => write!(out, "{}", at_most(place, 24, 48)),
            Self::Pseudonym(keyed) => {
                // One household has a /64 of IPv6, and its computers change their addresses in it daily.
                let place = at_most(place, 32, 64);
                let is_host = matches!((place, place.prefix_len()), (IpNet::V4(_), 32) | (IpNet::V6(_), 64));
                out.write_str(if is_host { "addr-" } else { "net-" })?;
                let mut keyed = keyed.as_ref().clone();
                keyed.update(place.to_string().as_bytes());
                let tag = keyed.finalize().into_bytes();
                tag.iter().take(PSEUDONYM_BYTES).try_for_each(|byte| write!(out, "{byte:02x}"))
            }
        }
    }
}

/// The network around it, if it is smaller than such a one.
fn at_most(place: IpNet, v4: u8, v6: u8) -> IpNet {
    let most = if place.addr().is_ipv4() { v4 } else { v6 };
    IpNet::new(place.addr(), place.prefix_len().min(most)).map_or(place, |net| net.trunc())
}

fn push_v4(octets: [u8; 4], line: &mut String) {
    for (place, octet) in octets.into_iter().enumerate() {
        if place > 0 {
            line.push('.');
        }
        line.push_str(itoa::Buffer::new().format(octet));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(addresses: &Addresses, place: &str) -> String {
        let place = place.parse().unwrap_or_else(|_| place.parse::<IpAddr>().unwrap().into());
        let mut text = String::new();
        addresses.write(place, &mut text).unwrap();
        text
    }

    #[test]
    fn each_form_of_addresses_and_networks() {
        let full = Addresses::new(AddressForm::Full).unwrap();
        let network = Addresses::new(AddressForm::Network).unwrap();
        for (place, as_full, as_network) in [
            ("192.0.2.7", "192.0.2.7", "192.0.2.0/24"),
            ("192.0.2.0/24", "192.0.2.0/24", "192.0.2.0/24"),
            ("2001:db8:1:2:3::4", "2001:db8:1:2:3::4", "2001:db8:1::/48"),
            ("2001:db8:1:2::/64", "2001:db8:1:2::/64", "2001:db8:1::/48"),
        ] {
            assert_eq!(shown(&full, place), as_full);
            assert_eq!(shown(&network, place), as_network);
        }
        let mut line = String::new();
        full.push("192.0.2.70".parse().unwrap(), &mut line);
        assert_eq!(line, "192.0.2.70");
    }

    #[test]
    fn a_pseudonym_is_one_household_in_one_process() {
        let one = Addresses::new(AddressForm::Pseudonym).unwrap();
        let other = Addresses::new(AddressForm::Pseudonym).unwrap();
        let alice = shown(&one, "192.0.2.7");
        assert_eq!(alice.len(), "addr-".len() + 2 * PSEUDONYM_BYTES);
        assert_eq!(alice, shown(&one, "192.0.2.7"));
        assert_ne!(alice, shown(&one, "192.0.2.8"));
        assert_ne!(alice, shown(&other, "192.0.2.7"), "the key is made anew");
        assert_eq!(shown(&one, "2001:db8::1"), shown(&one, "2001:db8::/64"));
        assert_ne!(shown(&one, "2001:db8::1"), shown(&one, "2001:db8:0:1::1"));
        assert!(shown(&one, "192.0.2.0/24").starts_with("net-"));
        assert!(shown(&one, "2001:db8::/56").starts_with("net-"));
    }
}
