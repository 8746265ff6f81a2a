//! `[[listener]]`: a socket, its door, and who may open it.

use std::path::PathBuf;

use serde::Deserialize;

use crate::settings::FileMode;

/// One Unix socket.
///
/// A socket that systemd hands in under the same path is used instead, with the mode and owner it has.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListenerConfig {
    /// What is spoken there.
    pub door: Door,
    /// Who speaks there; for `auth-client`.
    pub role: Option<Role>,
    /// Where it is: an absolute path of at most 106 bytes.
    pub path: PathBuf,
    /// Permission bits. Default `0600`.
    #[serde(default = "default_mode")]
    pub mode: FileMode,
    /// The owner, a name or a number. Default: who runs keydove.
    pub owner: Option<String>,
    /// The group, a name or a number.
    pub group: Option<String>,
    /// How many connections may queue. Default 4096; the kernel may have a lower limit.
    #[serde(default = "default_backlog")]
    pub backlog: u32,
    /// For `auth-master`: whether the process that redeems a login must be the one that was given the session.
    /// Default true; `false` when Dovecot runs in a container of its own, where process ids differ.
    #[serde(default = "yes")]
    pub check_peer_pid: bool,
}

fn default_mode() -> FileMode {
    FileMode::new(0o600)
}

fn default_backlog() -> u32 {
    4096
}

fn yes() -> bool {
    true
}

/// The protocol of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Door {
    /// Dovecot's auth client protocol: login processes, Postfix.
    AuthClient,
    /// Dovecot's auth master protocol: mail processes, LMTP, doveadm.
    AuthMaster,
    /// The administrator's commands.
    Control,
    /// Postfix's policy protocol: `check_policy_service`.
    Policy,
    /// Postfix's socketmap protocol: lookup tables.
    Socketmap,
    /// keydove's own lookup protocol: the Lua script in Dovecot, `keydove-checkpassword`.
    Hook,
    /// mailcow's HTTP login, without TLS; `[http_login]` is about the port.
    HttpLogin,
}

impl Door {
    /// The name in file and log.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AuthClient => "auth-client",
            Self::AuthMaster => "auth-master",
            Self::Control => "control",
            Self::Policy => "policy",
            Self::Socketmap => "socketmap",
            Self::Hook => "hook",
            Self::HttpLogin => "http-login",
        }
    }
}

/// Who speaks the client protocol, and so how "cannot tell" is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Dovecot's login processes, doveadm, other programs.
    Dovecot,
    /// Postfix's smtpd.
    Postfix,
    /// Exim's `dovecot` authenticator.
    Exim,
}

impl Role {
    /// The name in file and log.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Dovecot => "dovecot",
            Self::Postfix => "postfix",
            Self::Exim => "exim",
        }
    }
}
