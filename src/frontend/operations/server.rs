//! A small HTTP server: few connections, one request each, and little time for it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{Operations, routes};

/// Connections at once; further ones wait in the system's queue.
const MAX_CONNECTIONS: usize = 64;
/// For the whole of a connection.
const TIME: Duration = Duration::from_secs(5);
/// Request line and headers.
const MAX_HEAD_BYTES: usize = 16 * 1024;
const MAX_HEADERS: usize = 64;
/// When there is no descriptor for another connection.
const PAUSE: Duration = Duration::from_millis(100);

/// The port cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} for [http]: {source}; is it taken, or not an address of this machine?")]
pub struct BindError {
    address: SocketAddr,
    source: std::io::Error,
}

/// An open port.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
}

impl Server {
    /// Opens the port.
    ///
    /// # Errors
    /// The system does not give it.
    pub async fn bind(address: SocketAddr) -> Result<Self, BindError> {
        let listener = TcpListener::bind(address).await.map_err(|source| BindError { address, source })?;
        Ok(Self { listener })
    }

    /// Answers until it is told to stop.
    pub async fn run(self, operations: Arc<Operations>, stop: CancellationToken) {
        let mut connections = FuturesUnordered::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                Some(()) = connections.next(), if !connections.is_empty() => {}
                accepted = self.listener.accept(), if connections.len() < MAX_CONNECTIONS => match accepted {
                    Ok((stream, _)) => connections.push(serve(stream, &operations)),
                    Err(error) => {
                        tracing::debug!(%error, "a connection for metrics or probes was not taken");
                        sleep(PAUSE).await;
                    }
                },
            }
        }
    }
}

async fn serve(stream: TcpStream, operations: &Operations) {
    let answer = service_fn(async |request| Ok::<_, Infallible>(routes::answer(operations, request).await));
    let connection = http1::Builder::new()
        .keep_alive(false)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), answer);
    // Who sends no request, or takes no answer, is none that anybody waits for.
    let _ = timeout(TIME, connection).await;
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::super::Tokens;
    use super::*;

    /// Asks a server over a real connection.
    async fn ask(request: &str) -> String {
        let server = Server::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = server.listener.local_addr().unwrap();
        let operations = Arc::new(Operations::new(vec!["keycloak.tls_verify".to_owned()], Tokens::default()));
        let talk = async {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            let _ = stream.read_to_string(&mut answer).await;
            answer
        };
        tokio::select! {
            () = server.run(operations, CancellationToken::new()) => panic!("it stopped"),
            answer = talk => answer,
        }
    }

    #[tokio::test]
    async fn it_is_alive_before_it_is_ready() {
        let alive = ask("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert!(alive.starts_with("HTTP/1.1 200 OK\r\n") && alive.ends_with("\r\n\r\nalive\n"), "{alive}");
        let ready = ask("GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert!(ready.starts_with("HTTP/1.1 503 "), "{ready}");
        assert!(ready.ends_with("\r\n\r\nnot ready: keydove is starting\n"), "{ready}");
        let metrics = ask("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert!(metrics.contains("content-type: application/openmetrics-text; version=1.0.0"), "{metrics}");
        assert!(metrics.contains("keydove_insecure_setting{name=\"keycloak.tls_verify\"} 1\n"), "{metrics}");
        assert!(metrics.ends_with("# EOF\n"), "{metrics}");
    }

    #[tokio::test]
    async fn nothing_else_is_there() {
        let other = ask("GET /metrics/x HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert!(other.starts_with("HTTP/1.1 404 "), "{other}");
        let forget = ask("POST /forget HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n").await;
        assert!(forget.starts_with("HTTP/1.1 404 "), "{forget}");
        let post = ask("POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n").await;
        assert!(post.starts_with("HTTP/1.1 405 "), "{post}");
    }

    #[tokio::test]
    async fn a_head_beyond_all_bounds_is_no_request() {
        let request = format!("GET /livez HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(64 * 1024));
        let answer = ask(&request).await;
        assert!(!answer.contains("200 OK"), "{answer}");
    }

    #[tokio::test]
    async fn a_port_that_is_taken_is_a_clear_sentence() {
        let first = Server::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = first.listener.local_addr().unwrap();
        let error = Server::bind(address).await.unwrap_err().to_string();
        assert!(error.starts_with(&format!("cannot listen on {address} for [http]: ")), "{error}");
    }
}
