//! Turns what became of jobs into script calls, keeps each call until Redis has answered it, and sends it again when the answer was
//! lost: every one of them moves a job only if it removed it from its flight, so that a second time changes nothing.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use crate::calls::{self, Acked};
use crate::clock::now_us;
use crate::events::{Event, INFO, WARNING};
use crate::flight::{CONFIRMED, Claim, Job, REFUSED};
use crate::outbox::{DELAY_US, Outcome, Settled};
use crate::resp::Reply;
use crate::scripts::{Call, is_unknown};
use crate::shared::Core;

/// A call on its way, and what to do when its answer is there.
pub struct Sent {
    pub call: Call,
    after: After,
}

impl Sent {
    pub fn gives_back_to(&self, queue: usize) -> bool {
        matches!(&self.after, After::GivenBack(jobs) if jobs.first().is_some_and(|job| job.queue == queue))
    }
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

    /// Whether jobs of `queue` are still to go back there.
    pub fn gives_back_to(&self, queue: usize) -> bool {
        self.calls.iter().any(|sent| sent.gives_back_to(queue))
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
                self.push(calls::settle(core, &settled), After::Settled(settled, 0));
            }
        }
        for ((_, counted), mut jobs) in back {
            jobs.sort_by_key(|job| Reverse(job.order));
            if let Some(call) = calls::give_back(core, &jobs, counted) {
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
            let call = calls::ack(core, std::mem::take(&mut loose), &std::mem::take(&mut suspects), &lists);
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
                    core.moved.forget(&job);
                }
            }
            After::Settled(settled, sent) => {
                self.close(&settled.job);
                core.moved.forget(&settled.job);
                report(core, &settled, reply.as_int() == Some(1), sent > 1);
            }
            After::GivenBack(jobs) => {
                for job in jobs {
                    self.close(&job);
                    core.moved.forget(&job);
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
        let call = calls::give_back_unknown(core, flight, &name, jobs);
        self.push(call, After::Disowned(Arc::new(Claim::new(&core.identity(), queue, &name, number, 0, 0))));
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
