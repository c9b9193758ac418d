//! Clocks: one that only goes forward, for leases and durations; and Redis's, for due times.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[cfg(all(test, feature = "races"))]
pub use crate::races::clock::now_us;
use crate::resp::Reply;

/// Microseconds of a clock that never jumps. It counts time in which the machine slept: a lease runs out in that time too.
#[cfg(not(all(test, feature = "races")))]
pub fn now_us() -> u64 {
    #[cfg(target_os = "linux")]
    const CLOCK: libc::clockid_t = libc::CLOCK_BOOTTIME;
    #[cfg(not(target_os = "linux"))]
    const CLOCK: libc::clockid_t = libc::CLOCK_MONOTONIC; // macOS: goes on during sleep
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid timespec that the call only writes to; both clocks exist on every supported system.
    unsafe { libc::clock_gettime(CLOCK, &raw mut time) };
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0) / 1_000
}

/// Microseconds since 1970 by the local wall clock.
pub fn wall_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// Microseconds since 1970 of a reply that begins with `TIME`'s seconds and microseconds; None when it does not.
pub fn redis_us(parts: &[Reply]) -> Option<i64> {
    let [seconds, micros, ..] = parts else { return None };
    Some(seconds.as_int()?.saturating_mul(1_000_000).saturating_add(micros.as_int()?))
}

/// Redis's clock as the steady clock plus an offset that each beat refreshes: what is set on this machine moves no job to another day.
pub struct RedisClock {
    offset_us: AtomicI64,
}

impl Default for RedisClock {
    /// Until Redis has been asked, the local wall clock.
    fn default() -> Self {
        Self { offset_us: AtomicI64::new(wall_us().saturating_sub(steady_us())) }
    }
}

fn steady_us() -> i64 {
    i64::try_from(now_us()).unwrap_or(i64::MAX)
}

impl RedisClock {
    /// `at` is Redis's time in microseconds, read from a reply that has just arrived.
    pub fn observe(&self, at: i64) {
        self.offset_us.store(at.saturating_sub(steady_us()), Ordering::Relaxed);
    }

    pub fn now_us(&self) -> i64 {
        steady_us().saturating_add(self.offset_us.load(Ordering::Relaxed))
    }

    pub fn now_ms(&self) -> i64 {
        self.now_us() / 1_000
    }

    pub fn now_s(&self) -> i64 {
        self.now_us() / 1_000_000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redis_time_is_local_time_until_it_is_observed() {
        let clock = RedisClock::default();
        assert!((clock.now_us() - wall_us()).abs() < 1_000_000);
        clock.observe(wall_us() + 3_600_000_000);
        let ahead = clock.now_us() - wall_us();
        assert!((3_599_000_000..=3_601_000_000).contains(&ahead), "{ahead}");
    }

    #[test]
    fn a_time_that_makes_no_sense_does_not_overflow() {
        assert_eq!(redis_us(&[Reply::Int(5), Reply::Int(7)]), Some(5_000_007));
        assert_eq!(redis_us(&[Reply::Int(i64::MAX), Reply::Int(1)]), Some(i64::MAX));
        assert_eq!(redis_us(&[Reply::Int(i64::MIN), Reply::Int(-1)]), Some(i64::MIN));
        assert_eq!(redis_us(&[Reply::Nil, Reply::Int(1)]), None);
    }

    #[test]
    fn the_steady_clock_does_not_go_back() {
        let first = now_us();
        assert!(now_us() >= first);
    }
}
