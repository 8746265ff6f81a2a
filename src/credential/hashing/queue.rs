//! Who waits, who is next, and who is turned away. No threads, no clock.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};

use super::network::Network;

/// Jobs that wait for a thread, at most a fixed number of them.
///
/// Networks take turns: a job waits for at most one job of each other network and for those of its own network
/// that came before it. When the queue is full, the network with the most waiting jobs loses its newest one. So
/// a flood from one network costs the others a turn each, and no place.
pub(super) struct FairQueue<J> {
    lines: [Line<J>; 2],
    capacity: usize,
    arrivals: u64,
}

/// Which threads a job waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Lane,
    Long,
}

/// The place of a waiting job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    kind: Kind,
    network: Network,
    arrival: u64,
}

impl<J> FairQueue<J> {
    pub(super) fn new(capacity: usize) -> Self {
        Self { lines: [Line::new(), Line::new()], capacity, arrivals: 0 }
    }

    /// Lets a job wait. If another had to leave for it, that one comes back beside the ticket.
    ///
    /// # Errors
    /// The queue is full, and no network has more jobs in it than the job's own would have: the job itself.
    pub(super) fn push(&mut self, kind: Kind, network: Network, job: J) -> Result<(Ticket, Option<J>), J> {
        let shed = if self.len() < self.capacity {
            None
        } else {
            match self.shed_for(network) {
                Some(shed) => Some(shed),
                None => return Err(job),
            }
        };
        self.arrivals += 1;
        let ticket = Ticket { kind, network, arrival: self.arrivals };
        self.line(kind).insert(ticket, job);
        Ok((ticket, shed))
    }

    /// Takes the next job out.
    pub(super) fn pop(&mut self, kind: Kind) -> Option<J> {
        self.line(kind).pop()
    }

    /// Takes a certain job out, if it still waits.
    pub(super) fn remove(&mut self, ticket: Ticket) -> Option<J> {
        self.line(ticket.kind).remove(ticket)
    }

    pub(super) fn len(&self) -> usize {
        self.lines.iter().map(|line| line.length).sum()
    }

    pub(super) fn waiting(&self, kind: Kind) -> usize {
        self.lines[kind as usize].length
    }

    fn line(&mut self, kind: Kind) -> &mut Line<J> {
        &mut self.lines[kind as usize]
    }

    /// Makes room for one job of this network. Looks at every waiting network, which only a full queue asks for.
    fn shed_for(&mut self, newcomer: Network) -> Option<J> {
        let networks = self.lines.iter().flat_map(|line| line.networks.keys());
        let busiest =
            networks.copied().max_by_key(|network| (self.count(*network), self.newest(*network)))?;
        if self.count(busiest) <= self.count(newcomer) + 1 {
            return None;
        }
        let newest = self.newest(busiest)?;
        [Kind::Lane, Kind::Long]
            .into_iter()
            .find_map(|kind| self.remove(Ticket { kind, network: busiest, arrival: newest }))
    }

    fn count(&self, network: Network) -> usize {
        self.lines.iter().filter_map(|line| line.networks.get(&network)).map(BTreeMap::len).sum()
    }

    fn newest(&self, network: Network) -> Option<u64> {
        let jobs = self.lines.iter().filter_map(|line| line.networks.get(&network));
        jobs.filter_map(|jobs| jobs.keys().next_back().copied()).max()
    }
}

/// The jobs that wait for one kind of thread.
struct Line<J> {
    /// By network, and then by arrival. No network is empty.
    networks: BTreeMap<Network, BTreeMap<u64, J>>,
    /// Whose turn was last. Turns go round in the order of the map.
    last: Option<Network>,
    length: usize,
}

impl<J> Line<J> {
    fn new() -> Self {
        Self { networks: BTreeMap::new(), last: None, length: 0 }
    }

    fn insert(&mut self, ticket: Ticket, job: J) {
        self.networks.entry(ticket.network).or_default().insert(ticket.arrival, job);
        self.length += 1;
    }

    fn pop(&mut self) -> Option<J> {
        let after_last = self.last.map_or(Unbounded, Excluded);
        let mut following = self.networks.range((after_last, Unbounded));
        let network = *following.next().or_else(|| self.networks.first_key_value())?.0;
        let arrival = *self.networks.get(&network)?.first_key_value()?.0;
        self.last = Some(network);
        self.take(network, arrival)
    }

    fn remove(&mut self, ticket: Ticket) -> Option<J> {
        self.take(ticket.network, ticket.arrival)
    }

    fn take(&mut self, network: Network, arrival: u64) -> Option<J> {
        let jobs = self.networks.get_mut(&network)?;
        let job = jobs.remove(&arrival)?;
        if jobs.is_empty() {
            self.networks.remove(&network);
        }
        self.length -= 1;
        Some(job)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{FairQueue, Kind, Network, Ticket};

    const A: Network = Network::V4([192, 0, 2]);
    const B: Network = Network::V4([198, 51, 100]);
    const C: Network = Network::V6([0x20, 1, 0xd, 0xb8, 0, 0, 0]);

    fn push<J>(queue: &mut FairQueue<J>, network: Network, job: J) -> (Ticket, Option<J>) {
        queue.push(Kind::Lane, network, job).unwrap_or_else(|_| panic!("there was no room"))
    }

    fn drain<J>(queue: &mut FairQueue<J>) -> Vec<J> {
        std::iter::from_fn(|| queue.pop(Kind::Lane)).collect()
    }

    #[test]
    fn one_network_is_served_in_the_order_of_arrival() {
        let mut queue = FairQueue::new(9);
        for job in 0..9 {
            push(&mut queue, Network::Unknown, job);
        }
        assert_eq!(drain(&mut queue), (0..9).collect::<Vec<_>>());
    }

    #[test]
    fn networks_take_turns_however_many_jobs_each_has() {
        let mut queue = FairQueue::new(99);
        for job in ["a1", "a2", "a3", "a4", "a5"] {
            push(&mut queue, A, job);
        }
        assert_eq!(queue.pop(Kind::Lane), Some("a1"));
        for (network, job) in [(B, "b1"), (B, "b2"), (C, "c1")] {
            push(&mut queue, network, job);
        }
        assert_eq!(drain(&mut queue), ["b1", "c1", "a2", "b2", "a3", "a4", "a5"]);
    }

    #[test]
    fn a_flood_delays_a_stranger_by_one_turn() {
        let mut queue = FairQueue::new(512);
        for _ in 0..512 {
            push(&mut queue, A, "flood");
        }
        assert_eq!(push(&mut queue, B, "stranger").1, Some("flood"));
        let place = drain(&mut queue).into_iter().position(|job| job == "stranger").unwrap();
        assert!(place <= 1, "served as number {place}");
    }

    #[test]
    fn the_fullest_network_pays_with_its_newest_job() {
        let mut queue = FairQueue::new(4);
        for job in ["a1", "a2", "a3"] {
            push(&mut queue, A, job);
        }
        push(&mut queue, B, "b1");
        assert_eq!(push(&mut queue, C, "c1").1, Some("a3"));
        // Now A has two, B and C have one, and a second one of theirs would bring no fairness.
        assert_eq!(queue.push(Kind::Lane, B, "b2"), Err("b2"));
        assert_eq!(queue.push(Kind::Lane, A, "a4"), Err("a4"));
        assert_eq!(push(&mut queue, Network::Unknown, "u1").1, Some("a2"));
        assert_eq!(queue.push(Kind::Lane, A, "a5"), Err("a5"));
        assert_eq!(queue.len(), 4);
    }

    #[test]
    fn of_two_equally_full_networks_the_later_one_pays() {
        let mut queue = FairQueue::new(4);
        for (network, job) in [(A, "a1"), (B, "b1"), (A, "a2"), (B, "b2")] {
            push(&mut queue, network, job);
        }
        assert_eq!(push(&mut queue, C, "c1").1, Some("b2"));
    }

    #[test]
    fn both_kinds_share_the_room_and_neither_waits_for_the_other() {
        let mut queue = FairQueue::new(3);
        assert!(queue.push(Kind::Long, A, "slow").is_ok());
        assert!(queue.push(Kind::Lane, A, "quick").is_ok());
        assert!(queue.push(Kind::Long, A, "slower").is_ok());
        let (_, shed) = queue.push(Kind::Lane, B, "other").unwrap();
        assert_eq!(shed, Some("slower"));
        assert_eq!((queue.waiting(Kind::Lane), queue.waiting(Kind::Long)), (2, 1));
        assert_eq!(queue.pop(Kind::Long), Some("slow"));
        assert_eq!(queue.pop(Kind::Long), None);
        assert_eq!(drain(&mut queue), ["quick", "other"]);
    }

    #[test]
    fn an_abandoned_job_makes_room() {
        let mut queue = FairQueue::new(2);
        let (first, _) = push(&mut queue, A, 1);
        push(&mut queue, A, 2);
        assert_eq!(queue.push(Kind::Lane, A, 3), Err(3));
        assert_eq!(queue.remove(first), Some(1));
        assert_eq!(queue.remove(first), None);
        push(&mut queue, A, 4);
        assert_eq!(drain(&mut queue), [2, 4]);
    }

    fn some_network() -> impl Strategy<Value = Network> {
        prop_oneof![4 => Just(A), 2 => Just(B), 1 => Just(C), 1 => Just(Network::Unknown)]
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_job_is_lost_or_doubled_and_the_room_is_kept(
            steps in prop::collection::vec((some_network(), 0..5_u8), 0..200),
            capacity in 1..20_usize,
        ) {
            let mut queue = FairQueue::new(capacity);
            let (mut waiting, mut tickets) = (Vec::new(), Vec::new());
            for (job, (network, step)) in steps.into_iter().enumerate() {
                let kind = if step % 2 == 0 { Kind::Lane } else { Kind::Long };
                let left = match step {
                    3 => queue.pop(kind),
                    4 => tickets.pop().and_then(|ticket| queue.remove(ticket)),
                    _ => match queue.push(kind, network, job) {
                        Ok((ticket, shed)) => {
                            tickets.push(ticket);
                            waiting.push(job);
                            shed
                        }
                        Err(refused) => {
                            prop_assert_eq!((refused, queue.len()), (job, capacity));
                            None
                        }
                    },
                };
                if let Some(left) = left {
                    let place = waiting.iter().position(|&job| job == left);
                    prop_assert!(place.is_some(), "{} came twice", left);
                    waiting.remove(place.unwrap());
                }
                prop_assert_eq!(queue.len(), waiting.len());
                prop_assert!(queue.len() <= capacity);
            }
        }
    }
}
