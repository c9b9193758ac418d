//! Handing over: no job is taken twice or forgotten, nobody sleeps while there is something for him, and more threads than allowed never run.

use std::sync::Arc;
use std::time::Duration;

use super::{claimed, core, launch, payload, work};
use crate::events::Event;
use crate::flight::Job;
use crate::parked::unpark;
use crate::phase::Phase;
use crate::poison::Mark;
use crate::shared::Core;
use crate::sync::{Condvar, Mutex, thread};
use crate::waker;

/// Jobs that end only when as many run at once as there can be: a thread that is not called leaves them waiting for ever.
#[derive(Default)]
struct Gathering {
    state: Mutex<Vec<Vec<u8>>>,
    came: Condvar,
}

impl Gathering {
    fn join(&self, job: &Job, wanted: usize) {
        let mut state = self.state.lock().unwrap();
        assert!(!state.contains(&job.bytes), "a job was taken twice");
        state.push(job.bytes.clone());
        self.came.notify_all();
        drop(self.came.wait_while(state, |state| state.len() < wanted).unwrap());
    }
}

fn wake(core: &Arc<Core>) -> thread::JoinHandle<()> {
    let core = core.clone();
    thread::spawn(move || {
        let _ = core.threads.waker.set(thread::current());
        waker::run(&core);
    })
}

/// Ends the launcher, the threads it started and the waker.
fn end(core: &Core, launcher: thread::JoinHandle<Vec<thread::JoinHandle<()>>>, waker: thread::JoinHandle<()>) {
    core.advance(Phase::Stopped);
    core.events.push(Event::Beat);
    for thread in launcher.join().unwrap() {
        thread.join().unwrap();
    }
    // A real waker that is not yet there when it is called looks at the phase first.
    unpark(&core.threads.waker);
    waker.join().unwrap();
}

/// Three jobs that want three threads, delivered by two claims, of which nobody runs at first: each thread has to be asked for, and come.
fn threads_are_called(concurrency: usize, jobs: usize, long: bool) {
    let core = core(concurrency, true);
    if long {
        core.measures.observe_duration(0, 1_000_000);
    }
    let gathering = Arc::new(Gathering::default());
    let run = {
        let (core, gathering) = (core.clone(), gathering.clone());
        move |job: &Arc<Job>| {
            assert!(core.ready.lock().running_sync <= concurrency);
            gathering.join(job, concurrency.min(jobs));
            assert!(core.ack(job));
        }
    };
    let (launcher, waker) = (launch(&core, run), wake(&core));
    for number in 0..jobs {
        core.deliver(claimed(&core, number as u64 + 1, vec![payload("C", number)]));
    }
    let mut acked = 0;
    while acked < jobs {
        let (acks, others) = core.outbox.take();
        assert!(others.is_empty());
        acked += acks.len();
        thread::yield_now();
    }
    assert!(core.ready.lock().threads <= concurrency);
    assert_eq!(gathering.state.lock().unwrap().len(), jobs);
    assert!(core.ready.wait_idle(Duration::MAX));
    end(&core, launcher, waker);
    assert_eq!(core.ready.lock().threads, 0);
}

#[test]
fn threads_are_called_for_short_jobs() {
    super::check("threads_are_called_for_short_jobs", || threads_are_called(2, 3, false));
}

#[test]
fn threads_are_called_for_long_jobs() {
    super::check("threads_are_called_for_long_jobs", || threads_are_called(3, 3, true));
}

/// What is taken back while threads take is taken by one of both.
#[test]
fn a_job_is_taken_or_withdrawn() {
    super::check("a_job_is_taken_or_withdrawn", || {
        let core = core(2, true);
        core.ready.lock().threads = 2;
        let taken = Arc::new(Mutex::new(Vec::new()));
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let (core_, taken) = (core.clone(), taken.clone());
                work(&core, move |job| {
                    taken.lock().unwrap().push(job.bytes.clone());
                    core_.ack(job);
                })
            })
            .collect();
        let pusher = {
            let core = core.clone();
            thread::spawn(move || {
                core.deliver(claimed(&core, 1, vec![payload("C", 1), payload("C", 2)]));
                core.deliver(claimed(&core, 2, vec![payload("C", 3)]));
            })
        };
        let mut back = core.ready.withdraw(Some(u64::MAX));
        pusher.join().unwrap();
        back.extend(core.ready.withdraw(None));
        core.advance(Phase::Stopped);
        for thread in threads {
            thread.join().unwrap();
        }
        let mut all: Vec<Vec<u8>> = back.iter().map(|job| job.bytes.clone()).collect();
        all.extend(taken.lock().unwrap().drain(..));
        all.sort();
        assert_eq!(all, [payload("C", 1), payload("C", 2), payload("C", 3)]);
    });
}

fn solo(core: &Arc<Core>, class: &str, number: usize) -> Arc<Job> {
    let plain = claimed(core, number as u64 + 1, vec![payload(class, number)]).remove(0);
    let mark = Mark { deaths: 2, started: true, since: 0 };
    Arc::new(Job::new(
        plain.bytes.clone(),
        plain.envelope.clone(),
        0,
        plain.claim.clone(),
        (plain.worker, plain.is_async),
        plain.claimed_us,
        plain.order,
        Some(mark),
    ))
}

/// Jobs that must run alone: on threads, one after the other, beside one that need not.
#[test]
fn suspects_run_alone() {
    super::check("suspects_run_alone", || {
        let core = core(3, true);
        let alone = Arc::new(Mutex::new(()));
        let run = {
            let core = core.clone();
            move |job: &Arc<Job>| {
                let guard = job.is_solo().then(|| alone.try_lock().expect("two suspects ran at once"));
                thread::yield_now();
                drop(guard);
                assert!(core.ack(job));
            }
        };
        let (launcher, waker) = (launch(&core, run), wake(&core));
        core.deliver(vec![solo(&core, "C", 0), solo(&core, "C", 1)]);
        core.deliver(claimed(&core, 9, vec![payload("C", 9)]));
        let mut acked = 0;
        while acked < 3 {
            acked += core.outbox.take().0.len();
            thread::yield_now();
        }
        end(&core, launcher, waker);
    });
}

/// A suspect waits for a coroutine that must run alone, and no thread is there when that ends: one is called.
#[test]
fn a_suspect_coroutine_calls_the_next() {
    super::check("a_suspect_coroutine_calls_the_next", || {
        let core = core(1, true);
        let (launcher, waker) = {
            let core_ = core.clone();
            let run = move |job: &Arc<Job>| assert!(core_.ack(job));
            (launch(&core, run), wake(&core))
        };
        core.deliver(vec![solo(&core, "A", 0)]);
        let first = core.take_async().unwrap();
        core.deliver(vec![solo(&core, "C", 1)]);
        core.ack(&first);
        core.finish(&crate::running::Running { job: first, thread: "async".into(), started_us: 0 });
        while core.ready.lock().waiting(false) > 0 {
            thread::yield_now();
        }
        end(&core, launcher, waker);
    });
}
