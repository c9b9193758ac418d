//! Finds processes that have died and puts what they held back into its queues.
//!
//! A process of this machine is dead when the kernel says so. Of any other one its registry entry must have stood still for a whole
//! lease in which we were connected: a Redis restart or outage is nobody's death. The dead one is fenced first, by one script; from
//! then on its flights may be moved by anybody, in any number of steps, and are looked at again for a day, since a command delayed on
//! its way may still land in them.
//!
//! Sidekiq's set of processes is kept as its own processes keep it: whoever gets the lock takes out, once a minute, whose hash has expired.

use std::collections::HashMap;
use std::time::Duration;

use crate::claims::Dice;
use crate::clock::now_us;
use crate::connection::Connection;
use crate::error::Result;
use crate::events::WARNING;
use crate::intake::byte_strings;
use crate::keys;
use crate::lua::command;
use crate::machine::is_gone;
use crate::phase::Phase;
use crate::poison::Mark;
use crate::rescue::{self, sweep};
use crate::resp::Reply;
use crate::schema::Strangers;
use crate::scripts::run_pipeline;
use crate::shared::{Core, micros};
use crate::sync::thread;
use crate::threads::Backoff;

const TICK: Duration = Duration::from_secs(1);
const DAY: i64 = 86_400;
/// Seconds for which one process, of whichever language, cleans for all.
const CLEANUP_TTL: &[u8] = b"60";
/// A tomb is swept about once a beat for so long, then each hour until a day has passed.
const FRESH_US: u64 = 60_000_000;
const HOUR_US: u64 = 3_600_000_000;
/// A tomb this young, in seconds, is swept at its first sight by everybody: who dug it may have died before its own sweep.
const YOUNG: i64 = 10;

/// What is remembered of others between looks.
pub struct Recovery {
    connection: Option<Connection>,
    /// When our connection was made that has lasted since.
    connected_us: u64,
    /// When all leases and tombs are looked at next.
    all_us: u64,
    /// id -> (score, when we first saw it with that score).
    seen: HashMap<String, (String, u64)>,
    /// id -> (first, last) sweep of its tomb.
    swept: HashMap<String, (u64, u64)>,
    pruned_us: u64,
    strangers: Strangers,
    dice: Dice,
}

impl Recovery {
    pub fn new() -> Self {
        Self {
            connection: None,
            connected_us: 0,
            all_us: 0,
            seen: HashMap::new(),
            swept: HashMap::new(),
            pruned_us: 0,
            strangers: Strangers::default(),
            dice: Dice::new(),
        }
    }

    /// The thread's body: apart from the heartbeat's, since a sweep may take longer than a lease.
    pub fn run(&mut self, core: &Core) {
        let _ = core.threads.recovery.set(thread::current());
        let mut backoff = Backoff::new();
        while core.phase() != Phase::Stopped {
            let pause = match self.look(core) {
                Ok(()) => {
                    backoff.reset();
                    TICK.min(core.options.beat)
                }
                Err(error) => {
                    if core.met(&error) {
                        self.connection = None;
                    }
                    backoff.pause()
                }
            };
            thread::park_timeout(pause);
        }
    }

    fn look(&mut self, core: &Core) -> Result<()> {
        let mut connection = if let Some(connection) = self.connection.take() {
            connection
        } else {
            // After a lost connection all observations begin anew.
            let fresh = core.connect("recover")?;
            self.connected_us = now_us();
            self.seen.clear();
            fresh
        };
        let result = self.look_with(core, &mut connection);
        self.connection = Some(connection).filter(|connection| !connection.is_broken());
        result
    }

    fn look_with(&mut self, core: &Core, connection: &mut Connection) -> Result<()> {
        let key = keys::machine(core.machine.as_deref().unwrap_or("unknown"));
        let young = core.clock.now_s().saturating_sub(YOUNG).to_string();
        let mut calls = vec![
            command(&[b"HGETALL", &key]),
            command(&[b"ZRANGE", keys::TOMBS, young.as_bytes(), b"+inf", b"BYSCORE"]),
        ];
        let now = now_us();
        let all = now >= self.all_us;
        if all {
            self.all_us = now + micros(core.options.beat);
            calls.push(command(&[b"ZRANGE", keys::ALIVE, b"0", b"-1", b"WITHSCORES"]));
            calls.push(command(&[b"ZRANGE", keys::TOMBS, b"0", b"-1", b"WITHSCORES"]));
            calls.push(command(&[b"SET", keys::CLEANUP, b"1", b"NX", b"EX", CLEANUP_TTL]));
        }
        let mut replies = run_pipeline(connection, &calls)?;
        // A full Redis refuses this one, and only this one.
        let cleans = all && replies.pop().is_some_and(|reply| reply.as_str() == Some("OK"));
        let mut answers = Vec::new();
        for reply in replies {
            answers.push(reply.into_result()?.array().unwrap_or_default());
        }
        let mut answers = answers.into_iter();
        let mut next = || answers.next().unwrap_or_default();
        self.check_neighbours(core, connection, next())?;
        self.sweep_young(core, connection, next())?;
        if all {
            self.check_leases(core, connection, next(), next())?;
        }
        if cleans { prune_processes(core, connection) } else { Ok(()) }
    }

    /// Looks at this machine's processes: at each tick, since a death here can be proved at once.
    /// `entries` are those of the machine's hash.
    fn check_neighbours(&mut self, core: &Core, connection: &mut Connection, entries: Vec<Reply>) -> Result<()> {
        let Some(machine) = &core.machine else {
            return Ok(());
        };
        let key = keys::machine(machine);
        for (id, description) in pairs(entries) {
            if !is_ours(core, &id) && is_gone(&description) && self.strangers.knows(core, connection, &id)? {
                fence(core, connection, &id, "", machine)?;
                connection.command(&[b"HDEL", &key, id.as_bytes()])?;
                self.bury(core, connection, &id)?;
            }
        }
        Ok(())
    }

    /// Looks at all processes by their leases, and at the tombs of the dead; at each beat.
    fn check_leases(
        &mut self,
        core: &Core,
        connection: &mut Connection,
        alive: Vec<Reply>,
        tombs: Vec<Reply>,
    ) -> Result<()> {
        let now = now_us();
        let lease = micros(core.options.lease);
        let mut seen = HashMap::new();
        for (id, score) in pairs(alive) {
            let since = self.seen.get(&id).filter(|(before, _)| *before == score).map_or(now, |(_, since)| *since);
            if !is_ours(core, &id)
                && now.saturating_sub(since) >= lease
                && now.saturating_sub(self.connected_us) >= lease
                && core.lease_holds()
            {
                let (machine, their_lease) = record_of(connection, &id)?;
                if now.saturating_sub(since) < their_lease || now.saturating_sub(self.connected_us) < their_lease {
                    seen.insert(id, (score, since));
                    continue;
                }
                if self.strangers.knows(core, connection, &id)? && fence(core, connection, &id, &score, &machine)? {
                    self.bury(core, connection, &id)?;
                }
                continue;
            }
            seen.insert(id, (score, since));
        }
        self.seen = seen;
        self.sweep_tombs(core, connection, now, tombs)?;
        self.prune_marks(core, connection, now)
    }

    fn sweep_young(&mut self, core: &Core, connection: &mut Connection, tombs: Vec<Reply>) -> Result<()> {
        for id in texts(tombs) {
            if !self.swept.contains_key(&id) && self.strangers.knows(core, connection, &id)? {
                self.bury(core, connection, &id)?;
            }
        }
        Ok(())
    }

    /// Who fenced a process has swept its tomb. The others take turns, so that a deploy of many processes costs Redis one sweep a
    /// tomb and beat, not one for each process.
    fn sweep_tombs(&mut self, core: &Core, connection: &mut Connection, now: u64, tombs: Vec<Reply>) -> Result<()> {
        let tombs: HashMap<String, String> = pairs(tombs).collect();
        self.swept.retain(|id, _| tombs.contains_key(id));
        for (id, score) in tombs {
            let (first, last) = *self.swept.entry(id.clone()).or_insert((now, now));
            let fresh = now - first <= FRESH_US && self.dice.below(self.seen.len() as u64) == 0;
            if !fresh && now - last < HOUR_US {
                continue;
            }
            if !self.strangers.knows(core, connection, &id)? {
                self.swept.insert(id, (first, now));
                continue;
            }
            self.bury(core, connection, &id)?;
            let buried: i64 = score.split('.').next().and_then(|seconds| seconds.parse().ok()).unwrap_or(0);
            if core.clock.now_s().saturating_sub(buried) > DAY {
                connection.command(&[b"DEL", &keys::process(&id)])?;
                connection.command(&[b"ZREM", keys::TOMBS, id.as_bytes()])?;
            }
        }
        Ok(())
    }

    fn bury(&mut self, core: &Core, connection: &mut Connection, id: &str) -> Result<()> {
        let now = now_us();
        self.swept.entry(id.to_owned()).or_insert((now, now)).1 = now;
        match sweep(core, connection, id) {
            // One that cannot be swept, since a key is of a wrong type, must not keep us from the others.
            Err(error) if error.code().is_some() && !error.wants_reconnect(&core.url) => {
                core.met(&error);
                Ok(())
            }
            done => done,
        }
    }

    /// Hash fields have no expiry of their own before Redis 7.4: old marks are removed by hand, once an hour.
    fn prune_marks(&mut self, core: &Core, connection: &mut Connection, now: u64) -> Result<()> {
        if self.pruned_us > 0 && now - self.pruned_us < HOUR_US {
            return Ok(());
        }
        self.pruned_us = now;
        let mut cursor = b"0".to_vec();
        loop {
            let mut reply =
                connection.command(&[b"HSCAN", keys::SUSPECTS, &cursor, b"COUNT", b"500"])?.array().unwrap_or_default();
            let (Some(entries), Some(next)) = (reply.pop().and_then(Reply::array), reply.pop().and_then(Reply::bytes))
            else {
                return Ok(());
            };
            let epoch = core.clock.now_s();
            for (id, mark) in pairs(entries) {
                if Mark::parse(&mark).is_none_or(|mark| mark.expired(epoch)) {
                    connection.command(&[b"HDEL", keys::SUSPECTS, id.as_bytes()])?;
                }
            }
            if next == b"0" {
                return Ok(());
            }
            cursor = next;
        }
    }
}

/// Takes out of Sidekiq's set of processes those whose hash has expired, Ruby's and ours: its readers count the members.
fn prune_processes(core: &Core, connection: &mut Connection) -> Result<()> {
    let mut cursor = b"0".to_vec();
    while core.phase() != Phase::Stopped {
        let mut reply = connection
            .command(&[b"SSCAN", keys::PROCESSES, &cursor, b"COUNT", b"500"])?
            .array()
            .unwrap_or_default()
            .into_iter();
        cursor = reply.next().and_then(Reply::bytes).unwrap_or_else(|| b"0".to_vec());
        let names = byte_strings(reply.next().and_then(Reply::array).unwrap_or_default());
        let calls: Vec<_> = names.iter().map(|name| command(&[b"HEXISTS", name, b"info"])).collect();
        let known = if calls.is_empty() { Vec::new() } else { run_pipeline(connection, &calls)? };
        // A key of another type is no process either, and Ruby's reader would trip over it.
        let is_none = |known: &Reply| match known {
            Reply::Error { code, .. } => code == "WRONGTYPE",
            known => known.as_int() == Some(0),
        };
        let gone = names.iter().zip(known).filter(|(_, known)| is_none(known)).map(|(name, _)| name.as_slice());
        let words: Vec<&[u8]> = [b"SREM".as_slice(), keys::PROCESSES].into_iter().chain(gone).collect();
        if words.len() > 2 {
            connection.command(&words)?;
        }
        if cursor == b"0" {
            break;
        }
    }
    Ok(())
}

/// Whether a capsule of this process goes by the name: whoever can ask knows that it lives.
fn is_ours(core: &Core, id: &str) -> bool {
    core.capsules().any(|capsule| capsule.identity().name == id)
}

fn texts(replies: Vec<Reply>) -> impl Iterator<Item = String> {
    replies.into_iter().filter_map(Reply::bytes).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

fn pairs(replies: Vec<Reply>) -> impl Iterator<Item = (String, String)> {
    let mut texts = texts(replies);
    std::iter::from_fn(move || Some((texts.next()?, texts.next()?)))
}

/// A process's machine, and the microseconds of its own lease: nobody is dead by a neighbour's shorter one.
pub fn record_of(connection: &mut Connection, id: &str) -> Result<(String, u64)> {
    let reply = connection.command(&[b"HMGET", &keys::process(id), b"machine", b"lease"])?.array().unwrap_or_default();
    let text = |at: usize| reply.get(at).and_then(Reply::as_str);
    Ok((text(0).unwrap_or("unknown").to_owned(), text(1).and_then(|lease| lease.parse().ok()).unwrap_or(0)))
}

fn fence(core: &Core, connection: &mut Connection, id: &str, score: &str, machine: &str) -> Result<bool> {
    let fenced = rescue::fence(connection, id, score, machine)?;
    if fenced {
        let how = if score.is_empty() { "it is gone from this machine" } else { "its lease ran out" };
        core.events.log(WARNING, format!("process {id} is dead: {how}"));
    }
    Ok(fenced)
}
