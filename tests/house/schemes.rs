//! What the real `doveadm` of Dovecot 2.3 and 2.4 lists and makes, keydove verifies; what keydove makes, `doveadm` does.

use std::path::{Path, PathBuf};
use std::process::Command;

use keydove::credential::scheme;
use keydove::credential::scheme::{Policy, Scheme};

const ALICE: &str = "alice@example.org";
const PASSWORD: &str = "p\u{e4}ssw\u{f6}rd 1";

/// `doveadm` without its configuration: of the package of this system, and of the unpacked one of Debian 13, which runs
/// with the libraries that came with it.
fn doveadms() -> [(&'static str, Vec<PathBuf>); 2] {
    let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join(".stage/debian-13");
    let folders = ["usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu", "usr/lib/dovecot"];
    let libraries = folders.map(|folder| tree.join(folder).display().to_string()).join(":");
    let loaders = ["lib64/ld-linux-x86-64.so.2", "lib/ld-linux-aarch64.so.1"];
    let loader = loaders.map(|loader| tree.join("usr").join(loader)).into_iter().find(|path| path.exists());
    let loader = loader.expect("Debian 13's Dovecot is unpacked: run tests/setup");
    let of_2_4 = vec![loader, "--library-path".into(), libraries.into(), tree.join("usr/bin/doveadm")];
    [("2.3", vec!["/usr/bin/doveadm".into()]), ("2.4", of_2_4)]
}

fn doveadm(program: &[PathBuf], arguments: &[&str]) -> Result<String, String> {
    let end =
        Command::new(&program[0]).args(&program[1..]).args(["-O", "pw"]).args(arguments).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end_matches('\n').to_owned();
    if end.status.success() { Ok(text(&end.stdout)) } else { Err(text(&end.stderr)) }
}

fn verify(stored: &str, password: &str) -> Result<bool, scheme::Unusable> {
    let policy = Policy::default().with_every_weak_scheme();
    policy.parse(stored.as_bytes())?.owned_by(ALICE).permit(&policy)?.matches(password.as_bytes())
}

#[test]
fn every_scheme_that_doveadm_lists_is_verified_in_every_encoding() {
    for (release, program) in doveadms() {
        let list = doveadm(&program, &["-l"]).unwrap();
        let listed: Vec<&str> = list.split_whitespace().collect();
        assert!(listed.len() > 25, "{release}: {list}");
        for name in listed {
            assert!(Scheme::parse(name).is_some(), "{release}: {name} has no row");
            for encoding in ["", ".HEX", ".B64", ".BASE64"] {
                let label = format!("{name}{encoding}");
                let is_argon2 = name.starts_with("ARGON2");
                if is_argon2 && !encoding.is_empty() {
                    continue;
                }
                let mut arguments = vec!["-s", &label, "-p", PASSWORD, "-u", ALICE];
                arguments.extend(is_argon2.then_some(["-r", "3"]).into_iter().flatten());
                let stored = doveadm(&program, &arguments).unwrap_or_else(|error| panic!("{label}: {error}"));
                assert_eq!(verify(&stored, PASSWORD), Ok(true), "{release}: {stored}");
                assert_eq!(verify(&stored, "another"), Ok(false), "{release}: {stored}");
            }
        }
    }
}

/// The cure for a hash that cannot be used.
#[test]
fn what_keydove_makes_is_verified_by_doveadm() {
    for scheme in Scheme::MADE {
        let stored = scheme::generate(scheme, None, PASSWORD.as_bytes(), b"sixteen bytes ok").unwrap();
        for (release, program) in doveadms() {
            let end = doveadm(&program, &["-t", &stored, "-p", PASSWORD]);
            assert!(end.as_ref().is_ok_and(|text| text.contains("verified")), "{release}: {stored}: {end:?}");
            assert!(doveadm(&program, &["-t", &stored, "-p", "another"]).is_err(), "{release}: {stored}");
        }
    }
}
