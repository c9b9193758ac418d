//! Executions by class: counted as they end, and written by the heartbeat where Sidekiq's metrics page reads them.
//!
//! A run that went well counts with its time, one that failed as failed. What a lost reply leaves in doubt is not written again.

use std::collections::{BTreeMap, HashMap};
use std::sync::PoisonError;

use crate::connection::Connection;
use crate::error::{Error, Result};
use crate::flight::Job;
use crate::keys::civil;
use crate::lua::command;
use crate::outbox::Outcome;
use crate::resp::Reply;
use crate::scripts::{Call, run_pipeline};
use crate::shared::Core;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::times::Compat;

/// Milliseconds below which a run falls into each of Sidekiq's buckets; the last one takes what is longer.
const BOUNDS: [u64; 26] = [
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
const MINUTE_TTL: &str = "28800";
const TEN_MINUTES_TTL: &str = "259200";
/// Names that payloads alone bring are held between two flushes up to this many, and this long in bytes.
const MOST_NAMES: usize = 1_000;
const LONGEST_NAME: usize = 512;

/// What a run is to the metrics, decided with the job's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Run {
    /// No run, or none of a worker.
    None,
    /// Acked before it runs (`ack="start"`): the run itself comes yet.
    Begun,
    Failed,
    /// Counted when the thread or coroutine is through, with its time.
    Timed,
}

impl From<&Outcome> for Run {
    /// A snoozed run counts with its time, as one of Sidekiq's that interrupts itself to go on later.
    fn from(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Retry { failed: true, .. }
            | Outcome::Drop { failed: true }
            | Outcome::Dead { .. }
            | Outcome::GiveBack { counted: true } => Self::Failed,
            Outcome::Drop { failed: false } => Self::Begun,
            Outcome::Schedule { .. } => Self::Timed,
            Outcome::Retry { failed: false, .. } | Outcome::Bad { .. } | Outcome::GiveBack { counted: false } => {
                Self::None
            }
        }
    }
}

#[derive(Default)]
struct Counters {
    failed: AtomicU64,
    micros: AtomicU64,
    buckets: [AtomicU64; BOUNDS.len()],
}

/// What `Counters` held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counts {
    failed: u64,
    millis: u64,
    buckets: [u64; BOUNDS.len()],
}

impl Counters {
    fn fail(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    fn time(&self, micros: u64) {
        self.buckets[bucket(micros)].fetch_add(1, Ordering::Relaxed);
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// Leaves the part of a millisecond for the next time: jobs of microseconds add up too.
    fn take(&self) -> Counts {
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
    fn read(&self) -> (Counts, u64) {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counts = Counts { failed: load(&self.failed), millis: 0, buckets: self.buckets.each_ref().map(load) };
        (counts, load(&self.micros))
    }

    fn put_back(&self, counts: &Counts) {
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
    fn add(&mut self, other: &Self) {
        self.failed += other.failed;
        self.millis += other.millis;
        self.buckets.iter_mut().zip(other.buckets).for_each(|(count, more)| *count += more);
    }

    fn subtract(&mut self, other: &Self) {
        self.failed = self.failed.saturating_sub(other.failed);
        self.millis = self.millis.saturating_sub(other.millis);
        self.buckets.iter_mut().zip(other.buckets).for_each(|(count, less)| *count = count.saturating_sub(less));
    }

    fn timed(&self) -> u64 {
        self.buckets.iter().sum()
    }

    fn runs(&self) -> u64 {
        self.timed() + self.failed
    }
}

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
    fn take(&self) -> Vec<(String, Counts)> {
        let mut totals = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken: Vec<(String, Counts)> =
            self.workers.iter().map(|(name, counters)| (name.clone(), counters.take())).collect();
        let wrapped = std::mem::take(&mut *self.wrapped.lock().unwrap_or_else(PoisonError::into_inner));
        for (name, counters) in wrapped {
            taken.push((name.clone(), counters.take()));
            if let Some(total) = entry(&mut totals, &name) {
                total.micros += counters.micros.load(Ordering::Relaxed);
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
    fn put_back(&self, name: &str, counts: &Counts) {
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

fn bucket(micros: u64) -> usize {
    let millis = micros / 1_000;
    BOUNDS.iter().position(|bound| millis < *bound).unwrap_or(BOUNDS.len() - 1)
}

/// Writes what was counted into the buckets of this minute by Redis's clock. Each class is a transaction of its own: all of it is
/// written, or, when Redis refuses, nothing, and then it waits. When the connection breaks nobody knows, and it is given up; so it is where
/// `MULTI` is refused, since each command has then run by itself.
pub fn flush(core: &Core, connection: &mut Connection) -> Result<()> {
    let taken = core.metrics.take();
    if taken.is_empty() {
        return Ok(());
    }
    let moment = Moment::new(core.clock.now_s());
    let mut calls = Vec::new();
    let mut ends = Vec::with_capacity(taken.len());
    for (name, counts) in &taken {
        write(&mut calls, core.options.compat, &moment, name, counts);
        ends.push(calls.len() - 1);
    }
    let replies = run_pipeline(connection, &calls)?;
    let refusal = replies.iter().find_map(|reply| match reply {
        Reply::Error { code, message } => Some((code.clone(), message.clone())),
        _ => None,
    });
    if let Some((code, message)) = refusal {
        core.met(&Error::Reply { code, message: format!("{message} (metrics)") });
    }
    for ((name, counts), end) in taken.iter().zip(ends) {
        if matches!(replies.get(end), Some(Reply::Error { code, .. }) if code == "EXECABORT") {
            core.metrics.put_back(name, counts);
        }
    }
    Ok(())
}

fn write(calls: &mut Vec<Call>, compat: Option<Compat>, moment: &Moment, name: &str, counts: &Counts) {
    let mut add = |words: &[&str]| calls.push(command(&words.iter().map(|word| word.as_bytes()).collect::<Vec<_>>()));
    let timed = counts.timed();
    add(&["MULTI"]);
    for (key, ttl) in moment.totals(compat) {
        add(&["HINCRBY", &key, &format!("{name}|p"), &counts.runs().to_string()]);
        if counts.failed > 0 {
            add(&["HINCRBY", &key, &format!("{name}|f"), &counts.failed.to_string()]);
        }
        if timed > 0 {
            add(&["HINCRBY", &key, &format!("{name}|ms"), &counts.millis.to_string()]);
        }
        add(&["EXPIRE", &key, ttl]);
    }
    if timed > 0 {
        let key = moment.histogram(compat, name);
        let mut words = vec!["BITFIELD".to_owned(), key.clone(), "OVERFLOW".into(), "SAT".into()];
        for (number, count) in counts.buckets.iter().enumerate().filter(|(_, count)| **count > 0) {
            words.extend(["INCRBY".into(), "u16".into(), format!("#{number}"), count.to_string()]);
        }
        add(&words.iter().map(String::as_str).collect::<Vec<_>>());
        add(&["EXPIRE", &key, MINUTE_TTL]);
    }
    add(&["EXEC"]);
}

/// A minute in UTC, and the names of its keys.
struct Moment {
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
}

impl Moment {
    fn new(epoch_seconds: i64) -> Self {
        let (year, month, day) = civil(epoch_seconds.div_euclid(86_400));
        let minutes = epoch_seconds.rem_euclid(86_400) / 60;
        Self { year, month, day, hour: minutes / 60, minute: minutes % 60 }
    }

    /// The hashes of counts, with how long each is kept. Sidekiq 8 has one of ten minutes too: the same name without its last digit.
    fn totals(&self, compat: Option<Compat>) -> Vec<(String, &'static str)> {
        let Self { year, month, day, hour, minute } = self;
        match compat {
            Some(Compat::Sidekiq7) => vec![(format!("j|{year:04}{month:02}{day:02}|{hour}:{minute}"), MINUTE_TTL)],
            None => {
                let date = format!("j|{:02}{month:02}{day:02}", year % 100);
                let ten = minute / 10;
                vec![
                    (format!("{date}|{hour}:{minute:02}"), MINUTE_TTL),
                    (format!("{date}|{hour}:{ten}"), TEN_MINUTES_TTL),
                ]
            }
        }
    }

    fn histogram(&self, compat: Option<Compat>, class: &str) -> String {
        let Self { day, hour, minute, .. } = self;
        match compat {
            Some(Compat::Sidekiq7) => format!("{class}-{day:02}-{hour:02}:{minute}"),
            None => format!("h|{class}-{day}-{hour}:{minute}"),
        }
    }
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
