//! Payloads on their way to Redis: one pipeline, one write, and what became of each.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::connection::{ClockReading, Connection};
use crate::error::{Error, Result};
use crate::fate::{Failure, Fate};
use crate::jids::{Jid, Jids};
use crate::keys::{QUEUES, SCHEDULE, SCHEDULED_CHANNEL, queue};
use crate::pool::Pool;
use crate::resp::{Pipeline, Reply};

/// Older readings of Redis's clock are renewed by a `TIME` in the pipeline of a delayed push.
const CLOCK_AGES: Duration = Duration::from_secs(5);
/// Even older ones before it, at the price of a round trip after a minute's rest.
const CLOCK_EXPIRES: Duration = Duration::from_secs(60);
/// Redis's clock has been set when it differs by more from what its last reading lets expect.
const CLOCK_STEP: f64 = 0.25;
/// What is due sooner is announced to the schedulers, which may be asleep until the next job they know of.
const ANNOUNCED: f64 = 1.0;

/// Where a payload goes.
#[derive(Clone)]
pub enum Place {
    Queue(Arc<str>),
    /// To `schedule`, at an epoch time.
    At(f64),
    /// To `schedule`, so many seconds after `asked`, by Redis's clock.
    In {
        seconds: f64,
        asked: Instant,
    },
}

#[derive(Clone)]
pub struct Parcel {
    pub jid: Jid,
    pub place: Place,
    span: Range<usize>,
}

impl Parcel {
    fn is_relative(&self) -> bool {
        matches!(self.place, Place::In { .. })
    }
}

/// Payloads, one behind the other in one buffer.
#[derive(Clone, Default)]
pub struct Batch {
    pub bytes: Vec<u8>,
    pub parcels: Vec<Parcel>,
}

/// The parcels that one command carries.
struct Group {
    /// None: `schedule`.
    queue: Option<Arc<str>>,
    members: Vec<usize>,
}

impl Batch {
    /// Takes in the payload that was written to `bytes` since `start`.
    pub fn add(&mut self, start: usize, jid: Jid, place: Place) {
        self.parcels.push(Parcel { jid, place, span: start..self.bytes.len() });
    }

    /// Takes in a parcel of another batch.
    pub fn copy(&mut self, other: &Self, parcel: &Parcel) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(other.payload(parcel));
        self.add(start, parcel.jid.clone(), parcel.place.clone());
    }

    pub fn payload(&self, parcel: &Parcel) -> &[u8] {
        &self.bytes[parcel.span.clone()]
    }

    pub fn len(&self) -> usize {
        self.parcels.len()
    }

    pub fn is_empty(&self) -> bool {
        self.parcels.is_empty()
    }

    /// Sends it in one round trip. A refusal that a fresh connection may cure (a failover has made the server a
    /// replica, say) is tried once more, if nothing at all was accepted; so is a connection that was dead already.
    pub fn ship(&self, pool: &Pool) -> std::result::Result<(), Failure> {
        let mut lease = pool.lend().map_err(|error| self.unsent(error))?;
        let Err(first) = self.send(&mut lease, pool) else {
            return Ok(());
        };
        if first.is_curable(&pool.url) || first.error.wants_reconnect(&pool.url) {
            lease.discard();
            pool.close_idle();
        }
        if !first.is_curable(&pool.url) {
            return Err(first);
        }
        let mut lease = pool.lend().map_err(|error| self.unsent(error))?;
        self.send(&mut lease, pool)
    }

    /// Nothing of it has been sent.
    pub fn unsent(&self, error: Error) -> Failure {
        Failure { error, fates: vec![Fate::Refused; self.len()] }
    }

    /// Adds those of its jobs that have this fate.
    pub fn collect(&self, jids: &mut Jids, failure: &Failure, fate: Fate) {
        for (parcel, own) in self.parcels.iter().zip(&failure.fates) {
            if *own == fate {
                jids.add(&parcel.jid);
            }
        }
    }

    fn send(&self, connection: &mut Connection, pool: &Pool) -> std::result::Result<(), Failure> {
        let clock =
            if self.needs_clock() { current_clock(connection).map_err(|error| self.unsent(error))? } else { None };
        let groups = self.groups();
        let mut pipeline = Pipeline::new();
        let queues: Vec<&str> = groups.iter().filter_map(|group| group.queue.as_deref()).collect();
        if !queues.is_empty() {
            pipeline.begin(2 + queues.len());
            pipeline.word(b"SADD");
            pipeline.word(QUEUES);
            for name in &queues {
                pipeline.word(name.as_bytes());
            }
        }
        let mut announced: Option<f64> = None;
        for group in &groups {
            match &group.queue {
                Some(name) => self.push_to(&mut pipeline, name, &group.members),
                None => announced = self.add_to_schedule(&mut pipeline, &group.members, clock, false),
            }
        }
        if let Some(score) = announced {
            pipeline.command(&[b"PUBLISH", SCHEDULED_CHANNEL, format_score(score).as_bytes()]);
        }
        let relative = self.is_relative();
        let asks_time = clock.is_some_and(|clock| relative || clock.age() > CLOCK_AGES);
        if asks_time {
            pipeline.command(&[b"TIME"]);
        }
        if pool.replicas > 0 {
            let (replicas, patience) = (pool.replicas.to_string(), pool.patience().as_millis().to_string());
            pipeline.command(&[b"WAIT", replicas.as_bytes(), patience.as_bytes()]);
        }
        let sent = Instant::now();
        if let Err(error) = connection.send(pipeline.bytes()) {
            let fate = if matches!(error, Error::Unreachable(_)) { Fate::Refused } else { Fate::Uncertain };
            return Err(Failure { error, fates: vec![fate; self.len()] });
        }
        let outcome = self.read_replies(connection, &groups, !queues.is_empty());
        // What follows concerns no job any more, but has to be read off the line: a failure here breaks the
        // connection, which shows at its next use.
        if announced.is_some() {
            let _ = connection.receive();
        }
        // Looked at before `WAIT` is answered, which may take longer than any step of a clock.
        let mut stepped = false;
        if asks_time && let Ok(reply) = connection.receive() {
            let doubt = sent.elapsed().as_secs_f64() / 2.0;
            connection.read_clock(&reply, sent);
            let off = clock.zip(connection.clock()).map_or(0.0, |(before, now)| now.now() - before.now());
            stepped = relative && outcome.is_ok() && off.abs() > CLOCK_STEP + doubt;
        }
        let outcome = if pool.replicas == 0 { outcome } else { self.confirmed(outcome, connection.receive(), pool) };
        if let Some(clock) = connection.clock().filter(|_| stepped) {
            self.correct(connection, clock);
        }
        outcome
    }

    /// Redis's clock was set since it was last read: delays had counted from the old one. What has become due already stays that.
    fn correct(&self, connection: &mut Connection, clock: ClockReading) {
        let delayed: Vec<usize> = (0..self.len()).filter(|index| self.parcels[*index].is_relative()).collect();
        let mut pipeline = Pipeline::new();
        if let Some(score) = self.add_to_schedule(&mut pipeline, &delayed, Some(clock), true) {
            pipeline.command(&[b"PUBLISH", SCHEDULED_CHANNEL, format_score(score).as_bytes()]);
        }
        // The jobs are enqueued, whatever becomes of this; a connection that breaks here shows at its next use.
        let _ = connection.run(&pipeline);
    }

    /// What the primary has taken is enqueued for certain only when enough replicas have it too: `reply` is that to `WAIT`.
    fn confirmed(
        &self,
        outcome: std::result::Result<(), Failure>,
        reply: Result<Reply>,
        pool: &Pool,
    ) -> std::result::Result<(), Failure> {
        let error = match reply.and_then(Reply::into_result) {
            Ok(reply) => {
                let count = reply.as_int().and_then(|count| usize::try_from(count).ok()).unwrap_or(0);
                if count >= pool.replicas {
                    return outcome;
                }
                let (wanted, seconds) = (pool.replicas, pool.patience().as_secs_f64());
                let (jobs, it) = if self.len() == 1 { ("job", "it") } else { ("jobs", "them") };
                // Not `NOREPLICAS`, Redis's word for what it has not taken.
                Error::Lost(format!(
                    "the primary has the {jobs}, but only {count} of {wanted} replicas confirmed {it} within {seconds} s"
                ))
            }
            Err(error) => error,
        };
        let (error, mut fates) = match outcome {
            Ok(()) => (error, vec![Fate::Pushed; self.len()]),
            Err(failure) => (failure.error, failure.fates),
        };
        fates.iter_mut().filter(|fate| **fate == Fate::Pushed).for_each(|fate| *fate = Fate::Uncertain);
        Err(Failure { error, fates })
    }

    /// Reads one reply a group. `SADD` may be refused where the pushes are not (an ACL, say): the jobs are enqueued
    /// then, and workers find them by their own list of queues.
    fn read_replies(
        &self,
        connection: &mut Connection,
        groups: &[Group],
        with_sadd: bool,
    ) -> std::result::Result<(), Failure> {
        let mut fates = vec![Fate::Uncertain; self.len()];
        let mut refusal = None;
        if with_sadd && let Err(error) = connection.receive() {
            return Err(Failure { error, fates });
        }
        for group in groups {
            let fate = match connection.receive() {
                Ok(Reply::Error { code, message }) => {
                    refusal.get_or_insert(Error::Reply { code, message });
                    Fate::Refused
                }
                Ok(_) => Fate::Pushed,
                Err(error) => return Err(Failure { error, fates }),
            };
            group.members.iter().for_each(|index| fates[*index] = fate);
        }
        refusal.map_or(Ok(()), |error| Err(Failure { error, fates }))
    }

    fn push_to(&self, pipeline: &mut Pipeline, name: &str, members: &[usize]) {
        pipeline.begin(2 + members.len());
        pipeline.word(b"LPUSH");
        pipeline.word(&queue(name));
        for index in members {
            pipeline.word(self.payload(&self.parcels[*index]));
        }
    }

    /// Answers the earliest score when that is to be announced. `again`: only of what is still there.
    fn add_to_schedule(
        &self,
        pipeline: &mut Pipeline,
        members: &[usize],
        clock: Option<ClockReading>,
        again: bool,
    ) -> Option<f64> {
        let now = clock.map_or_else(local_time, |clock| clock.now());
        let mut earliest = f64::INFINITY;
        pipeline.begin(2 + usize::from(again) + 2 * members.len());
        pipeline.word(b"ZADD");
        pipeline.word(SCHEDULE);
        if again {
            pipeline.word(b"XX");
        }
        for index in members {
            let parcel = &self.parcels[*index];
            let score = match parcel.place {
                Place::In { seconds, asked } => now + seconds - asked.elapsed().as_secs_f64(),
                Place::At(time) => time,
                Place::Queue(_) => now,
            };
            earliest = earliest.min(score);
            pipeline.word(format_score(score).as_bytes());
            pipeline.word(self.payload(parcel));
        }
        (earliest - now < ANNOUNCED).then_some(earliest)
    }

    fn is_relative(&self) -> bool {
        self.parcels.iter().any(Parcel::is_relative)
    }

    fn needs_clock(&self) -> bool {
        self.parcels.iter().any(|parcel| !matches!(parcel.place, Place::Queue(_)))
    }

    fn groups(&self) -> Vec<Group> {
        let mut groups: Vec<Group> = Vec::with_capacity(1);
        for (index, parcel) in self.parcels.iter().enumerate() {
            let queue = match &parcel.place {
                Place::Queue(name) => Some(name),
                _ => None,
            };
            match groups.iter_mut().find(|group| group.queue.as_ref() == queue) {
                Some(group) => group.members.push(index),
                None => groups.push(Group { queue: queue.cloned(), members: vec![index] }),
            }
        }
        groups
    }
}

/// The connection's reading of Redis's clock, renewed first where it cannot be trusted. None where Redis will not say.
fn current_clock(connection: &mut Connection) -> Result<Option<ClockReading>> {
    let Some(clock) = connection.clock() else {
        return Ok(None);
    };
    if clock.is_sound() && clock.age() < CLOCK_EXPIRES {
        return Ok(Some(clock));
    }
    let sent = Instant::now();
    match connection.command(&[b"TIME"]) {
        Ok(reply) => connection.read_clock(&reply, sent),
        Err(Error::Reply { .. }) => {}
        // Only a question was lost, no job.
        Err(error) => return Err(Error::Unreachable(error.to_string())),
    }
    Ok(connection.clock())
}

/// Epoch seconds by this machine's clock.
pub fn local_time() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |elapsed| elapsed.as_secs_f64())
}

/// A score with up to six decimals and never an exponent, which Sidekiq's web pages could not split.
pub fn format_score(score: f64) -> String {
    let text = format!("{score:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_have_no_exponent() {
        assert_eq!(format_score(1_795_305_991.0), "1795305991");
        assert_eq!(format_score(1_795_305_991.439_716), "1795305991.439716");
        assert_eq!(format_score(1e17), "100000000000000000");
        assert_eq!(format_score(0.000_000_1), "0");
    }

    #[test]
    fn parcels_are_grouped_by_place_in_order() {
        let mut batch = Batch::default();
        let places = [Place::Queue("a".into()), Place::At(5.0), Place::Queue("b".into()), Place::Queue("a".into())];
        for (index, place) in places.into_iter().enumerate() {
            batch.bytes.push(b'0' + u8::try_from(index).unwrap());
            batch.add(index, Jid::Other(index.to_string()), place);
        }
        let groups: Vec<_> = batch.groups().into_iter().map(|group| (group.queue, group.members)).collect();
        assert_eq!(groups, [(Some("a".into()), vec![0, 3]), (None, vec![1]), (Some("b".into()), vec![2])]);
        assert_eq!(batch.payload(&batch.parcels[2]), b"2");
    }
}
