//! Tells a process image from its forked children, cheaply enough for each job.

use std::os::fd::RawFd;
use std::sync::Once;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};

static FORKS: AtomicU64 = AtomicU64::new(0);
static WATCH: Once = Once::new();

/// A socket that listens; -1 = none.
static LISTENER: AtomicI32 = AtomicI32::new(-1);

extern "C" fn in_child() {
    FORKS.fetch_add(1, Ordering::Relaxed);
    let listener = LISTENER.swap(-1, Ordering::Relaxed);
    if listener >= 0 {
        // SAFETY: the child's own copy of a descriptor, which only a thread used that it does not have.
        unsafe { libc::close(listener) };
    }
}

/// A child closes this socket at once: one that outlives its parent would keep the port from the parent's successor.
/// -1 takes it back.
pub fn close_in_children(listener: RawFd) {
    generation();
    LISTENER.store(listener, Ordering::Relaxed);
}

/// A number that differs between a process and its forked children from the first call on.
pub fn generation() -> u64 {
    WATCH.call_once(|| {
        // SAFETY: the handler only touches atomics and closes a descriptor, as a child of a process with threads may.
        unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
    });
    FORKS.load(Ordering::Relaxed)
}
