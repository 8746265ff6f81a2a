//! One connection: how it is made, and what is noticed of it while nothing is asked.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, PushInfo, PushKind, RedisConnectionInfo, RedisError};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::Notify;

use super::bounded::Bounded;

/// Where a server listens.
#[derive(Clone)]
pub(super) enum Address {
    Socket(PathBuf),
    Host(String, u16),
}

/// A connection that was made.
pub(super) struct Link {
    pub(super) connection: MultiplexedConnection,
    /// The server has closed it. Known before the next command, which therefore is not sent into the void.
    pub(super) closed: Arc<AtomicBool>,
    /// It sent more than an answer may be long.
    pub(super) overrun: Arc<AtomicBool>,
}

/// Connects, without a limit of its own. `heard` is told of what comes on a channel, and of the connection's end.
pub(super) async fn connect(
    address: &Address,
    settings: &RedisConnectionInfo,
    heard: Arc<Notify>,
) -> Result<Link, RedisError> {
    let closed = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&closed);
    let listen = move |push: PushInfo| {
        match push.kind {
            PushKind::Disconnection => seen.store(true, Ordering::Relaxed),
            PushKind::Message => {}
            _ => return Ok(()),
        }
        heard.notify_one();
        Ok::<(), ()>(())
    };
    // The caller's time limit is around it all.
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(None)
        .set_response_timeout(None)
        .set_push_sender(listen);
    let overrun = Arc::new(AtomicBool::new(false));
    let connection = match address {
        Address::Socket(path) => {
            let stream = UnixStream::connect(path).await?;
            start(Bounded::new(stream, Arc::clone(&overrun)), settings, config).await?
        }
        Address::Host(host, port) => {
            let stream = TcpStream::connect((host.as_str(), *port)).await?;
            stream.set_nodelay(true)?;
            start(Bounded::new(stream, Arc::clone(&overrun)), settings, config).await?
        }
    };
    Ok(Link { connection, closed, overrun })
}

#[expect(clippy::disallowed_methods, reason = "what moves the bytes of a connection ends with it")]
async fn start(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    settings: &RedisConnectionInfo,
    config: AsyncConnectionConfig,
) -> Result<MultiplexedConnection, RedisError> {
    let (connection, driver) = MultiplexedConnection::new_with_config(settings, stream, config).await?;
    tokio::spawn(driver);
    Ok(connection)
}
