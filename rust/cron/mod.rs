//! Recurring jobs: `fastkiq:cron` and what belongs to it. See "Recurring jobs" in docs/internals.md.
//!
//! The scheduler's look for due jobs asks when the next tick is due. Then each process tries to fire it; a script lets one.

pub mod definition;
pub mod expression;
mod fields;
mod fire;
mod hold;
pub mod plan;
mod sweep;

use std::collections::HashSet;
use std::time::Duration;

use crate::clock::now_us;
use crate::connection::Connection;
use crate::cron::definition::{Definition, Unfit};
use crate::cron::hold::Holding;
use crate::cron::sweep::SWEEP;
use crate::error::{Error, Result};
use crate::events::{ERROR, WARNING};
use crate::keys;
use crate::lua::command;
use crate::resp::Reply;
use crate::scripts::Call;
use crate::shared::{Core, micros};

/// So many complaints about definitions are remembered, each said once.
const COMPLAINTS: usize = 1_000;
/// So many microseconds of one round go into definitions: whatever they are, other jobs do not wait for them any longer.
const SHARE_US: u64 = 50_000;
/// Between two rounds of a sweep that takes more than one.
const BREATH: Duration = Duration::from_millis(5);
/// Redis's clock was set back when it stands so far behind what the steady clock lets expect.
const SET_BACK_US: i64 = 1_000_000;

/// What the scheduler thread knows of recurring jobs.
pub struct Cron {
    holding: Vec<Holding>,
    complained: HashSet<(String, String)>,
    /// Steady microseconds of the next look at what this process holds, and of the next try to look after all.
    check_us: u64,
    sweep_us: u64,
    /// What this process has yet to look after.
    left: Vec<Vec<u8>>,
    /// Of what is due, the earliest that the last looks could do nothing about.
    passed: usize,
    /// The last reading of Redis's clock and of the steady one.
    clocks: Option<(i64, i64)>,
    /// Redis's clock was set back: times may lie too far ahead.
    set_back: bool,
    /// Redis has refused to tell what is due, which was said.
    is_shut_out: bool,
}

impl Cron {
    pub fn new(core: &Core) -> Self {
        let mut holding = Vec::new();
        for raw in &core.options.cron {
            match Definition::parse(raw) {
                Ok(definition) => holding.push(Holding::new(definition)),
                Err(Unfit::Broken(why) | Unfit::Strange(why)) => {
                    core.events.log(ERROR, format!("a recurring job that was declared here cannot run: {why}"));
                }
            }
        }
        let sweep_us = now_us() + micros(SWEEP.min(core.options.beat));
        Self {
            holding,
            complained: HashSet::new(),
            check_us: 0,
            sweep_us,
            left: Vec::new(),
            passed: 0,
            clocks: None,
            set_back: false,
            is_shut_out: false,
        }
    }

    /// Told of each reading of Redis's clock.
    pub fn observe(&mut self, redis_us: i64) {
        let steady_us = i64::try_from(now_us()).unwrap_or(i64::MAX);
        if let Some((redis, steady)) = self.clocks.replace((redis_us, steady_us)) {
            self.set_back |= (steady_us - steady).saturating_sub(redis_us.saturating_sub(redis)) > SET_BACK_US;
        }
    }

    /// Asks for the first score of `fastkiq:cron:next`.
    pub fn question() -> Call {
        command(&[b"ZRANGE", keys::CRON_NEXT, b"0", b"0", b"WITHSCORES"])
    }

    /// Does what is due by the answer to `question`; answers how long nothing more will be.
    pub fn turn(&mut self, core: &Core, connection: &mut Connection, next: Reply) -> Result<Duration> {
        let next = next.into_result().map_err(|error| match error {
            Error::Reply { code, message } => Error::Reply { code, message: format!("{message} (fastkiq:cron:next)") },
            other => other,
        });
        if let Err(error) = &next
            && error.code() == Some("NOPERM")
        {
            if !std::mem::replace(&mut self.is_shut_out, true) {
                let text = "recurring jobs do not run here, all others do";
                core.events
                    .log(WARNING, format!("{text}: {error}. Allow this user the keys fastkiq:cron* (~fastkiq:cron*)."));
            }
            return Ok(Duration::MAX);
        }
        self.is_shut_out = false;
        let done = next.and_then(|next| self.round(core, connection, first_score(next)));
        refused(core, done).map(|done| done.unwrap_or(Duration::from_secs(1)))
    }

    fn round(&mut self, core: &Core, connection: &mut Connection, earliest: Option<f64>) -> Result<Duration> {
        let now = now_us();
        if now >= self.check_us && !self.holding.is_empty() {
            self.check_us = now + micros(core.options.beat);
            if self.check(core, connection)? {
                return Ok(Duration::ZERO); // what it has entered may be due before all else
            }
        }
        if self.set_back || now >= self.sweep_us {
            self.sweep_us = now + micros(SWEEP);
            let set_back = std::mem::take(&mut self.set_back);
            self.sweep(core, connection, set_back)?;
        }
        self.look_after(core, connection)?;
        let most = if self.left.is_empty() { Duration::MAX } else { BREATH };
        let Some(earliest) = earliest else {
            return Ok(most);
        };
        #[expect(clippy::cast_precision_loss, reason = "microseconds since 1970 fit into 53 bits until 2255")]
        let left = earliest - core.clock.now_us() as f64 / 1e6;
        if left > 0.0 {
            // A millisecond more, since Redis must have passed it.
            return Ok(Duration::try_from_secs_f64(left + 0.001).unwrap_or(Duration::MAX).min(most));
        }
        Ok(self.fire(core, connection)?.min(most))
    }

    /// Once for each definition.
    fn complain(&mut self, core: &Core, name: &str, definition: &str, why: &str) {
        if self.complained.len() >= COMPLAINTS {
            self.complained.clear();
        }
        if self.complained.insert((name.to_owned(), definition.to_owned())) {
            let name: String = name.chars().take(60).collect();
            core.events.log(WARNING, format!("the recurring job {name:?} in Redis does not run here: {why}"));
        }
    }
}

/// In epoch seconds.
fn first_score(reply: Reply) -> Option<f64> {
    reply.array()?.get(1)?.as_str()?.parse().ok()
}

/// None for what Redis refuses, which it does with one entry and keeps no other job waiting.
fn refused<T>(core: &Core, done: Result<T>) -> Result<Option<T>> {
    match done {
        Err(error @ Error::Reply { .. }) if !error.wants_reconnect(&core.url) => {
            core.met(&error);
            Ok(None)
        }
        other => other.map(Some),
    }
}

fn sha(bytes: &[u8]) -> String {
    sha1_smol::Sha1::from(bytes).digest().to_string()
}
