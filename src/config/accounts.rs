//! Names of the system's users and groups as numbers.

use nix::unistd::{Group, User};

/// The number of a user; a number stands for itself.
#[must_use]
pub fn find_user(name: &str) -> Option<u32> {
    let known = || User::from_name(name).ok().flatten().map(|user| user.uid.as_raw());
    name.parse().ok().or_else(known)
}

/// The number of a group; a number stands for itself.
#[must_use]
pub fn find_group(name: &str) -> Option<u32> {
    let known = || Group::from_name(name).ok().flatten().map(|group| group.gid.as_raw());
    name.parse().ok().or_else(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_are_owners() {
        assert_eq!(find_user("root"), Some(0));
        assert_eq!(find_user("12345"), Some(12345));
        assert_eq!(find_group("root"), Some(0));
        assert_eq!(find_group("no such group here"), None);
    }
}
