//! What became of jobs and is not yet written to Redis. Workers put in, the fetcher thread takes out.

use std::sync::{Arc, Mutex, PoisonError};

use crate::clock::now_us;
use crate::flight::Job;

/// Acks leave at the latest when this many wait.
pub const FULL: usize = 256;
/// Or after this many microseconds.
pub const DELAY_US: u64 = 5_000;

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum When {
    /// Seconds from now by Redis's clock.
    In(f64),
    /// Epoch seconds.
    At(f64),
}

#[derive(Debug)]
pub enum Outcome {
    /// Acked before it runs (`ack="start"`), or failed and dropped: out of the flight and nowhere else.
    Drop {
        failed: bool,
    },
    Retry {
        payload: Vec<u8>,
        when: When,
        failed: bool,
    },
    Schedule {
        payload: Vec<u8>,
        when: When,
    },
    Dead {
        payload: Vec<u8>,
    },
    /// Not a job at all: to dead byte for byte, in no count.
    Bad,
    GiveBack {
        counted: bool,
    },
}

pub struct Settled {
    pub job: Arc<Job>,
    pub outcome: Outcome,
}

#[derive(Default)]
struct Box {
    acks: Vec<Arc<Job>>,
    others: Vec<Settled>,
    since_us: u64,
}

#[derive(Default)]
pub struct Outbox {
    inner: Mutex<Box>,
}

impl Outbox {
    /// True when the fetcher should look: the first in an empty box starts its clock, the 256th ends the wait.
    pub fn ack(&self, job: Arc<Job>) -> bool {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.acks.is_empty() && inner.others.is_empty() {
            inner.since_us = now_us();
        }
        inner.acks.push(job);
        inner.acks.len() == 1 || inner.acks.len() == FULL
    }

    pub fn put(&self, job: Arc<Job>, outcome: Outcome) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.others.push(Settled { job, outcome });
    }

    /// Microseconds at which the acks are due, when there are any; 0 when something waits that should not wait at all.
    pub fn due_us(&self) -> Option<u64> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if !inner.others.is_empty() || inner.acks.len() >= FULL {
            return Some(0);
        }
        (!inner.acks.is_empty()).then_some(inner.since_us + DELAY_US)
    }

    pub fn take(&self) -> (Vec<Arc<Job>>, Vec<Settled>) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        (std::mem::take(&mut inner.acks), std::mem::take(&mut inner.others))
    }
}
