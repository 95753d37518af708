//! Panics: one ends the session whose task it was in and nothing else, and is counted and logged here.

use std::sync::atomic::{AtomicU64, Ordering};

static PANICS: AtomicU64 = AtomicU64::new(0);

/// From now on panics are counted, and logged as every other event.
pub(crate) fn watch() {
    std::panic::set_hook(Box::new(|panic| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        let payload = panic.payload();
        let text = payload.downcast_ref::<&str>().copied();
        let said =
            text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a text");
        let place = panic.location().map(tracing::field::display);
        tracing::error!(place, "internal error, please report it: {said}");
    }));
}

/// Panics since the start.
pub(crate) fn count() -> u64 {
    PANICS.load(Ordering::Relaxed)
}
