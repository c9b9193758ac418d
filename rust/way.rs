//! What is on its way between Redis and the threads: trips that are not answered, and jobs that came and are not handed over.

use std::collections::VecDeque;

use crate::trip::{Catch, Trip};

#[derive(Default)]
pub struct Way {
    /// Sent and not yet answered, oldest first.
    pub trips: VecDeque<Trip>,
    /// Claimed and not yet handed over.
    pub catches: Vec<Catch>,
}

impl Way {
    pub fn is_empty(&self) -> bool {
        self.trips.is_empty() && self.catches.is_empty()
    }

    /// Jobs that came.
    pub fn caught(&self) -> usize {
        self.catches.iter().map(|catch| catch.payloads.len()).sum()
    }

    /// The most that may come yet.
    pub fn coming(&self) -> usize {
        self.trips.iter().map(Trip::coming).sum()
    }

    /// Whether jobs of `queue` are, or may be, among them.
    pub fn brings(&self, queue: usize) -> bool {
        self.trips.iter().any(|trip| trip.asks(queue)) || self.catches.iter().any(|catch| catch.queue == queue)
    }

    /// Whether jobs go back to `queue` that may not be there yet.
    pub fn gives_back_to(&self, queue: usize) -> bool {
        self.trips.iter().any(|trip| trip.calls.iter().any(|sent| sent.gives_back_to(queue)))
    }

    /// Whether jobs of any queue are.
    pub fn brings_any(&self) -> bool {
        !self.catches.is_empty() || self.trips.iter().any(|trip| trip.asking.is_some())
    }
}
