//! What is done with a yes: an answer to Dovecot, or another program.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use super::escaping::escape;
use super::hook::Fields;
use super::options::Options;
use super::os;

/// Exit codes under Dovecot.
const LOGGED_IN: u8 = 0;
const FOUND: u8 = 2;

/// Answers Dovecot and returns the exit code; or becomes the program, and then returns only when that fails.
///
/// # Errors
/// What was attempted and went wrong: cannot tell.
pub fn accept(options: &Options, fields: &Fields) -> Result<u8, String> {
    if options.is_dovecot {
        let explain = |error: io::Error| format!("cannot answer on descriptor 4: {error}");
        let mut out = OpenOptions::new().write(true).open("/proc/self/fd/4").map_err(explain)?;
        out.write_all(&for_dovecot(fields)).map_err(explain)?;
        return Ok(if options.is_lookup { FOUND } else { LOGGED_IN });
    }
    Err(run(options, fields))
}

/// keydove means it for the passdb: the mailbox is on another machine.
const OF_PASSDB: &[u8] = b"passdb_";

/// TAB-separated: `user=` and what is of the passdb as it is, everything else as a field of the userdb.
fn for_dovecot(fields: &Fields) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in fields {
        if !out.is_empty() {
            out.push(b'\t');
        }
        match name.strip_prefix(OF_PASSDB) {
            Some(name) => escape(name, &mut out),
            None => {
                if name != b"user" {
                    out.extend_from_slice(b"userdb_");
                }
                escape(name, &mut out);
            }
        }
        out.push(b'=');
        escape(value, &mut out);
    }
    out
}

/// Becomes the program, with the environment of the checkpassword interface: `USER`, `HOME`, and the rest as
/// `userdb_…` whose names are in `EXTRA`. Started by root, it becomes the owner of the mail first.
fn run(options: &Options, fields: &Fields) -> String {
    let [program, arguments @ ..] = options.program.as_slice() else {
        return "there is no program to run".to_owned();
    };
    let mut command = Command::new(program);
    command.args(arguments);
    let mut extra = Vec::new();
    for (name, value) in fields {
        let is_bad = |bytes: &[u8]| bytes.is_empty() || bytes.contains(&0) || bytes.contains(&b'=');
        if is_bad(name) || value.contains(&0) {
            continue;
        }
        let value = os(value.clone());
        match name.as_slice() {
            // Only Dovecot has proxies.
            name if name.starts_with(OF_PASSDB) => {}
            b"user" => drop(command.env("USER", value)),
            b"home" => {
                // The folder is there from the first mail on.
                if Path::new(&value).is_dir() {
                    command.current_dir(&value);
                }
                command.env("HOME", value);
            }
            _ => {
                let name = [b"userdb_", name.as_slice()].concat();
                extra.push(name.clone());
                command.env(os(name), value);
            }
        }
    }
    command.env("EXTRA", os(extra.join(&b' ')));
    if nix::unistd::geteuid().is_root() {
        match (number(fields, b"uid"), number(fields, b"gid")) {
            (Some(uid), Some(gid)) => drop(command.uid(uid).gid(gid)),
            _ => return "keydove tells no uid and gid to change to: set them under [userdb]".to_owned(),
        }
    }
    let error = command.exec();
    format!("cannot run {}: {error}", Path::new(program).display())
}

/// The number of a field, which nobody may set to root's.
fn number(fields: &Fields, name: &[u8]) -> Option<u32> {
    let (_, value) = fields.iter().find(|(found, _)| found == name)?;
    std::str::from_utf8(value).ok()?.parse().ok().filter(|&number| number != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dovecot_is_told_everything_but_the_name_as_userdb_fields() {
        let fields = [("user", "a@b.example"), ("uid", "5000"), ("home", "/m/a\tb")];
        let fields =
            fields.map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())).to_vec();
        assert_eq!(for_dovecot(&fields), b"user=a@b.example\tuserdb_uid=5000\tuserdb_home=/m/a\x01tb");
        let proxied = vec![(b"passdb_host".to_vec(), b"192.0.2.1".to_vec())];
        assert_eq!(for_dovecot(&proxied), b"host=192.0.2.1");
        assert_eq!((number(&fields, b"uid"), number(&fields, b"gid")), (Some(5000), None));
    }
}
