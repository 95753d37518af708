//! A body that is given up when it is not taken in time, for the answers that the HTTP library sends: it asks for the
//! next bytes when there is room for them, which a client that does not read puts off for ever.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use publisher::Body;
use tokio_util::task::AbortOnDropHandle;

/// A body and the time that it has.
pub(super) struct Timed {
    /// None: its time is over.
    body: Arc<Mutex<Option<Body>>>,
    size: SizeHint,
    _timer: AbortOnDropHandle<()>,
}

impl Timed {
    /// What is left of `body` after `time` is dropped, whether anybody asks for it or not.
    pub(super) fn new(body: Body, time: Duration) -> Self {
        let size = body.size_hint();
        let body = Arc::new(Mutex::new(Some(body)));
        let held = Arc::clone(&body);
        let timer = tokio::spawn(async move {
            tokio::time::sleep(time).await;
            *lock(&held) = None;
        });
        Self { body, size, _timer: AbortOnDropHandle::new(timer) }
    }
}

/// A body is whole between two calls.
fn lock(body: &Mutex<Option<Body>>) -> MutexGuard<'_, Option<Body>> {
    body.lock().unwrap_or_else(PoisonError::into_inner)
}

impl HttpBody for Timed {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match lock(&self.body).as_mut() {
            Some(body) => Pin::new(body).poll_frame(cx),
            None => Poll::Ready(Some(Err(io::ErrorKind::TimedOut.into()))),
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.size
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn taken_after(wait: Duration) -> Result<Bytes, axum::Error> {
        let body = axum::body::Body::new(Timed::new(Body::Full("segment".into()), Duration::from_secs(60)));
        tokio::time::sleep(wait).await;
        axum::body::to_bytes(body, 100).await
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_taken_in_time_is_given_up() {
        assert_eq!(taken_after(Duration::from_secs(59)).await.expect("in time"), "segment");
        assert!(taken_after(Duration::from_secs(61)).await.is_err());
    }
}
