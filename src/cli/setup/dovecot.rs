//! Dovecot as it is found, and the drop-in by which it asks keydove.
//!
//! Nothing of Dovecot's own is taken away or moved: its auth server and its sockets stay, and keydove's sockets lie
//! elsewhere. So who is in the middle of a login is not cut off, and the way back is one file less and a reload.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::super::storage::Failure;
use super::answers::DovecotWay;
use super::change::{Access, Change, Phase, Place, State};
use super::includes::{included, without_databases};
use super::{command, files};

/// Behind all files of Debian's own.
const DROP_IN: &str = "conf.d/99-keydove.conf";
/// Where there is no such folder.
const INCLUDED: &str = "keydove.conf";
const LUA_SCRIPT: &str = include_str!("../../../dovecot/keydove.lua");
const LUA_2_3: &str = include_str!("../../../dovecot/lua-2.3.conf");
const LUA_2_4: &str = include_str!("../../../dovecot/lua-2.4.conf");
const CHECKPASSWORD: &str = include_str!("../../../dovecot/checkpassword-2.3.conf");
/// What the shipped files name, by whatever folder.
const SOCKET: &str = "/hook";
const PROGRAM: &str = "/keydove-checkpassword";
const SCRIPT: &str = "/keydove.lua";
/// The script's own default.
const SCRIPT_SOCKET: &str = "/run/keydove/hook";
/// The services behind login processes, by the names of their programs.
const SERVICES: [&str; 4] = ["imap", "pop3", "managesieve", "submission"];
/// Which Dovecot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Release {
    V2_3,
    V2_4,
}

/// Where Postfix gives mail to Dovecot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lmtp {
    pub(super) path: PathBuf,
    /// Whether nothing says yet how Postfix delivers.
    pub(super) is_missing: bool,
}

/// A Dovecot that was found.
#[derive(Clone, Debug)]
pub(super) struct Dovecot {
    pub(super) release: Release,
    /// Its main configuration file.
    pub(super) config: PathBuf,
    pub(super) base_dir: PathBuf,
    /// Those of [`SERVICES`] that are installed. Another one has no settings, so it must not be named.
    services: Vec<&'static str>,
    has_quota: bool,
    libexec: PathBuf,
}

impl Dovecot {
    /// Looks for it; `None` without one.
    pub(super) fn find(config: Option<&Path>) -> Result<Option<Self>, Failure> {
        let Ok(version) = command::output(command::program("dovecot").arg("--version")) else {
            return Ok(None);
        };
        let release = match version.as_bytes() {
            [b'2', b'.', b'3', ..] => Release::V2_3,
            [b'2', b'.', b'4', ..] => Release::V2_4,
            _ => {
                let version = version.trim();
                return Err(Failure::Data(format!(
                    "Dovecot {version} is neither 2.3 nor 2.4; use --dovecot none"
                )));
            }
        };
        let config = config.map_or_else(|| PathBuf::from("/etc/dovecot/dovecot.conf"), Path::to_owned);
        if !config.exists() {
            return Ok(None);
        }
        let value = |name: &str| -> Result<String, Failure> {
            let mut ask = command::program("doveconf");
            Ok(command::output(ask.arg("-c").arg(&config).args(["-h", name]))?.trim().to_owned())
        };
        let libexec = PathBuf::from(value("libexec_dir")?);
        Ok(Some(Self {
            services: SERVICES.into_iter().filter(|name| libexec.join(name).exists()).collect(),
            base_dir: value("base_dir")?.into(),
            libexec,
            has_quota: value("mail_plugins").is_ok_and(|plugins| plugins.contains("quota")),
            release,
            config,
        }))
    }

    /// Whether its quota plugin would heed a quota.
    pub(super) fn has_quota(&self) -> bool {
        self.has_quota
    }

    /// All changes of its files. `maildir` is the folder of each user's mail, if it is one of this form.
    pub(super) fn plan(
        &self,
        way: DovecotWay,
        (sockets, maildir): (&Path, Option<&str>),
        lmtp: Option<&Lmtp>,
    ) -> Result<Vec<Change>, Failure> {
        let mut changes = Vec::new();
        let mut text = match way {
            DovecotWay::Takeover => self.takeover(sockets),
            DovecotWay::Lua => {
                let script = self.folder().join("keydove.lua");
                self.file(&script, LUA_SCRIPT, &mut changes)?;
                self.lua(&script, sockets, &mut changes)?
            }
            DovecotWay::Checkpassword if self.release == Release::V2_4 => {
                return Err(Failure::Data(
                    "Dovecot 2.4 has no checkpassword driver; use --dovecot takeover or lua".to_owned(),
                ));
            }
            DovecotWay::Checkpassword => checkpassword(sockets)?,
            DovecotWay::None => return Ok(changes),
        };
        if let Some(Lmtp { path, .. }) = lmtp.filter(|lmtp| lmtp.is_missing || self.gives(&lmtp.path)) {
            let _ = write!(
                text,
                "\n# Postfix delivers here.\nservice lmtp {{\n  unix_listener {} {{\n    mode = 0600\n    user = postfix\n    \
                 group = postfix\n  }}\n}}\n",
                path.display()
            );
        }
        if let (Release::V2_4, Some(maildir)) = (self.release, maildir) {
            // Empty would be the folder `.INBOX` in it.
            let _ = write!(
                text,
                "\n# The inbox lies with the other mail; Debian's 10-mail.conf has it in /var/mail.\nmail_inbox_path = {maildir}\n"
            );
        }
        if way != DovecotWay::Takeover {
            self.take_out_databases(&mut changes)?;
        }
        self.include(&text, &mut changes)?;
        Ok(changes)
    }

    /// Whether a run before this one gave LMTP a socket there.
    fn gives(&self, lmtp: &Path) -> bool {
        let lmtp = lmtp.display().to_string();
        [DROP_IN, INCLUDED].iter().any(|name| {
            std::fs::read_to_string(self.folder().join(name)).is_ok_and(|text| text.contains(&lmtp))
        })
    }

    /// What must stand in the effective settings afterwards.
    pub(super) fn proof(way: DovecotWay, sockets: &Path) -> Option<String> {
        match way {
            DovecotWay::Takeover => {
                Some(format!("auth_socket_path = {}", sockets.join("auth-userdb").display()))
            }
            DovecotWay::Lua => Some("keydove.lua".to_owned()),
            DovecotWay::Checkpassword => Some("keydove-checkpassword".to_owned()),
            DovecotWay::None => None,
        }
    }

    fn takeover(&self, sockets: &Path) -> String {
        let (folder, libexec) = (sockets.display(), self.libexec.display());
        let mut text = format!(
            "# Written by `keydove setup`; `keydove setup --undo` removes it.\n# keydove is the whole auth server of this \
             Dovecot. Dovecot's own one goes on, and nobody asks it.\nauth_socket_path = {folder}/auth-userdb\n"
        );
        if self.release == Release::V2_4 {
            // For all login services at once; seen from their chroot, base_dir/login.
            text.push_str("login_socket_path = ext/auth\n");
        }
        for service in &self.services {
            if self.release == Release::V2_3 {
                let _ =
                    write!(text, "service {service}-login {{\n  executable = {service}-login ext/auth\n}}\n");
            }
            // It has no option for the socket, and looks for `auth-master` where it is.
            let executable = match *service {
                "managesieve" => format!("/usr/bin/env -C {folder} {libexec}/managesieve"),
                service => format!("{service} -a {folder}/auth-master"),
            };
            let _ = write!(text, "service {service} {{\n  executable = {executable}\n}}\n");
        }
        text
    }

    fn lua(&self, script: &Path, sockets: &Path, changes: &mut Vec<Change>) -> Result<String, Failure> {
        let hook = sockets.join("hook");
        if hook != Path::new(SCRIPT_SOCKET) {
            let settings = format!("return {{ socket = \"{}\" }}\n", hook.display());
            self.file(&script.with_file_name("keydove-settings.lua"), &settings, changes)?;
        }
        let shipped = if self.release == Release::V2_3 { LUA_2_3 } else { LUA_2_4 };
        Ok(with_path(shipped, SCRIPT, script))
    }

    /// The drop-in where Dovecot finds it by itself, or a file that is included at the end.
    fn include(&self, text: &str, changes: &mut Vec<Change>) -> Result<(), Failure> {
        let State::File { text: main, access } = files::read(&self.config)? else {
            return Err(Failure::Data(format!("{} is not there", self.config.display())));
        };
        let has_folder = main.lines().any(|line| {
            let line = line.trim();
            line.starts_with("!include") && line.ends_with("conf.d/*.conf")
        });
        if has_folder && self.folder().join("conf.d").is_dir() {
            return self.file(&self.folder().join(DROP_IN), text, changes);
        }
        self.file(&self.folder().join(INCLUDED), text, changes)?;
        let line = format!("!include {INCLUDED}");
        if main.lines().all(|own| own.trim() != line) {
            let end = if main.is_empty() || main.ends_with('\n') { "" } else { "\n" };
            let after = State::File { text: format!("{main}{end}{line}\n"), access };
            let before = State::File { text: main, access };
            changes.extend(Change::new(Phase::Dovecot, Place::File(self.config.clone()), before, after));
        }
        Ok(())
    }

    /// Comments the passdb and userdb blocks out, wherever they stand, because keydove's take their place.
    fn take_out_databases(&self, changes: &mut Vec<Change>) -> Result<(), Failure> {
        for path in included(&self.config)? {
            let name = path.file_name().unwrap_or_default();
            let State::File { text, access } = files::read(&path)? else { continue };
            if name == "99-keydove.conf" || name == INCLUDED {
                continue;
            }
            let after = State::File { text: without_databases(&text), access };
            let before = State::File { text, access };
            changes.extend(Change::new(Phase::Dovecot, Place::File(path), before, after));
        }
        Ok(())
    }

    fn file(&self, path: &Path, text: &str, changes: &mut Vec<Change>) -> Result<(), Failure> {
        let before = files::read(path)?;
        let (uid, gid) = files::own_ids();
        let access = match &before {
            State::File { access, .. } => *access,
            _ => Access { mode: 0o644, uid, gid },
        };
        let after = State::File { text: text.to_owned(), access };
        changes.extend(Change::new(Phase::Dovecot, Place::File(path.to_owned()), before, after));
        Ok(())
    }

    fn folder(&self) -> &Path {
        self.config.parent().unwrap_or(Path::new("/"))
    }

    /// For tests: as Debian installs it.
    #[cfg(test)]
    pub(super) fn sample(release: Release) -> Self {
        Self {
            release,
            config: "/etc/dovecot/dovecot.conf".into(),
            base_dir: "/run/dovecot".into(),
            services: vec!["imap"],
            has_quota: false,
            libexec: "/usr/lib/dovecot".into(),
        }
    }
}

fn checkpassword(sockets: &Path) -> Result<String, Failure> {
    let beside = std::env::current_exe().ok().map(|own| own.with_file_name("keydove-checkpassword"));
    let usual = ["/usr/bin", "/usr/local/bin"].map(|folder| PathBuf::from(format!("{folder}{PROGRAM}")));
    let program = beside.into_iter().chain(usual).find(|path| path.is_file());
    let Some(program) = program else {
        return Err(Failure::Data("keydove-checkpassword is not installed".to_owned()));
    };
    Ok(with_path(&with_path(CHECKPASSWORD, PROGRAM, &program), SOCKET, &sockets.join("hook")))
}

/// The text with another path in place of each absolute one that ends so.
fn with_path(text: &str, end: &str, path: &Path) -> String {
    let mut result = String::with_capacity(text.len());
    for word in text.split_inclusive([' ', '\n']) {
        let bare = word.trim_end();
        match bare.find('/').filter(|_| bare.ends_with(end)) {
            Some(start) => {
                result.push_str(&bare[..start]);
                result.push_str(&path.display().to_string());
                result.push_str(&word[bare.len()..]);
            }
            None => result.push_str(word),
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dovecot(release: Release, services: &[&'static str]) -> Dovecot {
        Dovecot { services: services.to_vec(), ..Dovecot::sample(release) }
    }

    #[test]
    fn a_takeover_names_installed_services_only() {
        let text = dovecot(Release::V2_3, &["imap", "managesieve"]).takeover(Path::new("/run/keydove"));
        for part in [
            "auth_socket_path = /run/keydove/auth-userdb",
            "executable = imap-login ext/auth",
            "executable = imap -a /run/keydove/auth-master",
            "executable = /usr/bin/env -C /run/keydove /usr/lib/dovecot/managesieve",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(
            !text.contains("pop3") && !text.contains("submission") && !text.contains("login_socket_path")
        );
        let text = dovecot(Release::V2_4, &["imap"]).takeover(Path::new("/run/keydove"));
        assert!(text.contains("login_socket_path = ext/auth") && !text.contains("imap-login"), "{text}");
    }

    #[test]
    fn shipped_paths_give_way_wherever_they_lead() {
        let text =
            "args = file=/etc/x/keydove.lua blocking=yes # keydove.lua\nlua_file = /usr/y/keydove.lua\n";
        let new = "args = file=/a/b.lua blocking=yes # keydove.lua\nlua_file = /a/b.lua\n";
        assert_eq!(with_path(text, SCRIPT, Path::new("/a/b.lua")), new);
        for shipped in [LUA_2_3, LUA_2_4] {
            assert!(with_path(shipped, SCRIPT, Path::new("/a/b.lua")).contains("/a/b.lua"));
        }
        let program = with_path(CHECKPASSWORD, PROGRAM, Path::new("/a/c"));
        assert_eq!(program.matches("args = /a/c --socket ").count(), 2, "{program}");
        assert_eq!(with_path(&program, SOCKET, Path::new("/a/h")).matches("--socket /a/h\n").count(), 2);
    }
}
