//! A machine before setup: a Dovecot whose own auth server answers, a Postfix that asks it, a realm in which nobody has
//! made a client, and no keydove.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::super::clients::{Login, Smtp, imap_login};
use super::super::ensure;
use super::super::mailcow::world::{RIGHT, RIGHT_HASH};
use super::super::stage::dovecot::Release;
use super::super::stage::keycloak_admin::KeycloakAdmin;
use super::super::stage::postfix::{MASTER, main_cf, postconf};
use super::super::stage::process::{Group, Program, accepts, copy_program, run};
use super::super::stage::system::System;
use super::super::stage::{Failure, Result, Stage, attempt, free_port, give};

/// What the case calls the realm; a blank in it must be encoded.
pub const REALM: &str = "My Mail";
pub const ALICE: Login<'_> = Login { user: "alice@setup.example", password: RIGHT };
pub const WRONG: Login<'_> = Login { user: "alice@setup.example", password: "wrong" };
/// The numbers that own mail.
const MAIL: &str = "5000";

/// The machine.
pub struct Ground {
    stage: Arc<Stage>,
    release: Release,
    /// Its folder as this test sees it, and as its programs do.
    pub folder: PathBuf,
    inside: PathBuf,
    pub imap: u16,
    pub pop3: u16,
    pub sieve: u16,
    pub lmtp: u16,
    pub submission: u16,
    /// The realm's real name, and Keycloak's address.
    realm: String,
    pub url: String,
    pub admin: KeycloakAdmin,
    dovecot: Program,
    postfix: Option<Program>,
}

impl Ground {
    /// Makes it and starts its servers.
    pub fn prepare(system: &System, release: Release) -> Result<Self> {
        let stage = system.stage();
        release.unpack(stage)?;
        let (folder, inside) = match release.root(stage) {
            None => (stage.path("setup"), stage.path("setup")),
            Some(root) => (root.join("srv/setup"), PathBuf::from("/srv/setup")),
        };
        for name in ["dovecot/conf.d", "base/login/ext", "state", "sockets", "keydove"] {
            attempt("create", &folder.join(name), fs::create_dir_all(folder.join(name)))?;
        }
        give(&folder.join("base/login"), "root", "dovenull", 0o750)?;
        give(&folder.join("base/login/ext"), "root", "dovenull", 0o750)?;
        let mail = folder.join("mail");
        attempt("create", &mail, fs::create_dir_all(&mail))?;
        attempt("give", &mail, std::os::unix::fs::chown(&mail, Some(5000), Some(5000)))?;
        if let Some(root) = release.root(stage) {
            let own = Path::new(env!("CARGO_BIN_EXE_keydove"));
            copy_program(own, &root.join("usr/bin/keydove"))?;
            // A package that keydove's depends on.
            let (authorities, copy) =
                (Path::new("/etc/ssl/certs/ca-certificates.crt"), root.join("etc/ssl/certs"));
            attempt("create", &copy, fs::create_dir_all(&copy))?;
            attempt("copy", authorities, fs::copy(authorities, copy.join("ca-certificates.crt")))?;
        }
        let admin = make_realm(system)?;
        let ports = [free_port()?, free_port()?, free_port()?, free_port()?, free_port()?];
        write_dovecot(&folder, &inside, release, ports)?;
        let mut command = release.command(stage, "/usr/sbin/dovecot");
        command.args(["-F", "-c"]).arg(inside.join("dovecot/dovecot.conf"));
        let name = if release == Release::V2_3 { "setup-dovecot" } else { "setup-dovecot-2.4" };
        let mut dovecot = Program::start(stage, name, command, Group::Own)?;
        dovecot.wait_until(|| ports[..4].iter().copied().all(accepts))?;
        let [imap, pop3, sieve, lmtp, submission] = ports;
        let postfix = match release {
            Release::V2_3 => Some(start_postfix(stage, submission)?),
            Release::V2_4 => None,
        };
        Ok(Self {
            stage: Arc::clone(stage),
            release,
            folder,
            inside,
            imap,
            pop3,
            sieve,
            lmtp,
            submission,
            realm: system.keycloak.names().realm(REALM),
            url: system.keycloak.url(),
            admin,
            dovecot,
            postfix,
        })
    }

    /// The command with the answers that this machine needs.
    pub fn command(&self) -> Command {
        let program = match self.release {
            Release::V2_3 => env!("CARGO_BIN_EXE_keydove"),
            Release::V2_4 => "/usr/bin/keydove",
        };
        let mut command = self.release.command(&self.stage, program);
        command.arg("setup").arg("--config").arg(self.inside.join("etc/keydove.toml"));
        command.env("KEYDOVE_ADMIN_PASSWORD", "admin").env("KEYDOVE_TEST_PASSWORD", RIGHT);
        command.args(["--admin-user", "admin"]);
        command
    }

    /// The same for a way forth.
    pub fn setup(&self, more: &[&str]) -> Command {
        let inside = |name: &str| self.inside.join(name).display().to_string();
        let mut command = self.command();
        command.args(["--server-url", &self.url, "--realm", &self.realm, "--domain", "setup.example"]);
        command.args(["--test-user", ALICE.user]);
        command.args(["--mail-uid", MAIL, "--mail-gid", MAIL]);
        command.args(["--mail-home", &inside("mail/%d/%n"), "--socket-folder", &inside("sockets")]);
        command.args(["--database", &inside("keydove/keydove.sqlite")]);
        command.args(["--dovecot-config", &inside("dovecot/dovecot.conf")]);
        match self.postfix {
            Some(_) => command.arg("--postfix-config").arg(self.stage.path("setup-postfix/etc")),
            None => command.args(["--postfix", "none"]),
        };
        if !more.contains(&"--start-command") {
            command.args(self.start_and_stop());
        }
        command.args(more);
        command
    }

    /// The commands that start and stop keydove.
    pub fn start_and_stop(&self) -> [String; 4] {
        let inside = |name: &str| self.inside.join(name).display().to_string();
        let pid = inside("keydove/pid");
        let program =
            if self.release == Release::V2_3 { env!("CARGO_BIN_EXE_keydove") } else { "/usr/bin/keydove" };
        let start = format!(
            "{program} serve --config {} >>{} 2>&1 & echo $! >{pid}",
            inside("etc/keydove.toml"),
            inside("keydove/log"),
        );
        let stop = format!("kill $(cat {pid})");
        ["--start-command".to_owned(), start, "--stop-command".to_owned(), stop]
    }

    /// The servers' folder.
    pub fn stage(&self) -> &Arc<Stage> {
        &self.stage
    }

    /// Runs it to its end; it must end with this code. Returns what it printed.
    pub fn ends(&self, mut command: Command, code: i32) -> Result<String> {
        let output: Output = attempt("run", Path::new("keydove setup"), command.output())?;
        let text =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        ensure(output.status.code() == Some(code), || format!("{}: {text}\n{}", output.status, self.log()))?;
        Ok(text)
    }

    /// All files that a mail server or keydove reads, with their modes.
    pub fn files(&self) -> Result<BTreeMap<PathBuf, (u32, String)>> {
        let mut found = BTreeMap::new();
        let mut folders = vec![self.folder.join("dovecot"), self.folder.join("etc")];
        folders.extend(self.postfix.as_ref().map(|_| self.stage.path("setup-postfix/etc")));
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
                let path = entry.path();
                let kind = attempt("look at", &path, fs::metadata(&path))?;
                if kind.is_dir() {
                    folders.push(path.clone());
                }
                let text =
                    if kind.is_dir() { String::new() } else { fs::read_to_string(&path).unwrap_or_default() };
                found.insert(path, (kind.permissions().mode(), text));
            }
        }
        Ok(found)
    }

    /// Everything that Keycloak says of the realm.
    pub fn realm(&self) -> Result<Value> {
        self.admin.export()
    }

    /// What keydove has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("keydove/log")).unwrap_or_default()
    }

    /// What the keydove that setup started finds in its environment.
    pub fn environment(&self) -> Result<String> {
        let pid = self.folder.join("keydove/pid");
        let pid = attempt("read", &pid, fs::read_to_string(&pid))?;
        let path = PathBuf::from(format!("/proc/{}/environ", pid.trim()));
        Ok(String::from_utf8_lossy(&attempt("read", &path, fs::read(&path))?).into_owned())
    }

    /// What Dovecot has logged.
    pub fn dovecot_log(&self) -> String {
        match self.release {
            Release::V2_3 => self.dovecot.log(),
            Release::V2_4 => fs::read_to_string(self.folder.join("dovecot.log")).unwrap_or_default(),
        }
    }

    /// Logs in and delivers for as long as `work` takes. Nobody may be told that the password is wrong, no mail may
    /// bounce, and a login that Dovecot's reload cuts off must succeed when it is tried again.
    pub fn under_load<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let ends = AtomicBool::new(false);
        let (ends, imap, lmtp) = (&ends, self.imap, self.lmtp);
        std::thread::scope(|scope| {
            let users = (0..3).map(|_| scope.spawn(move || log_in_until(ends, imap)));
            let users: Vec<_> = users.collect();
            let sender = scope.spawn(move || deliver_until(ends, lmtp));
            let end = work();
            ends.store(true, Ordering::SeqCst);
            let panicked = |_| Failure("a client panicked".to_owned());
            let mut count = 0;
            for user in users {
                count += user.join().map_err(panicked)??;
            }
            let mails = sender.join().map_err(panicked)??;
            ensure(count > 0 && mails > 0, || format!("{count} logins, {mails} mails"))?;
            end
        })
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        // What setup started is no child of this process.
        let pid = fs::read_to_string(self.folder.join("keydove/pid")).unwrap_or_default();
        if let Ok(pid) = pid.trim().parse::<i32>()
            && fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "keydove")
        {
            let _ =
                nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGTERM);
        }
    }
}

fn log_in_until(ends: &AtomicBool, port: u16) -> Result<u32> {
    let mut count = 0;
    while !ends.load(Ordering::SeqCst) {
        let is_in =
            |answer: &std::io::Result<String>| answer.as_ref().is_ok_and(|line| line.starts_with("OK"));
        let first = imap_login(port, ALICE);
        let refused = first.as_ref().is_ok_and(|line| line.contains("AUTHENTICATIONFAILED"));
        ensure(!refused, || format!("a right password was refused: {first:?}"))?;
        if !is_in(&first) {
            let second = imap_login(port, ALICE);
            ensure(is_in(&second), || format!("a login was lost: {first:?}, and again: {second:?}"))?;
        }
        count += 1;
        // Or the logins would keep from setup the processors that it needs.
        std::thread::sleep(Duration::from_millis(25));
    }
    Ok(count)
}

fn in_patience(send: impl Fn() -> std::io::Result<String>) -> Result<String> {
    let since = Instant::now();
    loop {
        match send() {
            Ok(said) => return Ok(said),
            Err(error) if since.elapsed() > crate::PATIENCE => return Err(Failure(format!("LMTP: {error}"))),
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

fn deliver_until(ends: &AtomicBool, port: u16) -> Result<u32> {
    let mut count = 0;
    while !ends.load(Ordering::SeqCst) {
        let send = || -> std::io::Result<String> {
            Smtp::connect_lmtp(port)?.send("sender@setup.example", ALICE.user, "during the change", "x")
        };
        // A connection that a reload cuts off is tried again, as Postfix does. On a busy machine a reload takes a while.
        let said = in_patience(send)?;
        ensure(!said.starts_with('5'), || format!("a mail bounced: {said}"))?;
        count += 1;
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(count)
}

/// A realm as Keycloak makes it, with one user who has a password hash that nobody can see yet.
fn make_realm(system: &System) -> Result<KeycloakAdmin> {
    let admin = system.keycloak.admin();
    let alice = json!({
        "username": "alice", "email": ALICE.user, "enabled": true, "emailVerified": true,
        "firstName": "Alice", "lastName": "Example", "attributes": { "mailcow_password": [RIGHT_HASH] },
    });
    admin.make_realm(&json!({ "realm": REALM, "enabled": true, "users": [alice] }))?;
    Ok(admin.in_realm(REALM))
}

/// As it is installed: a main file that reads a folder, and databases in a file of that.
fn write_dovecot(folder: &Path, inside: &Path, release: Release, ports: [u16; 5]) -> Result<()> {
    let [imap, pop3, sieve, lmtp, _] = ports;
    let shown = inside.display();
    let own = match release {
        Release::V2_3 => format!(
            "log_path = /dev/stderr\nmail_location = maildir:~/Maildir\ninstance_name = setup\n\
             disable_plaintext_auth = no\nbase_dir = {shown}/base\nstate_dir = {shown}/state\n"
        ),
        Release::V2_4 => format!(
            "dovecot_config_version = 2.4.1\ndovecot_storage_version = 2.4.1\nlog_path = {shown}/dovecot.log\n\
             mail_driver = maildir\nmail_path = ~/Maildir\nmail_inbox_path = /nowhere/%{{user}}\n\
             auth_allow_cleartext = yes\nbase_dir = {shown}/base\nstate_dir = {shown}/state\n"
        ),
    };
    let mut text = format!("{own}protocols = imap pop3 lmtp sieve\nlisten = 127.0.0.1\nssl = no\n");
    for (service, listener, port, secure) in [
        ("imap-login", "imap", imap, "imaps"),
        ("pop3-login", "pop3", pop3, "pop3s"),
        ("managesieve-login", "sieve", sieve, ""),
        ("lmtp", "lmtp", lmtp, ""),
    ] {
        let closed = match secure {
            "" => String::new(),
            name => format!("  inet_listener {name} {{\n    port = 0\n  }}\n"),
        };
        text.push_str(&format!(
            "service {service} {{\n  inet_listener {listener} {{\n    port = {port}\n  }}\n{closed}}}\n"
        ));
    }
    text.push_str("!include conf.d/*.conf\n!include_try local.conf\n");
    let home = format!("{shown}/mail/%d/%n");
    let databases = match release {
        Release::V2_3 => format!(
            "# The databases of before.\npassdb {{\n  driver = static\n  args = password={RIGHT}\n}}\nuserdb {{\n  driver = static\n  \
             args = uid={MAIL} gid={MAIL} home={home}\n}}\n"
        ),
        Release::V2_4 => format!(
            "# The databases of before.\npassdb static {{\n  password = {RIGHT}\n}}\nuserdb static {{\n  fields {{\n    \
             uid = {MAIL}\n    gid = {MAIL}\n    home = {shown}/mail/%{{user | domain}}/%{{user | username}}\n  }}\n}}\n"
        ),
    };
    for (name, text) in [("dovecot/dovecot.conf", text), ("dovecot/conf.d/10-auth.conf", databases)] {
        let path = folder.join(name);
        attempt("write", &path, fs::write(&path, text))?;
        attempt("open", &path, fs::set_permissions(&path, Permissions::from_mode(0o640)))?;
    }
    Ok(())
}

/// A submission service that asks an auth server of Dovecot's.
fn start_postfix(stage: &Arc<Stage>, port: u16) -> Result<Program> {
    let (config, queue) = (stage.folder("setup-postfix/etc")?, stage.folder("setup-postfix/queue")?);
    give(&stage.folder("setup-postfix/data")?, "postfix", "postfix", 0o755)?;
    give(&stage.folder("setup-postfix/queue/private")?, "postfix", "root", 0o700)?;
    stage.folder("setup-postfix/log")?;
    // No mail is delivered by this Postfix, and its Dovecot gives LMTP no socket in the queue's folder.
    let main = main_cf(&stage.path("setup-postfix"))
        .replace("virtual_transport = lmtp:unix:private/dovecot-lmtp\n", "");
    stage.write("setup-postfix/etc/main.cf", &main)?;
    stage.write(
        "setup-postfix/etc/master.cf",
        &format!(
            "{MASTER}127.0.0.1:{port} inet n - y - - smtpd\n  -o smtpd_sasl_auth_enable=yes\n  -o smtpd_sasl_type=dovecot\n  \
             -o smtpd_sasl_path=private/auth\n  -o smtpd_sasl_security_options=noanonymous\n"
        ),
    )?;
    run(Command::new("/usr/sbin/postfix").arg("-c").arg(&config).arg("check"))?;
    let programs = postconf(&config, &["-h", "daemon_directory"])?;
    let mut command = Command::new(Path::new(programs.trim()).join("master"));
    command.arg("-c").arg(&config).arg("-s");
    let mut program = Program::start(stage, "setup-postfix", command, Group::LeftToProgram)?;
    program.wait_until(|| accepts(port))?;
    let _ = queue;
    Ok(program)
}
