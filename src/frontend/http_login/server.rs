//! The port, and HTTP on a connection.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::answer::answer;
use super::tls::{self, TlsError};
use super::{Config, HttpLogin};
use crate::frontend::connection::StopSignals;
use crate::observe;
use crate::settings::Network;

/// For the TLS handshake, and for the head of each request, the wait for it included.
const HEAD_TIME: Duration = Duration::from_secs(30);
/// Request line and headers.
const MAX_HEAD_BYTES: usize = 16 * 1024;
const MAX_HEADERS: usize = 64;
/// When there is no descriptor for another connection.
const PAUSE: Duration = Duration::from_millis(100);
/// How often strangers are told of.
const STRANGER_PAUSE: Duration = Duration::from_secs(60);

/// Why the port cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The system does not give it.
    #[error(
        "cannot listen on {address} for [http_login]: {source}; is it taken, or not an address of this machine?"
    )]
    Bind {
        /// The address.
        address: SocketAddr,
        /// The system's words.
        source: io::Error,
    },
    /// The certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// An open port.
pub struct Server {
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    allow: Vec<Network>,
    max_connections: usize,
}

impl Server {
    /// Opens the port; `None` without one.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open(config: &Config) -> Result<Option<Self>, OpenError> {
        let Some(address) = config.listen else { return Ok(None) };
        let tls = tls::of(config)?;
        let listener =
            TcpListener::bind(address).await.map_err(|source| OpenError::Bind { address, source })?;
        let (allow, max_connections) = (config.allow.clone(), config.max_connections);
        Ok(Some(Self { listener, tls, allow, max_connections }))
    }

    /// Answers until it is told to stop and all that was asked is answered.
    pub async fn run(self, login: Arc<HttpLogin>, stop: StopSignals) {
        let mut connections = FuturesUnordered::new();
        let mut told_of_stranger: Option<Instant> = None;
        while !(stop.drain.is_cancelled() && connections.is_empty()) {
            let is_open = !stop.drain.is_cancelled();
            tokio::select! {
                () = stop.drain.cancelled(), if is_open => {}
                Some(()) = connections.next(), if !connections.is_empty() => {}
                accepted = self.listener.accept(), if is_open && connections.len() < self.max_connections => match accepted {
                    Ok((stream, peer)) if self.may_ask(peer.ip()) => {
                        connections.push(Box::pin(self.welcome(stream, &login, &stop)));
                    }
                    Ok((_, peer)) => {
                        if told_of_stranger.is_none_or(|told| told.elapsed() > STRANGER_PAUSE) {
                            told_of_stranger = Some(Instant::now());
                            let peer = observe::remote_field(Some(peer.ip()));
                            tracing::warn!(peer, "a stranger at the port of [http_login]; allow does not name them");
                        }
                    }
                    Err(error) => {
                        tracing::debug!(%error, "a connection for a login over HTTP was not taken");
                        sleep(PAUSE).await;
                    }
                },
            }
        }
    }

    /// This machine always may.
    fn may_ask(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        let is_named = || self.allow.iter().any(|network| network.contains(peer));
        self.allow.is_empty() || peer.is_loopback() || is_named()
    }

    async fn welcome(&self, stream: TcpStream, login: &Arc<HttpLogin>, stop: &StopSignals) {
        // An answer is one small packet, and whoever asked waits for it.
        let _ = stream.set_nodelay(true);
        let Some(tls) = &self.tls else {
            return serve(stream, Arc::clone(login), Client::AtThePort, stop.clone()).await;
        };
        match timeout(HEAD_TIME, tls.accept(stream)).await {
            Ok(Ok(stream)) => {
                Box::pin(serve(stream, Arc::clone(login), Client::AtThePort, stop.clone())).await;
            }
            Ok(Err(error)) => tracing::debug!(%error, "no TLS for a login over HTTP"),
            Err(_) => tracing::debug!("no TLS for a login over HTTP in time"),
        }
    }
}

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// Whoever may open the socket.
    Trusted,
    /// Whoever may reach the port, which every user of the machine may: they show the token, where there is one.
    AtThePort,
}

/// Serves one connection to its end.
pub async fn serve<S>(stream: S, login: Arc<HttpLogin>, client: Client, stop: StopSignals)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let answer = service_fn(async |request| answer((&login, client), request, &stop.cut).await);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD_BYTES)
        // Whoever has said all may close their side and still wants the answer; and whoever hangs up has asked all the same.
        .half_close(true)
        .serve_connection(TokioIo::new(stream), answer);
    let mut connection = pin!(connection);
    let end = tokio::select! {
        end = connection.as_mut() => end,
        () = stop.drain.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = end {
        tracing::debug!(%error, "a connection for logins over HTTP ended early");
    }
}
