//! Tells a process image from its forked children, cheaply enough for each job.

use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};

static FORKS: AtomicU64 = AtomicU64::new(0);
static WATCH: Once = Once::new();

extern "C" fn in_child() {
    FORKS.fetch_add(1, Ordering::Relaxed);
}

/// A number that differs between a process and its forked children from the first call on.
pub fn generation() -> u64 {
    WATCH.call_once(|| {
        // SAFETY: the handler only touches an atomic, as a child of a process with threads must.
        unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
    });
    FORKS.load(Ordering::Relaxed)
}
