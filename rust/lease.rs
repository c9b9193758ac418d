//! The name that a capsule has in Redis's registry, and until when a confirmed beat protects what it holds under that name.

use std::sync::{Arc, PoisonError};

use crate::clock::now_us;
use crate::error::{Error, Result};
use crate::flight::Identity;
use crate::outbox::Outcome;
use crate::parked::unpark;
use crate::shared::{Core, micros};
use crate::sync::RwLock;
use crate::sync::atomic::{AtomicU64, Ordering};

pub struct Lease {
    identity: RwLock<Arc<Identity>>,
    /// Steady microseconds; 0 before the first confirmed beat under the present name.
    end_us: AtomicU64,
    /// Confirmed beats.
    beats: AtomicU64,
}

impl Lease {
    pub fn new(hostname: &str) -> Result<Self> {
        let identity = Arc::new(Identity { name: new_name(hostname)?, epoch: 0 });
        Ok(Self { identity: RwLock::new(identity), end_us: AtomicU64::new(0), beats: AtomicU64::new(0) })
    }
}

impl Core {
    /// The name that we go by now.
    pub fn identity(&self) -> Arc<Identity> {
        self.lease.identity.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// After a lapse: late acks under the old name hit dead keys, and what was prefetched under it is Redis's again.
    pub fn renew_identity(&self) -> Result<Arc<Identity>> {
        // Nothing is claimed or begun under the new name before it is in the registry.
        self.lease.end_us.store(0, Ordering::Release);
        let mut identity = self.lease.identity.write().unwrap_or_else(PoisonError::into_inner);
        let renewed = Arc::new(Identity { name: new_name(&self.options.hostname)?, epoch: identity.epoch + 1 });
        *identity = renewed.clone();
        drop(identity);
        for job in self.ready.withdraw(None) {
            if job.claim.is_some() {
                job.settle();
            } else {
                // With basic fetch nobody else has it.
                self.settle(&job, Outcome::GiveBack { counted: false });
            }
        }
        Ok(renewed)
    }

    /// Confirmed beats so far.
    pub fn beats(&self) -> u64 {
        self.lease.beats.load(Ordering::Acquire)
    }

    /// When the last confirmed beat was sent, in steady microseconds; None before the first one under our present name.
    pub fn last_beat_us(&self) -> Option<u64> {
        let end = self.lease.end_us.load(Ordering::Acquire);
        (end > 0).then(|| end.saturating_sub(micros(self.options.lease)))
    }

    pub fn lease_holds(&self) -> bool {
        self.lease_holds_at(now_us())
    }

    /// `now`: steady microseconds, just read.
    pub fn lease_holds_at(&self, now: u64) -> bool {
        now < self.lease.end_us.load(Ordering::Acquire)
    }

    /// `sent_us`: when the beat that Redis confirmed was sent. The lease counts from then, not from the reply.
    pub fn extend_lease(&self, sent_us: u64) {
        self.lease.end_us.store(sent_us + micros(self.options.lease), Ordering::Release);
        self.lease.beats.fetch_add(1, Ordering::AcqRel);
        unpark(&self.threads.fetcher);
        self.ready.wake_all();
        self.call_coroutines();
    }
}

/// `host:pid:nonce`, as Sidekiq names processes.
fn new_name(hostname: &str) -> Result<String> {
    let mut nonce = [0u8; 6];
    getrandom::fill(&mut nonce)
        .map_err(|error| Error::Config(format!("no random numbers from the system: {error}")))?;
    let nonce = nonce.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    Ok(format!("{hostname}:{}:{nonce:012x}", std::process::id()))
}
