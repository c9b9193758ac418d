//! What became of jobs and is not yet written to Redis. Workers put in, the fetcher thread takes out.

use std::sync::{Arc, PoisonError};

use crate::flight::Job;
use crate::sync::Mutex;

/// So long acks of a claim that is not through wait for the rest of it.
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
    /// Not a job at all, for the flaw that is told: to dead byte for byte, in no count.
    Bad {
        flaw: String,
    },
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
}

#[derive(Default)]
pub struct Outbox {
    inner: Mutex<Box>,
}

impl Outbox {
    /// True for the first in an empty box: the fetcher is to look.
    pub fn ack(&self, job: Arc<Job>) -> bool {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.acks.push(job);
        inner.acks.len() == 1
    }

    pub fn put(&self, job: Arc<Job>, outcome: Outcome) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.others.push(Settled { job, outcome });
    }

    pub fn is_empty(&self) -> bool {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.acks.is_empty() && inner.others.is_empty()
    }

    pub fn take(&self) -> (Vec<Arc<Job>>, Vec<Settled>) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        (std::mem::take(&mut inner.acks), std::mem::take(&mut inner.others))
    }
}
