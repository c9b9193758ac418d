//! The fetcher thread: writes what became of jobs, claims new ones where there is room, and lets waiters wait when there are none.
//!
//! 1. Writes acks within 5 ms, all else at once, in the same trip as the next claim.
//! 2. Claims batches while there is room and the last claim found something.
//! 3. Arms a waiter for each queue when nothing is left to claim.
//! 4. Gives back what nobody has begun 45 ms after its claim, and everything when it is told to be quiet.
//! 5. After a lost connection, looks for jobs that it claimed without hearing of it.
//!
//! Several trips may be under way at once: while Redis runs one claim, the jobs of the claim before are read and handed over, which takes
//! about as long; and a Redis far away is asked again before it has answered.

use std::sync::Arc;
use std::time::Duration;

use crate::claims::{self, Dice, KIND_MEMORY_US, Kinds, Share};
use crate::clock::now_us;
use crate::connection::Connection;
use crate::error::{Error, Result};
use crate::events::WARNING;
use crate::hoard::Hoard;
use crate::intake;
use crate::lists::Lists;
use crate::lua::command;
use crate::parked::unpark;
use crate::phase::Phase;
use crate::predecessor::Client;
use crate::prospects::Prospects;
use crate::resp::Reply;
use crate::scripts::{self, Call, is_unknown};
use crate::shared::{Core, micros};
use crate::sync::atomic::Ordering;
use crate::sync::thread;
use crate::threads::Backoff;
use crate::trip::{self, Asking, Catch, Trip};
use crate::waiter::Waiter;
use crate::waiters::Waiters;
use crate::way::Way;
use crate::writer::Writer;

/// So many trips may be under way at once: with claims of 500 jobs and 10 ms to Redis and back, 800,000 jobs a second.
const UNDER_WAY: usize = 16;

pub struct Fetcher<'a> {
    core: &'a Core,
    waiters: Waiters<'a>,
    connection: Option<Connection>,
    client: Client,
    writer: Writer,
    way: Way,
    /// Redis does not know our scripts: the next trip carries their sources.
    whole: bool,
    kinds: Kinds,
    dice: Dice,
    epoch: u64,
    /// The number of confirmed beats at which Redis did not know us: the next one tells under which name we go on.
    fenced: Option<u64>,
    prospects: Prospects,
    hoard: Hoard,
    lists: Lists,
    refused_us: u64,
    backoff: Backoff,
}

impl<'a> Fetcher<'a> {
    pub fn new(core: &'a Core, waiters: &'a [Arc<Waiter>]) -> Self {
        Self {
            core,
            waiters: Waiters::new(waiters),
            connection: None,
            client: Client::default(),
            writer: Writer::default(),
            way: Way::default(),
            whole: false,
            kinds: Kinds::new(core.options.queues.len()),
            dice: Dice::new(),
            epoch: 0,
            fenced: None,
            prospects: Prospects::new(core, waiters.len()),
            hoard: Hoard::default(),
            lists: Lists::new(core.options.reliable),
            refused_us: 0,
            backoff: Backoff::new(),
        }
    }

    pub fn run(&mut self) {
        loop {
            let phase = self.core.phase();
            if self.step(phase) {
                self.waiters.end(self.core);
                return;
            }
        }
    }

    /// One round; true when all is written and the server stops.
    fn step(&mut self, phase: Phase) -> bool {
        let core = self.core;
        let now = now_us();
        self.notice_changes(now);
        let has_all = || !self.way.brings_any() && self.waiters.are_back();
        if self.hoard.take_back(core, &mut self.writer, phase, now, has_all) && core.is_serial() {
            self.prospects.heat(); // a claim follows them on their way, a waiter might be there first
        }
        // Before the box is emptied: who looks at both sees one of them in use until all is written.
        core.calm.store(false, Ordering::Release);
        core.written.store(false, Ordering::Release);
        self.writer.gather(core, phase != Phase::Running);
        core.written.store(self.is_done(), Ordering::Release);
        let room = self.room(phase);
        let unblock = self.waiters.place(core, phase, &self.prospects, &self.way, &room, now);
        let shares = self.shares(phase);
        let check = phase != Phase::Stopped && now >= self.lists.due_us;
        let wanted = self.writer.has_calls() || !shares.is_empty() || !unblock.is_empty() || check;
        // The look at our lists must know all that has been claimed.
        let hindered = check && !self.way.is_empty();
        let departs = wanted && !hindered && self.way.trips.len() < UNDER_WAY && now >= self.refused_us;
        if departs {
            let departed = self.depart(&shares, &unblock, check);
            self.see(departed);
        }
        if !self.way.catches.is_empty() {
            let handed_over = self.hand_over();
            self.see(handed_over);
            return false;
        }
        if departs {
            return false;
        }
        if let Some(trip) = self.way.trips.pop_front() {
            let arrived = self.arrive(trip);
            self.see(arrived);
            return false;
        }
        if phase != Phase::Running && self.is_done() && core.outbox.is_empty() {
            let looked = phase == Phase::Stopped || now < self.lists.due_us;
            let calm = looked && self.waiters.are_away();
            if calm && core.ready.lock().any_waiting() {
                return false; // handed over by a waiter since the round began: it goes back first
            }
            core.calm.store(calm, Ordering::Release);
            if !core.outbox.is_empty() {
                core.calm.store(false, Ordering::Release); // settled while we looked
                return false;
            }
            if calm && phase == Phase::Stopped {
                return true;
            }
        }
        if phase == Phase::Stopped && now >= core.stop_by_us.load(Ordering::Acquire) {
            self.warn_left();
            return true;
        }
        self.park(phase, &room);
        false
    }

    /// All that was given to it is written and answered, and all that was claimed is handed over.
    fn is_done(&self) -> bool {
        self.writer.is_empty() && self.way.is_empty()
    }

    /// The queues with room for jobs that wait there. What is claimed and on its way has its room already; but it may be less than was asked
    /// for, and so no waiter is called back for it.
    fn room(&self, phase: Phase) -> Vec<Share> {
        if !self.may_claim(phase) {
            return Vec::new();
        }
        claims::shares(self.core, &self.kinds, self.way.caught(), |_| true)
    }

    /// Those to claim from: of others nothing is known to wait, or a waiter may be about to bring what waited before.
    fn shares(&self, phase: Phase) -> Vec<Share> {
        if !self.may_claim(phase) {
            return Vec::new();
        }
        let coming = self.way.caught() + self.way.coming();
        let goes_back = |queue| self.writer.gives_back_to(queue) || self.way.gives_back_to(queue);
        let may = |queue: usize| {
            let is_free = self.waiters.is_away(queue) && !(self.core.is_serial() && goes_back(queue));
            self.prospects.is_hot(queue) && is_free
        };
        claims::shares(self.core, &self.kinds, coming, may)
    }

    fn may_claim(&self, phase: Phase) -> bool {
        phase == Phase::Running
            && !self.hoard.recalls
            && self.core.lease_holds()
            && self.fenced != Some(self.core.beats())
    }

    fn notice_changes(&mut self, now: u64) {
        let identity = self.core.identity();
        if identity.epoch != self.epoch {
            self.epoch = identity.epoch;
            self.writer.open_claims.clear();
            self.lists.forget();
            self.core.moved.keep_only(identity.epoch);
            self.prospects.heat();
        }
        self.prospects.notice(self.core, now);
        if self.core.doubt.swap(false, Ordering::AcqRel) {
            self.lists.doubt();
        }
    }

    /// What a step came to: after a failure nothing is sent for a moment.
    fn see(&mut self, outcome: Result<()>) {
        let Err(error) = outcome else { return };
        // Also when a reply could not be used: what a claim brought is then looked for in our lists.
        self.lists.doubt();
        if self.core.met(&error) {
            self.connection = None;
            self.core.shut_down(|name| name == "fetch");
            while let Some(trip) = self.way.trips.pop_back() {
                self.writer.lost(trip.calls);
            }
        }
        self.refused_us = now_us() + micros(self.backoff.pause());
    }

    fn depart(&mut self, shares: &[Share], unblock: &[i64], check: bool) -> Result<()> {
        self.connect()?;
        let Some(connection) = self.connection.as_mut() else { return Ok(()) };
        if check {
            self.lists.check(self.core, connection, &mut self.writer)?;
        }
        let identity = self.core.identity();
        // A name that was taken up since the round began is looked at in the next one.
        let claim = (!shares.is_empty() && identity.epoch == self.epoch)
            .then(|| trip::ask(self.core, &identity, shares, &mut self.dice));
        let (claim_call, asking) = claim.unzip();
        let extra: Vec<Call> = unblock
            .iter()
            .map(|client| command(&[b"CLIENT", b"UNBLOCK", client.to_string().as_bytes()]))
            .chain(claim_call)
            .collect();
        let calls = self.writer.take();
        let all: Vec<&Call> = calls.iter().map(|sent| &sent.call).chain(&extra).collect();
        let sent = scripts::send(connection, &all, std::mem::take(&mut self.whole));
        let alone = self.way.trips.is_empty();
        let trip = Trip { sent_us: now_us(), alone, calls, unblocks: unblock.len(), asking };
        if trip.replies() > 0 {
            self.way.trips.push_back(trip);
        }
        sent
    }

    fn arrive(&mut self, mut trip: Trip) -> Result<()> {
        let received = match self.connection.as_mut() {
            Some(connection) => connection.receive_all(trip.replies()),
            None => Err(Error::Unreachable("no connection".into())),
        };
        let mut replies = match received {
            Ok(replies) => replies,
            Err(error) => {
                self.way.trips.push_front(trip);
                return Err(error);
            }
        };
        if trip.alone {
            self.core.measures.observe_trip(now_us().saturating_sub(trip.sent_us));
        }
        let claimed = trip.asking.is_some().then(|| replies.pop()).flatten();
        let refusal = self.writer.answered(self.core, trip.calls, replies);
        if let (Some(asking), Some(reply)) = (trip.asking.take(), claimed) {
            if is_unknown(&reply) {
                self.whole = true;
            } else {
                self.claimed(&asking, reply)?;
            }
        }
        match refusal {
            Some(reply) if is_unknown(&reply) => self.whole = true,
            // Said once a minute, and tried again after a pause. Nothing is lost, since nothing was removed.
            Some(reply) => return reply.into_result().map(drop),
            None => self.backoff.reset(),
        }
        Ok(())
    }

    fn connect(&mut self) -> Result<()> {
        if self.connection.is_none() {
            let mut connection = self.core.connect("fetch")?;
            self.client = Client::succeed(&self.client, &mut connection)?;
            // Pops of a few jobs are answered before a sleeping thread would be awake; a claim of hundreds takes longer.
            connection.hurry(!self.core.options.reliable);
            self.connection = Some(connection);
        }
        Ok(())
    }

    fn claimed(&mut self, asking: &Asking, reply: Reply) -> Result<()> {
        let reply = reply.into_result()?;
        if reply.as_str() == Some("FENCED") {
            // The heartbeat finds out the same and takes a new name; until then nothing is claimed.
            self.fenced = Some(self.core.beats());
            unpark(&self.core.threads.heartbeat);
            return Ok(());
        }
        let catches = asking.catches(self.core, reply);
        let mut found = vec![0; asking.asked.len()];
        for catch in &catches {
            found[catch.place] = catch.payloads.len();
        }
        self.core.measures.fetched.add(found.iter().sum());
        if self.core.options.reliable || catches.is_empty() {
            self.prospects.learn(asking, &found);
        } else {
            self.prospects.heat(); // each pop begins at the first queue, as a `BRPOP` of all would
        }
        self.way.catches.extend(catches);
        Ok(())
    }

    /// Makes jobs of what claims brought and hands them to the threads. What breaks off here is found by the next look at our lists, and given
    /// back.
    fn hand_over(&mut self) -> Result<()> {
        if self.way.catches.iter().any(|catch| catch.suspects) {
            // The marks are asked for on this connection: nothing else may be under way on it.
            while let Some(trip) = self.way.trips.pop_front() {
                self.arrive(trip)?;
            }
        }
        for Catch { queue, claim, payloads, suspects, .. } in std::mem::take(&mut self.way.catches) {
            // Under another name than ours they are not ours any more: whoever buried that name puts them back.
            if claim.as_ref().is_some_and(|claim| claim.identity.epoch != self.core.identity().epoch) {
                continue;
            }
            let marks = match self.connection.as_mut() {
                Some(connection) if suspects => intake::marks(self.core, connection, &payloads)?,
                None if suspects => return Err(Error::Unreachable("no connection".into())),
                _ => Vec::new(),
            };
            self.writer.open_claims.extend(claim.as_ref().map(|claim| claim.number));
            let jobs = intake::jobs(self.core, payloads, queue, claim.as_ref(), marks);
            let now = now_us();
            for job in &jobs {
                self.kinds.saw(queue, job.is_async, now);
            }
            self.core.deliver(jobs);
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
        if let Some(due) = self.hoard.due_us(core) {
            until = until.min(due);
        }
        if phase != Phase::Stopped {
            until = until.min(self.lists.due_us);
        }
        if let Some(due) = self.prospects.due_us().filter(|_| phase == Phase::Running) {
            until = until.min(due);
        }
        if core.has_async && room.len() < core.options.queues.len() {
            until = until.min(now + KIND_MEMORY_US);
        }
        if let Some(due) = self.waiters.due_us(now) {
            until = until.min(due);
        }
        until = until.min(core.stop_by_us.load(Ordering::Acquire));
        if self.refused_us > now {
            // What waits for that is tried then, and nothing before.
            until = self.refused_us.min(core.stop_by_us.load(Ordering::Acquire));
        }
        if room.len() < core.options.queues.len() {
            claims::publish_low_water(core, room);
            core.wants_room.make();
            // Room that was made since the last look, by somebody who did not yet see that we want it, would wake nobody.
            let more = |share: &Share| !room.iter().any(|known| known.queue == share.queue);
            if self.may_claim(phase) && claims::shares(core, &self.kinds, 0, |_| true).iter().any(more) {
                core.wants_room.end();
                return;
            }
        }
        if until > now {
            thread::park_timeout(Duration::from_micros(until - now));
        }
        core.wants_room.end();
    }

    fn warn_left(&self) {
        if !self.is_done() {
            self.core.events.log(WARNING, "stopped before all acks were written: these jobs run again elsewhere");
        }
    }
}
