//! What is to be done about a tick that has fallen due, by what its definition says about missed ones.

use crate::cron::definition::{Definition, Missed, When};

/// A tick is on time so long after its moment, in milliseconds, and missed after it: a failover or a restart of Redis takes less.
pub const GRACE: i64 = 30_000;
/// With `missed="all"` so many of the latest missed ticks are made up for.
pub const MOST: usize = 100;

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

/// `due` is the entry's time in Redis, `now` Redis's clock.
pub fn step(definition: &Definition, due: i64, now: i64) -> Step {
    let is_missed = now - due > GRACE;
    let skips = is_missed && definition.missed == Missed::Skip;
    let how = if skips {
        "skipped"
    } else if is_missed {
        "missed"
    } else {
        "tick"
    };
    let step = |tick, next| Step { tick, how, next, dropped: false };
    match definition.when {
        When::At(_) | When::In(_) => step(due, Next::None),
        When::Interval(length) => step(due, Next::In(length)),
        When::Cron(_) | When::Every { .. } if !is_missed => step(due, following(definition, due, due)),
        When::Cron(_) | When::Every { .. } if skips => step(due, following(definition, due, now - GRACE)),
        When::Cron(_) | When::Every { .. } => {
            let count = if definition.missed == Missed::All { MOST } else { 1 };
            let tick = earliest_of_latest(definition, due, now - GRACE, count);
            let dropped = tick > due && definition.missed == Missed::All;
            Step { dropped, ..step(tick, following(definition, tick, tick)) }
        }
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
mod tests {
    use super::*;

    fn defined(when: &str) -> Definition {
        Definition::parse(format!(r#"{{"name":"n","class":"A","args":[],"queue":"q",{when}}}"#).as_bytes()).unwrap()
    }

    const HOUR: i64 = 3_600_000;

    fn taken(definition: &Definition, due: i64, now: i64) -> (i64, &'static str, Next) {
        let step = step(definition, due, now);
        (step.tick, step.how, step.next)
    }

    #[test]
    fn a_late_tick_within_the_grace_is_on_time() {
        for when in [r#""cron":"0 * * * *""#, r#""every":3600"#] {
            let found = taken(&defined(when), HOUR, HOUR + GRACE);
            assert_eq!(found, (HOUR, "tick", Next::At(2 * HOUR)), "{when}");
        }
    }

    #[test]
    fn missed_ticks_are_one_job_or_none_or_each_its_own() {
        for when in [r#""cron":"0 * * * *""#, r#""every":3600"#] {
            let (due, now) = (HOUR, 5 * HOUR + HOUR / 2);
            let with = |missed: &str| defined(&format!("{when},\"missed\":\"{missed}\""));
            assert_eq!(taken(&with("once"), due, now), (5 * HOUR, "missed", Next::At(6 * HOUR)));
            assert_eq!(taken(&with("skip"), due, now), (HOUR, "skipped", Next::At(6 * HOUR)));
            assert_eq!(taken(&with("all"), due, now), (HOUR, "missed", Next::At(2 * HOUR)));
        }
    }

    #[test]
    fn all_missed_ticks_are_no_storm() {
        for when in [r#""cron":"* * * * * *""#, r#""every":1"#] {
            let definition = defined(&format!("{when},\"missed\":\"all\""));
            let now = 10_000 * HOUR;
            let found = step(&definition, HOUR, now);
            assert_eq!((found.tick, found.dropped), (now - GRACE - 99_000, true), "{when}");
        }
    }

    #[test]
    fn an_interval_counts_from_the_job_and_a_time_comes_once() {
        assert_eq!(taken(&defined(r#""interval":60"#), HOUR, 2 * HOUR), (HOUR, "missed", Next::In(60_000)));
        assert_eq!(taken(&defined(r#""at":3600"#), HOUR, HOUR), (HOUR, "tick", Next::None));
        assert_eq!(taken(&defined(r#""at":3600,"missed":"skip""#), HOUR, 2 * HOUR), (HOUR, "skipped", Next::None));
    }

    #[test]
    fn a_new_entry_waits_for_its_first_tick() {
        assert_eq!(first(&defined(r#""every":60"#), 1_500), Next::At(62_000));
        assert_eq!(first(&defined(r#""every":60,"first_in":5"#), 1_500), Next::At(7_000));
        assert_eq!(first(&defined(r#""at":3600"#), HOUR), Next::None);
        assert_eq!(first(&defined(r#""cron":"0 * * * *""#), HOUR), Next::At(2 * HOUR));
    }
}
