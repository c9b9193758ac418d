//! The state that the threads of a server share. Rust threads own copies of the `Arc`; none of them holds a Python object.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::bell::Bell;
use crate::clock::RedisClock;
use crate::error::{Error, Result};
use crate::events::Events;
use crate::lease::Lease;
use crate::measures::Measures;
use crate::metrics::Metrics;
use crate::moved::Moved;
use crate::options::Options;
use crate::outage::Outage;
use crate::outbox::Outbox;
use crate::parked::Parked;
use crate::phase::Life;
use crate::ready::Ready;
use crate::running::{Running, Slot};
use crate::sockets::Sockets;
use crate::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use crate::sync::{Condvar, Mutex};
use crate::url::RedisUrl;
use crate::vitals::Vitals;
use crate::wish::Wish;

/// One capsule of a process: the default one, which also speaks for the process, or one beside it. Each has an identity, a lease and flights of
/// its own, as if it were a process: what one of them holds is not in the others' way.
pub struct Core {
    /// 0: the default capsule.
    pub number: usize,
    /// The default capsule knows the others.
    pub others: OnceLock<Vec<Arc<Self>>>,
    pub options: Options,
    pub url: RedisUrl,
    pub pid: u32,
    pub machine: Option<String>,
    /// Wire name -> (index of the worker, whether it is a coroutine).
    pub workers: HashMap<String, (usize, bool)>,
    pub clock: RedisClock,
    pub events: Arc<Events>,
    pub ready: Ready,
    pub outbox: Outbox,
    pub async_bell: Arc<Bell>,
    pub has_async: bool,
    pub slots: Mutex<Vec<Arc<Slot>>>,
    pub coroutines: Mutex<HashMap<u64, Running>>,
    pub paused: Mutex<HashSet<String>>,
    pub measures: Measures,
    pub processed: AtomicU64,
    pub failed: AtomicU64,
    pub metrics: Metrics,
    pub vitals: Vitals,
    pub waker_armed: AtomicBool,
    /// Set while the fetcher waits for room: then whoever takes or ends a job looks whether to wake it.
    pub wants_room: Wish,
    /// So few waiting jobs make the fetcher claim again.
    pub low_water: [AtomicUsize; 2],
    /// A queue's waiter came back with a job: there may be more to claim.
    pub came_back: Vec<AtomicBool>,
    /// A connection broke in the middle of a claim: our lists in Redis are to be looked through.
    pub doubt: AtomicBool,
    /// The fetcher has written all and holds nothing, after it was told to be quiet.
    pub calm: AtomicBool,
    /// The fetcher has nothing that Redis has not answered.
    pub written: AtomicBool,
    /// Steady microseconds after which a stopping thread no longer waits for Redis.
    pub stop_by_us: AtomicU64,
    /// Jobs that wait for the fetcher's word (`ack="start"`).
    pub confirmed: Condvar,
    pub confirming: Mutex<()>,
    pub order: AtomicU64,
    /// The number of the last claim; none is used twice, whoever claims.
    pub claims: AtomicU64,
    pub moved: Moved,
    pub sockets: Sockets,
    pub lease: Lease,
    pub life: Life,
    pub outage: Arc<Outage>,
    pub threads: Parked,
}

impl Core {
    pub fn new(url: RedisUrl, options: Options, workers: HashMap<String, (usize, bool)>) -> Result<Self> {
        let failed = |error| Error::Config(format!("no socket pair: {error}"));
        let (events, bell) = (Events::new().map_err(failed)?, Bell::new().map_err(failed)?);
        let mouth = (Arc::new(events), Arc::new(bell), Arc::default());
        Self::make(0, url, options, workers, mouth)
    }

    /// Another capsule of the same process.
    pub fn beside(&self, number: usize, options: Options) -> Result<Self> {
        let mouth = (self.events.clone(), self.async_bell.clone(), self.outage.clone());
        Self::make(number, self.url.clone(), options, self.workers.clone(), mouth)
    }

    fn make(
        number: usize,
        url: RedisUrl,
        options: Options,
        workers: HashMap<String, (usize, bool)>,
        (events, async_bell, outage): (Arc<Events>, Arc<Bell>, Arc<Outage>),
    ) -> Result<Self> {
        let has_async = workers.values().any(|(_, is_async)| *is_async);
        let lease = Lease::new(&options.hostname)?;
        Ok(Self {
            number,
            others: OnceLock::new(),
            measures: Measures::new(options.queues.len()),
            came_back: options.queues.iter().map(|_| AtomicBool::new(false)).collect(),
            metrics: Metrics::new(&workers),
            vitals: Vitals::default(),
            options,
            url,
            pid: std::process::id(),
            machine: crate::machine::machine(),
            workers,
            clock: RedisClock::default(),
            events,
            ready: Ready::default(),
            outbox: Outbox::default(),
            async_bell,
            has_async,
            slots: Mutex::default(),
            coroutines: Mutex::default(),
            paused: Mutex::default(),
            processed: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            waker_armed: AtomicBool::new(false),
            wants_room: Wish::default(),
            low_water: [AtomicUsize::new(0), AtomicUsize::new(0)],
            doubt: AtomicBool::new(false),
            calm: AtomicBool::new(false),
            written: AtomicBool::new(true),
            stop_by_us: AtomicU64::new(u64::MAX),
            confirmed: Condvar::new(),
            confirming: Mutex::new(()),
            // Thread ids come from it, and no two of a process may be the same.
            order: AtomicU64::new((number as u64) << 40 | 1),
            claims: AtomicU64::new(0),
            moved: Moved::default(),
            sockets: Sockets::default(),
            lease,
            life: Life::default(),
            outage,
            threads: Parked::default(),
        })
    }

    /// Jobs begin one after the other, so that their order can be seen: it is kept even for those that go back to their queue.
    pub fn is_serial(&self) -> bool {
        self.options.concurrency == 1 && !self.has_async
    }

    /// Whether this capsule is the one that the process is known by.
    pub fn speaks(&self) -> bool {
        self.number == 0
    }

    /// This capsule and, of the default one, those beside it.
    pub fn capsules(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(self.others.get().into_iter().flatten().map(|other| &**other))
    }
}

pub fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
