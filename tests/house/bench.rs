//! `keydove bench` against a running keydove, and against servers that misbehave.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_keydove");

/// A keydove with mailboxes whose passwords are in their rows, so that it needs no Keycloak.
struct Daemon {
    child: Child,
    folder: PathBuf,
}

impl Daemon {
    fn start(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("keydove-load-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (config, secret) = (folder.join("keydove.toml"), folder.join("secret"));
        std::fs::write(&secret, "s3cret").unwrap();
        std::fs::set_permissions(&secret, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let text = format!(
            "[[listener]]\ndoor = 'auth-client'\nrole = 'dovecot'\npath = '{folder}/auth'\n\
             [keycloak]\nserver_url = 'http://127.0.0.1:9'\nrealm = 'mail'\nclient_id = 'keydove'\n\
             client_secret_file = '{folder}/secret'\n[storage.sqlite]\npath = '{folder}/keydove.sqlite'\n\
             [login]\nfailure_delay = '0'\n",
            folder = folder.display()
        );
        std::fs::write(&config, text).unwrap();
        let run = |line: &str, input: &str| {
            let mut command = Command::new(PROGRAM);
            let mut child = command
                .args(line.split(' '))
                .arg("--config")
                .arg(&config)
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .spawn()
                .unwrap();
            child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
            assert!(child.wait().unwrap().success(), "{line}");
        };
        run("domain add example.org", "");
        for number in 0..3 {
            run(&format!("mailbox add u{number}@example.org --source mailcow --scheme SSHA512"), "pw\n");
        }
        let child = Command::new(PROGRAM)
            .args(["serve", "--config"])
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let daemon = Self { child, folder };
        while UnixStream::connect(daemon.socket()).is_err() {
            thread::sleep(Duration::from_millis(20));
        }
        daemon
    }

    fn socket(&self) -> PathBuf {
        self.folder.join("auth")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Runs a load with this password: the exit code, and what was printed.
fn bench(socket: &Path, options: &str, password: &str) -> (i32, String) {
    let mut child = Command::new(PROGRAM)
        .arg("bench")
        .arg(socket)
        .args(options.split_whitespace())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that is used wrongly has ended already.
    let _ = child.stdin.take().unwrap().write_all(format!("{password}\n").as_bytes());
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    let code = output.status.code().unwrap();
    assert!(code >= 64 || errors.contains("This is a load test"), "{errors}");
    (code, String::from_utf8(output.stdout).unwrap() + &errors)
}

/// Runs a load that prints JSON.
fn measure(socket: &Path, options: &str, password: &str) -> (i32, Value) {
    let (code, text) = bench(socket, &format!("--json {options}"), password);
    let document = text.rsplit_once('}').map_or("", |(document, _)| document);
    (code, serde_json::from_str(&format!("{document}}}")).unwrap_or_else(|error| panic!("{error}: {text}")))
}

#[test]
fn a_running_keydove_answers_every_kind_of_load() {
    let daemon = Daemon::start("kinds");
    let socket = daemon.socket();
    let people = "--user u%d@example.org --people 3 --duration 300ms";
    for kind in [
        "--connections 4 --depth 8 --warm-up 100ms",
        "--connections 4 --connection-per-login --warm-up 100ms",
        "--connections 2 --rate 300 --warm-up 0",
        "--connections 4 --depth 2 --wrong 30 --warm-up 100ms --service smtp",
        "--connections 2 --field no-penalty --field rip=2001:db8::1",
    ] {
        let (code, outcome) = measure(&socket, &format!("{people} {kind}"), "pw");
        assert_eq!(code, 0, "{kind}: {outcome}");
        let count = |name: &str| outcome[name].as_u64().unwrap();
        assert!(
            count("accepted") > 10 && outcome["latency_p990"].as_f64().unwrap() > 0.0,
            "{kind}: {outcome}"
        );
        assert_eq!(count("refused") > 0, kind.contains("--wrong"), "{kind}: {outcome}");
        assert_eq!(count("sent"), count("accepted") + count("refused"), "{kind}: {outcome}");
    }
    let (code, once) =
        measure(&socket, "--user u%d@example.org --people 3 --each-once --connections 2", "pw");
    assert_eq!((code, &once["sent"], &once["accepted"]), (0, &3.into(), &3.into()), "{once}");
    let (code, text) = bench(&socket, &format!("{people} --connections 2"), "pw");
    assert!(
        code == 0 && text.contains("logins per second") && text.contains("p99.9") && text.contains("####"),
        "{text}"
    );
}

#[test]
fn a_refused_right_password_is_no_success() {
    let daemon = Daemon::start("refused");
    let people = "--user u%d@example.org --people 3 --duration 200ms --warm-up 0";
    let (code, outcome) = measure(&daemon.socket(), people, "not-pw");
    assert!(code == 1 && outcome["unexpected"].as_u64().unwrap() > 0, "{outcome}");
    let (code, outcome) = measure(&daemon.socket(), "--user nobody@example.org --duration 200ms", "pw");
    assert!(code == 1 && outcome["unexpected"].as_u64().unwrap() > 0, "{outcome}");
}

#[test]
fn wrong_use_and_a_missing_server_have_their_codes() {
    let nowhere = std::env::temp_dir().join(format!("keydove-load-{}-nowhere", std::process::id()));
    let (code, text) = bench(&nowhere, "", "pw");
    assert!(code == 70 && text.contains("keydove-load") && text.contains("No such file"), "{text}");
    let (code, text) = bench(&nowhere, "--user alice@example.org --people 2", "pw");
    assert!(code == 64 && text.contains("--people needs a %d"), "{text}");
    assert_eq!(bench(&nowhere, "--connections 100000", "pw").0, 64);
}

/// What a server says to a request, or nothing more.
type Answer = fn(id: &str) -> Option<String>;

/// A server that greets and then answers each line of a client in this way, until it says nothing more.
fn misbehave(name: &str, answer: Answer) -> PathBuf {
    let path = std::env::temp_dir().join(format!("keydove-load-{}-{name}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            stream.write_all(b"VERSION\t1\t2\nMECH\tPLAIN\nDONE\n").unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines();
            for line in lines.map_while(Result::ok) {
                let Some(id) = line.strip_prefix("AUTH\t").and_then(|rest| rest.split('\t').next()) else {
                    continue;
                };
                match answer(id) {
                    Some(text) => stream.write_all(text.as_bytes()).unwrap(),
                    None => break,
                }
            }
        }
    });
    path
}

#[test]
fn what_a_server_does_wrong_is_counted() {
    let load = "--user alice@example.org --duration 100ms --warm-up 0";
    let cases: [(&str, Answer); 4] = [
        ("unexpected", |id| Some(format!("OK\t{id}\tuser=bob@example.org\n"))),
        ("unexpected", |id| {
            Some(format!("OK\t{id}\tuser=alice@example.org\nOK\t{id}\tuser=alice@example.org\n"))
        }),
        ("cannot_tell", |id| Some(format!("FAIL\t{id}\tcode=temp_fail\n"))),
        ("hung_up", |_| None),
    ];
    for (number, (count, answer)) in cases.into_iter().enumerate() {
        let path = misbehave(&number.to_string(), answer);
        let (code, outcome) = measure(&path, load, "pw");
        assert!(code == 1 && outcome[count].as_u64().unwrap() > 0, "{number}: {outcome}");
        std::fs::remove_file(path).unwrap();
    }
}

#[test]
fn a_server_that_does_not_greet_is_left() {
    let path = std::env::temp_dir().join(format!("keydove-load-{}-silent", std::process::id()));
    let listener = UnixListener::bind(&path).unwrap();
    let closer = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.read_exact(&mut [0; 8]).unwrap();
    });
    let (code, text) = bench(&path, "", "pw");
    assert!(code == 70 && text.contains("during the handshake"), "{text}");
    closer.join().unwrap();
    std::fs::remove_file(path).unwrap();
}
