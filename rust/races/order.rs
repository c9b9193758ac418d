//! One thread and one queue: jobs begin in the order in which they came, whatever goes back. That a claim overtakes the waiter is not found here
//! in a minute, but by `tests/integration/test_order.py`.

use std::sync::Arc;
use std::time::Duration;

use super::redis::redis;
use super::{core_of, dawdle, payload, work};
use crate::fetcher::Fetcher;
use crate::phase::Phase;
use crate::sync::{Condvar, Mutex, thread};
use crate::waiter::{Post, Waiter};

const JOBS: usize = 6;

fn jobs_begin_in_order(reliable: bool) {
    let core = core_of(&["C"], 1, reliable);
    let redis = redis();
    redis.lock().alive.insert(core.identity().name.clone().into_bytes());
    core.ready.lock().threads = 1;
    let begun = Arc::new((Mutex::new(Vec::new()), Condvar::new()));
    let worker = {
        let (core_, begun) = (core.clone(), begun.clone());
        work(&core, move |job| {
            begun.0.lock().unwrap().push(job.bytes.clone());
            begun.1.notify_all();
            dawdle(20);
            core_.ack(job);
        })
    };
    let waiter = Arc::new(Waiter::new(if reliable { Post::Move(0) } else { Post::Pop }));
    let waits = {
        let (core, waiter) = (core.clone(), waiter.clone());
        thread::spawn(move || waiter.run(&core))
    };
    let fetches = {
        let core = core.clone();
        thread::spawn(move || {
            let _ = core.threads.fetcher.set(thread::current());
            Fetcher::new(&core, &[waiter]).run();
        })
    };
    for number in 0..JOBS {
        dawdle(40);
        redis.push(payload("C", number));
    }
    drop(begun.1.wait_while(begun.0.lock().unwrap(), |begun| begun.len() < JOBS).unwrap());
    core.advance(Phase::Quiet);
    core.wait_calm(Duration::from_secs(1));
    core.advance(Phase::Stopped);
    for thread in [worker, waits, fetches] {
        thread.join().unwrap();
    }
    let wanted: Vec<Vec<u8>> = (0..JOBS).map(|number| payload("C", number)).collect();
    let begun = begun.0.lock().unwrap().clone();
    assert!(begun == wanted, "{:?}", begun.iter().map(|job| String::from_utf8_lossy(job)).collect::<Vec<_>>());
}

#[test]
fn jobs_begin_in_order_reliable() {
    super::check("jobs_begin_in_order_reliable", || jobs_begin_in_order(true));
}

#[test]
fn jobs_begin_in_order_basic() {
    super::check("jobs_begin_in_order_basic", || jobs_begin_in_order(false));
}
