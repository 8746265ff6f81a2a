//! Whether nearly everybody comes from one private address, which is then no person's but a gateway's.

use std::collections::VecDeque;

use super::client_network::ClientNetwork;

/// So many logins are looked at.
const SAMPLE: usize = 64;
/// Fewer say nothing.
const LEAST: usize = 16;
/// Of a hundred.
const NEARLY_ALL: usize = 95;

/// The places of the last accounts that were right or wrong, each account once in a while.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    places: VecDeque<ClientNetwork>,
    gateway: Option<ClientNetwork>,
}

impl Crowd {
    /// Takes one down. Returns the address that was found to be a gateway just now.
    pub(super) fn see(&mut self, place: ClientNetwork) -> Option<ClientNetwork> {
        if self.places.len() == SAMPLE {
            self.places.pop_front();
        }
        self.places.push_back(place);
        let same = self.places.iter().filter(|seen| **seen == place).count();
        let is_crowded = self.places.len() >= LEAST && same * 100 >= self.places.len() * NEARLY_ALL;
        if is_crowded && place.is_private() {
            return (self.gateway.replace(place) != Some(place)).then_some(place);
        }
        if let Some(gateway) = self.gateway {
            let same = self.places.iter().filter(|seen| **seen == gateway).count();
            if same * 100 < self.places.len() * NEARLY_ALL {
                self.gateway = None;
            }
        }
        None
    }

    /// Whether it is, at the moment.
    pub(super) fn is_gateway(&self, place: ClientNetwork) -> bool {
        self.gateway == Some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GATEWAY: ClientNetwork = ClientNetwork::Host4([172, 22, 1, 1]);

    #[test]
    fn one_private_address_for_everybody_is_a_gateway_told_of_once() {
        let mut crowd = Crowd::default();
        let found: Vec<_> = (0..100).filter_map(|_| crowd.see(GATEWAY)).collect();
        assert_eq!(found, [GATEWAY]);
        assert!(crowd.is_gateway(GATEWAY));
        for last in 0..4 {
            crowd.see(ClientNetwork::Host4([192, 0, 2, last]));
        }
        assert!(!crowd.is_gateway(GATEWAY));
    }

    #[test]
    fn a_public_address_or_one_among_several_is_none() {
        let mut crowd = Crowd::default();
        assert!((0..100).all(|_| crowd.see(ClientNetwork::Host4([192, 0, 2, 1])).is_none()));
        let mut crowd = Crowd::default();
        let places = [GATEWAY, ClientNetwork::Host4([172, 22, 1, 9])];
        assert!((0..100).all(|number| crowd.see(places[number % 2]).is_none()));
    }
}
