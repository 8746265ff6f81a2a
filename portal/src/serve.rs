//! Sockets and connections: opened, bounded, and ended without cutting off whoever is being answered.

use std::io;
use std::net::TcpListener as StdTcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use listenfd::ListenFd;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tower_service::Service;

use crate::config::Listen;
use crate::guard::Peer;

/// How long a browser may take for the head of a request, and stay without one.
const HEAD_TIME: Duration = Duration::from_secs(30);
/// How long answers under way may take after the order to stop.
const GRACE: Duration = Duration::from_secs(10);
/// After a failure to accept, which is mostly a lack of descriptors.
const PAUSE: Duration = Duration::from_millis(100);
const MAX_HEAD_BYTES: usize = 32 * 1024;
const MAX_HEADERS: usize = 64;

/// An open socket.
#[derive(Debug)]
pub enum Socket {
    /// A port.
    Port(TcpListener),
    /// A Unix socket.
    Unix(UnixListener),
}

/// Opens what the configuration names.
///
/// # Errors
/// The system's, with what was attempted.
pub fn open(listen: &Listen) -> io::Result<Vec<Socket>> {
    let named =
        |what: String| move |error: io::Error| io::Error::new(error.kind(), format!("{what}: {error}"));
    match listen {
        Listen::Port(address) => {
            let socket =
                StdTcpListener::bind(address).map_err(named(format!("cannot listen at {address}")))?;
            socket.set_nonblocking(true)?;
            Ok(vec![Socket::Port(TcpListener::from_std(socket)?)])
        }
        Listen::Socket(path) => {
            open_unix(path).map_err(named(format!("cannot listen at {}", path.display())))
        }
        Listen::Systemd => adopt(),
    }
}

/// A socket that nobody listens at any more is replaced. Everybody on the machine may connect, unless the folder's
/// owner forbids it.
fn open_unix(path: &Path) -> io::Result<Vec<Socket>> {
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        return Err(io::Error::new(io::ErrorKind::AddrInUse, "another process listens there"));
    }
    if std::fs::symlink_metadata(path)
        .is_ok_and(|found| std::os::unix::fs::FileTypeExt::is_socket(&found.file_type()))
    {
        std::fs::remove_file(path)?;
    }
    let socket = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666))?;
    Ok(vec![Socket::Unix(socket)])
}

fn adopt() -> io::Result<Vec<Socket>> {
    let mut descriptors = ListenFd::from_env();
    let mut sockets = Vec::new();
    for index in 0..descriptors.len() {
        if let Ok(Some(socket)) = descriptors.take_tcp_listener(index) {
            socket.set_nonblocking(true)?;
            sockets.push(Socket::Port(TcpListener::from_std(socket)?));
        } else if let Ok(Some(socket)) = descriptors.take_unix_listener(index) {
            socket.set_nonblocking(true)?;
            sockets.push(Socket::Unix(UnixListener::from_std(socket)?));
        }
    }
    if sockets.is_empty() {
        return Err(io::Error::other(
            "listen = \"systemd\", and systemd hands in no socket: is keydove-portal.socket started?",
        ));
    }
    Ok(sockets)
}

/// Serves until `stop` says true, and then ends what is under way.
pub async fn run(sockets: Vec<Socket>, routes: Router, max_connections: usize, stop: watch::Receiver<bool>) {
    let permits = Arc::new(Semaphore::new(max_connections));
    let mut listeners = JoinSet::new();
    for socket in sockets {
        listeners.spawn(accept_all(socket, routes.clone(), Arc::clone(&permits), stop.clone()));
    }
    while listeners.join_next().await.is_some() {}
}

async fn accept_all(
    socket: Socket,
    routes: Router,
    permits: Arc<Semaphore>,
    mut stop: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = accept(&socket, &permits) => accepted,
            Some(_) = connections.join_next() => continue,
            () = ordered(&mut stop) => break,
        };
        match accepted {
            Ok((Stream::Tcp(stream), peer, permit)) => {
                let _ = stream.set_nodelay(true);
                connections.spawn(serve(stream, peer, (routes.clone(), permit), stop.clone()));
            }
            Ok((Stream::Unix(stream), peer, permit)) => {
                connections.spawn(serve(stream, peer, (routes.clone(), permit), stop.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                sleep(PAUSE).await;
            }
        }
    }
    let ended = timeout(GRACE, async { while connections.join_next().await.is_some() {} }).await;
    if ended.is_err() {
        tracing::warn!(cut_off = connections.len(), "connections are cut off");
    }
}

/// Waits for the order to stop; without anybody who could give it, it has been given.
async fn ordered(stop: &mut watch::Receiver<bool>) {
    drop(stop.wait_for(|stop| *stop).await);
}

enum Stream {
    Tcp(tokio::net::TcpStream),
    Unix(tokio::net::UnixStream),
}

/// The next connection, once there is room for one.
async fn accept(
    socket: &Socket,
    permits: &Arc<Semaphore>,
) -> io::Result<(Stream, Peer, OwnedSemaphorePermit)> {
    let permit = Arc::clone(permits).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = match socket {
        Socket::Port(listener) => {
            let (stream, address) = listener.accept().await?;
            (Stream::Tcp(stream), Peer::At(address.ip()))
        }
        Socket::Unix(listener) => (Stream::Unix(listener.accept().await?.0), Peer::Proxy),
    };
    Ok((stream, peer, permit))
}

async fn serve<S>(
    stream: S,
    peer: Peer,
    (routes, _permit): (Router, OwnedSemaphorePermit),
    mut stop: watch::Receiver<bool>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let answer = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        let mut routes = routes.clone();
        async move { routes.call(request).await }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), answer);
    let mut connection = pin!(connection);
    let end = tokio::select! {
        end = connection.as_mut() => end,
        () = ordered(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = end {
        tracing::debug!(%error, "a connection ended early");
    }
}
