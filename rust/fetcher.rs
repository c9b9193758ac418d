//! The fetcher thread: writes what became of jobs, claims new ones where there is room, and lets waiters wait when there are none.
//!
//! 1. Writes acks within 5 ms, all else at once, in the same trip as the next claim.
//! 2. Claims batches while there is room and the last claim found something.
//! 3. Arms a waiter for each queue when nothing is left to claim.
//! 4. Gives back what nobody has begun 50 ms after its claim, and everything when it is told to be quiet.
//! 5. After a lost connection, looks for jobs that it claimed without hearing of it.
//!
//! While Redis runs one claim, the jobs of the claim before are read and handed over: the two take about as long as each other.

use std::collections::HashSet;
use std::sync::atomic::{Ordering, fence};
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::Duration;

use crate::claims::{self, Dice, KIND_MEMORY_US, Kinds, Share};
use crate::clock::now_us;
use crate::connection::Connection;
use crate::error::Result;
use crate::events::WARNING;
use crate::flight::{Claim, Identity};
use crate::intake;
use crate::keys;
use crate::lists::Lists;
use crate::lua::{CLAIM, command, script_call};
use crate::poison::Mark;
use crate::predecessor::Client;
use crate::resp::Reply;
use crate::scripts::{self, Call};
use crate::shared::{Core, Phase, micros, unpark};
use crate::threads::Backoff;
use crate::waiter::{Post, Waiter};
use crate::writer::Writer;

/// What has not begun so long after its claim goes back to the front of its queue.
const HOARD_US: u64 = 50_000;
/// Queues past the 16th have no waiter: they are looked at this often.
const POLL_US: u64 = 1_000_000;
/// One queue's part of a claim: its list is called by the number.
struct Asked {
    queue: usize,
    most: usize,
    number: u64,
}

/// What a claim brought, as it came.
struct Catch {
    claim: Claim,
    payloads: Vec<Vec<u8>>,
    marks: Vec<Option<Mark>>,
}

pub struct Fetcher<'a> {
    core: &'a Core,
    waiters: &'a [Arc<Waiter>],
    connection: Option<Connection>,
    client: Client,
    writer: Writer,
    /// Claimed and not yet handed over.
    catches: Vec<Catch>,
    kinds: Kinds,
    dice: Dice,
    epoch: u64,
    /// The number of confirmed beats at which Redis did not know us: the next one tells under which name we go on.
    fenced: Option<u64>,
    /// By queue: the last look found something, or something has changed since, so that it is worth another look.
    hot: Vec<bool>,
    paused: HashSet<String>,
    poll_us: u64,
    lists: Lists,
    unblock_us: u64,
    refused_us: u64,
    backoff: Backoff,
}

impl<'a> Fetcher<'a> {
    pub fn new(core: &'a Core, waiters: &'a [Arc<Waiter>]) -> Self {
        Self {
            core,
            waiters,
            connection: None,
            client: Client::default(),
            writer: Writer::default(),
            catches: Vec::new(),
            kinds: Kinds::new(core.options.queues.len()),
            dice: Dice::new(),
            epoch: 0,
            fenced: None,
            hot: vec![true; core.options.queues.len()],
            paused: HashSet::new(),
            poll_us: 0,
            lists: Lists::new(core.options.reliable),
            unblock_us: 0,
            refused_us: 0,
            backoff: Backoff::new(),
        }
    }

    pub fn run(&mut self) {
        loop {
            let phase = self.core.phase();
            if self.step(phase) {
                self.waiters.iter().for_each(|waiter| waiter.end(self.core));
                return;
            }
        }
    }

    /// One round; true when all is written and the server stops.
    fn step(&mut self, phase: Phase) -> bool {
        let core = self.core;
        let now = now_us();
        self.notice_changes(now);
        if phase != Phase::Running {
            self.hand_over();
        }
        self.take_back(phase, now);
        // Before the box is emptied: who looks at both sees one of them in use until all is written.
        core.calm.store(false, Ordering::Release);
        core.written.store(false, Ordering::Release);
        self.writer.gather(core, phase != Phase::Running);
        core.written.store(self.writer.is_empty(), Ordering::Release);
        let shares = if self.may_claim(phase) { claims::shares(core, &self.kinds, self.coming()) } else { Vec::new() };
        let unblock = self.place_waiters(phase, &shares, now);
        let room = shares.clone();
        let shares: Vec<Share> = if core.options.reliable {
            shares.into_iter().filter(|share| self.hot[share.queue]).collect()
        } else {
            Vec::new()
        };
        let check = phase == Phase::Running && now >= self.lists.due_us;
        if self.writer.has_calls() || !shares.is_empty() || !unblock.is_empty() || check {
            if now >= self.refused_us {
                self.trip(&shares, &unblock);
                return false;
            }
        } else if !self.catches.is_empty() {
            self.hand_over();
            return false;
        } else if phase != Phase::Running && self.writer.is_empty() && core.outbox.is_empty() {
            let calm = !self.waiters.iter().any(|waiter| waiter.is_blocked());
            core.calm.store(calm, Ordering::Release);
            if !core.outbox.is_empty() {
                core.calm.store(false, Ordering::Release); // settled while we looked
                return false;
            }
            if calm && phase == Phase::Stopped {
                return true;
            }
        }
        self.hand_over();
        if phase == Phase::Stopped && now >= core.stop_by_us.load(Ordering::Acquire) {
            self.warn_left();
            return true;
        }
        self.park(phase, &room);
        false
    }

    fn may_claim(&self, phase: Phase) -> bool {
        phase == Phase::Running && self.core.lease_holds() && self.fenced != Some(self.core.beats())
    }

    fn notice_changes(&mut self, now: u64) {
        let identity = self.core.identity();
        if identity.epoch != self.epoch {
            self.epoch = identity.epoch;
            self.writer.open_claims.clear();
            self.lists.forget();
            let mut moved = self.core.moved.lock().unwrap_or_else(PoisonError::into_inner);
            moved.retain(|(epoch, _), _| *epoch == identity.epoch);
            self.hot.fill(true);
        }
        let paused = self.core.paused.lock().unwrap_or_else(PoisonError::into_inner);
        if *paused != self.paused {
            self.paused.clone_from(&paused);
            self.hot.fill(true);
        }
        drop(paused);
        if now >= self.poll_us && self.core.options.queues.len() > self.waiters.len() {
            self.poll_us = now + POLL_US;
            self.hot[self.waiters.len()..].fill(true);
        }
        for (hot, came_back) in self.hot.iter_mut().zip(&self.core.came_back) {
            *hot |= came_back.swap(false, Ordering::AcqRel);
        }
        if self.core.doubt.swap(false, Ordering::AcqRel) {
            self.lists.doubt();
        }
    }

    fn take_back(&mut self, phase: Phase, now: u64) {
        let jobs = match phase {
            Phase::Running => self.core.ready.withdraw(Some(now.saturating_sub(HOARD_US))),
            _ => self.core.ready.withdraw(None),
        };
        if phase == Phase::Running && self.core.options.queues.len() > 1 && !self.core.options.weighted() {
            let most = [self.core.options.concurrency, self.core.options.async_concurrency];
            let jobs = self.core.ready.withdraw_overtaking(most);
            self.writer.give_back(self.core, jobs);
        }
        if phase == Phase::Running {
            // They waited for longer than a prefetch should take: the estimate was wrong.
            for job in &jobs {
                self.core.observe_duration(job.queue, HOARD_US);
            }
        }
        self.writer.give_back(self.core, jobs);
    }

    /// Arms the waiters of queues that have room and nothing to claim, and calls the others back. Answers whom to unblock.
    fn place_waiters(&mut self, phase: Phase, shares: &[Share], now: u64) -> Vec<i64> {
        let mut unblock = Vec::new();
        let mut stubborn = false;
        for waiter in self.waiters {
            let wanted = match waiter.post {
                Post::Move(queue) => {
                    let name = self.core.options.queues.get(queue).map_or("", |queue| &queue.name);
                    let room = shares.iter().any(|share| share.queue == queue);
                    room && !self.hot[queue] && !self.paused.contains(name)
                }
                Post::Pop => !shares.is_empty(),
            };
            if wanted && phase == Phase::Running {
                waiter.arm();
            } else if waiter.is_armed() || waiter.is_blocked() {
                stubborn = true;
                if now >= self.unblock_us {
                    unblock.extend(waiter.disarm());
                    waiter.wake();
                }
            }
        }
        if stubborn && now >= self.unblock_us {
            // One that was about to block when it was called is called again.
            self.unblock_us = now + 20_000;
        }
        unblock
    }

    fn trip(&mut self, shares: &[Share], unblock: &[i64]) {
        let Err(error) = self.try_trip(shares, unblock) else {
            self.backoff.reset();
            return;
        };
        // Also when a reply could not be used: what a claim brought is then looked for in our lists.
        self.lists.doubt();
        if self.core.met(&error) {
            self.connection = None;
            self.core.shut_down(|name| name == "fetch");
        }
        self.refused_us = now_us() + micros(self.backoff.pause());
    }

    fn try_trip(&mut self, shares: &[Share], unblock: &[i64]) -> Result<()> {
        self.connect()?;
        if now_us() >= self.lists.due_us
            && let Some(connection) = self.connection.as_mut()
        {
            self.lists.check(self.core, connection, &mut self.writer)?;
        }
        let identity = self.core.identity();
        // A name that was taken up since the round began is looked at in the next one.
        let claim = (!shares.is_empty() && identity.epoch == self.epoch).then(|| self.claim_call(&identity, shares));
        let claims = claim.is_some();
        let mut extra: Vec<Call> =
            unblock.iter().map(|client| command(&[b"CLIENT", b"UNBLOCK", client.to_string().as_bytes()])).collect();
        let (claim_call, claimed) = claim.map_or((None, Vec::new()), |(call, claimed)| (Some(call), claimed));
        extra.extend(claim_call);
        let Some(connection) = self.connection.as_mut() else { return Ok(()) };
        let sent = now_us();
        let calls: Vec<&Call> = self.writer.calls().chain(&extra).collect();
        scripts::send(connection, &calls)?;
        hand_over(self.core, &mut self.catches, &mut self.kinds);
        let mut replies = scripts::receive(connection, &calls)?;
        let trip = now_us().saturating_sub(sent);
        self.core.trip_us.store((self.core.trip_us.load(Ordering::Relaxed) * 7 + trip) / 8, Ordering::Relaxed);
        let mut extra = replies.split_off(replies.len() - extra.len());
        let refusal = self.writer.answered(self.core, replies);
        if claims && let Some(reply) = extra.pop() {
            let room = shares.iter().map(|share| share.most).max().unwrap_or(0);
            self.claimed(&identity, &claimed, room, reply)?;
        }
        // Said once a minute, and tried again after a pause. Nothing is lost, since nothing was removed.
        refusal.map_or(Ok(()), |reply| reply.into_result().map(|_| ()))
    }

    fn connect(&mut self) -> Result<()> {
        if self.connection.is_none() {
            let mut connection = self.core.connect("fetch")?;
            self.client = Client::succeed(&self.client, &mut connection)?;
            self.connection = Some(connection);
        }
        Ok(())
    }

    /// Queue, name and list of each claim in the call.
    fn claim_call(&mut self, identity: &Arc<Identity>, shares: &[Share]) -> (Call, Vec<Asked>) {
        let weights: Vec<u32> = shares
            .iter()
            .map(|share| self.core.options.queues.get(share.queue).map_or(0, |queue| queue.weight))
            .collect();
        let mut all =
            vec![keys::ALIVE.to_vec(), keys::PAUSED.to_vec(), keys::SUSPECTS.to_vec(), keys::flights(&identity.name)];
        let most = shares.iter().map(|share| share.most).max().unwrap_or(0);
        let mut args = vec![
            identity.name.clone().into_bytes(),
            most.to_string().into_bytes(),
            keys::MOST_BYTES.to_string().into_bytes(),
        ];
        let mut claimed = Vec::with_capacity(shares.len());
        let bounds: Vec<usize> = shares.iter().map(|share| share.most).collect();
        let parts =
            if self.core.options.weighted() { claims::apportion(&bounds, &weights, &mut self.dice) } else { bounds };
        for at in claims::order(&weights, &mut self.dice) {
            let (Some(share), number) = (shares.get(at), self.core.claims.fetch_add(1, Ordering::Relaxed) + 1) else {
                continue;
            };
            let Some(queue) = self.core.options.queues.get(share.queue) else {
                continue;
            };
            all.push(keys::queue(&queue.name));
            all.push(keys::flight(&identity.name, &queue.name, number));
            args.push(keys::flight_member(&queue.name, number).into_bytes());
            args.push(parts[at].to_string().into_bytes());
            claimed.push(Asked { queue: share.queue, most: parts[at], number });
        }
        (script_call(&CLAIM, all, args), claimed)
    }

    fn claimed(&mut self, identity: &Arc<Identity>, claimed: &[Asked], mut room: usize, reply: Reply) -> Result<()> {
        let reply = reply.into_result()?;
        if reply.as_str() == Some("FENCED") {
            // The heartbeat finds out the same and takes a new name; until then nothing is claimed.
            self.fenced = Some(self.core.beats());
            unpark(&self.core.threads.heartbeat);
            return Ok(());
        }
        let mut batches = reply.array().unwrap_or_default().into_iter();
        let suspects = batches.next().is_some_and(|reply| reply.as_int() != Some(0));
        let mut found = vec![0; claimed.len()];
        for batch in batches {
            let mut items = batch.array().unwrap_or_default().into_iter();
            let index = items.next().and_then(|index| index.as_int()).and_then(|index| usize::try_from(index).ok());
            let Some((index, asked)) = index.and_then(|index| Some((index, claimed.get(index)?))) else {
                continue;
            };
            let payloads = intake::byte_strings(items);
            found[index] = payloads.len();
            let marks = match self.connection.as_mut() {
                Some(connection) if suspects => intake::marks(self.core, connection, &payloads)?,
                _ => Vec::new(),
            };
            // Not before: a claim that broke off here is found by the next look at our lists and given back.
            self.writer.open_claims.insert(asked.number);
            let name = self.core.options.queues.get(asked.queue).map_or("", |queue| &queue.name);
            let order = self.core.order.fetch_add(1, Ordering::Relaxed);
            let claim = Claim::new(identity, asked.queue, name, asked.number, order, payloads.len());
            self.catches.push(Catch { claim, payloads, marks });
        }
        for (asked, found) in claimed.iter().zip(found) {
            // A queue that was not asked, since chance passed it over or those before it filled the room, may hold jobs.
            self.hot[asked.queue] = found > 0 || room == 0 || asked.most == 0;
            room = room.saturating_sub(found);
        }
        Ok(())
    }

    /// Sleeps until somebody calls or something is due.
    fn park(&mut self, phase: Phase, room: &[Share]) {
        let core = self.core;
        let now = now_us();
        let mut until = now + 60_000_000;
        if !core.outbox.is_empty() {
            until = now;
        }
        if let Some(due) = self.writer.due_us() {
            until = until.min(due);
        }
        if let Some(oldest) = core.ready.lock().oldest_us() {
            until = until.min(oldest + HOARD_US);
        }
        if phase == Phase::Running {
            until = until.min(self.lists.due_us);
            if core.options.queues.len() > self.waiters.len() {
                until = until.min(self.poll_us);
            }
        }
        if core.has_async && room.len() < core.options.queues.len() {
            until = until.min(now + KIND_MEMORY_US);
        }
        if self.unblock_us > now {
            until = until.min(self.unblock_us);
        }
        until = until.min(core.stop_by_us.load(Ordering::Acquire));
        until = until.max(self.refused_us.min(now + 1_000_000));
        if room.len() < core.options.queues.len() {
            claims::publish_low_water(core, room);
            core.wants_room.store(true, Ordering::SeqCst);
            fence(Ordering::SeqCst);
            // Room that was made since the last look, by somebody who did not yet see that we want it, would wake nobody.
            let more = |share: &Share| !room.iter().any(|known| known.queue == share.queue);
            if self.may_claim(phase) && claims::shares(core, &self.kinds, 0).iter().any(more) {
                core.wants_room.store(false, Ordering::Release);
                return;
            }
        }
        if until > now {
            thread::park_timeout(Duration::from_micros(until - now));
        }
        core.wants_room.store(false, Ordering::Release);
    }

    fn coming(&self) -> usize {
        self.catches.iter().map(|catch| catch.payloads.len()).sum()
    }

    fn hand_over(&mut self) {
        hand_over(self.core, &mut self.catches, &mut self.kinds);
    }

    fn warn_left(&self) {
        if !self.writer.is_empty() {
            self.core.events.log(WARNING, "stopped before all acks were written: these jobs run again elsewhere");
        }
    }
}

/// Makes jobs of what claims brought and hands them to the threads. Under another name than ours they are not ours any more: whoever buried
/// that name puts them back.
fn hand_over(core: &Core, catches: &mut Vec<Catch>, kinds: &mut Kinds) {
    for Catch { claim, payloads, marks } in catches.drain(..) {
        if claim.identity.epoch != core.identity().epoch {
            continue;
        }
        let queue = claim.queue;
        let jobs = intake::jobs(core, payloads, queue, Some(&Arc::new(claim)), marks);
        let now = now_us();
        for job in &jobs {
            kinds.saw(queue, job.is_async, now);
        }
        core.deliver(jobs);
    }
}
