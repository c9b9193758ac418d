//! What became of a job is decided once, counted, and put into the outbox.

use std::sync::Arc;

use crate::flight::Job;
use crate::outbox::Outcome;
use crate::parked::unpark;
use crate::run::Run;
use crate::shared::Core;
use crate::sync::atomic::Ordering;

impl Core {
    /// What became of a job, decided once; false when it was decided before.
    pub fn settle(&self, job: &Arc<Job>, outcome: Outcome) -> bool {
        let run = Run::from(&outcome);
        let decided = job.settle_as(run);
        if run == Run::Failed && (decided || job.end_as(run)) {
            self.metrics.failed(job);
        }
        if !decided {
            return false;
        }
        match &outcome {
            Outcome::Retry { failed, .. } | Outcome::Drop { failed } => self.count(*failed),
            Outcome::Schedule { .. } => self.count(false),
            Outcome::Dead { .. } => self.count(true),
            Outcome::GiveBack { counted } if *counted => self.count(true),
            Outcome::GiveBack { .. } | Outcome::Bad { .. } => {}
        }
        self.outbox.put(job.clone(), outcome);
        unpark(&self.threads.fetcher);
        true
    }

    pub fn ack(&self, job: &Arc<Job>) -> bool {
        if !job.settle_as(Run::Timed) {
            job.end_as(Run::Timed);
            return false;
        }
        self.count(false);
        if self.outbox.ack(job.clone()) {
            unpark(&self.threads.fetcher);
        }
        true
    }

    fn count(&self, failed: bool) {
        self.processed.fetch_add(1, Ordering::Relaxed);
        if failed {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
    }
}
