//! Whether the threads of a capsule live.

use std::sync::{Arc, PoisonError};

use crate::clock::now_us;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU64, Ordering};

/// One that panicked is started again, and counts as dead until it has lived so long.
const TRIAL_US: u64 = 10_000_000;
/// It has returned though there was no stop: nobody starts it again.
const ENDED: u64 = u64::MAX;

/// One thread's entry.
pub struct Vital {
    name: String,
    /// When it panicked last; 0 = never.
    fell_us: AtomicU64,
}

impl Vital {
    pub fn fell(&self) {
        self.fell_us.store(now_us(), Ordering::Release);
    }

    pub fn ended(&self) {
        self.fell_us.store(ENDED, Ordering::Release);
    }

    fn is_dead(&self, now: u64) -> bool {
        match self.fell_us.load(Ordering::Acquire) {
            0 => false,
            ENDED => true,
            fell => now.saturating_sub(fell) < TRIAL_US,
        }
    }
}

#[derive(Default)]
pub struct Vitals {
    threads: Mutex<Vec<Arc<Vital>>>,
}

impl Vitals {
    pub fn add(&self, name: &str) -> Arc<Vital> {
        let vital = Arc::new(Vital { name: name.to_owned(), fell_us: AtomicU64::new(0) });
        self.threads.lock().unwrap_or_else(PoisonError::into_inner).push(vital.clone());
        vital
    }

    /// The name of one that is dead.
    pub fn dead(&self, now: u64) -> Option<String> {
        let threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        threads.iter().find(|vital| vital.is_dead(now)).map(|vital| vital.name.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fallen_thread_is_dead_until_it_has_lived_for_a_while() {
        let vitals = Vitals::default();
        let (first, second) = (vitals.add("first"), vitals.add("second"));
        assert_eq!(vitals.dead(now_us()), None);
        second.fell();
        assert_eq!(vitals.dead(now_us()).as_deref(), Some("second"));
        assert_eq!(vitals.dead(now_us() + TRIAL_US), None);
        first.ended();
        assert_eq!(vitals.dead(now_us() + TRIAL_US).as_deref(), Some("first"));
    }
}
