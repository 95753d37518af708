//! Work that is begun again where it fails.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use crate::code::Code;

/// From a failure to the next attempt.
const REST: Duration = Duration::from_secs(1);

/// An attempt.
pub(crate) type Work<'s> = Pin<Box<dyn Future<Output = ()> + Send + 's>>;

/// Does the work until it comes to its end. Where it panics, which was logged then, it is begun again after a rest.
pub(crate) async fn persist<S>(
    state: &mut S,
    work: for<'s> fn(&'s mut S) -> Work<'s>,
    code: &Code,
    what: &str,
) {
    loop {
        let mut attempt = work(state);
        let ended = poll_fn(|cx| {
            // What a failed attempt had for itself is dropped, and the state is whole after each of its steps.
            let polled = catch_unwind(AssertUnwindSafe(|| attempt.as_mut().poll(cx)));
            polled.map_or(Poll::Ready(false), |polled| polled.map(|()| true))
        });
        if ended.await {
            return;
        }
        drop(attempt);
        tracing::error!(stream = %code, "{what} failed and goes on at a key frame");
        tokio::time::sleep(REST).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_panics_is_begun_again_after_a_rest_until_it_ends() {
        fn work(begun: &mut u32) -> Work<'_> {
            Box::pin(async move {
                *begun += 1;
                tokio::time::sleep(Duration::from_millis(100)).await;
                assert!(*begun == 4, "on purpose");
            })
        }
        let (mut begun, since) = (0, tokio::time::Instant::now());
        persist(&mut begun, work, &"news".parse().expect("a code"), "work").await;
        assert_eq!((begun, since.elapsed()), (4, REST * 3 + Duration::from_millis(400)));
    }
}
