//! How often the runs of one class failed or ended well, and how long those took: counted by all threads, taken by one.

use crate::sync::atomic::{AtomicU64, Ordering};

/// Milliseconds below which a run falls into each of Sidekiq's buckets; the last one takes what is longer.
pub const BOUNDS: [u64; 26] = [
    20,
    30,
    45,
    65,
    100,
    150,
    225,
    335,
    500,
    750,
    1_100,
    1_700,
    2_500,
    3_800,
    5_750,
    8_500,
    13_000,
    20_000,
    30_000,
    45_000,
    65_000,
    100_000,
    150_000,
    225_000,
    335_000,
    u64::MAX,
];

#[derive(Default)]
pub struct Counters {
    failed: AtomicU64,
    micros: AtomicU64,
    buckets: [AtomicU64; BOUNDS.len()],
}

/// What `Counters` held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub failed: u64,
    pub millis: u64,
    pub buckets: [u64; BOUNDS.len()],
}

impl Counters {
    pub fn fail(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    pub fn time(&self, micros: u64) {
        self.buckets[bucket(micros)].fetch_add(1, Ordering::Relaxed);
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// Leaves the part of a millisecond for the next time: jobs of microseconds add up too.
    pub fn take(&self) -> Counts {
        let mut counts = Counts { failed: self.failed.swap(0, Ordering::Relaxed), ..Counts::default() };
        for (count, counter) in counts.buckets.iter_mut().zip(&self.buckets) {
            if counter.load(Ordering::Relaxed) > 0 {
                *count = counter.swap(0, Ordering::Relaxed);
            }
        }
        if counts.timed() > 0 {
            let micros = self.micros.swap(0, Ordering::Relaxed);
            counts.millis = micros / 1_000;
            self.micros.fetch_add(micros % 1_000, Ordering::Relaxed);
        }
        counts
    }

    /// What they hold, without the time, which is in microseconds beside it.
    pub fn read(&self) -> (Counts, u64) {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counts = Counts { failed: load(&self.failed), millis: 0, buckets: self.buckets.each_ref().map(load) };
        (counts, load(&self.micros))
    }

    pub fn put_back(&self, counts: &Counts) {
        self.failed.fetch_add(counts.failed, Ordering::Relaxed);
        self.micros.fetch_add(counts.millis * 1_000, Ordering::Relaxed);
        for (count, counter) in counts.buckets.iter().zip(&self.buckets) {
            if *count > 0 {
                counter.fetch_add(*count, Ordering::Relaxed);
            }
        }
    }
}

impl Counts {
    pub fn add(&mut self, other: &Self) {
        self.failed += other.failed;
        self.millis += other.millis;
        self.buckets.iter_mut().zip(other.buckets).for_each(|(count, more)| *count += more);
    }

    pub fn subtract(&mut self, other: &Self) {
        self.failed = self.failed.saturating_sub(other.failed);
        self.millis = self.millis.saturating_sub(other.millis);
        self.buckets.iter_mut().zip(other.buckets).for_each(|(count, less)| *count = count.saturating_sub(less));
    }

    pub fn timed(&self) -> u64 {
        self.buckets.iter().sum()
    }

    pub fn runs(&self) -> u64 {
        self.timed() + self.failed
    }
}

fn bucket(micros: u64) -> usize {
    let millis = micros / 1_000;
    BOUNDS.iter().position(|bound| millis < *bound).unwrap_or(BOUNDS.len() - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_falls_into_the_bucket_below_whose_bound_it_is() {
        let placed =
            [0, 19_999, 20_000, 29_999, 44_999, 45_000, 279_000, 334_999_999, 335_000_000, u64::MAX].map(bucket);
        assert_eq!(placed, [0, 0, 1, 1, 2, 3, 7, 24, 25, 25]);
    }
}
