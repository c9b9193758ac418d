//! Counts of durations by how long they were, for the metrics that are asked for.

use crate::sync::atomic::{AtomicU64, Ordering};

/// Microseconds, each the longest of its bucket; what is longer is in the count alone.
const BOUNDS: [u64; 16] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    5_000_000, 10_000_000,
];

#[derive(Default)]
pub struct Histogram {
    buckets: [AtomicU64; BOUNDS.len() + 1],
    micros: AtomicU64,
}

/// What a histogram holds: bounds in microseconds with the counts of their own, the count of what is longer, the sum.
pub struct Durations {
    pub buckets: Vec<(u64, u64)>,
    pub longer: u64,
    pub micros: u64,
}

impl Histogram {
    pub fn observe(&self, micros: u64) {
        let bucket = BOUNDS.iter().position(|bound| micros <= *bound).unwrap_or(BOUNDS.len());
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }

    pub fn read(&self) -> Durations {
        let counts: Vec<u64> = self.buckets.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        Durations {
            buckets: BOUNDS.into_iter().zip(counts.iter().copied()).collect(),
            longer: counts.last().copied().unwrap_or_default(),
            micros: self.micros.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_duration_falls_into_one_bucket() {
        let histogram = Histogram::default();
        for micros in [0, 100, 101, 10_000_000, 10_000_001] {
            histogram.observe(micros);
        }
        let read = histogram.read();
        assert_eq!((read.buckets[0], read.buckets[1], read.buckets[15]), ((100, 2), (250, 1), (10_000_000, 1)));
        assert_eq!((read.longer, read.micros), (1, 20_000_202));
    }
}
