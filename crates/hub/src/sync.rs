//! The locks of the ring: the standard library's, or those of the model checker (`--cfg loom`, see `tests/loom.rs`).

#[cfg(loom)]
pub(crate) use loom::sync::{Arc, Mutex, MutexGuard};
#[cfg(not(loom))]
pub(crate) use std::sync::{Arc, Mutex, MutexGuard};
