//! Claimed jobs go to the threads and to the event loop; the end of each makes room for the next.

use std::sync::Arc;

use crate::clock::now_us;
use crate::events::Event;
use crate::flight::Job;
use crate::parked::unpark;
use crate::phase::Phase;
use crate::ready::Call;
use crate::running::Running;
use crate::shared::Core;
use crate::sync::atomic::Ordering;

/// From this on a job is long enough for another thread to be woken beside it at once.
const LONG_US: u64 = 1_000;

impl Core {
    /// Hands claimed jobs to the threads and the event loop.
    pub fn deliver(&self, jobs: Vec<Arc<Job>>) {
        let long = jobs.first().is_some_and(|job| self.measures.duration(job.queue) > LONG_US * 16);
        // Looked at under the lock under which a lapse withdraws what waits: what comes after that is not ours any more.
        let mut epoch = None;
        let ours = |job: &Arc<Job>| {
            let epoch = *epoch.get_or_insert_with(|| self.identity().epoch);
            job.claim.as_ref().is_none_or(|claim| claim.identity.epoch == epoch)
        };
        let (call, left, any_async) = self.ready.push(jobs.into_iter().filter(ours), long, self.options.concurrency);
        if call == Call::Spawn {
            self.events.push(Event::Spawn(self.number));
        }
        if any_async {
            self.async_bell.ring();
        }
        if left {
            self.call_waker();
        }
    }

    fn call_waker(&self) {
        if !self.waker_armed.swap(true, Ordering::AcqRel) {
            unpark(&self.threads.waker);
        }
    }

    /// Takes the next job for the event loop; wakes the fetcher when few are left.
    pub fn take_async(&self) -> Option<Arc<Job>> {
        if !self.lease_holds() {
            return None;
        }
        let job = self.ready.take(true, self.options.async_concurrency);
        self.offer_room(true);
        job
    }

    /// A thread between two jobs: the last one has ended, and the next one is taken, when there is one and it may begin.
    pub fn turn(&self, ended: Option<&Running>, now: u64) -> Option<Arc<Job>> {
        if let Some(running) = ended {
            self.observe_end(running, now);
        }
        let may = self.phase() != Phase::Stopped && self.lease_holds_at(now);
        let job = self.ready.turn(ended.map(|running| running.job.as_ref()), may);
        if ended.is_some_and(|running| running.job.is_solo()) {
            self.call_after_solo();
        }
        self.offer_room(false);
        job
    }

    /// A coroutine's job has ended: its place is free.
    pub fn finish(&self, running: &Running) {
        self.observe_end(running, now_us());
        if self.ready.finish(&running.job) {
            self.call_coroutines();
        }
        if running.job.is_solo() {
            self.call_after_solo();
        }
        self.offer_room(running.job.is_async);
    }

    /// Jobs that the event loop could not take before may be taken now.
    pub fn call_coroutines(&self) {
        if self.ready.lock().waiting(true) > 0 {
            self.async_bell.ring();
        }
    }

    /// A job that had to run alone has ended: another such one may be taken, and nobody was called for it when it came.
    fn call_after_solo(&self) {
        self.call_coroutines();
        if self.ready.lock().takeable() {
            self.call_waker();
        }
    }

    fn offer_room(&self, is_async: bool) {
        if self.wants_room.is_made()
            && self.ready.lock().waiting(is_async) <= self.low_water[usize::from(is_async)].load(Ordering::Relaxed)
            && self.wants_room.grant()
        {
            unpark(&self.threads.fetcher);
        }
    }

    /// What an ended job tells of those to come, and to the metrics.
    fn observe_end(&self, ended: &Running, now: u64) {
        let elapsed_us = now.saturating_sub(ended.started_us);
        self.measures.observe_duration(ended.job.queue, elapsed_us);
        self.metrics.ended(&ended.job, elapsed_us);
    }
}
