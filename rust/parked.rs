//! The threads of a server, by which they are woken from a park.

use std::sync::OnceLock;

use crate::sync::thread::Thread;

/// Set by each thread when it begins.
#[derive(Default)]
pub struct Parked {
    pub fetcher: OnceLock<Thread>,
    pub waker: OnceLock<Thread>,
    pub heartbeat: OnceLock<Thread>,
    pub scheduler: OnceLock<Thread>,
    pub recovery: OnceLock<Thread>,
}

pub fn unpark(thread: &OnceLock<Thread>) {
    if let Some(thread) = thread.get() {
        thread.unpark();
    }
}
