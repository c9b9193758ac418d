//! Turns what became of jobs into script calls, keeps each call until Redis has answered it, and sends it again when the answer was
//! lost: every one of them moves a job only if it removed it from its flight, so that a second time changes nothing.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use crate::clock::now_us;
use crate::events::{Event, INFO, WARNING};
use crate::flight::{CONFIRMED, Claim, Job, REFUSED, trace};
use crate::keys;
use crate::lua::{ACK, GIVE_BACK, SETTLE, script_call};
use crate::outbox::{DELAY_US, Outcome, Settled, When};
use crate::resp::Reply;
use crate::safe;
use crate::scripts::{Call, is_unknown};
use crate::shared::Core;

/// A payload that is too long goes to the dead set without being sent back: with it, one of 100 MB took 600 MB here.
const LONG: usize = 1 << 20;

/// A call on its way, and what to do when its answer is there.
pub struct Sent {
    pub call: Call,
    after: After,
}

enum After {
    /// Claims that are through, and jobs of blocking moves that are.
    Acked {
        closed: Vec<u64>,
        moved: Vec<Arc<Job>>,
        jobs: usize,
    },
    /// And how often the call has been sent.
    Settled(Settled, u32),
    GivenBack(Vec<Arc<Job>>),
    /// A claim whose answer was lost: its jobs are back in their queue.
    Disowned(Arc<Claim>),
}

/// A list and what of it is acked: None = all that is left of it.
type Acked = (Arc<Claim>, Option<Vec<Arc<Job>>>);

/// How many jobs of `held` are acked by the deletion of their claim's list.
fn held_of(held: &[Held], claim: &Claim) -> usize {
    held.iter().filter(|held| held.claim.number == claim.number).map(|held| held.jobs.len()).sum()
}

/// Acked jobs of a claim that is not yet through: they wait 5 ms for the rest, since one `DEL` is cheaper than a `LREM` each.
struct Held {
    claim: Arc<Claim>,
    jobs: Vec<Arc<Job>>,
    since_us: u64,
}

#[derive(Default)]
pub struct Writer {
    /// To be sent, or sent again.
    calls: Vec<Sent>,
    /// A few at a time, and the one that is looked for is most often the last.
    held: Vec<Held>,
    /// Claims whose last job left by a call that Redis has answered. Only then may their list be deleted whole: were the `DEL` to
    /// run before a retry's `LREM` (scripts unknown to the server run late), the retry would find nothing and the job be lost.
    closed: Vec<Arc<Claim>>,
    /// Claims under our identity that have not been acked whole.
    pub open_claims: HashSet<u64>,
}

impl Writer {
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty() && self.held.is_empty() && self.closed.is_empty()
    }

    pub fn has_calls(&self) -> bool {
        !self.calls.is_empty()
    }

    /// When the next held acks must leave.
    pub fn due_us(&self) -> Option<u64> {
        self.held.iter().map(|held| held.since_us + DELAY_US).min()
    }

    /// Makes calls of what the outbox holds; with `all`, of the held acks too.
    pub fn gather(&mut self, core: &Core, all: bool) {
        let (acks, others) = core.outbox.take();
        self.settle(core, others);
        self.ack(core, acks, all);
    }

    /// Jobs that nobody shall run here go back, the ones claimed first in front.
    pub fn give_back(&mut self, core: &Core, jobs: Vec<Arc<Job>>) {
        let settled = jobs
            .into_iter()
            .filter(|job| job.settle())
            .map(|job| Settled { job, outcome: Outcome::GiveBack { counted: false } });
        self.settle(core, settled.collect());
    }

    fn settle(&mut self, core: &Core, others: Vec<Settled>) {
        let mut back: BTreeMap<(Reverse<u64>, bool), Vec<Arc<Job>>> = BTreeMap::new();
        for settled in others {
            if let Outcome::GiveBack { counted } = settled.outcome {
                // Jobs of one claim go in one call, and those claimed last go first.
                let group = settled
                    .job
                    .claim
                    .as_ref()
                    .filter(|claim| claim.is_own_list())
                    .map_or(settled.job.order, |claim| claim.first_order);
                back.entry((Reverse(group), counted)).or_default().push(settled.job);
            } else {
                self.push(settle_call(core, &settled), After::Settled(settled, 0));
            }
        }
        for ((_, counted), mut jobs) in back {
            jobs.sort_by_key(|job| Reverse(job.order));
            if let Some(call) = give_back_call(core, &jobs, counted) {
                self.push(call, After::GivenBack(jobs));
            }
        }
    }

    fn ack(&mut self, core: &Core, acks: Vec<Arc<Job>>, all: bool) {
        let now = now_us();
        let mut loose = 0_usize;
        let mut moved: Vec<Arc<Job>> = Vec::new();
        let mut suspects = Vec::new();
        for job in acks {
            if job.mark.is_some() {
                suspects.push(job.suspect_field());
            }
            self.close(&job);
            match job.claim.clone() {
                None => loose += 1,
                Some(claim) if claim.is_own_list() => {
                    match self.held.iter_mut().rev().find(|held| held.claim.number == claim.number) {
                        Some(held) => held.jobs.push(job),
                        None => self.held.push(Held { claim, jobs: vec![job], since_us: now }),
                    }
                }
                Some(_) => moved.push(job),
            }
        }
        let mut lists: Vec<Acked> = Vec::new();
        let mut jobs = loose + moved.len();
        for claim in std::mem::take(&mut self.closed) {
            if claim.is_own_list() {
                jobs += held_of(&self.held, &claim);
                self.held.retain(|held| held.claim.number != claim.number);
                lists.push((claim, None));
            }
        }
        for held in self.held.extract_if(.., |held| all || held.since_us + DELAY_US <= now) {
            jobs += held.jobs.len();
            lists.push((held.claim, Some(held.jobs)));
        }
        for job in &moved {
            if let Some(claim) = &job.claim {
                lists.push((claim.clone(), Some(vec![job.clone()])));
            }
        }
        if loose == 0 && lists.is_empty() && suspects.is_empty() {
            return;
        }
        // One call an identity: after a lapse the acks of the old one still go to its own keys.
        let mut by_epoch: BTreeMap<u64, Vec<Acked>> = BTreeMap::new();
        for list in lists {
            by_epoch.entry(list.0.identity.epoch).or_default().push(list);
        }
        if by_epoch.is_empty() {
            by_epoch.insert(0, Vec::new());
        }
        for (_, lists) in by_epoch {
            let closed = lists.iter().filter(|(_, jobs)| jobs.is_none()).map(|(claim, _)| claim.number).collect();
            let call = ack_call(core, std::mem::take(&mut loose), &std::mem::take(&mut suspects), &lists);
            let (moved, jobs) = (std::mem::take(&mut moved), std::mem::take(&mut jobs));
            self.push(call, After::Acked { closed, moved, jobs });
        }
    }

    fn push(&mut self, call: Call, after: After) {
        self.calls.push(Sent { call, after });
    }

    /// The calls to send. Each is to come back, by `answered` or by `lost`.
    pub fn take(&mut self) -> Vec<Sent> {
        for sent in &mut self.calls {
            if let After::Settled(_, times) = &mut sent.after {
                *times += 1;
            }
        }
        std::mem::take(&mut self.calls)
    }

    /// The connection broke before the replies came: they are sent again, before all others.
    pub fn lost(&mut self, sent: Vec<Sent>) {
        self.calls.splice(..0, sent);
    }

    /// Replies to `sent`, in their order. What was refused stays for another time; answers one such refusal, and one for which something
    /// can be done rather than an unknown script.
    pub fn answered(
        &mut self,
        core: &Core,
        sent: Vec<Sent>,
        replies: impl IntoIterator<Item = Reply>,
    ) -> Option<Reply> {
        let mut refusal = None;
        for (Sent { call, after }, reply) in sent.into_iter().zip(replies) {
            if matches!(reply, Reply::Error { .. }) {
                self.push(call, after);
                if refusal.as_ref().is_none_or(is_unknown) {
                    refusal = Some(reply);
                }
            } else {
                self.finish(core, after, &reply);
            }
        }
        refusal
    }

    fn finish(&mut self, core: &Core, after: After, reply: &Reply) {
        match after {
            After::Acked { closed, moved, jobs } => {
                core.measures.acked.add(jobs);
                for number in closed {
                    self.open_claims.remove(&number);
                }
                for job in moved {
                    forget_moved(core, &job);
                }
            }
            After::Settled(settled, sent) => {
                self.close(&settled.job);
                forget_moved(core, &settled.job);
                report(core, &settled, reply.as_int() == Some(1), sent > 1);
            }
            After::GivenBack(jobs) => {
                for job in jobs {
                    self.close(&job);
                    forget_moved(core, &job);
                }
            }
            After::Disowned(claim) => self.closed.push(claim),
        }
    }

    fn close(&mut self, job: &Job) {
        if let Some(claim) = &job.claim
            && claim.open.fetch_sub(1, Ordering::AcqRel) == 1
        {
            self.closed.push(claim.clone());
        }
    }

    /// Puts jobs that lie in one of our lists though we never heard of them back to the front of their queue.
    pub fn give_back_unknown(&mut self, core: &Core, flight: Vec<u8>, number: u64, queue: usize, jobs: &[Vec<u8>]) {
        let Some(name) = core.options.queues.get(queue).map(|queue| queue.name.clone()) else { return };
        let lost = jobs.len();
        core.events.log(WARNING, format!("{lost} jobs whose claim's answer was lost go back to queue {name}"));
        let mut args = vec![name.clone().into_bytes(), b"0".to_vec(), keys::DAILY_TTL.to_vec(), b"0".to_vec()];
        for job in jobs {
            args.push(job.clone());
            args.push(Vec::new());
        }
        let call = script_call(&GIVE_BACK, give_back_keys(core, flight, &name), args);
        self.push(call, After::Disowned(Arc::new(Claim::new(&core.identity(), queue, &name, number, 0, 0))));
    }
}

fn forget_moved(core: &Core, job: &Job) {
    let Some(claim) = job.claim.as_ref().filter(|claim| !claim.is_own_list()) else { return };
    let mut moved = core.moved.lock().unwrap_or_else(PoisonError::into_inner);
    let key = (claim.identity.epoch, trace(&job.bytes));
    if let Some(count) = moved.get_mut(&key) {
        *count -= 1;
        if *count == 0 {
            moved.remove(&key);
        }
    }
}

/// `again`: the call had been sent before and its answer was lost, so that not finding the job may be our own doing. A job that was to
/// be acked before it runs is then not run: at most once.
fn report(core: &Core, settled: &Settled, found: bool, again: bool) {
    let Settled { job, outcome } = settled;
    if let Outcome::Bad { flaw } = outcome {
        let queue = core.options.queues.get(job.queue).map(|queue| queue.name.clone()).unwrap_or_default();
        core.events.push(Event::Bad { reason: flaw.clone(), queue, raw: job.clone() });
        return;
    }
    job.confirm(if found { CONFIRMED } else { REFUSED });
    drop(core.confirming.lock().unwrap_or_else(PoisonError::into_inner));
    core.confirmed.notify_all();
    if !found && !again && job.claim.is_some() {
        let jid = job.jid();
        core.events.log(
            INFO,
            format!("job {jid} was recovered by another process before its end was written here: it runs again there"),
        );
    }
}

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

fn settle_call(core: &Core, settled: &Settled) -> Call {
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

/// `jobs`, newest first, lie in one flight.
fn give_back_call(core: &Core, jobs: &[Arc<Job>], counted: bool) -> Option<Call> {
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

fn ack_call(core: &Core, loose: usize, suspects: &[String], lists: &[Acked]) -> Call {
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
