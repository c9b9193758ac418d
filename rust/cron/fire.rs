//! Firing ticks: what is due is read, a payload made, and one script does the rest for whoever comes first.

use std::time::Duration;

use crate::clock::{self, redis_us};
use crate::connection::Connection;
use crate::cron::definition::{Definition, MAX_BYTES, Unfit, milliseconds, score};
use crate::cron::plan::{self, MOST, Next, Step};
use crate::cron::{BREATH, Cron, SHARE_US, refused, sha};
use crate::error::{Error, Result};
use crate::events::WARNING;
use crate::jids;
use crate::keys;
use crate::lua::{CRON_DUE, CRON_MOVE, CRON_TICK, script_call};
use crate::resp::Reply;
use crate::scripts::{Call, run_pipeline};
use crate::shared::Core;

/// Entries, and bytes of definitions, that one look takes.
const BATCH: &[u8] = b"1000";
const BYTES: &[u8] = b"4194304";
/// Until the next look when what is due is nobody's, or not ours.
const LATER: Duration = Duration::from_secs(1);
const HISTORY: &[u8] = b"100";

/// One entry that is due, as Redis has it.
pub struct Due {
    pub name: Vec<u8>,
    pub score: String,
    /// Or how long it is, where it is too long or there is none.
    pub raw: std::result::Result<Vec<u8>, i64>,
}

/// What a look found.
pub struct Found {
    pub now_us: i64,
    pub later: Option<i64>,
    pub due: Vec<Due>,
}

/// Reads the answer of `cron_due.lua`.
pub fn found(reply: Reply) -> Option<Found> {
    let parts = reply.array()?;
    let now_us = redis_us(&parts)?;
    let mut parts = parts.into_iter().skip(2);
    let later = parts.next()?.as_str().and_then(milliseconds);
    let mut due = Vec::new();
    while let (Some(name), Some(score), Some(raw)) = (parts.next(), parts.next(), parts.next()) {
        let raw = match raw {
            Reply::Int(length) => Err(length),
            other => Ok(other.bytes()?),
        };
        let score = score.as_str()?.to_owned();
        due.push(Due { name: name.bytes()?, score, raw });
    }
    Some(Found { now_us, later, due })
}

impl Cron {
    /// Tries to fire all that is due and ours; answers how long nothing more will be due.
    pub fn fire(&mut self, core: &Core, connection: &mut Connection) -> Result<Duration> {
        let reply = CRON_DUE.run(
            connection,
            &[keys::CRON_NEXT, keys::CRON],
            &[BATCH, MAX_BYTES.to_string().as_bytes(), BYTES, self.passed.to_string().as_bytes()],
        )?;
        let Some(Found { now_us, later, due }) = found(reply) else {
            return Err(Error::Protocol("the look for recurring jobs was answered with something else".into()));
        };
        self.observe(now_us);
        core.clock.observe(now_us);
        let (mut calls, mut seen, until) = (Vec::new(), 0, clock::now_us() + SHARE_US);
        for due in due.iter().take_while(|_| clock::now_us() < until) {
            seen += 1;
            calls.extend(self.call(core, connection, due, now_us / 1_000)?);
        }
        if let Some(wait) = outcome(core, run_pipeline(connection, &calls)?)? {
            return Ok(wait);
        }
        // What cannot be done anything about, of however many entries, keeps none behind it waiting.
        self.passed = if seen == 0 { 0 } else { self.passed + seen };
        if seen > 0 {
            return Ok(Duration::ZERO);
        }
        let left = later.map(|later| later.saturating_sub(now_us / 1_000).saturating_add(1));
        let wait = left.and_then(|left| u64::try_from(left).ok()).map_or(Duration::MAX, Duration::from_millis);
        Ok(wait.min(LATER))
    }

    fn call(&mut self, core: &Core, connection: &mut Connection, due: &Due, now: i64) -> Result<Option<Call>> {
        let name = String::from_utf8_lossy(&due.name);
        let raw = match &due.raw {
            Ok(raw) => raw,
            Err(0) => return Ok(Some(dropped(due, 0))),
            Err(length) => {
                self.complain(core, &name, &length.to_string(), "its definition is too long to be one");
                return Ok(Some(dropped(due, *length)));
            }
        };
        let definition = match Definition::parse(raw) {
            Ok(definition) if definition.name.as_bytes() == due.name => definition,
            Ok(_) => return Ok(Some(self.broken(core, due, raw, "its definition names another one"))),
            Err(Unfit::Broken(why)) => return Ok(Some(self.broken(core, due, raw, &why))),
            Err(Unfit::Strange(why)) => {
                self.complain(core, &name, &sha(raw), &why);
                return Ok(None);
            }
        };
        let holder = if definition.is_api {
            String::new()
        } else if self.holds(&name, raw) {
            core.identity().name.clone()
        } else {
            self.contest(core, connection, &name)?; // whoever held it may be gone
            return Ok(None);
        };
        if !definition.enabled {
            return Ok(Some(dropped(due, i64::try_from(raw.len()).unwrap_or(0))));
        }
        let Some(at) = milliseconds(&due.score) else { return Ok(None) };
        let step = plan::step(&definition, at, now, plan::grace(core.options.lease));
        if step.dropped {
            let text = format!("{name:?} has missed more ticks than {MOST}: only the latest are made up for");
            core.events.log(WARNING, format!("the recurring job {text}"));
        }
        Ok(Some(tick(core, due, &definition, &holder, &step, now)?))
    }

    /// Nobody can run it, so it has no tick to come.
    fn broken(&mut self, core: &Core, due: &Due, raw: &[u8], why: &str) -> Call {
        self.complain(core, &String::from_utf8_lossy(&due.name), &sha(raw), why);
        dropped(due, i64::try_from(raw.len()).unwrap_or(0))
    }
}

/// How long until the next look after these answers of scripts; None when all is as it was.
fn outcome(core: &Core, replies: Vec<Reply>) -> Result<Option<Duration>> {
    let mut wait = None;
    for reply in replies {
        wait = wait.max(match refused(core, reply.into_result())? {
            Some(Reply::Int(done)) if done > 0 => Some(Duration::ZERO),
            // Somebody else was first: what comes next is to be read.
            Some(Reply::Int(_)) => Some(BREATH),
            // Fenced, until a beat enters us anew; or refused: its queue is no list, say.
            _ => None,
        });
    }
    Ok(wait)
}

fn dropped(due: &Due, length: i64) -> Call {
    let args = vec![due.name.clone(), due.score.clone().into(), length.to_string().into(), Vec::new()];
    script_call(&CRON_MOVE, vec![keys::CRON.to_vec(), keys::CRON_NEXT.to_vec()], args)
}

fn tick(core: &Core, due: &Due, definition: &Definition, holder: &str, step: &Step, now: i64) -> Result<Call> {
    let jid = jids::random(1)?[0];
    let payload =
        if step.pushes() { definition.payload(&jid, now, step.tick, core.options.compat) } else { Vec::new() };
    let (next, after) = match step.next {
        Next::None => (String::new(), String::new()),
        Next::At(at) => (score(at), String::new()),
        Next::In(length) => (String::new(), score(length)),
    };
    let keys: [&[u8]; 7] = [
        &keys::queue(&definition.queue),
        keys::QUEUES,
        keys::CRON,
        keys::CRON_NEXT,
        keys::CRON_PAUSED,
        &keys::cron_history(&definition.name),
        keys::ALIVE,
    ];
    let (digest, at) = (sha(&definition.raw), score(step.tick));
    let args: [&[u8]; 12] = [
        &due.name,
        due.score.as_bytes(),
        digest.as_bytes(),
        holder.as_bytes(),
        next.as_bytes(),
        after.as_bytes(),
        &payload,
        definition.queue.as_bytes(),
        &jids::hex(&jid),
        at.as_bytes(),
        step.how.as_bytes(),
        HISTORY,
    ];
    Ok(script_call(&CRON_TICK, keys.map(<[u8]>::to_vec).to_vec(), args.map(<[u8]>::to_vec).to_vec()))
}
