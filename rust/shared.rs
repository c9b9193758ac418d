//! The state that the threads of a server share. Rust threads own copies of the `Arc`; none of them holds a Python object.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock, PoisonError};
use std::time::Duration;

use crate::bell::Bell;
use crate::clock::{RedisClock, now_us};
use crate::connection::Connection;
use crate::error::{Error, Result};
use crate::events::{Event, Events};
use crate::flight::{Identity, Job};
use crate::measures::Measures;
use crate::metrics::{Metrics, Run};
use crate::options::Options;
use crate::outage::Outage;
use crate::outbox::{Outbox, Outcome};
use crate::ready::{Call, Ready};
use crate::stream::ShutdownHandle;
use crate::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use crate::sync::thread::Thread;
use crate::sync::{Condvar, Mutex, RwLock};
use crate::url::RedisUrl;
use crate::vitals::Vitals;
use crate::wish::Wish;

/// From this on a job is long enough for another thread to be woken beside it at once.
const LONG_US: u64 = 1_000;

/// How far the server is in its life; it only goes forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    Running = 0,
    /// Nothing more is claimed.
    Quiet = 1,
    /// The threads end as soon as what is settled is written.
    Stopped = 2,
}

/// What one worker thread or coroutine runs now.
#[derive(Clone)]
pub struct Running {
    pub job: Arc<Job>,
    pub thread: Arc<str>,
    pub started_us: u64,
}

/// A worker thread's entry: written by that thread, read by the heartbeat. Its lock is all but never contended.
#[derive(Default)]
pub struct Slot {
    pub current: Mutex<Option<Running>>,
}

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
    /// Jobs that lie in a list of blocking moves and that we know of, by the epoch of our identity, with how many of each.
    pub moved: Mutex<HashMap<(u64, Vec<u8>), u32>>,
    /// Every thread's connection, by purpose: so that a wait for Redis can be ended from outside.
    sockets: Mutex<HashMap<String, ShutdownHandle>>,
    /// How often all threads had to leave for another master.
    moves: AtomicU64,
    identity: RwLock<Arc<Identity>>,
    /// Steady microseconds until which a confirmed beat protects what we hold.
    lease_end_us: AtomicU64,
    beats: AtomicU64,
    phase: AtomicU8,
    pub(crate) outage: Arc<Outage>,
    pub threads: Parked,
}

/// Handles by which the threads are woken from a park.
#[derive(Default)]
pub struct Parked {
    pub fetcher: OnceLock<Thread>,
    pub waker: OnceLock<Thread>,
    pub heartbeat: OnceLock<Thread>,
    pub scheduler: OnceLock<Thread>,
    pub recovery: OnceLock<Thread>,
}

pub fn unpark(thread: &OnceLock<Thread>) {
    if let Some(thread) = thread.get() {
        thread.unpark();
    }
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
        let identity = Arc::new(Identity { name: new_name(&options.hostname)?, epoch: 0 });
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
            moved: Mutex::default(),
            sockets: Mutex::default(),
            moves: AtomicU64::new(0),
            identity: RwLock::new(identity),
            lease_end_us: AtomicU64::new(0),
            beats: AtomicU64::new(0),
            phase: AtomicU8::new(Phase::Running as u8),
            outage,
            threads: Parked::default(),
        })
    }

    /// A new connection, which replaces the one of the same name in the list of those that `shut_down` ends.
    pub fn connect(&self, name: &str) -> Result<Connection> {
        loop {
            let moves = self.moves.load(Ordering::Acquire);
            let connection = Connection::open(&self.url, self.options.connect_timeout, self.options.timeout)?;
            let mut sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
            sockets.insert(name.to_owned(), connection.shutdown_handle()?);
            drop(sockets);
            // One that was still being opened when the others were shut down may lead to the master that they had to leave.
            if self.moves.load(Ordering::Acquire) == moves {
                self.outage.connected();
                return Ok(connection);
            }
        }
    }

    /// Makes all threads open new connections: the old ones lead to a server that is the master no more.
    pub fn move_on(&self) {
        self.moves.fetch_add(1, Ordering::AcqRel);
        self.shut_down(|_| true);
    }

    /// Ends the waits for Redis of the connections that `which` names.
    pub fn shut_down(&self, which: impl Fn(&str) -> bool) {
        let sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        sockets.iter().filter(|(name, _)| which(name)).for_each(|(_, socket)| socket.shutdown());
    }

    /// Whether this capsule is the one that the process is known by.
    pub fn speaks(&self) -> bool {
        self.number == 0
    }

    /// This capsule and, of the default one, those beside it.
    pub fn capsules(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(self.others.get().into_iter().flatten().map(|other| &**other))
    }

    pub fn identity(&self) -> Arc<Identity> {
        self.identity.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// After a lapse: late acks under the old name hit dead keys, and what was prefetched under it is Redis's again.
    pub fn renew_identity(&self) -> Result<Arc<Identity>> {
        // Nothing is claimed or begun under the new name before it is in the registry.
        self.lease_end_us.store(0, Ordering::Release);
        let mut identity = self.identity.write().unwrap_or_else(PoisonError::into_inner);
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
        self.beats.load(Ordering::Acquire)
    }

    /// When the last confirmed beat was sent, in steady microseconds; None before the first one under our present name.
    pub fn last_beat_us(&self) -> Option<u64> {
        let end = self.lease_end_us.load(Ordering::Acquire);
        (end > 0).then(|| end.saturating_sub(micros(self.options.lease)))
    }

    pub fn lease_holds(&self) -> bool {
        now_us() < self.lease_end_us.load(Ordering::Acquire)
    }

    /// `sent_us`: when the beat that Redis confirmed was sent. The lease counts from then, not from the reply.
    pub fn extend_lease(&self, sent_us: u64) {
        self.lease_end_us.store(sent_us + micros(self.options.lease), Ordering::Release);
        self.beats.fetch_add(1, Ordering::AcqRel);
        unpark(&self.threads.fetcher);
        self.ready.wake_all();
        self.call_coroutines();
    }

    pub fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Running,
            1 => Phase::Quiet,
            _ => Phase::Stopped,
        }
    }

    pub fn advance(&self, phase: Phase) {
        self.phase.fetch_max(phase as u8, Ordering::AcqRel);
        if phase == Phase::Stopped {
            self.ready.close();
        }
        unpark(&self.threads.fetcher);
        unpark(&self.threads.waker);
        unpark(&self.threads.heartbeat);
        unpark(&self.threads.scheduler);
        unpark(&self.threads.recovery);
        if phase == Phase::Stopped {
            // The fetcher still writes, and the heartbeat too, whose metrics would be lost; what these wait for no longer matters.
            self.shut_down(|name| ["due", "channel", "recover"].contains(&name));
        }
    }

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
        let may = self.phase() != Phase::Stopped && now < self.lease_end_us.load(Ordering::Acquire);
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
    fn call_coroutines(&self) {
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

    fn count(&self, failed: bool) {
        self.processed.fetch_add(1, Ordering::Relaxed);
        if failed {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What this capsule runs.
    pub fn running(&self) -> Vec<Running> {
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let mut running: Vec<Running> = slots
            .iter()
            .filter_map(|slot| slot.current.lock().unwrap_or_else(PoisonError::into_inner).clone())
            .collect();
        drop(slots);
        running.extend(self.coroutines.lock().unwrap_or_else(PoisonError::into_inner).values().cloned());
        running
    }

    /// What an ended job tells of those to come, and to the metrics.
    fn observe_end(&self, ended: &Running, now: u64) {
        let elapsed_us = now.saturating_sub(ended.started_us);
        self.measures.observe_duration(ended.job.queue, elapsed_us);
        self.metrics.ended(&ended.job, elapsed_us);
    }
}

pub fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// `host:pid:nonce`, as Sidekiq names processes.
fn new_name(hostname: &str) -> Result<String> {
    let mut nonce = [0u8; 6];
    getrandom::fill(&mut nonce)
        .map_err(|error| Error::Config(format!("no random numbers from the system: {error}")))?;
    let nonce = nonce.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    Ok(format!("{hostname}:{}:{nonce:012x}", std::process::id()))
}
