//! Claimed jobs that wait for a thread or for the event loop, and who is there to take them.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use crate::flight::Job;
use crate::sync::{Condvar, Mutex, MutexGuard};

/// So much longer a job may wait here for another that must run alone: were it given back each 50 ms, it would be claimed again each time.
const SOLO_PATIENCE_US: u64 = 1_000_000;

/// What a push wants done for the threads.
#[derive(Debug, PartialEq, Eq)]
pub enum Call {
    Nothing,
    /// Nobody runs and nobody waits: another thread is wanted.
    Spawn,
}

#[derive(Default)]
pub struct State {
    sync: VecDeque<Arc<Job>>,
    asynchronous: VecDeque<Arc<Job>>,
    /// Threads that wait in `wait`.
    idle: usize,
    /// Threads there are, counting those that were asked for and are not there yet: more than allowed must never be asked for.
    pub threads: usize,
    pub running_sync: usize,
    pub running_async: usize,
    /// A job that may be a poison pill runs: no second one beside it.
    solo: bool,
    /// A coroutine waits since its cap was reached: who ends is to call the event loop.
    refused_async: bool,
    /// The server stops: nobody waits any more.
    closed: bool,
    /// Jobs taken so far: unchanged means that nobody has come back.
    takes: u64,
    /// Who waits in `wait_idle`: a notification that nobody hears still costs a system call, and here that would be one a job.
    waiting_for_end: usize,
}

impl State {
    pub fn waiting(&self, is_async: bool) -> usize {
        if is_async { self.asynchronous.len() } else { self.sync.len() }
    }

    pub fn any_waiting(&self) -> bool {
        !self.sync.is_empty() || !self.asynchronous.is_empty()
    }

    pub fn oldest_us(&self) -> Option<u64> {
        let patience = |job: &Arc<Job>| job.claimed_us + if self.solo && job.is_solo() { SOLO_PATIENCE_US } else { 0 };
        if self.solo {
            return self.sync.iter().chain(&self.asynchronous).map(patience).min();
        }
        [self.sync.front(), self.asynchronous.front()].into_iter().flatten().map(patience).min()
    }

    /// Whether a thread that came now would get something.
    pub fn takeable(&self) -> bool {
        if self.solo { self.sync.iter().any(|job| !job.is_solo()) } else { !self.sync.is_empty() }
    }

    pub fn busy(&self) -> usize {
        self.running_sync + self.running_async
    }

    /// Places for more jobs to run, on threads and on the event loop.
    fn free(&self, most: [usize; 2]) -> [usize; 2] {
        [most[0].saturating_sub(self.running_sync), most[1].saturating_sub(self.running_async)]
    }

    fn next(&mut self, is_async: bool, most_async: usize) -> Option<Arc<Job>> {
        if is_async && self.running_async >= most_async {
            self.refused_async = !self.asynchronous.is_empty();
            return None;
        }
        let solo = self.solo;
        let jobs = if is_async { &mut self.asynchronous } else { &mut self.sync };
        let job = match jobs.front() {
            None => return None,
            Some(first) if !(solo && first.is_solo()) => jobs.pop_front()?,
            Some(_) => {
                let at = jobs.iter().position(|job| !job.is_solo())?;
                jobs.remove(at)?
            }
        };
        self.solo = solo || job.is_solo();
        self.takes += 1;
        *(if is_async { &mut self.running_async } else { &mut self.running_sync }) += 1;
        Some(job)
    }
}

/// The last job that a blocking move brought, of those for which no place is free.
fn overtaking(jobs: &VecDeque<Arc<Job>>, free: usize) -> Option<usize> {
    let moved = |job: &Arc<Job>| job.claim.as_ref().is_some_and(|claim| !claim.is_own_list());
    jobs.iter().skip(free).rposition(moved).map(|at| free + at)
}

#[derive(Default)]
pub struct Ready {
    state: Mutex<State>,
    came: Condvar,
    ended: Condvar,
}

impl Ready {
    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One thread is woken at once only when none runs: a running one most often comes back sooner than another wakes. With `long` jobs it does
    /// not, and as many are woken as there are jobs.
    /// Answers too whether the waker is to see to the rest, and whether some of the jobs are for the event loop.
    pub fn push(
        &self,
        jobs: impl IntoIterator<Item = Arc<Job>>,
        long: bool,
        most_threads: usize,
    ) -> (Call, bool, bool) {
        let mut state = self.lock();
        let mut any_async = false;
        for job in jobs {
            if job.is_async {
                any_async = true;
                state.asynchronous.push_back(job);
            } else {
                state.sync.push_back(job);
            }
        }
        if !state.takeable() || (state.running_sync > 0 && !long) {
            return (Call::Nothing, state.takeable(), any_async);
        }
        let woken = if long { state.idle.min(state.sync.len()) } else { state.idle.min(1) };
        let left = state.sync.len() > woken;
        for _ in 1..woken {
            self.came.notify_one();
        }
        (self.wake(&mut state, most_threads), left, any_async)
    }

    pub fn takes(&self) -> u64 {
        self.lock().takes
    }

    /// The waker's look: when nobody has taken anything since `takes`, one more thread. None: nothing waits or nobody can come.
    pub fn nudge(&self, takes: u64, most_threads: usize) -> Option<(u64, Call)> {
        let mut state = self.lock();
        if !state.takeable() || (state.idle == 0 && state.threads >= most_threads) {
            return None;
        }
        let call = if state.takes == takes { self.wake(&mut state, most_threads) } else { Call::Nothing };
        Some((state.takes, call))
    }

    fn wake(&self, state: &mut State, most_threads: usize) -> Call {
        if state.idle > 0 {
            self.came.notify_one();
        } else if state.threads < most_threads {
            state.threads += 1;
            return Call::Spawn;
        }
        Call::Nothing
    }

    /// The next job, in claim order; a second solo job is passed over while one runs.
    pub fn take(&self, is_async: bool, most_async: usize) -> Option<Arc<Job>> {
        self.lock().next(is_async, most_async)
    }

    /// A taken job has ended, whichever way. True: the event loop was refused a job that it can have now.
    pub fn finish(&self, job: &Job) -> bool {
        self.end(&mut self.lock(), job)
    }

    /// What a thread does between two jobs, in one: the last has ended, and the next is taken if it `may`.
    pub fn turn(&self, ended: Option<&Job>, may: bool) -> Option<Arc<Job>> {
        let mut state = self.lock();
        if let Some(job) = ended {
            self.end(&mut state, job);
        }
        if may { state.next(false, 0) } else { None }
    }

    fn end(&self, state: &mut State, job: &Job) -> bool {
        let running = if job.is_async { &mut state.running_async } else { &mut state.running_sync };
        *running = running.saturating_sub(1);
        if job.is_solo() {
            state.solo = false;
            self.came.notify_one();
        }
        if state.busy() == 0 && state.waiting_for_end > 0 {
            self.ended.notify_all();
        }
        job.is_async && std::mem::take(&mut state.refused_async)
    }

    /// Waits for a push, `limit` at most. Spurious returns are fine: the caller looks again.
    pub fn wait(&self, limit: Duration) {
        let mut state = self.lock();
        // Under the lock: a stop between the caller's look at the phase and this wait would wake nobody.
        if state.takeable() || state.closed {
            return;
        }
        state.idle += 1;
        let (mut state, _) = self.came.wait_timeout(state, limit).unwrap_or_else(PoisonError::into_inner);
        state.idle -= 1;
    }

    pub fn wake_all(&self) {
        let _state = self.lock();
        self.came.notify_all();
    }

    pub fn close(&self) {
        self.lock().closed = true;
        self.came.notify_all();
    }

    /// Waits until nothing runs; false when `limit` came first.
    pub fn wait_idle(&self, limit: Duration) -> bool {
        let mut state = self.lock();
        state.waiting_for_end += 1;
        let (mut state, _) = self
            .ended
            .wait_timeout_while(state, limit, |state| state.busy() > 0)
            .unwrap_or_else(PoisonError::into_inner);
        state.waiting_for_end -= 1;
        state.busy() == 0
    }

    /// Whether `withdraw_overtaking` would take any.
    pub fn any_overtaking(&self, most: [usize; 2]) -> bool {
        let state = self.lock();
        let free = state.free(most);
        overtaking(&state.sync, free[0]).or_else(|| overtaking(&state.asynchronous, free[1])).is_some()
    }

    /// Takes out jobs that blocking moves brought when their places had just been taken: with several queues in strict order
    /// they would overtake the backlog of a queue before theirs.
    pub fn withdraw_overtaking(&self, most: [usize; 2]) -> Vec<Arc<Job>> {
        let mut state = self.lock();
        let free = state.free(most);
        let State { sync, asynchronous, .. } = &mut *state;
        let mut out = Vec::new();
        for (jobs, free) in [(sync, free[0]), (asynchronous, free[1])] {
            while let Some(at) = overtaking(jobs, free) {
                out.extend(jobs.remove(at));
            }
        }
        out
    }

    /// Takes out what nobody has begun: all of it, or what was claimed before `claimed_before_us`.
    pub fn withdraw(&self, claimed_before_us: Option<u64>) -> Vec<Arc<Job>> {
        let mut state = self.lock();
        let State { sync, asynchronous, solo, .. } = &mut *state;
        let solo = *solo;
        let mut out = Vec::new();
        for jobs in [sync, asynchronous] {
            let Some(limit) = claimed_before_us else {
                out.extend(jobs.drain(..));
                continue;
            };
            if solo {
                let late = |job: &Arc<Job>| job.claimed_us + if job.is_solo() { SOLO_PATIENCE_US } else { 0 } < limit;
                let (back, kept): (VecDeque<_>, _) = jobs.drain(..).partition(late);
                out.extend(back);
                *jobs = kept;
                continue;
            }
            while jobs.front().is_some_and(|job| job.claimed_us < limit) {
                out.extend(jobs.pop_front());
            }
        }
        out
    }
}
