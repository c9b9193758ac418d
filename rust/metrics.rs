//! Executions by class: counted as they end, and taken by the heartbeat to be written (`minute.rs`).
//!
//! A run that went well counts with its time, one that failed as failed.

use std::collections::{BTreeMap, HashMap};
use std::sync::PoisonError;

use crate::counters::{BOUNDS, Counters, Counts};
use crate::flight::Job;
use crate::sync::Mutex;

/// Names that payloads alone bring are held between two flushes up to this many, and this long in bytes.
const MOST_NAMES: usize = 1_000;
const LONGEST_NAME: usize = 512;

pub struct Metrics {
    /// Wire names and counters by the worker's index.
    workers: Vec<(String, Counters)>,
    /// By names that wrappers bring: anybody may have made them up.
    wrapped: Mutex<HashMap<String, Counters>>,
    /// All that was ever taken from both. Locked before `wrapped`, and while counts move: nobody sees them on their way.
    taken: Mutex<BTreeMap<String, Taken>>,
}

/// What was taken of one class.
#[derive(Default)]
struct Taken {
    counts: Counts,
    /// Beyond the milliseconds: what was left of a wrapped class when its counters went.
    micros: u64,
}

/// The runs of one class since the process began.
pub struct Total {
    pub failed: u64,
    /// Of those that have a duration.
    pub micros: u64,
    /// Bounds in milliseconds, with the counts of their own; the last one takes what is longer.
    pub buckets: Vec<(u64, u64)>,
}

impl Total {
    pub fn add(&mut self, other: &Self) {
        self.failed += other.failed;
        self.micros += other.micros;
        self.buckets.iter_mut().zip(&other.buckets).for_each(|((_, count), (_, more))| *count += more);
    }
}

impl Metrics {
    pub fn new(workers: &HashMap<String, (usize, bool)>) -> Self {
        let mut names: Vec<(usize, &String)> = workers.iter().map(|(name, (index, _))| (*index, name)).collect();
        names.sort_unstable();
        let workers = names.into_iter().map(|(_, name)| (name.clone(), Counters::default())).collect();
        Self { workers, wrapped: Mutex::default(), taken: Mutex::default() }
    }

    pub fn failed(&self, job: &Job) {
        self.count(job, Counters::fail);
    }

    /// A thread or coroutine is through with `job`.
    pub fn ended(&self, job: &Job, micros: u64) {
        if job.is_timed() {
            self.count(job, |counters| counters.time(micros));
        }
    }

    /// Under the wrapped class where the payload has one. A class that no worker answers to has not run.
    fn count(&self, job: &Job, count: impl Fn(&Counters)) {
        let Some((name, counters)) = job.worker.and_then(|worker| self.workers.get(worker)) else { return };
        match job.envelope.wrapped(&job.bytes) {
            Some(wrapped) if wrapped != *name => self.count_wrapped(&wrapped, count),
            _ => count(counters),
        }
    }

    fn count_wrapped(&self, name: &str, count: impl Fn(&Counters)) {
        let mut wrapped = self.wrapped.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(counters) = wrapped.get(name) {
            count(counters);
        } else if wrapped.len() < MOST_NAMES && is_shown(name) {
            count(wrapped.entry(name.to_owned()).or_default());
        }
    }

    /// All that was counted since the last time.
    pub fn take(&self) -> Vec<(String, Counts)> {
        let mut totals = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken: Vec<(String, Counts)> =
            self.workers.iter().map(|(name, counters)| (name.clone(), counters.take())).collect();
        let wrapped = std::mem::take(&mut *self.wrapped.lock().unwrap_or_else(PoisonError::into_inner));
        for (name, counters) in wrapped {
            taken.push((name.clone(), counters.take()));
            if let Some(total) = entry(&mut totals, &name) {
                total.micros += counters.read().1;
            }
        }
        taken.retain(|(_, counts)| counts.runs() > 0);
        for (name, counts) in &taken {
            if let Some(total) = entry(&mut totals, name) {
                total.counts.add(counts);
            }
        }
        taken
    }

    /// What Redis refused waits for the next time.
    pub fn put_back(&self, name: &str, counts: &Counts) {
        let mut totals = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(total) = totals.get_mut(name) {
            total.counts.subtract(counts);
        }
        match self.workers.iter().find(|(known, _)| known == name) {
            Some((_, counters)) => counters.put_back(counts),
            None => self.count_wrapped(name, |counters| counters.put_back(counts)),
        }
    }

    /// All that was counted since the process began, of the first 1,000 classes that have run. Whatever is written
    /// meanwhile, no count falls.
    pub fn totals(&self) -> BTreeMap<String, Total> {
        let mut totals = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let wrapped = self.wrapped.lock().unwrap_or_else(PoisonError::into_inner);
        let workers = self.workers.iter().map(|(name, counters)| (name, counters));
        let mut running: BTreeMap<&String, (Counts, u64)> = BTreeMap::new();
        for (name, counters) in workers.chain(wrapped.iter()) {
            let (counts, micros) = counters.read();
            if counts.runs() > 0 {
                entry(&mut totals, name);
            }
            // Of one that has only run before there may be a part of a millisecond.
            if totals.contains_key(name) {
                let running = running.entry(name).or_default();
                running.0.add(&counts);
                running.1 += micros;
            }
        }
        let total = |(name, taken): (&String, &Taken)| {
            let (more, micros) = running.get(name).copied().unwrap_or_default();
            let mut all = taken.counts;
            all.add(&more);
            let buckets = BOUNDS.into_iter().zip(all.buckets).collect();
            (name.clone(), Total { failed: all.failed, micros: all.millis * 1_000 + taken.micros + micros, buckets })
        };
        totals.iter().map(total).collect()
    }
}

/// The entry of a class, if it has one or there is room for one.
fn entry<'a>(totals: &'a mut BTreeMap<String, Taken>, name: &str) -> Option<&'a mut Taken> {
    if totals.len() >= MOST_NAMES && !totals.contains_key(name) {
        return None;
    }
    Some(totals.entry(name.to_owned()).or_default())
}

/// Sidekiq's page takes a field apart at its `|`, and puts names into its HTML as they are.
fn is_shown(name: &str) -> bool {
    let is_plain = |char: char| char.is_alphanumeric() || matches!(char, '_' | '.' | ':' | '-');
    !name.is_empty() && name.len() <= LONGEST_NAME && name.chars().all(is_plain)
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
