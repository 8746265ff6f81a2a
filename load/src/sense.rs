//! Loads that cannot be.

use std::io::{self, ErrorKind};

use crate::{Load, MOST_CONNECTIONS, MOST_DEPTH, Pace, Reuse};

/// Finds loads that cannot be.
pub(crate) fn check(load: &Load<'_>) -> io::Result<()> {
    let is_depth_good = match load.pace {
        Pace::Closed { depth } => (1..=MOST_DEPTH).contains(&depth),
        Pace::Open { per_second } => per_second.is_finite() && per_second > 0.0 && load.reuse == Reuse::Kept,
    };
    let complaint = if load.people.is_empty() {
        "a load needs somebody who logs in"
    } else if !(1..=MOST_CONNECTIONS).contains(&load.connections) {
        "a load needs connections, and not too many"
    } else if !is_depth_good {
        "a load needs a depth that is not too large, or a rate on connections that are kept"
    } else {
        return Ok(());
    };
    Err(io::Error::new(ErrorKind::InvalidInput, complaint))
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::*;
    use crate::{Expect, People, Request, Turns, run};

    #[test]
    fn a_load_that_cannot_be_is_refused_before_anybody_connects() {
        let people = |count| {
            let names = (0..count).map(|number| format!("u{number}@example.org"));
            People::new(names, b"pw", &Request::default())
        };
        let (nobody, somebody) = (people(0), people(1));
        let load = Load {
            socket: Path::new("/nowhere"),
            people: &somebody,
            connections: 1,
            pace: Pace::Closed { depth: 1 },
            reuse: Reuse::Kept,
            turns: Turns::Random,
            wrong_percent: 0,
            warm_up: Duration::ZERO,
            window: Duration::ZERO,
            grace: Duration::ZERO,
            expect: Expect::Verdicts,
        };
        let kind = |load: &Load<'_>| run(load, &mut |_, _| ()).unwrap_err().kind();
        assert_eq!(kind(&load), ErrorKind::NotFound);
        let rate = |per_second| Pace::Open { per_second };
        for wrong in [
            Load { people: &nobody, ..load },
            Load { connections: 0, ..load },
            Load { connections: MOST_CONNECTIONS + 1, ..load },
            Load { pace: Pace::Closed { depth: 0 }, ..load },
            Load { pace: Pace::Closed { depth: MOST_DEPTH + 1 }, ..load },
            Load { pace: rate(0.0), ..load },
            Load { pace: rate(f64::NAN), ..load },
            Load { pace: rate(1.0), reuse: Reuse::PerLogin, ..load },
        ] {
            assert_eq!(kind(&wrong), ErrorKind::InvalidInput, "{wrong:?}");
        }
    }
}
