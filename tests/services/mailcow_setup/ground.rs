//! The host of a mailcow: its folder as mailcow lays it out, MariaDB and Redis at ports of loopback, a program in place of
//! `docker`, and no keydove yet.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::thread;

use crate::ensure;
use crate::mailcow_mode::fill_table;
use crate::stage::keydove::Keydove;
use crate::stage::redis::{PASSWORD, Redis};
use crate::stage::system::System;
use crate::stage::{Failure, Result, attempt, free_port};

/// Who logs in.
pub const ALICE: &str = "alice@example.org";
/// keydove's database user; the stage has one of the usual name.
pub const USER: &str = "kd_mailcow";
/// An override as an administrator writes it.
pub const OVERRIDE: &str = "\
# Ours: more workers, and a mirror.
services:

  php-fpm-mailcow:
    environment:
      - WORKERS=20   # was 10

  dovecot-mailcow:
    volumes:
      - ./data/mirror:/mirror:ro
";
/// What mailcow ships; nobody may change it.
const COMPOSE: &str = "services:\n  dovecot-mailcow:\n    image: ghcr.io/mailcow/dovecot:2.35\n";
/// Dovecot's settings of the administrator.
const EXTRA: &str = "mail_max_userip_connections = 60\n";

/// mailcow's table of SOGo's users, which keydove's own tables lack.
const SOGO: &str = "CREATE TABLE _sogo_static_view (c_uid VARCHAR(255) PRIMARY KEY, domain VARCHAR(255), c_name VARCHAR(255), \
     c_password VARCHAR(255) DEFAULT '', c_cn VARCHAR(255), mail VARCHAR(255), aliases TEXT, ad_aliases VARCHAR(6144), \
     ext_acl VARCHAR(6144), kind VARCHAR(100), multiple_bookings INT);";

/// In place of `docker`: it notes what it is told, answers `ps` as Docker Compose does, runs MariaDB's client for the
/// database's container and curl for Dovecot's, and does to mounted files what mailcow's containers do when they start.
/// A file `fails` beside it makes the command fail that is named in it.
const DOCKER_DOUBLE: &str = r#"#!/bin/sh
here=@HERE@
echo "$*" >>"$here/told"
shift
if [ -e "$here/fails" ] && [ "$*" = "$(cat "$here/fails")" ]; then
    echo "Error response from daemon: driver failed programming external connectivity" >&2
    exit 1
fi
case "$1" in
    ps) printf '%s\n' dovecot-mailcow mysql-mailcow nginx-mailcow php-fpm-mailcow sogo-mailcow $(cat "$here/redis") ;;
    up)
        case "$*" in *dovecot-mailcow*)
            # The entrypoint gives the script to a group of its own, and makes another secret for SOGo.
            [ ! -e @SCRIPT@ ] || { chown root:mail @SCRIPT@; chmod 0640 @SCRIPT@; }
            date +%N >@OPT@/data/conf/phpfpm/sogo-sso/sogo-sso.pass
        esac ;;
    exec)
        shift 3
        PATH=$here/container:$PATH MYSQL_ROOT_PASSWORD= exec "$@" ;;
esac
"#;

/// The host.
pub struct Ground {
    pub opt: PathBuf,
    pub etc: PathBuf,
    bin: PathBuf,
    folder: PathBuf,
    pub network: String,
    metrics: u16,
    pub shadow: u16,
    sql: u16,
    cache: u16,
    _redis: Redis,
    _mailcow: Keydove,
}

impl Ground {
    pub fn prepare(system: &mut System) -> Result<Self> {
        fill_table(system)?;
        system.execute(SOGO)?;
        let stage = Arc::clone(system.stage());
        let folder = stage.folder("host")?;
        let (opt, etc, bin) = (folder.join("opt"), folder.join("etc"), folder.join("bin"));
        for name in ["opt/data/conf/phpfpm/sogo-sso", "opt/data/conf/dovecot", "bin/container", "run"] {
            attempt("create", &folder.join(name), fs::create_dir_all(folder.join(name)))?;
        }
        let redis = Redis::start(&stage)?;
        let socket = database_socket(system)?;
        let (sql, cache) = (forward(&socket)?, forward(redis.socket())?);
        // Every network of 127 is this machine; the port makes it nobody else's.
        let free = free_port()?;
        let network = format!("127.{}.{}", free >> 8, free & 255);
        let conf = format!(
            "# mailcow\nMAILCOW_HOSTNAME=mail.example.org\nDBNAME=mailcow\nDBROOT=none\nREDISPASS=\"{PASSWORD}\"\n\
             SQL_PORT=127.0.0.1:{sql}\nREDIS_PORT=127.0.0.1:{cache}\nIPV4_NETWORK={network}\nSKIP_SOGO=n\n"
        );
        let curl = format!("#!/bin/sh\nexec /usr/bin/curl --resolve keydove:9082:{network}.1 \"$@\"\n");
        let mysql =
            format!("#!/bin/sh\nshift\nexec mariadb --no-defaults --socket={} \"$@\"\n", socket.display());
        let docker = DOCKER_DOUBLE
            .replace("@HERE@", &bin.display().to_string())
            .replace("@OPT@", &opt.display().to_string())
            .replace("@SCRIPT@", &etc.join("mailcow/passwd-verify.lua").display().to_string());
        for (path, text, mode) in [
            ("opt/mailcow.conf", conf, 0o600),
            ("opt/docker-compose.yml", COMPOSE.to_owned(), 0o644),
            ("opt/docker-compose.override.yml", OVERRIDE.to_owned(), 0o640),
            ("opt/data/conf/dovecot/extra.conf", EXTRA.to_owned(), 0o644),
            ("opt/data/conf/phpfpm/sogo-sso/sogo-sso.pass", "a sogo secret\n".to_owned(), 0o600),
            ("bin/docker", docker, 0o755),
            ("bin/redis", "redis-mailcow".to_owned(), 0o644),
            ("bin/container/curl", curl, 0o755),
            ("bin/container/mysql", mysql, 0o755),
        ] {
            let path = folder.join(path);
            attempt("write", &path, fs::write(&path, text))?;
            attempt("change", &path, fs::set_permissions(&path, Permissions::from_mode(mode)))?;
        }
        let (shadow, metrics) = (free_port()?, free_port()?);
        let mailcow = system.keydove.beside("mailcow", |text| {
            format!("{text}\n[http_login]\nlisten = \"127.0.0.1:{shadow}\"\nown_certificate = true\n")
        })?;
        Ok(Self {
            opt,
            etc,
            bin,
            folder,
            network,
            metrics,
            shadow,
            sql,
            cache,
            _redis: redis,
            _mailcow: mailcow,
        })
    }

    /// `keydove setup` on this host.
    pub fn setup(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keydove"));
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{path}", self.bin.display()));
        command.arg("setup").arg("--config").arg(self.etc.join("keydove.toml")).args(arguments);
        command
    }

    /// The first step, with all that this host needs.
    pub fn first(&self, arguments: &[&str]) -> Command {
        let (folder, own) = (self.folder.display(), env!("CARGO_BIN_EXE_keydove"));
        let start = format!(
            "{own} serve --config {}/keydove.toml >>{folder}/log 2>&1 & echo $! >{folder}/pid",
            self.etc.display()
        );
        let mut command = self.setup(&["--mailcow"]);
        command.arg(&self.opt).args(["--mariadb-user", USER, "--mariadb-from", "localhost"]);
        command.args(["--start-command", &start]);
        command.args(["--stop-command", &stop(&self.folder)]);
        command.arg("--socket-folder").arg(self.folder.join("run"));
        command.args(["--shadow-port", &self.shadow.to_string()]);
        command.args(["--metrics-port", &self.metrics.to_string()]).args(arguments);
        command
    }

    /// Runs it to its end; it must end with this code. Returns what it printed.
    pub fn ends(&self, mut command: Command, code: i32) -> Result<String> {
        let output: Output = attempt("run", Path::new("keydove setup"), command.output())?;
        let text =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        ensure(output.status.code() == Some(code), || {
            format!("{}: {text}\nlog: {}\ntold: {}", output.status, self.log(), self.told())
        })?;
        Ok(text)
    }

    /// All files of mailcow and of keydove, with their modes; but SOGo's secret, which its container makes again.
    pub fn files(&self) -> BTreeMap<PathBuf, (u32, String)> {
        let mut found = BTreeMap::new();
        let mut folders = vec![self.opt.clone(), self.etc.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
                let path = entry.path();
                let Ok(kind) = fs::metadata(&path) else { continue };
                if kind.is_dir() {
                    folders.push(path.clone());
                }
                let text = fs::read_to_string(&path).unwrap_or_default();
                if !path.ends_with("sogo-sso.pass") {
                    found.insert(path, (kind.permissions().mode(), text));
                }
            }
        }
        found
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Lets a program be run.
    pub fn allow(&self, name: &str) -> Result<()> {
        let path = self.folder.join(name);
        attempt("change", &path, fs::set_permissions(&path, Permissions::from_mode(0o755)))
    }

    /// As an administrator edits keydove.toml where a port is another one than mailcow's.
    pub fn edit_configuration(&self) -> Result<()> {
        let text = self.read("etc/keydove.toml");
        let text = text
            .replace("port = 13306", &format!("port = {}", self.sql))
            .replace("port = 7654", &format!("port = {}", self.cache))
            .replace("user = \"keydove\"", &format!("user = \"{USER}\""))
            .replace("/run/keydove", &self.folder.join("run").display().to_string())
            .replace("/etc/keydove", &self.etc.display().to_string())
            .replace("https://127.0.0.1:9082", &format!("https://127.0.0.1:{}", self.shadow))
            .replace("127.0.0.1:9153", &format!("127.0.0.1:{}", self.metrics));
        self.write("etc/keydove.toml", &text)
    }

    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.folder.join(path)).unwrap_or_default()
    }

    pub fn write(&self, path: &str, text: &str) -> Result<()> {
        let path = self.folder.join(path);
        attempt("write", &path, fs::write(&path, text))
    }

    /// What keydove has logged.
    pub fn log(&self) -> String {
        self.read("log")
    }

    /// What `docker` was told.
    pub fn told(&self) -> String {
        self.read("bin/told")
    }

    /// The answer to a login where mailcow's Dovecot asks.
    pub fn log_in(&self, user: &str, password: &str) -> Result<String> {
        let body = crate::http_login::login(user, password, "imap");
        let mut curl = Command::new("/usr/bin/curl");
        curl.args(["-sk", "-d", &body, "-w", " %{http_code}", &format!("https://{}.1:9082", self.network)]);
        crate::stage::process::run(&mut curl)
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        // What setup started is no child of this process.
        let pid = self.read("pid");
        if let Ok(pid) = pid.trim().parse::<i32>()
            && fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "keydove")
        {
            let _ =
                nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGTERM);
        }
    }
}

/// A line that stops keydove, and waits for its end: another one needs its ports.
pub fn stop(folder: &Path) -> String {
    let pid = folder.join("pid");
    format!(
        "p=$(cat {0}); kill $p; while readlink -q /proc/$p/exe >/dev/null; do sleep 0.1; done",
        pid.display()
    )
}

fn database_socket(system: &mut System) -> Result<PathBuf> {
    let mariadb = system.mariadb().ok_or_else(|| Failure("there is no MariaDB".to_owned()))?;
    Ok(mariadb.socket().to_owned())
}

/// A port of loopback that leads to a socket, as Docker publishes a container's.
fn forward(socket: &Path) -> Result<u16> {
    let listener = attempt("open", socket, TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
    let port = attempt("look at", socket, listener.local_addr())?.port();
    let socket = socket.to_owned();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let socket = socket.clone();
            thread::spawn(move || join(client, &socket));
        }
    });
    Ok(port)
}

fn join(client: TcpStream, socket: &Path) -> std::io::Result<()> {
    let server = UnixStream::connect(socket)?;
    let (mut from, mut to) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        to.shutdown(std::net::Shutdown::Write)
    });
    let (mut from, mut to) = (server, client);
    std::io::copy(&mut from, &mut to)?;
    to.shutdown(std::net::Shutdown::Write)
}
