//! What an answer leaves unread of its request's body.
//!
//! Many libraries send a body after the head, and one with every POST. Where the connection was closed before the body
//! came, its sender would get a broken pipe instead of the answer. So whatever the answer, an unknown path, a
//! wrong method, no token, a bad identifier or too large a body, the rest is read and thrown away before it goes out:
//! so many bytes, and so long, that nobody can hold a place with it; a stranger's is free for anybody else meanwhile
//! ([`leaves`](super::seats::Sitter::leaves)).

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body_util::BodyExt as _;
use hyper::body::{Frame, SizeHint};
use tokio::sync::oneshot;

/// How much is read and thrown away, and how long that takes at most.
#[derive(Clone, Copy)]
struct Bounds {
    bytes: usize,
    /// A body that nobody wants is waited for no longer.
    piece_timeout: Duration,
    /// All of it must have come by then.
    timeout: Duration,
}

const BOUNDS: Bounds = Bounds {
    bytes: 8 * 1024 * 1024,
    piece_timeout: Duration::from_secs(1),
    timeout: Duration::from_secs(10),
};

/// A body that comes back when nobody reads it any more.
struct Lent<B> {
    body: Option<B>,
    back: Option<oneshot::Sender<B>>,
}

/// Where it comes back.
pub(super) struct Leftover<B>(oneshot::Receiver<B>);

/// Lends a request's body to whoever answers.
pub(super) fn lend<B>(body: B) -> (Body, Leftover<B>)
where
    B: hyper::body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<axum::BoxError>,
{
    let (back, leftover) = oneshot::channel();
    let lent = Lent {
        body: Some(body),
        back: Some(back),
    };
    (Body::new(lent), Leftover(leftover))
}

impl<B: hyper::body::Body<Data = Bytes> + Unpin> Leftover<B> {
    /// Reads what the answer has left, within bounds; nothing where whoever answers reads on.
    pub(super) async fn throw_away(self) {
        self.throw_away_within(BOUNDS).await;
    }

    async fn throw_away_within(mut self, bounds: Bounds) {
        let Ok(mut body) = self.0.try_recv() else {
            return;
        };
        let read = async {
            let mut bytes = 0;
            while let Ok(Some(Ok(frame))) =
                tokio::time::timeout(bounds.piece_timeout, body.frame()).await
            {
                bytes += frame.data_ref().map_or(0, Bytes::len);
                if bytes > bounds.bytes {
                    return;
                }
            }
        };
        drop(tokio::time::timeout(bounds.timeout, read).await);
    }
}

impl<B: hyper::body::Body<Data = Bytes> + Unpin> hyper::body::Body for Lent<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(context),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(B::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map(B::size_hint).unwrap_or_default()
    }
}

impl<B> Drop for Lent<B> {
    fn drop(&mut self) {
        if let (Some(body), Some(back)) = (self.body.take(), self.back.take()) {
            // Nobody asks for it when the connection is gone.
            drop(back.send(body));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    /// Pieces of so many bytes, one after each pause, without end.
    struct Endless {
        piece: usize,
        pause: Pin<Box<tokio::time::Sleep>>,
        every: Duration,
    }

    impl hyper::body::Body for Endless {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            std::task::ready!(self.pause.as_mut().poll(context));
            let next = tokio::time::Instant::now() + self.every;
            self.pause.as_mut().reset(next);
            let piece = Bytes::from(vec![0; self.piece]);
            Poll::Ready(Some(Ok(Frame::data(piece))))
        }
    }

    #[tokio::test]
    async fn nobody_holds_a_place_with_a_body_that_does_not_end() {
        let bounds = Bounds {
            bytes: 80,
            piece_timeout: Duration::from_millis(200),
            timeout: Duration::from_millis(600),
        };
        for (piece, every_ms, shortest_ms) in [(1, 3_600_000, 200), (1, 20, 600), (10, 20, 180)] {
            let every = Duration::from_millis(every_ms);
            let endless = Endless {
                piece,
                pause: Box::pin(tokio::time::sleep(every)),
                every,
            };
            let (body, leftover) = lend(endless);
            drop(body);
            let began = std::time::Instant::now();
            let thrown_away = leftover.throw_away_within(bounds);
            let in_time = tokio::time::timeout(Duration::from_secs(20), thrown_away).await;
            assert!(in_time.is_ok(), "{piece} {every_ms}");
            let shortest = Duration::from_millis(shortest_ms);
            assert!(began.elapsed() >= shortest, "{piece} {every_ms}");
        }
    }

    #[tokio::test]
    async fn what_is_read_leaves_nothing_and_what_is_still_read_is_left_alone() {
        let (body, leftover) = lend(http_body_util::Full::new(Bytes::from_static(b"{}")));
        leftover.throw_away().await;
        let read = axum::body::to_bytes(body, 16).await.unwrap();
        assert_eq!(&read[..], b"{}");
    }
}
