//! `[[listener]]`: a socket, its protocol, and who may open it.

use std::path::PathBuf;

use serde::Deserialize;

use crate::settings::{FileMode, Section, SettingFault};

/// `sockaddr_un` holds 108 bytes with the NUL, and a socket is first made under its name and a `~`.
const MAX_PATH_BYTES: usize = 106;

/// One Unix socket. Write the table once for each; there must be at least one, or `[http_login] listen`.
///
/// A socket that systemd hands in under the same path is used as it is: `mode`, `owner`, `group` and `backlog` then
/// have no effect. keydove replaces a stale socket file. A socket that another process answers on is an error.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListenerConfig {
    /// The protocol of the socket.
    #[serde(rename = "door")]
    pub protocol: ListenerProtocol,
    /// For `auth-client`, where it is required: which program asks. Each is told of a temporary failure in its own
    /// way.
    pub role: Option<ListenerRole>,
    /// Where the socket is: an absolute path of at most 106 bytes.
    pub path: PathBuf,
    /// Permission bits of the socket. Default `"0600"`.
    #[serde(default = "default_mode")]
    pub mode: FileMode,
    /// The owner of the socket, a name or a number. Default: the user that runs keydove.
    pub owner: Option<String>,
    /// The group of the socket, a name or a number. Default: the group of keydove.
    pub group: Option<String>,
    /// How many connections may queue; the kernel may allow fewer. Default `4096`.
    #[serde(default = "default_backlog")]
    pub backlog: u32,
    /// For `auth-master`: whether only the mail process that got a session may redeem its login. `false` when
    /// Dovecot runs in a container of its own, where process ids differ. Default `true`.
    #[serde(default = "yes")]
    pub check_peer_pid: bool,
}

impl Section for ListenerConfig {
    fn faults(&self) -> Vec<SettingFault> {
        let mut faults = Vec::new();
        let mut complain = |key, sentence, advice| faults.push(SettingFault::new(key, sentence, advice));
        let take_out = "take this line out";
        match (self.protocol, self.role) {
            (ListenerProtocol::AuthClient, None) => complain(
                "door",
                "an auth-client listener needs a role",
                "set role = \"dovecot\" or role = \"postfix\": they must be told differently of a temporary failure",
            ),
            (ListenerProtocol::AuthMaster, Some(_)) => {
                complain("role", "an auth-master listener has no role", take_out)
            }
            (ListenerProtocol::Control, Some(_)) => {
                complain("role", "a control listener has no role", take_out)
            }
            (ListenerProtocol::Policy | ListenerProtocol::Socketmap, Some(_)) => complain(
                "role",
                "policy and socketmap listeners have no role",
                "take this line out: only Postfix speaks this protocol",
            ),
            (ListenerProtocol::Hook, Some(_)) => complain("role", "a hook listener has no role", take_out),
            (ListenerProtocol::Portal, Some(_)) => {
                complain("role", "a portal listener has no role", take_out)
            }
            (ListenerProtocol::HttpLogin, Some(_)) => {
                complain("role", "an http-login listener has no role", take_out)
            }
            (ListenerProtocol::AuthClient, Some(_)) | (_, None) => {}
        }
        if !self.path.is_absolute() {
            complain("path", "the path of a socket must begin with /", "write the whole path");
        }
        if self.path.as_os_str().len() > MAX_PATH_BYTES {
            let advice = "the system allows socket paths of at most 107 bytes, and keydove needs one of them";
            complain("path", "the path of this socket is too long", advice);
        }
        faults
    }
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
pub enum ListenerProtocol {
    /// Dovecot's auth client protocol: login processes, `doveadm auth test`, Postfix, Exim.
    AuthClient,
    /// Dovecot's auth master protocol: mail processes, LMTP, `doveadm`.
    AuthMaster,
    /// The commands `keydove status`, `explain`, `cache`, `throttle` and `kick`. keydove answers only root and the
    /// user that runs it, whatever the mode.
    Control,
    /// Postfix's policy protocol: `check_policy_service`.
    Policy,
    /// Postfix's lookup tables.
    Socketmap,
    /// The Lua script in Dovecot, and `keydove-checkpassword`. It answers refusals after `failure_delay`; let
    /// nobody but Dovecot's user open it.
    Hook,
    /// The web portal, `keydove-portal`: docs/portal.md. keydove answers only the socket's owner, root and the user that
    /// runs it, whatever the mode.
    Portal,
    /// mailcow's HTTP login, without TLS; `[http_login]` is about the port.
    HttpLogin,
}

impl ListenerProtocol {
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
            Self::Portal => "portal",
            Self::HttpLogin => "http-login",
        }
    }
}

/// Who speaks the client protocol, and so how "cannot tell" is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ListenerRole {
    /// Dovecot's login processes, `doveadm`, and other programs such as an XMPP server.
    Dovecot,
    /// Postfix's smtpd.
    Postfix,
    /// Exim's `dovecot` authenticator.
    Exim,
}

impl ListenerRole {
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
