//! Whoever reads a command's answer may go away at any time, as `head` does.

use std::fs::OpenOptions;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

/// One of each kind of command; the configuration is made for them.
const COMMANDS: [&str; 17] = [
    "--help",
    "domain add example.org",
    "domain set example.org --mailboxes 20",
    "domain list",
    "domain list --json",
    "template add Default",
    "template list",
    "mailbox add a@example.org",
    "mailbox set a@example.org --active off",
    "mailbox list --json",
    "alias add b@example.org --to a@example.org",
    "alias list",
    "app-password add a@example.org --name phone",
    "app-password list a@example.org",
    "hash --list",
    "completions bash",
    "check --offline",
];

#[test]
fn every_command_ends_quietly_when_nobody_reads() {
    let folder = std::env::temp_dir().join(format!("keydove-pipes-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let config = folder.join("keydove.toml");
    std::fs::write(folder.join("secret"), "s3cret\n").unwrap();
    std::fs::set_permissions(folder.join("secret"), std::fs::Permissions::from_mode(0o600)).unwrap();
    let shown = folder.display();
    std::fs::write(
        &config,
        format!(
            "[[listener]]\ndoor = 'auth-client'\nrole = 'dovecot'\npath = '{shown}/auth'\n\
             [keycloak]\nserver_url = 'https://sso.example.org'\nrealm = 'mail'\nclient_id = 'keydove'\n\
             client_secret_file = '{shown}/secret'\n[storage.sqlite]\npath = '{shown}/keydove.sqlite'\n"
        ),
    )
    .unwrap();
    let run = |line: &str, out: Stdio, err: Stdio| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keydove"));
        command
            .args(line.split(' '))
            .arg("--config")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err);
        command.spawn().unwrap().wait_with_output().unwrap()
    };
    let closed = || {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        Stdio::from(writer)
    };
    for line in COMMANDS {
        let end = run(line, closed(), Stdio::piped());
        let err = String::from_utf8_lossy(&end.stderr).into_owned();
        assert!(!err.contains("panicked") && !err.contains("pipe"), "{line}: {err}");
        // `--help` is written by the parser of arguments, which takes no notice of the pipe.
        let expected = if line == "--help" { 0 } else { 141 };
        assert_eq!(end.status.code(), Some(expected), "{line}: {err}");
    }
    // What they did was done all the same.
    let list = run("mailbox list --json", Stdio::piped(), Stdio::piped());
    assert!(String::from_utf8_lossy(&list.stdout).contains("a@example.org"));
    for line in ["domain add example.org", "mailbox set none@example.org --active on", "nonsense"] {
        let end = run(line, closed(), closed());
        assert!([64, 65].contains(&end.status.code().unwrap()), "{line}: {:?}", end.status);
    }
    // A disk that is full is a fault, and is told.
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let end = run("domain list", Stdio::from(full), Stdio::piped());
    let err = String::from_utf8_lossy(&end.stderr).into_owned();
    assert!(end.status.code() == Some(70) && err.contains("cannot be written to standard output"), "{err}");
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn nothing_but_the_one_writer_prints() {
    let mut files = vec![std::path::PathBuf::from("src")];
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
            let prints = ["println!(", "print!("].iter().any(|word| line.contains(word));
            assert!(!prints, "{}: {line}", path.display());
        }
    }
}
