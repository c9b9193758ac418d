//! What is measured of jobs and of the way to Redis: how many to claim goes by it.

use crate::sync::atomic::{AtomicU64, Ordering};

/// Moving averages; 0 = unknown.
pub struct Measures {
    /// Recent sixteenths of a microsecond of a job, by queue. The shortest jobs take two microseconds.
    durations: Vec<AtomicU64>,
    /// The same over all queues: a guess for a queue from which no job has run yet. Of a wrong guess what does not begin goes back, once, and then
    /// it is known.
    usual_duration: AtomicU64,
    /// Recent bytes of a payload, by queue.
    sizes: Vec<AtomicU64>,
    /// Recent microseconds of a trip that left alone.
    trip_us: AtomicU64,
    /// Microseconds of the last beat.
    pub rtt_us: AtomicU64,
    /// What brought jobs from Redis: claims, pops and moves.
    pub fetched: Batches,
    /// The calls that acked jobs, counted when Redis has answered.
    pub acked: Batches,
}

/// How often, and how many jobs together, since the process began.
#[derive(Default)]
pub struct Batches {
    count: AtomicU64,
    jobs: AtomicU64,
}

impl Batches {
    pub fn add(&self, jobs: usize) {
        if jobs > 0 {
            self.count.fetch_add(1, Ordering::Relaxed);
            self.jobs.fetch_add(jobs as u64, Ordering::Relaxed);
        }
    }

    /// Batches, and jobs in them.
    pub fn read(&self) -> (u64, u64) {
        (self.count.load(Ordering::Relaxed), self.jobs.load(Ordering::Relaxed))
    }
}

impl Measures {
    pub fn new(queues: usize) -> Self {
        let each = || std::iter::repeat_with(AtomicU64::default).take(queues).collect();
        Self {
            durations: each(),
            usual_duration: AtomicU64::new(0),
            sizes: each(),
            trip_us: AtomicU64::new(0),
            rtt_us: AtomicU64::new(0),
            fetched: Batches::default(),
            acked: Batches::default(),
        }
    }

    pub fn observe_duration(&self, queue: usize, elapsed_us: u64) {
        let sixteenths = elapsed_us.saturating_mul(16);
        observe(self.durations.get(queue), sixteenths);
        observe(Some(&self.usual_duration), sixteenths);
    }

    pub fn observe_trip(&self, elapsed_us: u64) {
        observe(Some(&self.trip_us), elapsed_us);
    }

    pub fn observe_size(&self, queue: usize, bytes: usize) {
        observe(self.sizes.get(queue), bytes as u64);
    }

    /// Sixteenths of a microsecond.
    pub fn duration(&self, queue: usize) -> u64 {
        load(self.durations.get(queue))
    }

    pub fn usual_duration(&self) -> u64 {
        load(Some(&self.usual_duration))
    }

    /// Bytes.
    pub fn size(&self, queue: usize) -> u64 {
        load(self.sizes.get(queue))
    }

    /// How far Redis is, there and back. Under load no trip leaves alone: then it is the last beat that tells.
    pub fn trip_us(&self) -> u64 {
        load(Some(&self.trip_us)).max(load(Some(&self.rtt_us)))
    }
}

fn load(average: Option<&AtomicU64>) -> u64 {
    average.map_or(0, |average| average.load(Ordering::Relaxed))
}

/// A moving average that follows a change within a few jobs.
fn observe(average: Option<&AtomicU64>, value: u64) {
    if let Some(average) = average {
        let (old, value) = (average.load(Ordering::Relaxed), value.max(1));
        average.store(if old == 0 { value } else { (old.saturating_mul(7) + value).div_ceil(8) }, Ordering::Relaxed);
    }
}
