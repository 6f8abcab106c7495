//! How slow the other side of a connection may be: nobody holds one by sending or reading ever more slowly.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep, sleep_until};

/// The other side may keep a server waiting for this long, and a second more for each [`BYTES_PER_SECOND`]; but however
/// much it has sent or taken, no longer than this for the next byte.
const PATIENCE: Duration = Duration::from_secs(60);
const BYTES_PER_SECOND: u64 = 10_000;

fn patience(bytes: u64) -> Duration {
    PATIENCE + Duration::from_secs(bytes / BYTES_PER_SECOND)
}

/// A body on its way in.
pub(crate) struct Arriving<B> {
    body: B,
    began: Instant,
    bytes: u64,
    /// Runs while nothing comes.
    timer: Option<Pin<Box<Sleep>>>,
}

impl<B> Arriving<B> {
    pub(crate) fn new(body: B) -> Self {
        Self { body, began: Instant::now(), bytes: 0, timer: None }
    }
}

impl<B> Body for Arriving<B>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Unpin,
{
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            self.timer = None;
            if let Some(data) = frame.as_ref().and_then(|f| f.as_ref().ok()?.data_ref()) {
                self.bytes += data.len() as u64;
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let until = self.began + patience(self.bytes);
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(sleep_until(until.min(Instant::now() + PATIENCE))));
        ready!(timer.as_mut().poll(context));
        Poll::Ready(Some(Err("the body took too long to arrive".into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A stream whose reader is to keep up.
pub(crate) struct Departing<S> {
    stream: S,
    bytes: u64,
    /// How long the reader has kept this side waiting, but for the wait that is under way.
    waited: Duration,
    /// Since when nothing could be written, and what ends the wait.
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl<S> Departing<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, bytes: 0, waited: Duration::ZERO, waiting: None }
    }

    /// What became of a write, or that the reader took too long.
    fn paced(
        &mut self,
        context: &mut Context<'_>,
        outcome: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(outcome) = outcome {
            if let Some((since, _)) = self.waiting.take() {
                self.waited += since.elapsed();
            }
            self.bytes += outcome.as_ref().map_or(0, |bytes| *bytes as u64);
            return Poll::Ready(outcome);
        }
        let left = patience(self.bytes).saturating_sub(self.waited).min(PATIENCE);
        let (_, timer) =
            self.waiting.get_or_insert_with(|| (Instant::now(), Box::pin(sleep(left))));
        ready!(timer.as_mut().poll(context));
        let text = "the answer was read too slowly";
        Poll::Ready(Err(io::Error::new(ErrorKind::TimedOut, text)))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Departing<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Departing<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.paced(context, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.paced(context, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
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
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_does_not_read_is_given_up_after_a_minute() {
        let (near, _far) = duplex(100);
        let began = Instant::now();
        let outcome = Departing::new(near).write_all(&[0; 1000]).await;
        assert_eq!(outcome.map_err(|error| error.kind()), Err(ErrorKind::TimedOut));
        assert_eq!(began.elapsed().as_secs(), 60);
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_read_much_may_not_rest_for_longer() {
        let (near, mut far) = duplex(20_000);
        let mut near = Departing::new(near);
        let quick = tokio::spawn(async move {
            let mut all = vec![0; 10_000_000];
            far.read_exact(&mut all).await.map(|_| far)
        });
        assert!(near.write_all(&vec![0; 10_000_000]).await.is_ok());
        let began = Instant::now();
        let outcome = near.write_all(&[0; 30_000]).await;
        assert_eq!(outcome.map_err(|error| error.kind()), Err(ErrorKind::TimedOut));
        assert_eq!(began.elapsed().as_secs(), 60);
        drop(quick);
    }

    #[tokio::test(start_paused = true)]
    async fn who_reads_a_little_now_and_then_is_given_up_too() {
        let (near, mut far) = duplex(100);
        let slow = tokio::spawn(async move {
            let mut buffer = [0; 100];
            while far.read(&mut buffer).await.is_ok_and(|bytes| bytes > 0) {
                sleep(Duration::from_secs(20)).await;
            }
        });
        let began = Instant::now();
        let outcome = Departing::new(near).write_all(&[0; 100_000]).await;
        assert_eq!(outcome.map_err(|error| error.kind()), Err(ErrorKind::TimedOut));
        assert_eq!(began.elapsed().as_secs(), 60);
        slow.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_line_gets_its_hour() {
        let (near, mut far) = duplex(20_000);
        let reader = tokio::spawn(async move {
            let mut buffer = vec![0; 20_000];
            let mut all = 0;
            loop {
                let bytes = far.read(&mut buffer).await?;
                if bytes == 0 {
                    return io::Result::Ok(all);
                }
                all += bytes;
                sleep(Duration::from_secs(1)).await;
            }
        });
        let mut near = Departing::new(near);
        let began = Instant::now();
        for _ in 0..3600 {
            assert!(near.write_all(&[0; 20_000]).await.is_ok());
        }
        assert!(began.elapsed().as_secs() > 3500);
        drop(near);
        assert!(matches!(reader.await, Ok(Ok(72_000_000))));
    }
}
