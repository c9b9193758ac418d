//! The whole way of a job, with the real fetcher and a real waiter: nobody sleeps while there is work, and a stop loses nothing.

use std::sync::Arc;
use std::time::Duration;

use shuttle::rand::{Rng, thread_rng};

use super::redis::redis;
use super::{clock, core, dawdle, payload, work};
use crate::fetcher::Fetcher;
use crate::flight::Job;
use crate::outbox::Outcome;
use crate::phase::Phase;
use crate::shared::Core;
use crate::sync::thread::JoinHandle;
use crate::sync::{Condvar, Mutex, thread};
use crate::waiter::{Post, Waiter};

const JOBS: usize = 3;

/// A server with two worker threads, and what became of its jobs.
struct Service {
    core: Arc<Core>,
    /// Jobs whose end was decided by who ran them.
    done: Arc<(Mutex<Vec<Vec<u8>>>, Condvar)>,
    /// Settling happens attached to the interpreter, and so does the giving back of what runs.
    attached: Arc<Mutex<()>>,
    waiter: Arc<Waiter>,
    threads: Vec<JoinHandle<()>>,
}

impl Service {
    fn start(concurrency: usize, reliable: bool) -> Self {
        let core = core(concurrency, reliable);
        redis().lock().alive.insert(core.identity().name.clone().into_bytes());
        let waiter = Arc::new(Waiter::new(if reliable { Post::Move(0) } else { Post::Pop }));
        let threads = Vec::new();
        let mut service =
            Self { core, done: Arc::default(), attached: Arc::default(), waiter: waiter.clone(), threads };
        service.core.ready.lock().threads = concurrency;
        for _ in 0..concurrency {
            service.threads.push(work(&service.core, service.run()));
        }
        let (core, post) = (service.core.clone(), waiter.clone());
        service.threads.push(thread::spawn(move || post.run(&core)));
        let core = service.core.clone();
        service.threads.push(thread::spawn(move || {
            let _ = core.threads.fetcher.set(thread::current());
            Fetcher::new(&core, &[waiter]).run();
        }));
        service
    }

    /// Jobs last long enough that none is fetched ahead. Half of them are settled before they run: then their end alone calls for the next.
    fn run(&self) -> impl Fn(&Arc<Job>) + Send + 'static {
        let (core, done, attached) = (self.core.clone(), self.done.clone(), self.attached.clone());
        move |job| {
            thread::yield_now();
            clock::pass(Duration::from_secs(1));
            let guard = attached.lock().unwrap();
            let late = thread_rng().r#gen();
            let settled = if late { core.ack(job) } else { core.settle(job, Outcome::Drop { failed: false }) };
            if settled {
                done.0.lock().unwrap().push(job.bytes.clone());
                done.1.notify_all();
            }
            drop(guard);
            if !late {
                dawdle(150);
            }
        }
    }

    /// As `Launcher.stop` does it. True: the core said that all was written.
    fn stop(&self) -> bool {
        self.core.advance(Phase::Quiet);
        let mut calm = self.core.wait_calm(Duration::from_secs(1));
        assert!(!calm || self.core.ready.lock().waiting(false) == 0, "calm, and a job waits to be begun");
        if thread_rng().r#gen() {
            self.core.ready.wait_idle(Duration::MAX);
        } else {
            let guard = self.attached.lock().unwrap();
            self.core.give_back_running();
            drop(guard);
            calm = self.core.wait_calm(Duration::from_secs(1)) && calm;
            if calm {
                let flights = redis().lock().in_flight();
                assert!(flights.is_empty(), "calm, and {} jobs are unsettled", flights.len());
            }
        }
        self.core.advance(Phase::Stopped);
        calm
    }

    /// After the end of all threads: what was done, what lies in the queue, and what in flights, of each job.
    fn end(self) -> Vec<[usize; 3]> {
        for thread in self.threads {
            thread.join().unwrap();
        }
        assert!(self.core.ready.lock().busy() == 0);
        let (done, data) = (self.done.0.lock().unwrap(), redis());
        let data = data.lock();
        let count = |jobs: &mut dyn Iterator<Item = &Vec<u8>>, job| jobs.filter(|other| **other == job).count();
        (0..JOBS)
            .map(|number| payload("C", number))
            .map(|job| {
                let flights = count(&mut data.flights.values().flatten(), job.clone());
                [count(&mut done.iter(), job.clone()), count(&mut data.queue.iter(), job), flights]
            })
            .collect()
    }
}

/// The jobs come one by one.
fn push() -> JoinHandle<()> {
    let redis = redis();
    thread::spawn(move || {
        for number in 0..JOBS {
            dawdle(150);
            redis.push(payload("C", number));
        }
    })
}

/// All jobs are run, though nothing but pushes, calls and ends of jobs drives the threads.
fn all_is_done(concurrency: usize, reliable: bool) {
    let service = Service::start(concurrency, reliable);
    let pusher = push();
    let done = service.done.clone();
    drop(done.1.wait_while(done.0.lock().unwrap(), |done| done.len() < JOBS).unwrap());
    pusher.join().unwrap();
    if reliable {
        redis().until_ended(JOBS);
    }
    let calm = service.stop();
    for job in service.end() {
        assert_eq!(job, if calm || !reliable { [1, 0, 0] } else { [1, 0, job[2]] });
    }
    assert!(!calm || !reliable || redis().lock().ended.len() == JOBS);
}

#[test]
fn one_thread_does_all() {
    super::check("one_thread_does_all", || all_is_done(1, true));
}

#[test]
fn two_threads_do_all() {
    super::check("two_threads_do_all", || all_is_done(2, true));
}

#[test]
fn basic_fetch_does_all() {
    super::check("basic_fetch_does_all", || all_is_done(2, false));
}

/// A stop at any time: each job was run and acked, or is in its queue again, and nothing else.
fn a_stop_loses_nothing(reliable: bool) {
    let service = Service::start(2, reliable);
    let pusher = push();
    dawdle(150);
    let calm = service.stop();
    pusher.join().unwrap();
    for [done, queued, flights] in service.end() {
        assert_eq!(done + queued + flights, 1, "{done} done, {queued} queued, {flights} in flight");
        assert!(!calm || flights == 0, "calm, and a job is in flight");
    }
}

#[test]
fn a_stop_loses_nothing_reliable() {
    super::check("a_stop_loses_nothing_reliable", || a_stop_loses_nothing(true));
}

#[test]
fn a_stop_loses_nothing_basic() {
    super::check("a_stop_loses_nothing_basic", || a_stop_loses_nothing(false));
}

/// As above, and the job comes when the waiter waits and the stop begins: it was handed over when the fetcher had looked for such, and the
/// fetcher called itself calm, or ended, with it; with basic fetch it was lost.
fn a_push_meets_a_stop(reliable: bool, hurried: bool) {
    let service = Service::start(1, reliable);
    while !service.waiter.is_blocked() {
        thread::yield_now();
    }
    let redis_ = redis();
    let pusher = thread::spawn(move || redis_.push(payload("C", 0)));
    let calm = if hurried {
        service.core.advance(Phase::Stopped);
        false
    } else {
        service.stop()
    };
    pusher.join().unwrap();
    let [done, queued, flights] = service.end()[0];
    assert_eq!(done + queued + flights, 1, "{done} done, {queued} queued, {flights} in flight");
    assert!(!calm || flights == 0, "calm, and a job is in flight");
}

#[test]
fn a_push_meets_a_stop_reliable() {
    super::check("a_push_meets_a_stop_reliable", || a_push_meets_a_stop(true, false));
}

#[test]
fn a_push_meets_a_stop_basic() {
    super::check("a_push_meets_a_stop_basic", || a_push_meets_a_stop(false, false));
}

#[test]
fn a_push_meets_a_hurried_stop_basic() {
    super::check("a_push_meets_a_hurried_stop_basic", || a_push_meets_a_stop(false, true));
}

/// A stop without a quiet before it, as when the boot fails. With reliable fetch taking leave puts back what is in flight.
fn a_hurried_stop_loses_nothing(reliable: bool) {
    let service = Service::start(2, reliable);
    let pusher = push();
    dawdle(150);
    service.core.advance(Phase::Stopped);
    pusher.join().unwrap();
    for [done, queued, flights] in service.end() {
        // What ended after the fetcher is done, and in its flight.
        assert!(
            done + queued <= 1 && done + queued + flights >= 1,
            "{done} done, {queued} queued, {flights} in flight"
        );
    }
}

#[test]
fn a_hurried_stop_loses_nothing_reliable() {
    super::check("a_hurried_stop_loses_nothing_reliable", || a_hurried_stop_loses_nothing(true));
}

#[test]
fn a_hurried_stop_loses_nothing_basic() {
    super::check("a_hurried_stop_loses_nothing_basic", || a_hurried_stop_loses_nothing(false));
}

/// Connections break, each at any point of what is said on it.
#[test]
fn a_broken_connection_loses_nothing() {
    super::check("a_broken_connection_loses_nothing", || {
        let service = Service::start(2, true);
        let pusher = push();
        for _ in 0..2 {
            dawdle(150);
            let redis = redis();
            let clients = redis.lock().clients();
            if clients > 0 {
                redis.close(thread_rng().gen_range(0..clients));
            }
        }
        service.stop();
        pusher.join().unwrap();
        for [done, queued, flights] in service.end() {
            assert!(done <= 1 && done + queued + flights >= 1, "{done} done, {queued} queued, {flights} in flight");
        }
    });
}

/// The process is taken for dead while it works: what it held goes back, and it goes on under another name.
#[test]
fn a_lapse_loses_nothing() {
    super::check("a_lapse_loses_nothing", || {
        let service = Service::start(2, true);
        let (core, redis) = (&service.core, redis());
        let pusher = push();
        dawdle(150);
        redis.bury(&core.identity().name);
        dawdle(150);
        let renewed = core.renew_identity().unwrap();
        redis.lock().alive.insert(renewed.name.clone().into_bytes());
        core.extend_lease(clock::now_us());
        dawdle(150);
        service.core.advance(Phase::Quiet);
        service.core.wait_calm(Duration::from_secs(1));
        service.core.advance(Phase::Stopped);
        pusher.join().unwrap();
        for [done, queued, flights] in service.end() {
            assert!(done + queued + flights >= 1, "{done} done, {queued} queued, {flights} in flight");
        }
    });
}
