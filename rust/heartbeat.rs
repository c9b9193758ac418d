//! The heartbeat thread: shows that this process lives and what it does, whatever Python does meanwhile.
//!
//! 1. Enters the registry under our id and renews its entry; takes a new id when somebody has declared the old one dead.
//! 2. Writes the process hash and the work in progress as Sidekiq's readers expect them.
//! 3. Obeys signals from outside, and follows the `paused` set.
//! 4. Recovers the jobs of dead processes: `recovery.rs`.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use crate::clock::{now_us, wall_us};
use crate::connection::Connection;
use crate::encode::write_string;
use crate::error::{Error, Result};
use crate::events::{Event, INFO, WARNING};
use crate::flight::Identity;
use crate::intake::byte_strings;
use crate::keys;
use crate::lua::{BEAT, JOIN, LEAVE, command, script_call};
use crate::machine;
use crate::recovery::Recovery;
use crate::resp::Reply;
use crate::scripts::{Call, run_pipeline};
use crate::shared::{Core, Phase, Running, micros};
use crate::threads::Backoff;

/// Sidekiq's readers take a process whose hash has expired for dead.
const TTL: &[u8] = b"60";
const TICK: Duration = Duration::from_secs(1);
/// The longest that taking leave waits for Redis, twice.
const LEAVE_WAIT: Duration = Duration::from_millis(500);
const SUMMARY_US: u64 = 60_000_000;

pub struct Heartbeat {
    connection: Option<Connection>,
    recovery: Recovery,
    /// The identity that is in the registry.
    joined: Option<Arc<Identity>>,
    info: Vec<u8>,
    announced: bool,
    beat_us: u64,
    summary: (u64, u64, u64),
    backoff: Backoff,
    complained_us: u64,
}

impl Heartbeat {
    pub fn new(core: &Core) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "microseconds since 1970 fit into 53 bits until 2255")]
        let started_at = wall_us() as f64 / 1e6;
        Self {
            connection: None,
            recovery: Recovery::default(),
            joined: None,
            info: info(core, started_at),
            announced: false,
            beat_us: 0,
            summary: (now_us(), 0, 0),
            backoff: Backoff::new(),
            complained_us: 0,
        }
    }

    /// The first beat, on the caller's thread: what is wrong with Redis shows at start.
    pub fn begin(&mut self, core: &Core) -> Result<()> {
        self.beat(core)
    }

    /// The thread's body.
    pub fn run(&mut self, core: &Core) {
        while core.phase() != Phase::Stopped {
            let now = now_us();
            let result = if now >= self.beat_us { self.beat(core) } else { self.tick(core) };
            let pause = match result {
                Ok(()) => {
                    self.backoff.reset();
                    TICK.min(core.options.beat)
                }
                Err(error) => {
                    self.failed(core, &error);
                    self.backoff.pause()
                }
            };
            self.summarise(core);
            std::thread::park_timeout(pause);
        }
    }

    fn failed(&mut self, core: &Core, error: &Error) {
        self.beat_us = 0;
        if error.code().is_none() {
            self.connection = None;
            self.announced = false;
            if !matches!(error, Error::Lost(_)) {
                core.lost(error);
            }
        } else {
            if matches!(error.code(), Some("READONLY" | "MASTERDOWN")) {
                self.connection = None;
            }
            if now_us() - self.complained_us > SUMMARY_US {
                self.complained_us = now_us();
                core.events.log(WARNING, format!("Redis refuses a heartbeat: {error}"));
            }
        }
    }

    fn connect(&mut self, core: &Core) -> Result<&mut Connection> {
        if self.connection.is_none() {
            self.connection = Some(core.connect("beat")?);
            self.recovery.reconnected();
        }
        self.connection.as_mut().ok_or_else(|| Error::Unreachable("no connection".into()))
    }

    fn tick(&mut self, core: &Core) -> Result<()> {
        self.connect(core)?;
        match self.connection.as_mut() {
            Some(connection) if core.options.reliable => self.recovery.check_neighbours(core, connection),
            _ => Ok(()),
        }
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
        measure_rtt(core, connection)?;
        let known = self.publish(core, &identity)?;
        if !known || !self.announced {
            self.announced = true;
            core.events.push(Event::Heartbeat);
        }
        core.events.push(Event::Beat);
        if core.options.reliable
            && let Some(connection) = self.connection.as_mut()
        {
            self.recovery.check_neighbours(core, connection)?;
            self.recovery.check_leases(core, connection)?;
        }
        Ok(())
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
            ],
        )?;
        observe_time(core, &reply);
        core.extend_lease(sent);
        self.joined = Some(identity.clone());
        Ok(())
    }

    /// Somebody has declared us dead. What runs goes on, and runs elsewhere too; what was prefetched is dropped, Redis has it.
    fn lapsed(&mut self, core: &Core, identity: &Identity) -> Result<()> {
        let renewed = core.renew_identity()?;
        core.events.log(
            WARNING,
            format!(
                "this process was taken for dead ({}) and goes on as {}; what it ran may run twice",
                identity.name, renewed.name
            ),
        );
        if let Some(connection) = self.connection.as_mut() {
            let now = core.clock.now_s().to_string();
            // The registry may have been lost as a whole, and then nobody has buried the old name.
            connection.command(&[b"ZADD", keys::TOMBS, b"NX", now.as_bytes(), identity.name.as_bytes()])?;
            connection.command(&[b"UNLINK", &keys::work(&identity.name), identity.name.as_bytes()])?;
            connection.command(&[b"SREM", keys::PROCESSES, identity.name.as_bytes()])?;
        }
        self.announced = false;
        self.beat_us = 0;
        crate::shared::unpark(&core.threads.fetcher);
        self.beat(core)
    }

    /// Sidekiq's process hash and work in progress. Answers whether the hash was still there. A full Redis may refuse these writes:
    /// the lease does not hang on them.
    fn publish(&mut self, core: &Core, identity: &Identity) -> Result<bool> {
        let running = core.running();
        let calls = self.beat_calls(core, identity, &running);
        let Some(connection) = self.connection.as_mut() else {
            return Ok(true);
        };
        let mut replies = run_pipeline(connection, &calls)?.into_iter().rev();
        let paused = replies.next().and_then(Reply::array).map(byte_strings).unwrap_or_default();
        let signal = replies.next().and_then(Reply::bytes);
        let known = replies.nth(2).and_then(|reply| reply.as_int()) != Some(0);
        if let Some(signal) = signal {
            core.events.push(Event::Signal(String::from_utf8_lossy(&signal).into_owned()));
        }
        let paused = paused.into_iter().map(|name| String::from_utf8_lossy(&name).into_owned()).collect();
        let mut current = core.paused.lock().unwrap_or_else(PoisonError::into_inner);
        if *current != paused {
            *current = paused;
            drop(current);
            crate::shared::unpark(&core.threads.fetcher);
        }
        Ok(known)
    }

    fn beat_calls(&self, core: &Core, identity: &Identity, running: &[Running]) -> Vec<Call> {
        let name = identity.name.as_bytes();
        let work = keys::work(&identity.name);
        let mut calls = vec![command(&[b"UNLINK", &work])];
        if !running.is_empty() {
            let mut words = vec![b"HSET".to_vec(), work.clone()];
            for running in running {
                words.push(running.thread_id().into_bytes());
                words.push(work_entry(core, running));
            }
            calls.push(Call::Command(words));
            calls.push(command(&[b"EXPIRE", &work, TTL]));
        }
        let mut info = self.info.clone();
        info.extend_from_slice(b",\"identity\":");
        write_string(&mut info, &identity.name);
        info.push(b'}');
        #[expect(clippy::cast_precision_loss, reason = "as above")]
        let beat = format!("{:.6}", core.clock.now_us() as f64 / 1e6);
        let concurrency = core.options.concurrency + if core.has_async { core.options.async_concurrency } else { 0 };
        let quiet: &[u8] = if core.phase() == Phase::Running { b"false" } else { b"true" };
        calls.push(command(&[b"SADD", keys::PROCESSES, name]));
        calls.push(command(&[b"EXISTS", name]));
        calls.push(command(&[
            b"HSET",
            name,
            b"info",
            &info,
            b"concurrency",
            concurrency.to_string().as_bytes(),
            b"busy",
            running.len().to_string().as_bytes(),
            b"beat",
            beat.as_bytes(),
            b"rtt_us",
            core.rtt_us.load(Ordering::Relaxed).to_string().as_bytes(),
            b"quiet",
            quiet,
            b"rss",
            rss_kib().to_string().as_bytes(),
        ]));
        calls.push(command(&[b"EXPIRE", name, TTL]));
        calls.push(command(&[b"RPOP", &keys::signals(&identity.name)]));
        calls.push(command(&[b"SMEMBERS", keys::PAUSED]));
        calls
    }

    fn summarise(&mut self, core: &Core) {
        let (since, processed, failed) = self.summary;
        let now = now_us();
        if now - since < SUMMARY_US {
            return;
        }
        let (done, broken) = (core.processed.load(Ordering::Relaxed), core.failed.load(Ordering::Relaxed));
        if done > processed {
            let seconds = Duration::from_micros(now - since).as_secs_f64();
            core.events.push(Event::Summary { processed: done - processed, failed: broken - failed, seconds });
        }
        self.summary = (now, done, broken);
    }

    /// The last act, when all is written: out of every registry.
    pub fn leave(&mut self, core: &Core) -> Result<()> {
        let identity = core.identity();
        let place = core.machine.clone().unwrap_or_else(|| "unknown".into());
        // A connection of its own: the thread's was shut down to end its waits, and nobody waits for long any more.
        let connection = &mut Connection::open(&core.url, LEAVE_WAIT, LEAVE_WAIT)?;
        let calls = [script_call(
            &LEAVE,
            vec![
                keys::ALIVE.to_vec(),
                keys::process(&identity.name),
                keys::machine(&place),
                keys::flights(&identity.name),
                keys::PROCESSES.to_vec(),
                keys::work(&identity.name),
                keys::TOMBS.to_vec(),
            ],
            vec![identity.name.clone().into_bytes()],
        )];
        for reply in run_pipeline(connection, &calls)? {
            if reply.into_result()?.as_int() == Some(0) {
                self.recovery.sweep(core, connection, &identity.name)?;
                core.events.log(INFO, "what was left in this process's flights went back to its queues");
            }
        }
        Ok(())
    }
}

fn observe_time(core: &Core, reply: &Reply) {
    if let Reply::Array(parts) = reply
        && let [seconds, micros] = parts.as_slice()
    {
        core.clock.observe(seconds.as_int().unwrap_or(0) * 1_000_000 + micros.as_int().unwrap_or(0));
    }
}

fn measure_rtt(core: &Core, connection: &mut Connection) -> Result<()> {
    let sent = now_us();
    connection.command(&[b"PING"])?;
    core.rtt_us.store(now_us() - sent, Ordering::Relaxed);
    Ok(())
}

/// The static part of Sidekiq's `info`, open at its end for the identity.
fn info(core: &Core, started_at: f64) -> Vec<u8> {
    let options = &core.options;
    let weights: Vec<String> =
        options.queues.iter().map(|queue| format!("{}:{}", quoted(&queue.name), queue.weight)).collect();
    let weights = format!("{{{}}}", weights.join(","));
    let mode = if options.weighted() { "weighted" } else { "strict" };
    let capsule = |name: &str, concurrency: usize| {
        format!("{}:{{\"concurrency\":{concurrency},\"mode\":\"{mode}\",\"weights\":{weights}}}", quoted(name))
    };
    let mut capsules = vec![capsule("default", options.concurrency)];
    if core.has_async {
        capsules.push(capsule("async", options.async_concurrency));
    }
    let names: Vec<String> = options.queues.iter().map(|queue| quoted(&queue.name)).collect();
    let labels: Vec<String> = options.labels.iter().map(|label| quoted(label)).collect();
    format!(
        "{{\"hostname\":{},\"started_at\":{started_at:.6},\"pid\":{},\"tag\":{},\"concurrency\":{},\"capsules\":{{{}}},\"queues\":[{}],\"weights\":[{weights}],\"labels\":[{}],\"version\":{},\"embedded\":false",
        quoted(&options.hostname),
        core.pid,
        quoted(&options.tag),
        options.concurrency,
        capsules.join(","),
        names.join(","),
        labels.join(","),
        quoted(&format!("fastkiq {}", options.version)),
    )
    .into_bytes()
}

fn quoted(text: &str) -> String {
    let mut out = Vec::new();
    write_string(&mut out, text);
    String::from_utf8_lossy(&out).into_owned()
}

/// `{"queue":…,"payload":"<the stored JSON as a string>","run_at":<seconds>}`.
fn work_entry(core: &Core, running: &Running) -> Vec<u8> {
    let queue = core.options.queues.get(running.job.queue).map_or("", |queue| &queue.name);
    let ago = now_us().saturating_sub(running.started_us) / 1_000_000;
    let run_at = core.clock.now_s() - i64::try_from(ago).unwrap_or(0);
    let mut out = b"{\"queue\":".to_vec();
    write_string(&mut out, queue);
    out.extend_from_slice(b",\"payload\":");
    write_string(&mut out, &String::from_utf8_lossy(&running.job.bytes));
    out.extend_from_slice(format!(",\"run_at\":{run_at}}}").as_bytes());
    out
}

/// Resident memory in KiB; 0 where it cannot be told.
fn rss_kib() -> u64 {
    if let Ok(statm) = std::fs::read_to_string("/proc/self/statm") {
        // SAFETY: a plain query of a constant.
        let page = u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096);
        return statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * page / 1024;
    }
    // SAFETY: rusage is plain data that the call fills; all zeroes is a valid value of it.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &raw mut usage);
        usage
    };
    u64::try_from(usage.ru_maxrss).unwrap_or(0) / 1024
}
