//! Jobs that lie in our lists of blocking moves and that we know of: what else is found there has gone astray on its way to us.

use std::collections::HashMap;
use std::sync::PoisonError;

use crate::flight::{Job, trace};
use crate::sync::{Mutex, MutexGuard};

/// How many of each job, by the epoch of our identity.
type Known = HashMap<(u64, Vec<u8>), u32>;

#[derive(Default)]
pub struct Moved {
    known: Mutex<Known>,
}

impl Moved {
    pub fn remember(&self, epoch: u64, bytes: &[u8]) {
        *self.lock().entry((epoch, trace(bytes))).or_default() += 1;
    }

    /// The job has left its list, if it lay in one of these.
    pub fn forget(&self, job: &Job) {
        let Some(claim) = job.claim.as_ref().filter(|claim| !claim.is_own_list()) else { return };
        let key = (claim.identity.epoch, trace(&job.bytes));
        let mut known = self.lock();
        if let Some(count) = known.get_mut(&key) {
            *count -= 1;
            if *count == 0 {
                known.remove(&key);
            }
        }
    }

    pub fn knows(&self, epoch: u64, bytes: &[u8]) -> bool {
        self.lock().contains_key(&(epoch, trace(bytes)))
    }

    /// Lists of older identities are others' to look after.
    pub fn keep_only(&self, epoch: u64) {
        self.lock().retain(|(known, _), _| *known == epoch);
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
