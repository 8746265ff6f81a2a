//! Keycloak's server, from a copy of the database that already holds the realm of `tests/realm`.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use crate::names::REALM;
use crate::process::{Group, Program, copy_program, run};
use crate::{Failure, Result, Stage, attempt, free_port, source_tree};

/// The version that `tests/setup` fetches.
const VERSION: &str = "26.7.3";
/// Names another one, which `tests/versions/run` has fetched.
const OTHER_VERSION: &str = "KEYDOVE_TEST_KEYCLOAK";
/// The compiler and the collector that start fastest.
const JAVA_OPTIONS: &str = "-XX:TieredStopAtLevel=1 -XX:-UseG1GC -XX:-UseParallelGC -XX:+UseSerialGC";
/// Room for what a request leaves, so that there is seldom something to collect.
const HEAP: &str = "-Xms512m -Xmx768m -Xmn320m";
/// Nothing has to outlast a crash, so the database writes in larger pieces and leaves the holes in its file alone.
const DATABASE: &str = ";NON_KEYWORDS=VALUE;WRITE_DELAY=5000;AUTO_COMPACT_FILL_RATE=0";
/// The first version that tells events by the time of day.
pub const KEYCLOAK_OF_EVENTS: (u32, u32) = (26, 2);

/// The version that is tested with, if it was chosen.
pub fn chosen_version() -> Option<String> {
    std::env::var(OTHER_VERSION).ok().filter(|version| !version.is_empty())
}

/// A Keycloak server with a home folder, a database and a port of its own.
pub(crate) struct Server {
    stage: Arc<Stage>,
    home: PathBuf,
    port: u16,
    https_port: u16,
    tls: Tls,
    program: Option<Program>,
}

/// A private authority and the certificate it gave this server.
struct Tls {
    authority: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
}

impl Server {
    /// Starts the server without waiting for it.
    pub fn start(stage: &Arc<Stage>) -> Result<Self> {
        let home = make_home(stage)?;
        let (port, https_port, tls) = (free_port()?, free_port()?, make_certificate(stage)?);
        let mut server = Self { stage: Arc::clone(stage), home, port, https_port, tls, program: None };
        server.start_again()?;
        Ok(server)
    }

    /// Waits until the realm answers.
    pub fn wait_until_ready(&mut self) -> Result<()> {
        let port = self.port;
        let program = self.program.as_mut().ok_or_else(|| Failure("Keycloak is stopped".to_owned()))?;
        program.wait_until(|| realm_answers(port))
    }

    /// Stops the server. From now on its port refuses connections.
    pub fn stop(&mut self) -> Result<()> {
        match self.program.take() {
            Some(mut program) => program.stop().map(|_| ()),
            None => Ok(()),
        }
    }

    /// Starts it again at the same port with the same database, without waiting for it.
    pub fn start_again(&mut self) -> Result<()> {
        let mut command = Command::new(self.home.join("bin/kc.sh"));
        command
            .args(["start-dev", "--http-host=127.0.0.1"])
            .arg(format!("--http-port={}", self.port))
            .arg(format!("--https-port={}", self.https_port))
            .arg(format!("--https-certificate-file={}", self.tls.certificate.display()))
            .arg(format!("--https-certificate-key-file={}", self.tls.key.display()))
            .env("JAVA_OPTS_APPEND", JAVA_OPTIONS)
            .env("JAVA_OPTS_KC_HEAP", HEAP)
            .env("KC_DB_URL_PROPERTIES", DATABASE)
            .env("KC_BOOTSTRAP_ADMIN_USERNAME", "admin")
            .env("KC_BOOTSTRAP_ADMIN_PASSWORD", "admin")
            // Their names up to 25.
            .env("KEYCLOAK_ADMIN", "admin")
            .env("KEYCLOAK_ADMIN_PASSWORD", "admin");
        self.program = Some(Program::start(&self.stage, "keycloak", command, Group::Own)?);
        Ok(())
    }

    /// The authority to trust for it, for `ca_file`.
    pub fn authority(&self) -> &Path {
        &self.tls.authority
    }

    /// Has it run before whoever asks it, if this system lets us.
    pub fn prefer(&self) {
        if let Some(program) = &self.program {
            let _ = run(Command::new("renice").args(["-n", "-10", "-p", &program.id().to_string()]));
        }
    }

    /// `host:port` without TLS.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The port with TLS.
    pub fn https_port(&self) -> u16 {
        self.https_port
    }

    /// The folder of its stage where authority, certificate and key lie.
    pub fn tls_folder(&self) -> PathBuf {
        self.stage.path("tls")
    }
}

/// Makes an authority and a certificate for `localhost` with OpenSSL.
fn make_certificate(stage: &Stage) -> Result<Tls> {
    let folder = stage.folder("tls")?;
    let script = "set -e; cd \"$0\"
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=Test -keyout ca.key -out ca.pem
        openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost -keyout server.key -out server.csr
        printf 'subjectAltName=DNS:localhost\\nbasicConstraints=CA:FALSE\\n' > server.ext
        openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile server.ext -out server.pem";
    run(Command::new("/bin/sh").args(["-c", script]).arg(&folder))?;
    let file = |name: &str| folder.join(name);
    Ok(Tls { authority: file("ca.pem"), certificate: file("server.pem"), key: file("server.key") })
}

/// A home folder whose programs are the unpacked ones and whose data are a copy of the template.
fn make_home(stage: &Stage) -> Result<PathBuf> {
    let version = chosen_version().unwrap_or_else(|| VERSION.to_owned());
    let template = if version == VERSION { String::new() } else { format!("-{version}") };
    let unpacked = source_tree().join(format!(".stage/keycloak-{version}"));
    let template = source_tree().join(format!(".stage/realm-template{template}/h2"));
    if !unpacked.is_dir() || !template.is_dir() {
        let missing = "Keycloak or its realm template is missing: run tests/setup, or tests/versions/run";
        return Err(Failure(missing.to_owned()));
    }
    let home = stage.folder("keycloak")?;
    for name in ["lib", "conf", "providers", "themes", "version.txt"] {
        let link = home.join(name);
        attempt("link", &link, symlink(unpacked.join(name), &link))?;
    }
    // kc.sh takes the folder in which it really lies for its home: this one must be a copy.
    stage.folder("keycloak/bin")?;
    let script = home.join("bin/kc.sh");
    copy_program(&unpacked.join("bin/kc.sh"), &script)?;
    let database = stage.folder("keycloak/data/h2")?;
    for entry in attempt("list", &template, fs::read_dir(&template))?.flatten() {
        let copy = database.join(entry.file_name());
        attempt("copy", &copy, fs::copy(entry.path(), &copy))?;
    }
    Ok(home)
}

fn realm_answers(port: u16) -> bool {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        let request =
            format!("GET /realms/{REALM} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
}
