//! A stream on which one answer may be so long and no longer: whoever can write into Redis must not fill keydove's memory.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The longest answer, in bytes.
pub(super) const MAX_ANSWER: usize = 8 << 20;

/// Counts what comes in after each thing that went out.
pub(super) struct Bounded<S> {
    stream: S,
    left: usize,
    overrun: Arc<AtomicBool>,
}

impl<S> Bounded<S> {
    /// `overrun` is set when an answer was too long; the connection is then of no more use.
    pub(super) fn new(stream: S, overrun: Arc<AtomicBool>) -> Self {
        Self { stream, left: MAX_ANSWER, overrun }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Bounded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let end = Pin::new(&mut self.stream).poll_read(context, into);
        match self.left.checked_sub(into.filled().len() - before) {
            Some(left) => {
                self.left = left;
                end
            }
            None => {
                into.set_filled(before);
                self.overrun.store(true, Ordering::Relaxed);
                Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "the answer is too long")))
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Bounded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.left = MAX_ANSWER;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn an_answer_ends_at_its_bound_and_the_next_question_begins_anew() {
        let (ours, mut theirs) = tokio::io::duplex(1 << 16);
        let overrun = Arc::new(AtomicBool::new(false));
        let mut bounded = Bounded::new(ours, Arc::clone(&overrun));
        let serve = async {
            let mut asked = [0; 1];
            theirs.read_exact(&mut asked).await.unwrap();
            theirs.write_all(&vec![0; MAX_ANSWER]).await.unwrap();
            theirs.read_exact(&mut asked).await.unwrap();
            // As far as it is read.
            let _ = theirs.write_all(&vec![0; MAX_ANSWER + 1]).await;
        };
        let ask = async move {
            let mut answer = vec![0; MAX_ANSWER];
            bounded.write_all(b"?").await.unwrap();
            bounded.read_exact(&mut answer).await.unwrap();
            bounded.write_all(b"?").await.unwrap();
            bounded.read_to_end(&mut answer).await.unwrap_err()
        };
        let (error, ()) = tokio::join!(ask, serve);
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert!(overrun.load(Ordering::Relaxed));
    }
}
