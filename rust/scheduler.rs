//! Moves what is due from `schedule` and `retry` to the queues, each job exactly once whoever else tries.
//!
//! It looks once a second at most and sleeps until the next job is due; a push that falls due sooner is announced on a channel.
//! With Sidekiq's own interval configured it looks at that random pace instead, but for recurring jobs.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use crate::claims::Dice;
use crate::clock::{now_us, redis_us};
use crate::connection::Connection;
use crate::cron::Cron;
use crate::error::{Error, Result};
use crate::events::WARNING;
use crate::intake::byte_strings;
use crate::json::plain;
use crate::keys;
use crate::lua::{DUE, MOVE, command, script_call};
use crate::payload::{scan, splice};
use crate::phase::Phase;
use crate::resp::Reply;
use crate::safe::{self, Place};
use crate::scripts::run_pipeline;
use crate::shared::{Core, micros};
use crate::sync::thread;
use crate::threads::Backoff;
use crate::times::Compat;

/// Members of each set that one look takes: a backlog of retries leaves the schedule its share.
const BATCH: &[u8] = b"100";
/// Where what names no queue belongs when it is pushed again by hand.
const NO_QUEUE: &str = "default";
/// Between two looks that announcements caused.
const BREATH: Duration = Duration::from_millis(10);
const LOOK: Duration = Duration::from_secs(1);

pub fn run(core: &Arc<Core>) {
    let _ = core.threads.scheduler.set(thread::current());
    let mut connection = None;
    let mut channel = None;
    let mut backoff = Backoff::new();
    let (mut dice, mut cron) = (Dice::new(), Cron::new(core));
    while core.phase() == Phase::Running {
        match round(core, &mut connection, &mut channel, (&mut dice, &mut cron)) {
            Ok(()) => backoff.reset(),
            Err(error) => {
                if core.met(&error) {
                    (connection, channel) = (None, None);
                }
                sleep(core, backoff.pause());
            }
        }
    }
}

fn round(
    core: &Core,
    connection: &mut Option<Connection>,
    channel: &mut Option<Connection>,
    (dice, cron): (&mut Dice, &mut Cron),
) -> Result<()> {
    if connection.is_none() {
        *connection = Some(core.connect("due")?);
    }
    let Some(open) = connection.as_mut() else {
        return Ok(());
    };
    let (wait, tick) = look(core, open, cron)?;
    if wait.min(tick) == Duration::ZERO {
        return Ok(()); // there may be more of what is due
    }
    if let Some(average) = core.options.poll_interval {
        let limit = polled(average, open, dice)?;
        return pause(core, open, cron, limit, tick);
    }
    listen(core, channel, wait.min(tick).min(LOOK))
}

/// Moves one batch of each set, and fires what recurs; answers how long nothing more of each will be due, as far as Redis knows now.
fn look(core: &Core, connection: &mut Connection, cron: &mut Cron) -> Result<(Duration, Duration)> {
    let all = vec![keys::SCHEDULE.to_vec(), keys::RETRY.to_vec()];
    let args = vec![BATCH.to_vec(), keys::MOST_BYTES.to_string().into_bytes()];
    // Not in the same script: whoever may not read this key moves his other jobs all the same.
    let mut replies = run_pipeline(connection, &[script_call(&DUE, all, args), Cron::question()])?;
    let (next, reply) = (replies.pop().unwrap_or(Reply::Nil), replies.pop().unwrap_or(Reply::Nil));
    let Some(Due { now_us, jobs: [schedule, retry], wait, wrong }) = due(reply.into_result()?) else {
        return Err(Error::Protocol("the look for due jobs was answered with something else".into()));
    };
    cron.observe(now_us);
    core.clock.observe(now_us);
    if !wrong.is_empty() {
        core.met(&Error::Reply { code: "WRONGTYPE".into(), message: format!("{wrong} is no sorted set") });
    }
    let moved = move_due(core, connection, keys::SCHEDULE, schedule)? + move_due(core, connection, keys::RETRY, retry)?;
    Ok((if moved > 0 { Duration::ZERO } else { wait }, cron.turn(core, connection, next)?))
}

/// Until the next look at Sidekiq's pace. What recurs is looked at as often as ever: an entry may be added at any time.
fn pause(core: &Core, connection: &mut Connection, cron: &mut Cron, limit: Duration, mut tick: Duration) -> Result<()> {
    let until = now_us().saturating_add(micros(limit));
    loop {
        let left = Duration::from_micros(until.saturating_sub(now_us()));
        sleep(core, left.min(tick).min(LOOK));
        if core.phase() != Phase::Running || now_us() >= until {
            return Ok(());
        }
        let next = run_pipeline(connection, &[Cron::question()])?.pop().unwrap_or(Reply::Nil);
        tick = cron.turn(core, connection, next)?;
    }
}

/// What a look for due jobs found.
pub struct Due {
    pub now_us: i64,
    /// Of `schedule` and of `retry`, as stored.
    pub jobs: [Vec<Vec<u8>>; 2],
    /// How long nothing more will be due, a second at most.
    pub wait: Duration,
    /// Which of the sets is none.
    pub wrong: String,
}

/// Reads the answer of `due.lua`.
pub fn due(reply: Reply) -> Option<Due> {
    let parts = reply.array()?;
    let now_us = redis_us(&parts)?;
    let mut parts = parts.into_iter().skip(2);
    let mut jobs = || Some(byte_strings(parts.next()?.array().unwrap_or_default()));
    let jobs = [jobs()?, jobs()?];
    let scores = parts.by_ref().take(2).filter_map(|score| score.as_str()?.parse::<f64>().ok());
    let next = scores.fold(f64::INFINITY, f64::min);
    let wrong = parts.next().and_then(Reply::bytes).unwrap_or_default();
    let wrong = String::from_utf8_lossy(&wrong).into_owned();
    #[expect(clippy::cast_precision_loss, reason = "microseconds since 1970 fit into 53 bits until 2255")]
    let seconds = next - now_us as f64 / 1e6;
    // A millisecond more, since Redis must have passed the score when it looks.
    let wait = Duration::try_from_secs_f64(seconds + 0.001).unwrap_or(LOOK).min(LOOK);
    Some(Due { now_us, jobs, wait, wrong })
}

fn move_due(core: &Core, connection: &mut Connection, set: &[u8], due: Vec<Vec<u8>>) -> Result<usize> {
    if due.is_empty() {
        return Ok(0);
    }
    let count = due.len();
    let mut all = vec![set.to_vec(), keys::DEAD.to_vec(), keys::QUEUES.to_vec()];
    let mut args = vec![core.options.dead_max.to_string().into_bytes()];
    let mut names: Vec<String> = Vec::new();
    let place = Place { queue: NO_QUEUE, now_ms: core.clock.now_ms(), compat: core.options.compat };
    for job in due {
        match queued(&job, core.options.max_bytes, place) {
            Ok((payload, name, mended)) => {
                let at = names.iter().position(|known| *known == name).unwrap_or_else(|| {
                    all.push(keys::queue(&name));
                    names.push(name.clone());
                    names.len() - 1
                });
                let dead = mended.unwrap_or_default();
                args.extend([job, payload, (at + 4).to_string().into_bytes(), name.into_bytes(), dead]);
            }
            Err(flaw) => {
                let set = String::from_utf8_lossy(set);
                core.events.log(WARNING, format!("an entry of {set} is no job, {flaw}: it goes to the dead set"));
                let dead = match safe::stored(&job, &flaw, place) {
                    Cow::Borrowed(_) => Vec::new(),
                    Cow::Owned(wrapped) => wrapped,
                };
                args.extend([job, Vec::new(), b"0".to_vec(), Vec::new(), dead]);
            }
        }
    }
    let replies = run_pipeline(connection, &[script_call(&MOVE, all, args)])?;
    for reply in replies {
        reply.into_result()?;
    }
    Ok(count)
}

/// A job as its queue takes it, that queue, and, where readers would trip over what is stored, the job without that.
type Queued = (Vec<u8>, String, Option<Vec<u8>>);

/// `enqueued_at` is new; all else is as stored, unless readers would trip over it.
pub fn queued(job: &[u8], max_bytes: usize, place: Place) -> std::result::Result<Queued, String> {
    let envelope = scan(job, max_bytes).map_err(|flaw| flaw.to_string())?;
    let name = envelope.queue(job).filter(|name| !name.is_empty() && name.len() <= 1_024).ok_or("it names no queue")?;
    let enqueued_at = Compat::time(place.compat, place.now_ms);
    let is_odd = envelope.is_odd || plain(job).is_some();
    let mended = is_odd.then(|| safe::mended(job, place)).filter(|mended| mended != job);
    let payload = splice(mended.as_deref().unwrap_or(job), &[("enqueued_at", Some(&enqueued_at))]);
    Ok((payload.map_err(|flaw| flaw.to_string())?, name.into_owned(), mended))
}

/// How long until the next look at Sidekiq's pace.
fn polled(average: Duration, connection: &mut Connection, dice: &mut Dice) -> Result<Duration> {
    let replies = run_pipeline(connection, &[command(&[b"SCARD", keys::PROCESSES])])?;
    let processes = replies.first().and_then(Reply::as_int).unwrap_or(1).max(1);
    #[expect(clippy::cast_precision_loss, reason = "a draw of a million steps")]
    let draw = dice.below(1_000_000) as f64 / 1e6;
    Ok(pace(average, processes, draw))
}

/// The configured average, whatever the number of processes, spread by half; by all from ten processes on. `draw` is below 1.
fn pace(average: Duration, processes: i64, draw: f64) -> Duration {
    average.mul_f64(if processes < 10 { 0.5 + draw } else { 2.0 * draw })
}

/// Waits for an announcement, `limit` at most. Without a channel it just sleeps: an announced job is then up to a second late.
fn listen(core: &Core, channel: &mut Option<Connection>, limit: Duration) -> Result<()> {
    if channel.is_none() {
        let mut fresh = core.connect("channel")?;
        if fresh.command(&[b"SUBSCRIBE", keys::SCHEDULED_CHANNEL]).is_err() {
            sleep(core, limit);
            return Ok(());
        }
        *channel = Some(fresh);
        // What was announced before we listened is found by a look.
        return Ok(());
    }
    let Some(open) = channel.as_mut() else {
        return Ok(());
    };
    if core.phase() != Phase::Running {
        return Ok(());
    }
    match open.receive_within(limit) {
        Ok(Some(_)) => {
            // A storm of announcements is one look, and the next one is not due at once.
            sleep(core, BREATH);
            while open.receive_within(Duration::ZERO)?.is_some() {}
            Ok(())
        }
        Ok(None) => Ok(()),
        Err(error) => {
            *channel = None;
            if core.phase() == Phase::Running { Err(error) } else { Ok(()) }
        }
    }
}

fn sleep(core: &Core, limit: Duration) {
    let until = now_us() + micros(limit);
    while core.phase() == Phase::Running {
        let left = until.saturating_sub(now_us());
        if left == 0 {
            return;
        }
        thread::park_timeout(Duration::from_micros(left.min(1_000_000)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configured_pace_keeps_its_average() {
        let average = Duration::from_secs(4);
        for (processes, least, most) in [(1, 2.0, 6.0), (9, 2.0, 6.0), (10, 0.0, 8.0), (1_000, 0.0, 8.0)] {
            let draws: Vec<f64> =
                (0..1_000).map(|step| pace(average, processes, (f64::from(step) + 0.5) / 1e3).as_secs_f64()).collect();
            assert!((draws.iter().sum::<f64>() / 1e3 - 4.0).abs() < 1e-6, "{processes}");
            assert!(draws.iter().all(|draw| (least..most).contains(draw)), "{processes}");
        }
    }
}
