//! What a stop waits for: everything is written, and what nobody shall finish here is Redis's again.

use std::time::Duration;

use crate::clock::now_us;
use crate::outbox::Outcome;
use crate::shared::{Core, micros};
use crate::sync::atomic::Ordering;
use crate::sync::thread;

impl Core {
    /// Waits until the fetcher has written all and holds nothing; false when `limit` came first.
    pub fn wait_calm(&self, limit: Duration) -> bool {
        let until = now_us() + micros(limit);
        // The box first: the fetcher takes its calm back before it empties the box.
        while !self.outbox.is_empty() || !self.calm.load(Ordering::Acquire) {
            if now_us() >= until {
                return false;
            }
            thread::sleep(Duration::from_millis(1));
        }
        true
    }

    /// What still runs is to go back to its queue; how much of it that is. What ends meanwhile is settled by whoever comes first.
    pub fn give_back_running(&self) -> usize {
        let running = self.running();
        running.iter().filter(|running| self.settle(&running.job, Outcome::GiveBack { counted: true })).count()
    }
}
