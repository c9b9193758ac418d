//! Time in a model: it goes on by a microsecond a look, and by waits, each of which may be over at once.

use std::cell::Cell;
use std::time::Duration;

// All threads of a model are coroutines on one thread.
thread_local!(static NOW_US: Cell<u64> = const { Cell::new(0) });

pub fn reset() {
    NOW_US.set(1_000_000_000);
}

pub fn now_us() -> u64 {
    pass(Duration::from_micros(1));
    NOW_US.get()
}

pub fn pass(time: Duration) {
    NOW_US.set(NOW_US.get() + u64::try_from(time.as_micros()).unwrap());
}
