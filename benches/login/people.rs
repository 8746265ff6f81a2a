//! Who logs in here: their names, and hashes of their one password.

use std::thread;

use keydove::credential::scheme;
use keydove::credential::scheme::{SALT_BYTES, Scheme};
use keydove_load::{People, Request};
use serde_json::{Value, json};

use super::machine::cores;
use super::stage::{Failure, Result};

/// Everybody's.
pub const PASSWORD: &str = "pw";
/// Of [`PASSWORD`]; the cheapest scheme that mailcow writes.
pub const CHEAP_HASH: &str = "{SSHA512}mAmPaElro8MJT/+2ohnmww5w7khtVXJFkXDAy8XDcxOPwcPLePW0CbNMVMRYxOE881ntDBHHfBHceDyzpq562nNhbHRzYWx0";

/// All names have one length, and so have the lines of all servers.
pub fn name(number: usize) -> String {
    format!("u{number:07}@example.org")
}

/// Those with these numbers, as a load wants them. `no-penalty` keeps Dovecot from slowing its clients down.
pub fn people(numbers: impl IntoIterator<Item = usize>) -> People {
    people_from(numbers, "192.0.2.1")
}

/// The same from another address.
pub fn people_from(numbers: impl IntoIterator<Item = usize>, address: &str) -> People {
    let mut request = Request::default();
    request.fields.retain(|field| !field.starts_with("rip="));
    request.fields.extend([format!("rip={address}"), "no-penalty".to_owned()]);
    People::new(numbers.into_iter().map(name), PASSWORD.as_bytes(), &request)
}

/// One person so many times.
pub fn named(name: &str, times: usize) -> People {
    People::new(std::iter::repeat_n(name.to_owned(), times), PASSWORD.as_bytes(), &Request::default())
}

/// As Keycloak stores and shows one.
pub fn representation(number: usize, hash: &str) -> Value {
    json!({
        "id": format!("00000000-0000-4000-8000-{number:012}"),
        "username": name(number),
        "email": name(number),
        "firstName": "Load",
        "lastName": format!("Test {number}"),
        "enabled": true,
        "emailVerified": true,
        "attributes": { "mailcow_password": [hash], "mailcow_template": ["default"] },
    })
}

/// So many bcrypt hashes of [`PASSWORD`], each with a salt of its own, made on all cores.
pub fn hashes(count: usize, cost: u32) -> Result<Vec<String>> {
    let numbers: Vec<usize> = (0..count).collect();
    let share = numbers.chunks(count.div_ceil(cores()).max(1));
    let made: Option<Vec<Vec<String>>> = thread::scope(|scope| {
        let threads: Vec<_> = share.map(|numbers| scope.spawn(move || hashes_of(numbers, cost))).collect();
        threads.into_iter().map(|thread| thread.join().ok()?).collect()
    });
    made.map(|parts| parts.concat()).ok_or_else(|| Failure("hashes cannot be made".to_owned()))
}

fn hashes_of(numbers: &[usize], cost: u32) -> Option<Vec<String>> {
    let make = |&number: &usize| {
        let mut salt = [7; SALT_BYTES];
        salt[..8].copy_from_slice(&(number as u64).to_be_bytes());
        scheme::generate(Scheme::BlfCrypt, Some(cost), PASSWORD.as_bytes(), &salt).ok()
    };
    numbers.iter().map(make).collect()
}
