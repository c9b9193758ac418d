//! The heartbeat thread: shows that this process lives and what it does, whatever Python does meanwhile.
//!
//! 1. Enters the registry under our id and renews its entry; takes a new id when somebody has declared the old one dead.
//! 2. Writes the process hash and the work in progress as Sidekiq's readers expect them.
//! 3. Obeys signals from outside, and follows the `paused` set.
//! 4. Writes the metrics.
//!
//! Others' deaths are `recovery.rs`'s matter, on a thread of its own.

use crate::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use crate::clock::{now_us, redis_us, wall_us};
use crate::connection::Connection;
use crate::error::{Error, Result};
use crate::events::{ERROR, Event, INFO, WARNING};
use crate::flight::Identity;
use crate::keys;
use crate::lua::{BEAT, JOIN, LEAVE, command, script_call};
use crate::machine;
use crate::minute;
use crate::parked::unpark;
use crate::phase::Phase;
use crate::process_hash;
use crate::rescue::sweep;
use crate::resp::Reply;
use crate::scripts::{Call, run_pipeline};
use crate::sentinel::Watch;
use crate::shared::{Core, micros};
use crate::sync::thread;
use crate::threads::Backoff;

/// The longest that taking leave waits for Redis, each time.
const LEAVE_WAIT: Duration = Duration::from_millis(500);
const SUMMARY_US: u64 = 60_000_000;

pub struct Heartbeat {
    connection: Option<Connection>,
    /// The identity that is in the registry.
    joined: Option<Arc<Identity>>,
    info: Vec<u8>,
    announced: bool,
    beat_us: u64,
    summary: (u64, u64, u64),
    backoff: Backoff,
    watch: Watch,
}

impl Heartbeat {
    pub fn new() -> Self {
        Self {
            connection: None,
            joined: None,
            info: Vec::new(),
            announced: false,
            beat_us: 0,
            summary: (now_us(), 0, 0),
            backoff: Backoff::new(),
            watch: Watch::default(),
        }
    }

    /// The first beat, on the caller's thread: what is wrong with Redis shows at start.
    pub fn begin(&mut self, core: &Core) -> Result<()> {
        #[expect(clippy::cast_precision_loss, reason = "microseconds since 1970 fit into 53 bits until 2255")]
        let started_at = wall_us() as f64 / 1e6;
        self.info = process_hash::info(core, started_at);
        self.beat(core)
    }

    /// The thread's body.
    pub fn run(&mut self, core: &Core) {
        while core.phase() != Phase::Stopped {
            let pause = match self.beat(core) {
                Ok(()) => {
                    self.backoff.reset();
                    Duration::from_micros(self.beat_us.saturating_sub(now_us()))
                }
                Err(error) => {
                    self.failed(core, &error);
                    self.backoff.pause()
                }
            };
            self.summarise(core);
            thread::park_timeout(pause);
        }
    }

    fn failed(&mut self, core: &Core, error: &Error) {
        self.beat_us = 0;
        if core.met(error) {
            self.connection = None;
            self.announced = false;
        }
    }

    fn connect(&mut self, core: &Core) -> Result<&mut Connection> {
        if self.connection.is_none() {
            self.connection = Some(core.connect("beat")?);
        }
        self.connection.as_mut().ok_or_else(|| Error::Unreachable("no connection".into()))
    }

    fn beat(&mut self, core: &Core) -> Result<()> {
        self.connect(core)?;
        let identity = core.identity();
        if self.joined.as_ref().is_none_or(|joined| joined.epoch != identity.epoch) {
            self.join(core, &identity)?;
        }
        let Some(connection) = self.connection.as_mut() else {
            return Ok(());
        };
        let sent = now_us();
        let beat = BEAT.run(connection, &[keys::ALIVE], &[identity.name.as_bytes()])?;
        if beat.as_str() == Some("FENCED") {
            return self.lapsed(core, &identity);
        }
        observe_time(core, &beat);
        core.extend_lease(sent);
        core.found();
        self.beat_us = sent + micros(core.options.beat);
        core.measures.rtt_us.store(now_us() - sent, Ordering::Relaxed);
        let known = self.publish(core, &identity)?;
        if let Some(connection) = self.connection.as_mut() {
            minute::write(core, connection)?;
        }
        if core.speaks() {
            if !known || !self.announced {
                self.announced = true;
                core.events.push(Event::Heartbeat);
            }
            core.events.push(Event::Beat);
        }
        self.follow_sentinels(core);
        Ok(())
    }

    /// All threads go to the master that the sentinels name, though the old one may still answer.
    fn follow_sentinels(&mut self, core: &Core) {
        let Some(current) = self.connection.as_ref() else { return };
        if let Some(elsewhere) = self.watch.elsewhere(&core.url, current.name(), core.options.timeout) {
            core.events.log(WARNING, format!("the sentinels name another master: {}", elsewhere.name()));
            core.move_on();
            self.connection = None;
            self.beat_us = 0;
        }
    }

    fn join(&mut self, core: &Core, identity: &Arc<Identity>) -> Result<()> {
        let Some(connection) = self.connection.as_mut() else {
            return Ok(());
        };
        let queues = core.options.queues.iter().map(|queue| queue.name.as_str()).collect::<Vec<_>>().join(" ");
        let place = core.machine.clone().unwrap_or_else(|| "unknown".into());
        let proof = core.machine.as_ref().and_then(|_| machine::myself()).unwrap_or_default();
        let sent = now_us();
        let reply = JOIN.run(
            connection,
            &[keys::ALIVE, &keys::process(&identity.name), &keys::machine(&place)],
            &[
                identity.name.as_bytes(),
                proof.as_bytes(),
                b"schema",
                keys::SCHEMA.as_bytes(),
                b"queues",
                queues.as_bytes(),
                b"machine",
                place.as_bytes(),
                b"proof",
                proof.as_bytes(),
                b"lease",
                micros(core.options.lease).to_string().as_bytes(),
            ],
        )?;
        observe_time(core, &reply);
        core.extend_lease(sent);
        self.joined = Some(identity.clone());
        Ok(())
    }

    /// Our entry is gone: somebody has declared us dead, or Redis has lost its data. What runs goes on, and runs elsewhere too; what was prefetched is dropped, Redis has it.
    fn lapsed(&mut self, core: &Core, identity: &Identity) -> Result<()> {
        let mut forgotten = false;
        if let Some(connection) = self.connection.as_mut() {
            let now = core.clock.now_s().to_string();
            let queues = core.options.queues.iter().map(|queue| queue.name.as_str()).collect::<Vec<_>>().join(" ");
            let record = keys::process(&identity.name);
            // Who is buried has a tomb and a record, for a day.
            forgotten = connection.command(&[b"EXISTS", &record])?.as_int() == Some(0)
                && connection.command(&[b"ZSCORE", keys::TOMBS, identity.name.as_bytes()])?.as_str().is_none();
            connection.command(&[
                b"HSET",
                &record,
                b"schema",
                keys::SCHEMA.as_bytes(),
                b"queues",
                queues.as_bytes(),
            ])?;
            // First of all, since the registry may have been lost as a whole: then nobody else has buried the old name.
            connection.command(&[b"ZADD", keys::TOMBS, b"NX", now.as_bytes(), identity.name.as_bytes()])?;
            connection.command(&[b"UNLINK", &keys::work(&identity.name), identity.name.as_bytes()])?;
            connection.command(&[b"SREM", keys::PROCESSES, identity.name.as_bytes()])?;
        }
        let renewed = core.renew_identity()?;
        let (level, what) = if forgotten {
            (ERROR, "Redis has lost its data, and jobs with it: it knows nothing of this process any more")
        } else {
            (WARNING, "this process was taken for dead, and what it ran may run twice")
        };
        core.events.log(level, format!("{what}; {} goes on as {}", identity.name, renewed.name));
        self.announced = false;
        self.beat_us = 0;
        unpark(&core.threads.fetcher);
        Ok(()) // the next beat is due at once
    }

    /// Sidekiq's process hash and work in progress, of all capsules together, and in the same trip what a beat wants to know; answers whether
    /// the hash was still there. A full Redis may refuse these writes: the lease does not hang on them.
    fn publish(&mut self, core: &Core, identity: &Identity) -> Result<bool> {
        let mut calls = Vec::new();
        if core.speaks() {
            // First of all whether our hash is still there: writing it makes it so.
            calls.push(command(&[b"EXISTS", identity.name.as_bytes()]));
            calls.extend(process_hash::calls(core, identity, &self.info));
            calls.push(command(&[b"RPOP", &keys::signals(&identity.name)]));
        }
        calls.push(paused_queues(core));
        let Some(connection) = self.connection.as_mut() else {
            return Ok(true);
        };
        let mut replies = run_pipeline(connection, &calls)?;
        let paused = replies.pop().and_then(Reply::array).unwrap_or_default();
        let known = replies.first().and_then(Reply::as_int) != Some(0);
        if let Some(signal) = replies.pop().and_then(Reply::bytes) {
            core.events.push(Event::Signal(String::from_utf8_lossy(&signal).into_owned()));
        }
        let is_paused = paused.iter().map(|answer| answer.as_int() == Some(1));
        let queues = core.options.queues.iter().map(|queue| &queue.name);
        let paused = queues.zip(is_paused).filter(|(_, paused)| *paused).map(|(name, _)| name.clone()).collect();
        let mut current = core.paused.lock().unwrap_or_else(PoisonError::into_inner);
        if *current != paused {
            *current = paused;
            drop(current);
            unpark(&core.threads.fetcher);
        }
        Ok(known)
    }

    fn summarise(&mut self, core: &Core) {
        let (since, processed, failed) = self.summary;
        let now = now_us();
        if now - since < SUMMARY_US {
            return;
        }
        let sum = |of: fn(&Core) -> &AtomicU64| core.capsules().map(|each| of(each).load(Ordering::Relaxed)).sum();
        let (done, broken): (u64, u64) = (sum(|core| &core.processed), sum(|core| &core.failed));
        if core.speaks() && done > processed {
            let seconds = Duration::from_micros(now - since).as_secs_f64();
            core.events.push(Event::Summary { processed: done - processed, failed: broken - failed, seconds });
        }
        self.summary = (now, done, broken);
    }
}

/// Asks which of our queues are paused. Not for all that are: they may be a million.
fn paused_queues(core: &Core) -> Call {
    let mut words: Vec<&[u8]> = vec![b"SMISMEMBER", keys::PAUSED];
    words.extend(core.options.queues.iter().map(|queue| queue.name.as_bytes()));
    command(&words)
}

/// The last act, when all is written: out of every registry.
pub fn leave(core: &Core) -> Result<()> {
    let identity = core.identity();
    let place = core.machine.clone().unwrap_or_else(|| "unknown".into());
    // A connection of its own, which waits for less long: the thread's may have been shut down, or hang.
    let connection = &mut Connection::open(&core.url, LEAVE_WAIT, LEAVE_WAIT)?;
    let mut all = vec![
        keys::ALIVE.to_vec(),
        keys::process(&identity.name),
        keys::machine(&place),
        keys::flights(&identity.name),
        keys::PROCESSES.to_vec(),
        keys::work(&identity.name),
        keys::TOMBS.to_vec(),
    ];
    all.extend(core.options.queues.iter().map(|queue| keys::flight(&identity.name, &queue.name, 0)));
    let calls = [script_call(&LEAVE, all, vec![identity.name.clone().into_bytes()])];
    for reply in run_pipeline(connection, &calls)? {
        if reply.into_result()?.as_int() == Some(0) {
            sweep(core, connection, &identity.name)?;
            core.events.log(INFO, "what was left in this process's flights went back to its queues");
        }
    }
    if let Err(error) = minute::write(core, connection) {
        core.events.log(WARNING, format!("the last metrics could not be written: {error}"));
    }
    Ok(())
}

fn observe_time(core: &Core, reply: &Reply) {
    if let Reply::Array(parts) = reply
        && let Some(at) = redis_us(parts)
    {
        core.clock.observe(at);
    }
}
