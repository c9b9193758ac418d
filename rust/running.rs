//! Jobs that run now, and who runs them.

use std::sync::{Arc, PoisonError};

use crate::flight::Job;
use crate::shared::Core;
use crate::sync::Mutex;

/// What one worker thread or coroutine runs now.
#[derive(Clone)]
pub struct Running {
    pub job: Arc<Job>,
    pub thread: Arc<str>,
    pub started_us: u64,
}

/// A worker thread's entry: written by that thread, read by the heartbeat. Its lock is all but never contended.
#[derive(Default)]
pub struct Slot {
    pub current: Mutex<Option<Running>>,
}

impl Core {
    /// What this capsule runs.
    pub fn running(&self) -> Vec<Running> {
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let mut running: Vec<Running> = slots
            .iter()
            .filter_map(|slot| slot.current.lock().unwrap_or_else(PoisonError::into_inner).clone())
            .collect();
        drop(slots);
        running.extend(self.coroutines.lock().unwrap_or_else(PoisonError::into_inner).values().cloned());
        running
    }
}
