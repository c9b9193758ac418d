//! What is to be done about a tick that has fallen due, by what its definition says about missed ones.

use std::time::Duration;

use crate::cron::definition::{Definition, Missed, When};

/// With `missed="all"` so many of the latest ticks that are due are made up for.
pub const MOST: usize = 100;

/// How long after its moment a tick may still be on time, in milliseconds. A failover or a restart of Redis takes less; and so does the death of
/// the only ones that may fire it: on another host it is found out within the lease and 10 s.
pub fn grace(lease: Duration) -> i64 {
    i64::try_from((lease + Duration::from_secs(15)).as_millis()).unwrap_or(i64::MAX).max(30_000)
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Next {
    None,
    At(i64),
    /// So long after the job is enqueued.
    In(i64),
}

/// One step: the tick that it is about, and the entry's next time.
#[derive(Debug, PartialEq)]
pub struct Step {
    pub tick: i64,
    pub how: &'static str,
    pub next: Next,
    /// Ticks before this one were dropped, since more than can be made up for were missed.
    pub dropped: bool,
}

impl Step {
    /// Whether it enqueues a job.
    pub fn pushes(&self) -> bool {
        self.how != "skipped"
    }
}

/// `due` is the entry's time in Redis, `now` Redis's clock, all in milliseconds. A tick is on time within the grace, as long as the next one has not
/// fallen due as well: of several that are due, all but the latest are missed.
pub fn step(definition: &Definition, due: i64, now: i64, grace: i64) -> Step {
    let is_due = |next| matches!(next, Next::At(at) if at <= now);
    let (mut tick, mut next) = (due, next_of(definition, due));
    if is_due(next) {
        let count = if definition.missed == Missed::All { MOST } else { 1 };
        tick = earliest_of_latest(definition, due, now, count);
        next = next_of(definition, tick);
    }
    let how = if now - tick <= grace && !is_due(next) {
        "tick"
    } else if definition.missed == Missed::Skip {
        "skipped"
    } else {
        "missed"
    };
    Step { tick, how, next, dropped: tick > due && definition.missed == Missed::All }
}

/// What comes after the tick `tick`.
fn next_of(definition: &Definition, tick: i64) -> Next {
    match definition.when {
        When::Interval(length) => Next::In(length),
        _ => following(definition, tick, tick),
    }
}

/// The first tick after `after`, of an entry one of whose ticks is `due`.
pub fn following(definition: &Definition, due: i64, after: i64) -> Next {
    let next = match &definition.when {
        When::Cron(expression) => expression.next(after.div_euclid(1_000)).map(|seconds| seconds * 1_000),
        When::Every { step, .. } => Some(due + ((after - due).div_euclid(*step) + 1) * step),
        _ => None,
    };
    next.map_or(Next::None, Next::At)
}

/// The first tick of an entry that is new or whose time has changed: of a span on a whole second, which reads better.
pub fn first(definition: &Definition, now: i64) -> Next {
    let after = |length: i64| Next::At((now + length + 999).div_euclid(1_000) * 1_000);
    match definition.when {
        When::Every { first_in, .. } => after(first_in),
        When::Interval(length) | When::In(length) => after(length),
        When::At(at) if at > now => Next::At(at),
        When::At(_) => Next::None,
        When::Cron(_) => following(definition, now, now),
    }
}

/// Of the `count` latest ticks from `due` to `until` the earliest.
fn earliest_of_latest(definition: &Definition, due: i64, until: i64, count: usize) -> i64 {
    match &definition.when {
        When::Cron(expression) => {
            let (mut tick, mut before) = (due, until.div_euclid(1_000));
            for _ in 0..count {
                match expression.latest(before) {
                    Some(earlier) if earlier * 1_000 > due => (tick, before) = (earlier * 1_000, earlier - 1),
                    _ => return due,
                }
            }
            tick
        }
        When::Every { step, .. } => {
            let passed = (until - due).div_euclid(*step);
            due + (passed + 1 - i64::try_from(count).unwrap_or(1)).max(0) * step
        }
        _ => due,
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
