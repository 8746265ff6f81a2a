//! Listeners and the connections they accept.

use std::collections::HashMap;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use listenfd::ListenFd;
use tokio::net::{UnixListener, UnixStream};

use super::assemble::Parts;
use super::listener::{self, ListenError};
use super::tasks::{Group, Tasks};
use crate::auth::Secret;
use crate::config::{self, ListenerConfig, ListenerProtocol};
use crate::frontend::Protocol;
use crate::frontend::connection::{self, Desk, Put};
use crate::frontend::control::{self, Control};
use crate::frontend::dovecot::{AuthClient, AuthMaster, Cookie, Peer, PendingLogins, Role, ServerId};
use crate::frontend::hook::Hook;
use crate::frontend::http_login;
use crate::frontend::portal::{self, Portal};
use crate::frontend::postfix::{PolicyService, Socketmap};
use crate::frontend::sasl::ErrorChallenges;
use crate::login::service::Listener;

/// Opens a socket for each listener, in order: a handed-in one where there is one for its path.
pub(super) fn open_sockets(listeners: &[ListenerConfig]) -> Result<Vec<UnixListener>, ListenError> {
    let mut handed_in = take_handed_in();
    let open = |config: &ListenerConfig| match handed_in.remove(&config.path) {
        Some(socket) => listener::adopt(socket, &config.path),
        None => listener::open(config),
    };
    let sockets = listeners.iter().map(open).collect();
    for path in handed_in.keys() {
        tracing::warn!(path = %path.display(), "a socket was handed in that no listener wants");
    }
    sockets
}

/// Sockets from systemd (`LISTEN_FDS`), by the path they are bound to.
fn take_handed_in() -> HashMap<PathBuf, StdListener> {
    let mut descriptors = ListenFd::from_env();
    let sockets = (0..descriptors.len()).filter_map(|index| {
        let socket = descriptors.take_unix_listener(index).ok().flatten()?;
        let path = socket.local_addr().ok()?.as_pathname()?.to_owned();
        Some((path, socket))
    });
    sockets.collect()
}

/// Serves one listener until the daemon stops.
pub(super) fn start(
    socket: UnixListener,
    config: &ListenerConfig,
    (parts, http_login): (&Parts, &Arc<http_login::HttpLogin>),
    tasks: &Tasks,
) {
    let kind = match (config.protocol, config.role) {
        (ListenerProtocol::HttpLogin, _) => Kind::HttpLogin(Arc::clone(http_login)),
        (ListenerProtocol::Control, _) => Kind::Control,
        (ListenerProtocol::Portal, _) => Kind::Portal { owner: owner_of(&config.path) },
        (ListenerProtocol::Policy, _) => Kind::Policy,
        (ListenerProtocol::Socketmap, _) => Kind::Socketmap,
        (ListenerProtocol::Hook, _) => Kind::Hook,
        (ListenerProtocol::AuthMaster, _) => Kind::Master { check_peer_pid: config.check_peer_pid },
        (ListenerProtocol::AuthClient, Some(config::ListenerRole::Postfix)) => Kind::Client(Role::Postfix),
        (ListenerProtocol::AuthClient, Some(config::ListenerRole::Exim)) => Kind::Client(Role::Exim),
        (ListenerProtocol::AuthClient, _) => Kind::Client(Role::Dovecot),
    };
    let acceptor = Acceptor {
        kind,
        server: parts.server,
        pending: parts.pending.clone(),
        challenges: parts.challenges.clone(),
        desk: Arc::new(Desk {
            service: Arc::clone(&parts.service),
            administration: Arc::clone(&parts.administration),
            portal: Arc::clone(&parts.portal),
            listener: Listener {
                protocol: config.protocol.name(),
                role: config.role.map(config::ListenerRole::name),
                peer_reports_refusals: config.role == Some(config::ListenerRole::Postfix),
            },
        }),
        tasks: match config.protocol {
            ListenerProtocol::AuthMaster => tasks.masters.clone(),
            _ => tasks.clients.clone(),
        },
    };
    let path = config.path.clone();
    let tasks = acceptor.tasks.clone();
    tasks.spawn(async move {
        tokio::select! {
            () = acceptor.tasks.accepting().cancelled() => {}
            error = acceptor.accept_all(&socket) => {
                tracing::error!(path = %path.display(), %error, "a socket failed and is no longer served");
            }
        }
    });
}

/// What mailcow's HTTP login shares between its sockets and its port.
///
/// mailcow's ban daemon reads Dovecot's own lines of refused logins, so nobody else is told of them.
pub(super) fn http_login(
    (config, token): (&http_login::Config, Option<Secret>),
    parts: &Parts,
    tasks: &Tasks,
) -> Result<Arc<http_login::HttpLogin>, http_login::SetupError> {
    let listener =
        Listener { protocol: ListenerProtocol::HttpLogin.name(), role: None, peer_reports_refusals: true };
    let asked = (Arc::clone(&parts.service), listener);
    let (spawner, metrics) = (tasks.clients.spawner(), Arc::clone(&parts.shadow));
    http_login::HttpLogin::new((config, token), asked, spawner, metrics).map(Arc::new)
}

/// Accepts the connections of one listener.
struct Acceptor {
    kind: Kind,
    server: ServerId,
    pending: PendingLogins,
    challenges: Option<Arc<ErrorChallenges>>,
    desk: Arc<Desk>,
    tasks: Group,
}

enum Kind {
    Client(Role),
    Master {
        check_peer_pid: bool,
    },
    Control,
    /// With the number of the user whose socket it is.
    Portal {
        owner: Option<u32>,
    },
    Policy,
    Socketmap,
    Hook,
    HttpLogin(Arc<http_login::HttpLogin>),
}

impl Acceptor {
    async fn accept_all(&self, socket: &UnixListener) -> std::io::Error {
        loop {
            match listener::accept(socket).await {
                Ok(stream) => self.welcome(stream),
                Err(error) => return error,
            }
        }
    }

    fn welcome(&self, stream: UnixStream) {
        match &self.kind {
            &Kind::Client(role) => {
                let mut cookie = [0; 16];
                if let Err(error) = getrandom::fill(&mut cookie) {
                    tracing::error!(%error, "no random bytes for a cookie; the connection is closed");
                    return;
                }
                let (cookie, pending) = (Cookie::new(cookie), self.pending.clone());
                let client = AuthClient::new(role, self.server, next_cuid(), cookie, pending);
                self.serve(stream, client.with_tokens(self.challenges.clone()));
            }
            &Kind::Master { check_peer_pid } => {
                let pid = stream.peer_cred().ok().and_then(|peer| peer.pid()).filter(|_| check_peer_pid);
                let peer = Peer { pid: pid.and_then(|pid| u32::try_from(pid).ok()).filter(|&pid| pid != 0) };
                self.serve(stream, AuthMaster::new(self.server, peer, self.pending.clone()));
            }
            Kind::Control if may_control(&stream) => {
                self.serve(stream, Control::default());
            }
            Kind::Control => turn_away(stream, &control::Reply::Error(control::REFUSAL.to_owned()).to_line()),
            &Kind::Portal { owner } if may_control(&stream) || is_user(&stream, owner) => {
                self.serve(stream, Portal::default());
            }
            Kind::Portal { .. } => turn_away(stream, portal::REFUSAL),
            Kind::Policy => self.serve(stream, PolicyService::default()),
            Kind::Socketmap => self.serve(stream, Socketmap::default()),
            Kind::Hook => self.serve(stream, Hook::default()),
            Kind::HttpLogin(login) => {
                // Mode and owner of the socket say who may ask.
                let client = http_login::Client::Trusted;
                self.tasks.spawn(http_login::serve(
                    stream,
                    Arc::clone(login),
                    client,
                    self.tasks.stop_signals(),
                ));
            }
        }
    }

    fn serve<P>(&self, stream: UnixStream, protocol: P)
    where
        P: Protocol<Asked: Put + Send> + Send + 'static,
    {
        let (desk, stop) = (Arc::clone(&self.desk), self.tasks.stop_signals());
        let door = self.desk.listener.protocol;
        self.tasks.spawn(async move {
            match connection::serve(stream, protocol, desk, stop).await {
                Ok(()) => {}
                Err(error) if error.is_departure() => tracing::debug!(door, %error, "a peer left"),
                Err(error) => tracing::warn!(door, %error, "a connection was closed"),
            }
        });
    }
}

/// Whatever the socket's mode lets in, only root and the daemon's own user may ask.
fn may_control(stream: &UnixStream) -> bool {
    let own = nix::unistd::geteuid().as_raw();
    stream.peer_cred().is_ok_and(|peer| peer.uid() == 0 || peer.uid() == own)
}

/// Whose socket it is, which systemd or keydove itself has made.
fn owner_of(path: &Path) -> Option<u32> {
    std::fs::metadata(path).ok().map(|status| status.uid())
}

fn is_user(stream: &UnixStream, user: Option<u32>) -> bool {
    stream.peer_cred().is_ok_and(|peer| Some(peer.uid()) == user)
}

/// One line that says why. A new connection has room for it; whoever has left already is not missed.
fn turn_away(stream: UnixStream, line: &[u8]) {
    let socket = stream.local_addr().ok().and_then(|address| address.as_pathname().map(Path::to_owned));
    let socket = socket.map(|path| path.display().to_string());
    tracing::warn!(
        uid = stream.peer_cred().ok().map(|peer| peer.uid()),
        socket,
        "a user who may not ask here was turned away"
    );
    let said = stream.into_std().and_then(|mut stream| stream.write_all(line));
    if let Err(error) = said {
        tracing::debug!(%error, "a user who was turned away has left");
    }
}

/// Unique per connection of this process, as the handshake's CUID has to be.
fn next_cuid() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed).max(1)
}
