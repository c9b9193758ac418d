//! Looking after all recurring jobs, once a minute by one process: what nobody holds any more, and times that a clock which was set back
//! has left too far ahead.

use std::collections::HashSet;
use std::time::Duration;

use crate::clock::now_us;
use crate::connection::Connection;
use crate::cron::definition::{Definition, MAX_BYTES, When, milliseconds, score};
use crate::cron::plan::{Next, first, following};
use crate::cron::{Cron, SHARE_US, refused};
use crate::error::Result;
use crate::events::{INFO, WARNING};
use crate::intake::byte_strings;
use crate::keys;
use crate::lua::{CRON_MOVE, CRON_ORPHAN, CRON_TURN, command};
use crate::payload::walk;
use crate::resp::Reply;
use crate::scripts::run_pipeline;
use crate::shared::Core;

pub const SWEEP: Duration = Duration::from_secs(60);
const SECONDS: &[u8] = b"60";
/// How long an entry stays that no living process holds.
const KEPT: &[u8] = b"86400";
/// Entries that are looked after; whoever has more has put them there by mistake.
const MOST: i64 = 10_000;
const PAGE: usize = 100;

impl Cron {
    /// Takes the turn, if it is time. `at_once`: whoever did it last.
    pub fn sweep(&mut self, core: &Core, connection: &mut Connection, at_once: bool) -> Result<()> {
        let at_once: &[u8] = if at_once { b"1" } else { b"0" };
        if CRON_TURN.run(connection, &[keys::CRON_SWEPT], &[SECONDS, at_once])?.as_int() != Some(1) {
            return Ok(());
        }
        let count = connection.command(&[b"HLEN", keys::CRON])?.as_int().unwrap_or(0);
        if count > MOST {
            let why = format!("{count} entries are more than {MOST}: none of them is looked after");
            self.complain(core, "fastkiq:cron", "", &why);
            return Ok(());
        }
        self.left = byte_strings(connection.command(&[b"HKEYS", keys::CRON])?.array().unwrap_or_default());
        Ok(())
    }

    /// Some of what is left of a sweep: other jobs wait for this thread.
    pub fn look_after(&mut self, core: &Core, connection: &mut Connection) -> Result<()> {
        let until = now_us() + SHARE_US;
        while !self.left.is_empty() && now_us() < until {
            let names = self.left.split_off(self.left.len().saturating_sub(PAGE));
            let done = page(core, connection, &names, until)?;
            self.left.extend_from_slice(&names[done..]);
        }
        Ok(())
    }
}

/// A page of entries; answers how many of them it has done by then.
fn page(core: &Core, connection: &mut Connection, all: &[Vec<u8>], until: u64) -> Result<usize> {
    let lengths: Vec<_> = all.iter().map(|name| command(&[b"HSTRLEN", keys::CRON, name])).collect();
    let lengths = run_pipeline(connection, &lengths)?;
    let is_short = |length: &Reply| {
        length.as_int().is_some_and(|length| usize::try_from(length).is_ok_and(|length| length <= MAX_BYTES))
    };
    let names: Vec<(usize, &Vec<u8>)> =
        all.iter().enumerate().zip(&lengths).filter(|(_, length)| is_short(length)).map(|(name, _)| name).collect();
    let reads = names
        .iter()
        .flat_map(|(_, name)| [command(&[b"HGET", keys::CRON, name]), command(&[b"ZSCORE", keys::CRON_NEXT, name])]);
    let reads = run_pipeline(connection, &reads.collect::<Vec<_>>())?;
    for (pair, (index, name)) in reads.chunks(2).zip(names) {
        if index > 0 && now_us() >= until {
            return Ok(index);
        }
        let [Reply::Bulk(raw), time] = pair else { continue };
        // What is broken is said when it is due.
        if let (Ok(definition), Ok(name)) = (Definition::parse(raw), std::str::from_utf8(name)) {
            let done = entry(core, connection, &definition, name, time.as_str().unwrap_or_default());
            refused(core, done)?;
        }
    }
    Ok(all.len())
}

fn entry(core: &Core, connection: &mut Connection, definition: &Definition, name: &str, time: &str) -> Result<()> {
    let is_held = definition.is_api || is_held(core, connection, name, definition.raw.len())?;
    if is_held && definition.enabled { retime(core, connection, definition, time) } else { Ok(()) }
}

/// Whether a living process holds it; one that nobody holds loses its time, and in the end goes.
fn is_held(core: &Core, connection: &mut Connection, name: &str, length: usize) -> Result<bool> {
    let answer = CRON_ORPHAN.run(
        connection,
        &[
            keys::CRON,
            keys::CRON_NEXT,
            keys::ALIVE,
            keys::CRON_ORPHANS,
            &keys::cron_held(name),
            &keys::cron_seen(name),
            &keys::cron_history(name),
        ],
        &[name.as_bytes(), length.to_string().as_bytes(), KEPT],
    )?;
    match answer.as_str() {
        Some("orphaned") => {
            let why = "no living process declares it: it does not run, and is removed in a day";
            core.events.log(WARNING, format!("the recurring job {name:?} is orphaned: {why}"));
        }
        Some("removed") => core.events.log(INFO, format!("the recurring job {name:?} is removed: nobody declares it")),
        _ => {}
    }
    Ok(answer.as_str() == Some("held"))
}

/// Gives an entry a time that has none, and an earlier one where its own is further away than the next tick that has not fired.
fn retime(core: &Core, connection: &mut Connection, definition: &Definition, time: &str) -> Result<()> {
    let now = core.clock.now_ms();
    let (has, comes_once) = (milliseconds(time), matches!(definition.when, When::At(_) | When::In(_)));
    let wanted = match (&definition.when, has) {
        _ if comes_once => return Ok(()),
        (_, None) => first(definition, now),
        (When::Interval(length), Some(_)) => Next::At(now + length),
        // Its first tick may be further away than the others are from each other.
        (When::Every { step, first_in }, Some(has)) if has <= now + step.max(first_in) + 1_000 => return Ok(()),
        (_, Some(has)) => following(definition, has, now),
    };
    let Next::At(mut wanted) = wanted else { return Ok(()) };
    // A second more, for what has just been fired or entered.
    if has.is_some_and(|has| has <= wanted + 1_000) {
        return Ok(());
    }
    let fired = fired(connection, &definition.name)?;
    while fired.contains(&wanted) {
        match following(definition, wanted, wanted) {
            Next::At(later) => wanted = later,
            _ => return Ok(()),
        }
    }
    if has.is_some_and(|has| has <= wanted) {
        return Ok(());
    }
    let keys: [&[u8]; 2] = [keys::CRON, keys::CRON_NEXT];
    let (length, next) = (definition.raw.len().to_string(), score(wanted));
    let args: [&[u8]; 4] = [definition.name.as_bytes(), time.as_bytes(), length.as_bytes(), next.as_bytes()];
    let moved = CRON_MOVE.run(connection, &keys, &args)?.as_int() == Some(1);
    if moved && has.is_some() {
        let text = "was further away than its next tick: Redis's clock was set back";
        core.events.log(WARNING, format!("the time of the recurring job {:?} {text}", definition.name));
    }
    Ok(())
}

/// The ticks in its history, in milliseconds.
fn fired(connection: &mut Connection, name: &str) -> Result<HashSet<i64>> {
    let lines = connection.command(&[b"LRANGE", &keys::cron_history(name), b"0", b"99"])?.array().unwrap_or_default();
    Ok(byte_strings(lines).iter().filter_map(|line| tick_of(line)).collect())
}

fn tick_of(line: &[u8]) -> Option<i64> {
    let mut tick = None;
    walk(line, |member| {
        if member.key.as_ref() == b"tick" {
            tick = std::str::from_utf8(&line[member.value.clone()]).ok().and_then(milliseconds);
        }
    })
    .ok()?;
    tick
}
