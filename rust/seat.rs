//! A worker thread's place at the server: takes one job after the other, and says which one it has.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use crate::clock::now_us;
use crate::flight::Job;
use crate::running::{Running, Slot};
use crate::shared::Core;
use crate::sync::thread;

pub struct Seat {
    core: Arc<Core>,
    slot: Arc<Slot>,
    name: Arc<str>,
}

impl Seat {
    pub fn new(core: &Arc<Core>, name: &str) -> Self {
        let slot = Arc::new(Slot::default());
        core.slots.lock().unwrap_or_else(PoisonError::into_inner).push(slot.clone());
        Self { core: core.clone(), slot, name: Arc::from(name) }
    }

    /// The last job has ended, and the next one is taken. The slot is locked all the while: who counts the busy threads finds no thread
    /// between two jobs.
    pub fn turn(&self) -> Option<Arc<Job>> {
        let mut current = self.slot.current.lock().unwrap_or_else(PoisonError::into_inner);
        let now = now_us();
        let job = self.core.turn(current.take().as_ref(), now)?;
        *current = Some(Running { job: job.clone(), thread: self.name.clone(), started_us: now });
        Some(job)
    }

    /// The job that was taken did not begin; who refused it has ended it.
    pub fn refuse(&self) {
        self.take();
    }

    /// Waits until there may be something to take.
    pub fn wait(&self) {
        if self.core.lease_holds() {
            self.core.ready.wait(Duration::from_secs(3600));
        } else {
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// The thread ends, and with it the job that it had.
    pub fn leave(&self) {
        if let Some(running) = self.take() {
            self.core.finish(&running);
        }
        self.core.slots.lock().unwrap_or_else(PoisonError::into_inner).retain(|slot| !Arc::ptr_eq(slot, &self.slot));
        let mut state = self.core.ready.lock();
        state.threads = state.threads.saturating_sub(1);
    }

    fn take(&self) -> Option<Running> {
        self.slot.current.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
