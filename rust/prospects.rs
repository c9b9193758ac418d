//! Which queues are worth a claim: those where the last look found something, and those of which something has changed since.

use std::collections::HashSet;
use std::sync::PoisonError;

use crate::shared::Core;
use crate::sync::atomic::Ordering;
use crate::trip::Asking;

/// Queues past the 16th have no waiter: they are looked at this often.
const POLL_US: u64 = 1_000_000;
/// And so soon after the last look when another queue has got a job: what fills one often fills others.
const POLL_BUSY_US: u64 = 50_000;

pub struct Prospects {
    /// By queue.
    hot: Vec<bool>,
    paused: HashSet<String>,
    /// Queues from this one on have no waiter. (With basic fetch one waits for all.)
    unwatched: usize,
    poll_us: u64,
    polled_us: u64,
}

impl Prospects {
    pub fn new(core: &Core, waiters: usize) -> Self {
        let queues = core.options.queues.len();
        Self {
            hot: vec![true; queues],
            paused: HashSet::new(),
            unwatched: if core.options.reliable { waiters.min(queues) } else { queues },
            poll_us: 0,
            polled_us: 0,
        }
    }

    pub fn is_hot(&self, queue: usize) -> bool {
        self.hot[queue]
    }

    pub fn any_hot(&self) -> bool {
        self.hot.contains(&true)
    }

    pub fn is_paused(&self, name: &str) -> bool {
        self.paused.contains(name)
    }

    /// When the queues without a waiter are looked at next.
    pub fn due_us(&self) -> Option<u64> {
        self.polls().then_some(self.poll_us)
    }

    /// All may hold jobs, for all that is known.
    pub fn heat(&mut self) {
        self.hot.fill(true);
    }

    /// What others tell: the heartbeat of pauses, the waiters of jobs; and the time.
    pub fn notice(&mut self, core: &Core, now: u64) {
        let paused = core.paused.lock().unwrap_or_else(PoisonError::into_inner);
        if *paused != self.paused {
            self.paused.clone_from(&paused);
            self.hot.fill(true);
        }
        drop(paused);
        if self.polls() && now >= self.poll_us {
            (self.polled_us, self.poll_us) = (now, now + POLL_US);
            self.hot[self.unwatched..].fill(true);
        }
        let mut any_came_back = false;
        for (hot, came_back) in self.hot.iter_mut().zip(&core.came_back) {
            let came_back = came_back.swap(false, Ordering::AcqRel);
            *hot |= came_back;
            any_came_back |= came_back;
        }
        if any_came_back {
            self.poll_soon();
        }
    }

    /// How many jobs a claim found in each of the queues that were asked.
    pub fn learn(&mut self, asking: &Asking, found: &[usize]) {
        if found.iter().any(|found| *found > 0) {
            self.poll_soon();
        }
        let mut room = asking.room;
        for (asked, found) in asking.asked.iter().zip(found) {
            // A queue that was not asked, since chance passed it over or those before it filled the room, may hold jobs.
            self.hot[asked.queue] = *found > 0 || room == 0 || asked.most == 0;
            room = room.saturating_sub(*found);
        }
    }

    fn polls(&self) -> bool {
        self.unwatched < self.hot.len()
    }

    fn poll_soon(&mut self) {
        self.poll_us = self.poll_us.min(self.polled_us + POLL_BUSY_US);
    }
}
