//! The script calls by which jobs leave their flights: acked, settled or given back.

use std::borrow::Cow;
use std::sync::Arc;

use crate::flight::{Claim, Job};
use crate::keys;
use crate::lua::{ACK, GIVE_BACK, SETTLE, script_call};
use crate::outbox::{Outcome, Settled, When};
use crate::safe;
use crate::scripts::Call;
use crate::shared::Core;

/// A payload that is too long goes to the dead set without being sent back: with it, one of 100 MB took 600 MB here.
const LONG: usize = 1 << 20;

/// A list and what of it is acked: None = all that is left of it.
pub type Acked = (Arc<Claim>, Option<Vec<Arc<Job>>>);

fn stat_keys(core: &Core) -> [Vec<u8>; 4] {
    let now = core.clock.now_s();
    [
        keys::STAT_PROCESSED.to_vec(),
        keys::daily(keys::STAT_PROCESSED, now),
        keys::STAT_FAILED.to_vec(),
        keys::daily(keys::STAT_FAILED, now),
    ]
}

fn text(value: &(impl ToString + ?Sized)) -> Vec<u8> {
    value.to_string().into_bytes()
}

/// Takes one job out of its flight and puts what became of it where it belongs.
pub fn settle(core: &Core, settled: &Settled) -> Call {
    let job = &settled.job;
    let place = safe::Place {
        queue: core.options.queues.get(job.queue).map_or("", |queue| &queue.name),
        now_ms: core.clock.now_ms(),
        compat: core.options.compat,
    };
    let (mode, when) = match &settled.outcome {
        Outcome::Retry { when: When::In(seconds), .. } | Outcome::Schedule { when: When::In(seconds), .. } => {
            ("in", *seconds)
        }
        Outcome::Retry { when: When::At(time), .. } | Outcome::Schedule { when: When::At(time), .. } => ("at", *time),
        Outcome::Drop { .. } => ("drop", 0.0),
        _ => ("dead", 0.0),
    };
    let (set, payload, count): (&[u8], Cow<[u8]>, i8) = match &settled.outcome {
        Outcome::Drop { failed } => (keys::DEAD, Cow::Borrowed(b""), i8::from(*failed)),
        Outcome::Retry { payload, failed, .. } => {
            (keys::RETRY, safe::mended_retry(payload, place).into(), i8::from(*failed))
        }
        Outcome::Schedule { payload, .. } => (keys::SCHEDULE, safe::mended(payload, place).into(), 0),
        Outcome::Dead { payload } => (keys::DEAD, safe::mended(payload, place).into(), 1),
        Outcome::Bad { flaw } => (keys::DEAD, safe::stored(&job.bytes, flaw, place), -1),
        Outcome::GiveBack { .. } => (keys::DEAD, Cow::Borrowed(&job.bytes), -1),
    };
    let [processed, processed_daily, failed, failed_daily] = stat_keys(core);
    let suspect = if job.mark.is_some() { job.suspect_field() } else { String::new() };
    // Whatever has that length is no job here, so that the length is all that Redis must be told.
    let is_long = job.bytes.len() > core.options.max_bytes.max(LONG)
        && job.claim.is_some()
        && matches!(payload, Cow::Borrowed(_));
    let mut args = vec![
        if is_long { Vec::new() } else { job.bytes.clone() },
        if is_long { Vec::new() } else { payload.into_owned() },
        text(&mode),
        text(&format!("{when:.6}")),
        text(&count),
        suspect.into_bytes(),
        keys::DAILY_TTL.to_vec(),
        text(&core.options.dead_max),
        text(&core.options.dead_timeout),
        text(&u8::from(job.claim.is_none())),
    ];
    if is_long {
        args.push(text(&job.bytes.len()));
    }
    let all = vec![
        job.flight_key().to_vec(),
        set.to_vec(),
        keys::SUSPECTS.to_vec(),
        processed,
        processed_daily,
        failed,
        failed_daily,
    ];
    script_call(&SETTLE, all, args)
}

fn give_back_keys(core: &Core, flight: Vec<u8>, queue: &str) -> Vec<Vec<u8>> {
    let mut all = vec![flight, keys::queue(queue), keys::QUEUES.to_vec(), keys::SUSPECTS.to_vec()];
    all.extend(stat_keys(core));
    all
}

/// Puts `jobs`, newest first and of one flight, back to the front of their queue.
pub fn give_back(core: &Core, jobs: &[Arc<Job>], counted: bool) -> Option<Call> {
    let first = jobs.first()?;
    let name = &core.options.queues.get(first.queue)?.name;
    let mut args =
        vec![text(&name), text(&u8::from(counted)), keys::DAILY_TTL.to_vec(), text(&u8::from(first.claim.is_none()))];
    for job in jobs {
        args.push(job.bytes.clone());
        args.push(if job.mark.is_some() { job.suspect_field().into_bytes() } else { Vec::new() });
    }
    Some(script_call(&GIVE_BACK, give_back_keys(core, first.flight_key().to_vec(), name), args))
}

/// Puts jobs of `flight` of which only the bytes are known back to the front of their queue.
pub fn give_back_unknown(core: &Core, flight: Vec<u8>, queue: &str, jobs: &[Vec<u8>]) -> Call {
    let mut args = vec![text(queue), b"0".to_vec(), keys::DAILY_TTL.to_vec(), b"0".to_vec()];
    for job in jobs {
        args.push(job.clone());
        args.push(Vec::new());
    }
    script_call(&GIVE_BACK, give_back_keys(core, flight, queue), args)
}

/// Acks `loose` jobs that lie in no flight, and those of `lists`, which are all of one identity; and clears the marks of suspects.
pub fn ack(core: &Core, loose: usize, suspects: &[String], lists: &[Acked]) -> Call {
    let [processed, processed_daily, ..] = stat_keys(core);
    let identity = lists.first().map_or_else(|| core.identity(), |(claim, _)| claim.identity.clone());
    let mut all = vec![keys::SUSPECTS.to_vec(), processed, processed_daily, keys::flights(&identity.name)];
    let mut args = vec![keys::DAILY_TTL.to_vec(), text(&loose), text(&suspects.len())];
    args.extend(suspects.iter().map(text));
    for (claim, jobs) in lists {
        all.push(claim.key.clone());
        let name = core.options.queues.get(claim.queue).map_or("", |queue| &queue.name);
        args.push(keys::flight_member(name, claim.number).into_bytes());
        match jobs {
            None => args.push(b"-1".to_vec()),
            Some(jobs) => {
                args.push(text(&jobs.len()));
                args.extend(jobs.iter().map(|job| job.bytes.clone()));
            }
        }
    }
    script_call(&ACK, all, args)
}
