//! Locks, atomics and threads as the server's threads share them.

pub use std::sync::{Condvar, Mutex, MutexGuard, RwLock, atomic};
pub use std::thread;
