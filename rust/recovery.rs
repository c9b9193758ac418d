//! Finds processes that have died and puts what they held back into its queues.
//!
//! A process of this machine is dead when the kernel says so. Of any other one its registry entry must have stood still for a whole
//! lease in which we were connected: a Redis restart or outage is nobody's death. The dead one is fenced first, by one script; from
//! then on its flights may be moved by anybody, in any number of steps, and are looked at again for a day, since a command delayed on
//! its way may still land in them.

use std::collections::HashMap;

use crate::claims::Dice;
use crate::clock::now_us;
use crate::connection::Connection;
use crate::error::Result;
use crate::events::{Event, WARNING};
use crate::intake::byte_strings;
use crate::keys;
use crate::lua::{FENCE, RESCUE};
use crate::machine::is_gone;
use crate::payload::{scan, splice};
use crate::poison::{DEATHS, Mark, after_death, field};
use crate::resp::Reply;
use crate::shared::{Core, micros};

/// Jobs that one rescue script moves at most.
const CHUNK: usize = 200;
/// And of a list of blocking moves, whose size no claim has bounded.
const MOVED_CHUNK: usize = 10;
const DAY: i64 = 86_400;
/// A tomb is swept about once a beat for so long, then each hour until a day has passed.
const FRESH_US: u64 = 60_000_000;
const HOUR_US: u64 = 3_600_000_000;

/// What the heartbeat remembers of others between beats.
pub struct Recovery {
    /// When our connection was made that has lasted since.
    pub connected_us: u64,
    /// id -> (score, when we first saw it with that score).
    seen: HashMap<String, (String, u64)>,
    /// id -> (first, last) sweep of its tomb.
    swept: HashMap<String, (u64, u64)>,
    pruned_us: u64,
    dice: Dice,
}

impl Recovery {
    pub fn new() -> Self {
        Self { connected_us: 0, seen: HashMap::new(), swept: HashMap::new(), pruned_us: 0, dice: Dice::new() }
    }

    /// After a lost connection all observations begin anew.
    pub fn reconnected(&mut self) {
        self.connected_us = now_us();
        self.seen.clear();
    }

    /// Looks at this machine's processes: at each tick, since a death here can be proved at once.
    /// `entries` are those of the machine's hash.
    pub fn check_neighbours(&mut self, core: &Core, connection: &mut Connection, entries: Vec<Reply>) -> Result<()> {
        let Some(machine) = &core.machine else {
            return Ok(());
        };
        let key = keys::machine(machine);
        let me = core.identity();
        for (id, description) in pairs(entries) {
            if id != me.name && is_gone(&description) {
                fence(core, connection, &id, "", machine)?;
                connection.command(&[b"HDEL", &key, id.as_bytes()])?;
                self.sweep(core, connection, &id)?;
            }
        }
        Ok(())
    }

    /// Looks at all processes by their leases, and at the tombs of the dead; at each beat.
    pub fn check_leases(
        &mut self,
        core: &Core,
        connection: &mut Connection,
        alive: Vec<Reply>,
        tombs: Vec<Reply>,
    ) -> Result<()> {
        let now = now_us();
        let lease = micros(core.options.lease);
        let me = core.identity();
        let mut seen = HashMap::new();
        for (id, score) in pairs(alive) {
            let since = self.seen.get(&id).filter(|(before, _)| *before == score).map_or(now, |(_, since)| *since);
            if id != me.name
                && now.saturating_sub(since) >= lease
                && now.saturating_sub(self.connected_us) >= lease
                && core.lease_holds()
            {
                let machine = machine_of(connection, &id)?;
                if fence(core, connection, &id, &score, &machine)? {
                    self.sweep(core, connection, &id)?;
                }
                continue;
            }
            seen.insert(id, (score, since));
        }
        self.seen = seen;
        self.sweep_tombs(core, connection, now, tombs)?;
        self.prune_marks(core, connection, now)
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
            self.sweep(core, connection, &id)?;
            let buried: i64 = score.split('.').next().and_then(|seconds| seconds.parse().ok()).unwrap_or(0);
            if core.clock.now_s().saturating_sub(buried) > DAY {
                connection.command(&[b"DEL", &keys::process(&id)])?;
                connection.command(&[b"ZREM", keys::TOMBS, id.as_bytes()])?;
            }
        }
        Ok(())
    }

    /// Moves all that lies in a fenced process's flights. Safe to run by many at once, and again.
    pub fn sweep(&mut self, core: &Core, connection: &mut Connection, id: &str) -> Result<()> {
        let now = now_us();
        self.swept.entry(id.to_owned()).or_insert((now, now)).1 = now;
        let mut members =
            byte_strings(connection.command(&[b"SMEMBERS", &keys::flights(id)])?.array().unwrap_or_default());
        let queues = connection.command(&[b"HGET", &keys::process(id), b"queues"])?;
        for queue in queues.as_str().unwrap_or_default().split(' ').filter(|queue| !queue.is_empty()) {
            members.push(keys::flight_member(queue, 0).into_bytes());
        }
        let mut moved = 0;
        for member in members {
            if let Ok(member) = String::from_utf8(member) {
                moved += sweep_flight(core, connection, id, &member)?;
            }
        }
        if moved > 0 {
            core.events.push(Event::Recovered { identity: id.to_owned(), jobs: moved });
        }
        Ok(())
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

fn pairs(replies: Vec<Reply>) -> impl Iterator<Item = (String, String)> {
    let mut texts =
        replies.into_iter().filter_map(Reply::bytes).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    std::iter::from_fn(move || Some((texts.next()?, texts.next()?)))
}

fn machine_of(connection: &mut Connection, id: &str) -> Result<String> {
    let reply = connection.command(&[b"HGET", &keys::process(id), b"machine"])?;
    Ok(reply.as_str().unwrap_or("unknown").to_owned())
}

fn fence(core: &Core, connection: &mut Connection, id: &str, score: &str, machine: &str) -> Result<bool> {
    let reply = FENCE.run(
        connection,
        &[keys::ALIVE, keys::TOMBS, keys::PROCESSES, &keys::work(id), &keys::machine(machine)],
        &[id.as_bytes(), score.as_bytes()],
    )?;
    let fenced = reply.as_int() == Some(1);
    if fenced {
        let how = if score.is_empty() { "it is gone from this machine" } else { "its lease ran out" };
        core.events.log(WARNING, format!("process {id} is dead: {how}"));
    }
    Ok(fenced)
}

fn sweep_flight(core: &Core, connection: &mut Connection, id: &str, member: &str) -> Result<u64> {
    let Some((name, number)) = member.rsplit_once(':') else {
        return Ok(0);
    };
    let Ok(number) = number.parse() else {
        return Ok(0);
    };
    let flight = keys::flight(id, name, number);
    let end = (if number == 0 { MOVED_CHUNK } else { CHUNK } - 1).to_string();
    let mut moved = 0;
    let mut fruitless = 0;
    loop {
        let jobs =
            byte_strings(connection.command(&[b"LRANGE", &flight, b"0", end.as_bytes()])?.array().unwrap_or_default());
        if jobs.is_empty() && number == 0 {
            return Ok(moved);
        }
        let [back, dead] = rescue(core, connection, id, member, name, &flight, &jobs)?;
        moved += back;
        // Marks that changed under us are read again; a list that stays as it is belongs to a process that lives after all.
        fruitless = if back + dead == 0 { fruitless + 1 } else { 0 };
        if jobs.is_empty() || fruitless > 3 {
            return Ok(moved);
        }
    }
}

fn rescue(
    core: &Core,
    connection: &mut Connection,
    id: &str,
    member: &str,
    queue: &str,
    flight: &[u8],
    jobs: &[Vec<u8>],
) -> Result<[u64; 2]> {
    let now = core.clock.now_s();
    let envelopes: Vec<_> = jobs.iter().map(|job| scan(job, core.options.max_bytes).ok()).collect();
    let fields: Vec<String> = jobs
        .iter()
        .zip(&envelopes)
        .map(|(job, envelope)| field(envelope.as_ref().map_or("", |envelope| &envelope.jid), job))
        .collect();
    let marks = if jobs.is_empty() {
        Vec::new()
    } else {
        let mut words: Vec<&[u8]> = vec![b"HMGET", keys::SUSPECTS];
        words.extend(fields.iter().map(String::as_bytes));
        connection.command(&words)?.array().unwrap_or_default()
    };
    let mut args = vec![
        queue.as_bytes().to_vec(),
        member.as_bytes().to_vec(),
        core.options.dead_max.to_string().into_bytes(),
        core.options.dead_timeout.to_string().into_bytes(),
        id.as_bytes().to_vec(),
    ];
    let mut poison = Vec::new();
    for (((job, envelope), field), mark) in jobs.iter().zip(&envelopes).zip(&fields).zip(&marks) {
        let before = mark.as_str().unwrap_or_default();
        let after = after_death(Mark::parse(before).as_ref(), now);
        let is_poison = after.deaths >= DEATHS;
        let corpse = if is_poison {
            corpse(core, job, envelope.as_ref().and_then(|envelope| envelope.failed_at))
        } else {
            Vec::new()
        };
        if is_poison && let Some(envelope) = envelope {
            poison.push(Event::Poison {
                class: envelope.class.clone(),
                jid: envelope.jid.clone(),
                raw: corpse.clone(),
            });
        }
        args.extend([
            job.clone(),
            field.clone().into_bytes(),
            before.as_bytes().to_vec(),
            after.text().into_bytes(),
            corpse,
        ]);
    }
    let queue_key = keys::queue(queue);
    let index = keys::flights(id);
    let all: [&[u8]; 7] = [flight, &queue_key, keys::QUEUES, keys::SUSPECTS, keys::DEAD, &index, keys::ALIVE];
    let words: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
    let counts: Vec<i64> =
        RESCUE.run(connection, &all, &words)?.array().unwrap_or_default().iter().filter_map(Reply::as_int).collect();
    let count = |at: usize| counts.get(at).and_then(|count| u64::try_from(*count).ok()).unwrap_or(0);
    if count(1) > 0 {
        for event in poison {
            core.events.push(event);
        }
    }
    Ok([count(0), count(1)])
}

/// The job as the dead set keeps it: with an error that says why it is there, and the times that readers of that set expect.
fn corpse(core: &Core, job: &[u8], failed_at: Option<f64>) -> Vec<u8> {
    let now = core.clock.now_ms().to_string();
    let mut fields: Vec<(&str, Option<&[u8]>)> = vec![
        ("error_class", Some(b"\"fastkiq.PoisonPill\"")),
        (
            "error_message",
            Some(b"\"its process died three times while it ran: stopped, so that it does not kill more\""),
        ),
    ];
    if failed_at.is_none() {
        fields.push(("failed_at", Some(now.as_bytes())));
    }
    splice(job, &fields).unwrap_or_else(|_| job.to_vec())
}
