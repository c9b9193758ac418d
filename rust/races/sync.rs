//! In place of `sync.rs`: shuttle's.

pub use shuttle::sync::{Condvar, Mutex, MutexGuard, RwLock, atomic};

pub mod thread {
    use std::time::Duration;

    pub use shuttle::thread::{JoinHandle, Thread, current, park, spawn, yield_now};

    use crate::races::clock;

    /// From this on nothing may rely on the end of a wait: it comes when somebody calls.
    const FOR_EVER: Duration = Duration::from_secs(1);

    pub fn park_timeout(limit: Duration) {
        if limit >= FOR_EVER {
            return park();
        }
        yield_now();
        // As if called: a call that has come is used up, as by any end of a park.
        current().unpark();
        park();
        clock::pass(limit);
    }

    pub fn sleep(time: Duration) {
        clock::pass(time);
        yield_now();
    }
}
