//! Waits for one queue to get a job, on a connection of its own, when there is nothing to claim. Redis wakes exactly one waiter a job.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::claims::{self, Dice};
use crate::clock::now_us;
use crate::connection::Connection;
use crate::error::{Error, Result};
use crate::flight::{Claim, Identity};
use crate::intake;
use crate::keys;
use crate::parked::unpark;
use crate::phase::Phase;
use crate::predecessor::Client;
use crate::resp::Pipeline;
use crate::shared::{Core, micros};
use crate::sync::atomic::{AtomicI64, Ordering};
use crate::sync::thread::{self, Thread};
use crate::threads::Backoff;
use crate::watch::Watch;

/// The longest one blocking command waits in Redis; with a short lease a sixth of it.
const LONGEST: Duration = Duration::from_secs(5);

/// What a waiter waits for.
pub enum Post {
    /// `BLMOVE` of one queue into our flight list 0.
    Move(usize),
    /// Sidekiq's `BRPOP` over all queues: for basic fetch.
    Pop,
}

pub struct Waiter {
    pub post: Post,
    watch: Watch,
    /// Its client's id, for `CLIENT UNBLOCK`.
    client: AtomicI64,
    thread: OnceLock<Thread>,
}

impl Waiter {
    pub fn new(post: Post) -> Self {
        Self { post, watch: Watch::default(), client: AtomicI64::new(0), thread: OnceLock::new() }
    }

    pub fn arm(&self) {
        if self.watch.want() {
            unpark(&self.thread);
        }
    }

    pub fn is_armed(&self) -> bool {
        self.watch.is_wanted()
    }

    /// Wants it to come back; the client to unblock when it is still inside.
    pub fn disarm(&self) -> Option<i64> {
        self.watch.dismiss();
        (!self.watch.is_away()).then(|| self.client.load(Ordering::Acquire)).filter(|client| *client > 0)
    }

    /// It is inside a blocking command, or about to be.
    pub fn is_blocked(&self) -> bool {
        self.watch.is_inside()
    }

    /// As `Watch::is_away`.
    pub fn is_away(&self) -> bool {
        self.watch.is_away()
    }

    pub fn wake(&self) {
        unpark(&self.thread);
    }

    /// Ends the thread, also when Redis does not answer it: the phase has been set before.
    pub fn end(&self, core: &Core) {
        core.shut_down(|name| name == self.name());
        self.wake();
    }

    fn name(&self) -> String {
        match self.post {
            Post::Move(queue) => format!("wait-{queue}"),
            Post::Pop => "wait".to_owned(),
        }
    }

    /// The thread's body.
    pub fn run(&self, core: &Core) {
        let _ = self.thread.set(thread::current());
        let mut connection = None;
        let mut client = Client::default();
        let mut backoff = Backoff::new();
        let mut dice = Dice::new();
        self.watch.leave(); // where a panic left it inside
        while core.phase() != Phase::Stopped {
            if !self.is_armed() {
                thread::park();
                continue;
            }
            let result = self.wait(core, &mut connection, &mut client, &mut dice);
            // Only now: until its job is handed over a stop must wait for it, and so must the next claim, whose jobs came later.
            self.watch.leave();
            match result {
                Ok(brought) => {
                    backoff.reset();
                    if brought || !self.is_armed() || core.phase() != Phase::Running {
                        unpark(&core.threads.fetcher);
                    }
                }
                Err(error) => {
                    if core.met(&error) {
                        connection = None;
                        core.shut_down(|name| name == self.name());
                    }
                    // The fetcher looks for jobs whose move was not answered or whose marks could not be read; and it claims, since a
                    // full Redis refuses the blocking move but not the claim script.
                    core.doubt.store(true, Ordering::Release);
                    if let Post::Move(queue) = self.post {
                        Self::came_back(core, queue);
                    }
                    unpark(&core.threads.fetcher);
                    rest(core, backoff.pause());
                }
            }
        }
    }

    /// True when it brought a job.
    fn wait(&self, core: &Core, slot: &mut Option<Connection>, client: &mut Client, dice: &mut Dice) -> Result<bool> {
        if slot.is_none() {
            let mut fresh = core.connect(&self.name())?;
            self.client.store(0, Ordering::Release);
            *client = Client::succeed(client, &mut fresh)?;
            self.client.store(client.id, Ordering::Release);
            *slot = Some(fresh);
        }
        let Some(connection) = slot.as_mut() else {
            return Ok(false);
        };
        let identity = core.identity();
        let longest = LONGEST.min(core.options.lease / 6);
        let pipeline = self.pipeline(core, &identity, longest, dice);
        self.watch.enter();
        if !self.is_armed() {
            return Ok(false);
        }
        // The name first, the lease second: under a name that is not yet in the registry nobody would find what we move.
        if core.phase() != Phase::Running || !core.lease_holds() {
            self.watch.dismiss();
            return Ok(false);
        }
        connection.send(pipeline.bytes())?;
        let late = longest + core.options.timeout;
        let Some(answer) = connection.receive_within(late)? else {
            return Err(Error::Lost(format!("no answer to a blocking command within {} s", late.as_secs_f64())));
        };
        match self.post {
            Post::Move(queue) => {
                let suspects = connection.receive()?;
                let Some(bytes) = answer.into_result()?.bytes() else {
                    return Ok(false);
                };
                self.moved(core, connection, queue, &identity, bytes, suspects.as_int() != Some(0))?;
                Ok(true)
            }
            Post::Pop => {
                let Some(pair) = answer.into_result()?.array() else {
                    return Ok(false);
                };
                self.popped(core, intake::byte_strings(pair));
                Ok(true)
            }
        }
    }

    fn pipeline(&self, core: &Core, identity: &Identity, longest: Duration, dice: &mut Dice) -> Pipeline {
        let seconds = format!("{:.3}", longest.as_secs_f64());
        let mut pipeline = Pipeline::new();
        match self.post {
            Post::Move(queue) => {
                let name = core.options.queues.get(queue).map_or("", |queue| &queue.name);
                let flight = keys::flight(&identity.name, name, 0);
                pipeline.command(&[b"BLMOVE", &keys::queue(name), &flight, b"RIGHT", b"LEFT", seconds.as_bytes()]);
                // Runs as soon as the move is through: it tells at no further trip whether the job may be a suspect.
                pipeline.command(&[b"EXISTS", keys::SUSPECTS]);
            }
            Post::Pop => {
                let weights: Vec<u32> = core.options.queues.iter().map(|queue| queue.weight).collect();
                let queues: Vec<Vec<u8>> = claims::order(&weights, dice)
                    .into_iter()
                    .map(|queue| keys::queue(&core.options.queues[queue].name))
                    .collect();
                let mut words: Vec<&[u8]> = vec![b"BRPOP"];
                words.extend(queues.iter().map(Vec::as_slice));
                words.push(b"2");
                pipeline.command(&words);
            }
        }
        pipeline
    }

    fn moved(
        &self,
        core: &Core,
        connection: &mut Connection,
        queue: usize,
        identity: &Arc<Identity>,
        bytes: Vec<u8>,
        suspects: bool,
    ) -> Result<()> {
        // After a lapse the list belongs to a name that is dead: whoever buried it puts the job back.
        if core.identity().epoch != identity.epoch {
            return Ok(());
        }
        let payloads = vec![bytes];
        let marks = if suspects { intake::marks(core, connection, &payloads)? } else { Vec::new() };
        // Not before: a job whose marks could not be read is found by the next look at our lists and given back.
        for bytes in &payloads {
            core.moved.remember(identity.epoch, bytes);
        }
        let name = core.options.queues.get(queue).map_or("", |queue| &queue.name);
        let order = core.order.fetch_add(1, Ordering::Relaxed);
        let claim = Arc::new(Claim::new(identity, queue, name, 0, order, 1));
        self.hand_over(core, queue, intake::jobs(core, payloads, queue, Some(&claim), marks));
        Ok(())
    }

    fn popped(&self, core: &Core, mut pair: Vec<Vec<u8>>) {
        let (Some(bytes), Some(key)) = (pair.pop(), pair.pop()) else {
            return;
        };
        let name = String::from_utf8_lossy(key.strip_prefix(b"queue:").unwrap_or(&key)).into_owned();
        let Some(queue) = core.options.queue_index(&name) else {
            return;
        };
        self.hand_over(core, queue, intake::jobs(core, vec![bytes], queue, None, Vec::new()));
    }

    /// The queue is worth a claim.
    fn came_back(core: &Core, queue: usize) {
        if let Some(came_back) = core.came_back.get(queue) {
            came_back.store(true, Ordering::Release);
        }
    }

    fn hand_over(&self, core: &Core, queue: usize, jobs: Vec<Arc<crate::flight::Job>>) {
        core.measures.fetched.add(1);
        core.deliver(jobs);
        Self::came_back(core, queue);
        self.watch.dismiss();
    }
}

/// Whole, also when it is sent out anew meanwhile: the claim that finds nothing does that at once, and both would take turns without an end.
fn rest(core: &Core, pause: Duration) {
    let until = now_us() + micros(pause);
    while core.phase() == Phase::Running && now_us() < until {
        thread::park_timeout(Duration::from_micros(until.saturating_sub(now_us())));
    }
}
