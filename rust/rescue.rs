//! Moves the jobs of a dead process back to the front of their queues, and those that keep killing processes to the dead set.

use std::borrow::Cow;

use crate::clock::RedisClock;
use crate::connection::Connection;
use crate::error::{Error, Result};
use crate::events::Event;
use crate::intake::byte_strings;
use crate::keys;
use crate::lua::{FENCE, RESCUE};
use crate::payload::{Envelope, Flaw, scan, splice};
use crate::poison::{DEATHS, Mark, after_death, field};
use crate::resp::Reply;
use crate::safe::{Place, mended, stored};
use crate::shared::Core;
use crate::times::Compat;
use crate::url::RedisUrl;

/// Jobs that one rescue script moves at most.
const CHUNK: usize = 200;
/// And of a list of blocking moves, whose size no claim has bounded.
const MOVED_CHUNK: usize = 10;

/// What a sweep has to know: a server has it, and so has whoever recovers by hand.
pub struct Rescuer<'a> {
    pub url: &'a RedisUrl,
    pub clock: &'a RedisClock,
    pub max_bytes: usize,
    pub dead_max: u64,
    pub dead_timeout: f64,
    pub compat: Option<Compat>,
    /// Hears of each job that went to the dead set.
    pub tell: Box<dyn Fn(Event) + 'a>,
}

impl<'a> From<&'a Core> for Rescuer<'a> {
    fn from(core: &'a Core) -> Self {
        Self {
            url: &core.url,
            clock: &core.clock,
            max_bytes: core.options.max_bytes,
            dead_max: core.options.dead_max,
            dead_timeout: core.options.dead_timeout,
            compat: core.options.compat,
            tell: Box::new(|event| core.events.push(event)),
        }
    }
}

/// What a sweep has done.
pub struct Swept {
    /// Jobs that are back in their queues.
    pub moved: u64,
    /// Why a flight could not be emptied: the first refusal of Redis. The others have been seen to all the same.
    pub refusal: Option<Error>,
}

/// Declares a process dead, by a score that has stood still, or by proof (an empty one); false when it has beaten since.
pub fn fence(connection: &mut Connection, id: &str, score: &str, machine: &str) -> Result<bool> {
    let reply = FENCE.run(
        connection,
        &[keys::ALIVE, keys::TOMBS, keys::PROCESSES, &keys::work(id), &keys::machine(machine)],
        &[id.as_bytes(), score.as_bytes()],
    )?;
    Ok(reply.as_int() == Some(1))
}

/// As `sweep_all`, for a server: it tells what has come back.
pub fn sweep(core: &Core, connection: &mut Connection, id: &str) -> Result<()> {
    let swept = sweep_all(&core.into(), connection, id, &[])?;
    if swept.moved > 0 {
        core.events.push(Event::Recovered { identity: id.to_owned(), jobs: swept.moved });
    }
    swept.refusal.map_or(Ok(()), Err)
}

/// Moves all that lies in a fenced process's flights, in those of `known` too, whose entries were lost. Safe to run by many at once,
/// and again.
pub fn sweep_all(rescuer: &Rescuer, connection: &mut Connection, id: &str, known: &[String]) -> Result<Swept> {
    let indexed = byte_strings(connection.command(&[b"SMEMBERS", &keys::flights(id)])?.array().unwrap_or_default());
    let mut members: Vec<String> = indexed.into_iter().filter_map(|member| String::from_utf8(member).ok()).collect();
    members.extend_from_slice(known);
    let queues = connection.command(&[b"HGET", &keys::process(id), b"queues"])?;
    let queues = queues.as_str().unwrap_or_default().split(' ').filter(|queue| !queue.is_empty());
    members.extend(queues.map(|queue| keys::flight_member(queue, 0)));
    let mut flights: Vec<(u64, &str)> =
        members.iter().filter_map(|member| Some((number_of(member)?, &**member))).collect();
    // The latest claim first, so that the oldest ends up in front of it.
    flights.sort_unstable_by(|one, other| other.cmp(one));
    flights.dedup();
    let mut swept = Swept { moved: 0, refusal: None };
    for (number, member) in flights {
        match sweep_flight(rescuer, connection, id, member, number) {
            Ok(moved) => swept.moved += moved,
            Err(error) if error.code().is_some() && !error.wants_reconnect(rescuer.url) => {
                swept.refusal.get_or_insert(error);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(swept)
}

fn number_of(member: &str) -> Option<u64> {
    member.rsplit_once(':')?.1.parse().ok()
}

fn sweep_flight(rescuer: &Rescuer, connection: &mut Connection, id: &str, member: &str, number: u64) -> Result<u64> {
    let name = member.rsplit_once(':').map_or("", |(name, _)| name);
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
        let [back, dead] = rescue(rescuer, connection, id, member, name, &flight, &jobs)?;
        moved += back;
        // Marks that changed under us are read again; a list that stays as it is belongs to a process that lives after all.
        fruitless = if back + dead == 0 { fruitless + 1 } else { 0 };
        if jobs.is_empty() || fruitless > 3 {
            return Ok(moved);
        }
    }
}

fn rescue(
    rescuer: &Rescuer,
    connection: &mut Connection,
    id: &str,
    member: &str,
    queue: &str,
    flight: &[u8],
    jobs: &[Vec<u8>],
) -> Result<[u64; 2]> {
    let now = rescuer.clock.now_s();
    let place = Place { queue, now_ms: rescuer.clock.now_ms(), compat: rescuer.compat };
    let envelopes: Vec<_> = jobs.iter().map(|job| scan(job, rescuer.max_bytes)).collect();
    let fields: Vec<String> = jobs
        .iter()
        .zip(&envelopes)
        .map(|(job, envelope)| {
            field(&envelope.as_ref().ok().map(|envelope| envelope.jid(job)).unwrap_or_default(), job)
        })
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
        rescuer.dead_max.to_string().into_bytes(),
        rescuer.dead_timeout.to_string().into_bytes(),
        id.as_bytes().to_vec(),
    ];
    let mut poison = Vec::new();
    for (((job, envelope), field), mark) in jobs.iter().zip(&envelopes).zip(&fields).zip(&marks) {
        let before = mark.as_str().unwrap_or_default();
        let after = after_death(Mark::parse(before).as_ref(), now);
        let is_poison = after.deaths >= DEATHS;
        let corpse = corpse(job, envelope.as_ref(), is_poison, place);
        if is_poison && let Ok(envelope) = envelope {
            poison.push(Event::Poison {
                class: envelope.class(job).into_owned(),
                jid: envelope.jid(job).into_owned(),
                raw: corpse.clone(),
            });
        }
        args.extend([
            job.clone(),
            field.clone().into_bytes(),
            before.as_bytes().to_vec(),
            after.text().into_bytes(),
            if is_poison { b"1".to_vec() } else { Vec::new() },
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
            (rescuer.tell)(event);
        }
    }
    Ok([count(0), count(1)])
}

/// The job as the dead set keeps it, empty when that is as it is stored: one that has killed processes with an error that says so.
fn corpse(job: &[u8], envelope: std::result::Result<&Envelope, &Flaw>, is_poison: bool, place: Place) -> Vec<u8> {
    match envelope {
        Ok(envelope) if is_poison => {
            let now = Compat::time(place.compat, place.now_ms);
            let mut fields: Vec<(&str, Option<&[u8]>)> = vec![
                ("error_class", Some(b"\"fastkiq.PoisonPill\"")),
                (
                    "error_message",
                    Some(b"\"its process died three times while it ran: stopped, so that it does not kill more\""),
                ),
                ("error_backtrace", None), // an earlier error's: it would explain the wrong one
            ];
            if !envelope.has_failed {
                fields.push(("failed_at", Some(&now)));
            }
            mended(&splice(job, &fields).unwrap_or_else(|_| job.to_vec()), place)
        }
        Ok(_) => Some(mended(job, place)).filter(|mended| mended != job).unwrap_or_default(),
        Err(flaw) => match stored(job, &flaw.to_string(), place) {
            Cow::Borrowed(_) => Vec::new(),
            Cow::Owned(wrapped) => wrapped,
        },
    }
}
