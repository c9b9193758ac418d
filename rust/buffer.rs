//! Jobs that wait in memory while Redis is away, for those who asked for that.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::batch::Batch;
use crate::fate::{Failure, Fate};
use crate::pool::Pool;

/// After a failure to connect, pushes go to the buffer without another attempt for so long: each might take the whole
/// of `connect_timeout`.
const PAUSE: Duration = Duration::from_millis(500);
const AT_ONCE: usize = 1000;

#[derive(Default)]
pub struct Buffer {
    held: Mutex<Held>,
    count: AtomicUsize,
    /// Held by the one who empties it, so that the jobs leave in their order.
    emptying: Mutex<()>,
}

#[derive(Default)]
struct Held {
    /// In the order of their pushes; each was put here whole.
    batches: std::collections::VecDeque<Batch>,
    away_until: Option<Instant>,
}

impl Buffer {
    pub fn len(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// Takes in a whole batch; false, and nothing is kept, when that would make more than `limit` jobs.
    pub fn hold(&self, batch: &Batch, limit: usize) -> bool {
        let mut held = self.lock();
        if self.len() + batch.len() > limit {
            return false;
        }
        self.count.fetch_add(batch.len(), Ordering::AcqRel);
        // Copies, so that room for growth in the original is not kept through an outage.
        held.batches.push_back(Batch { bytes: batch.bytes.as_slice().to_vec(), parcels: batch.parcels.clone() });
        true
    }

    /// Whether Redis was away a moment ago.
    pub fn is_pausing(&self) -> bool {
        self.lock().away_until.is_some_and(|until| Instant::now() < until)
    }

    /// Notes that Redis is away.
    pub fn pause(&self) {
        self.lock().away_until = Some(Instant::now() + PAUSE);
    }

    /// Sends what waits, in order; answers how many jobs left. On a failure the rest goes on waiting, but those whose
    /// reply was lost do not: they are never sent twice, and the failure names them.
    pub fn empty(&self, pool: &Pool) -> Result<usize, Box<(Batch, Failure)>> {
        let _one_at_a_time = self.emptying.lock().unwrap_or_else(PoisonError::into_inner);
        let mut left = 0;
        while let Some(batch) = self.next() {
            match batch.ship(pool) {
                Ok(()) => {
                    left += batch.len();
                    self.count.fetch_sub(batch.len(), Ordering::AcqRel);
                }
                Err(failure) => {
                    self.put_back(&batch, &failure);
                    return Err(Box::new((batch, failure)));
                }
            }
        }
        self.lock().away_until = None;
        Ok(left)
    }

    /// The first batches, joined to one of some size.
    fn next(&self) -> Option<Batch> {
        let mut held = self.lock();
        let mut batch = held.batches.pop_front()?;
        while let Some(next) = held.batches.front() {
            if batch.len() + next.len() > AT_ONCE {
                break;
            }
            next.parcels.iter().for_each(|parcel| batch.copy(next, parcel));
            held.batches.pop_front();
        }
        Some(batch)
    }

    fn put_back(&self, batch: &Batch, failure: &Failure) {
        let mut waiting = Batch::default();
        for (parcel, fate) in batch.parcels.iter().zip(&failure.fates) {
            if *fate == Fate::Refused {
                waiting.copy(batch, parcel);
            }
        }
        self.count.fetch_sub(batch.len() - waiting.len(), Ordering::AcqRel);
        let mut held = self.lock();
        if !waiting.is_empty() {
            held.batches.push_front(waiting);
        }
        if failure.is_outage() {
            held.away_until = Some(Instant::now() + PAUSE);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
