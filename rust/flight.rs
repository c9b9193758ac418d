//! A claimed job and the claim it came with, from Redis's reply to the ack.

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use crate::keys;
use crate::payload::Envelope;
use crate::poison::Mark;
use crate::run::Run;
use crate::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

/// Who we are in Redis: `host:pid:nonce`. A process that lapsed takes a new one, so that late acks hit dead keys.
#[derive(Debug)]
pub struct Identity {
    pub name: String,
    /// 0 for the first identity of the process, one more with each new one.
    pub epoch: u64,
}

/// One list in Redis that this process filled, by a claim script (number > 0) or by blocking moves (number 0).
#[derive(Debug)]
pub struct Claim {
    pub identity: Arc<Identity>,
    pub queue: usize,
    pub number: u64,
    pub key: Vec<u8>,
    /// The order of its first job among all that were claimed here.
    pub first_order: u64,
    /// Jobs that are neither acked here nor known by Redis to have left the list.
    pub open: AtomicUsize,
}

impl Claim {
    pub fn new(
        identity: &Arc<Identity>,
        queue: usize,
        queue_name: &str,
        number: u64,
        first_order: u64,
        jobs: usize,
    ) -> Self {
        Self {
            identity: identity.clone(),
            queue,
            number,
            key: keys::flight(&identity.name, queue_name, number),
            first_order,
            open: AtomicUsize::new(jobs),
        }
    }

    /// The list of blocking moves is shared by many claims: it is never deleted whole.
    pub fn is_own_list(&self) -> bool {
        self.number > 0
    }
}

/// What tells a job from others in a set of them: its bytes, or of a long one its length and hash.
pub fn trace(bytes: &[u8]) -> Vec<u8> {
    if bytes.len() <= 4_096 {
        return bytes.to_vec();
    }
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    format!("{}:{:016x}", bytes.len(), hasher.finish()).into_bytes()
}

/// The fence a `begin` waits for.
pub const UNCONFIRMED: u8 = 0;
pub const CONFIRMED: u8 = 1;
pub const REFUSED: u8 = 2;

/// Nobody has decided about the job yet.
const OPEN: u8 = 0;
/// Acked before it runs: what its run comes to is only counted.
const BEGUN: u8 = 1;
const SETTLED: u8 = 2;
/// Settled, and the time of its run counts.
const TIMED: u8 = 3;

pub struct Job {
    pub bytes: Vec<u8>,
    pub envelope: Envelope,
    /// Index into the options' queues.
    pub queue: usize,
    /// None with basic fetch: then the job lies nowhere in Redis while it runs.
    pub claim: Option<Arc<Claim>>,
    /// Index into the registered workers.
    pub worker: Option<usize>,
    pub is_async: bool,
    pub claimed_us: u64,
    /// Rises with each claimed job: the order in which jobs go back.
    pub order: u64,
    /// Some: the job was in flight when a process died.
    pub mark: Option<Mark>,
    state: AtomicU8,
    confirmed: AtomicU8,
}

impl Job {
    /// A short base-36 name that readers of `<id>:work` show as the thread's. No two jobs of a process have the same.
    pub fn thread_id(&self) -> String {
        let mut left = self.order;
        let mut digits = Vec::new();
        while left > 0 || digits.is_empty() {
            digits.push(char::from_digit(u32::try_from(left % 36).unwrap_or(0), 36).unwrap_or('0'));
            left /= 36;
        }
        digits.iter().rev().collect()
    }

    #[allow(clippy::too_many_arguments, reason = "one place makes jobs; a builder would only hide the list")]
    pub fn new(
        bytes: Vec<u8>,
        envelope: Envelope,
        queue: usize,
        claim: Option<Arc<Claim>>,
        (worker, is_async): (Option<usize>, bool),
        claimed_us: u64,
        order: u64,
        mark: Option<Mark>,
    ) -> Self {
        Self {
            bytes,
            envelope,
            queue,
            claim,
            worker,
            is_async,
            claimed_us,
            order,
            mark,
            state: AtomicU8::new(OPEN),
            confirmed: AtomicU8::new(UNCONFIRMED),
        }
    }

    /// True for the first caller only: whoever gets it decides what becomes of the job.
    pub fn settle(&self) -> bool {
        self.settle_as(Run::None)
    }

    /// As `settle`, and says what the run is to the metrics.
    pub fn settle_as(&self, run: Run) -> bool {
        self.step(OPEN, run)
    }

    /// The run of a job that was acked before it began has ended; true for the first who says so.
    pub fn end_as(&self, run: Run) -> bool {
        self.step(BEGUN, run)
    }

    fn step(&self, from: u8, run: Run) -> bool {
        let to = match run {
            Run::Begun => BEGUN,
            Run::Timed => TIMED,
            Run::Failed | Run::None => SETTLED,
        };
        self.state.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    pub fn is_settled(&self) -> bool {
        self.state.load(Ordering::Acquire) != OPEN
    }

    pub fn is_timed(&self) -> bool {
        self.state.load(Ordering::Relaxed) == TIMED
    }

    pub fn confirm(&self, answer: u8) {
        self.confirmed.store(answer, Ordering::Release);
    }

    pub fn confirmation(&self) -> u8 {
        self.confirmed.load(Ordering::Acquire)
    }

    /// The job had started at a second death: no other such job runs beside it.
    pub fn is_solo(&self) -> bool {
        self.mark.as_ref().is_some_and(|mark| mark.deaths >= 2)
    }

    pub fn class(&self) -> Cow<'_, str> {
        self.envelope.class(&self.bytes)
    }

    pub fn jid(&self) -> Cow<'_, str> {
        self.envelope.jid(&self.bytes)
    }

    pub fn suspect_field(&self) -> String {
        crate::poison::field(&self.jid(), &self.bytes)
    }

    pub fn flight_key(&self) -> &[u8] {
        self.claim.as_ref().map_or(b"fastkiq:none", |claim| &claim.key)
    }
}
