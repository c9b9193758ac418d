//! Locks, atomics and threads as the server's threads share them: the standard library's. In the models of `races.rs` this file is replaced by
//! `races/sync.rs`, so that each of their steps is a point at which another thread may go on.

pub use std::sync::{Condvar, Mutex, MutexGuard, RwLock, atomic};
pub use std::thread;
