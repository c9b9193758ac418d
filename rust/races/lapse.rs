//! A lapse: the process takes a new name, and nothing that was claimed under the old one begins after that.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{claimed, clock, core, payload, work};
use crate::phase::Phase;
use crate::sync::{Mutex, thread};

#[test]
fn nothing_of_the_old_name_begins() {
    super::check("nothing_of_the_old_name_begins", || {
        let core = core(2, true);
        core.ready.lock().threads = 2;
        // Std's: it orders nothing that the model is to find out.
        let renewed = Arc::new(AtomicU64::new(0));
        let begun = Arc::new(Mutex::new(Vec::new()));
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let (core_, begun) = (core.clone(), begun.clone());
                work(&core, move |job| {
                    begun.lock().unwrap().push((job.claim.as_ref().unwrap().identity.epoch, job.bytes.clone()));
                    core_.ack(job);
                })
            })
            .collect();
        let fetcher = {
            let (core, renewed) = (core.clone(), renewed.clone());
            thread::spawn(move || {
                for number in 0..3 {
                    let jobs = claimed(&core, number + 1, vec![payload("C", usize::try_from(number).unwrap())]);
                    thread::yield_now();
                    core.deliver(jobs);
                    let waiting = core.ready.withdraw(None);
                    let epoch = renewed.load(Ordering::SeqCst);
                    // Put back as they were: only to see what waits.
                    assert!(waiting.iter().all(|job| job.claim.as_ref().unwrap().identity.epoch >= epoch));
                    core.deliver(waiting);
                }
            })
        };
        core.renew_identity().unwrap();
        renewed.store(1, Ordering::SeqCst);
        let before = begun.lock().unwrap().len();
        core.extend_lease(clock::now_us());
        fetcher.join().unwrap();
        core.deliver(claimed(&core, 9, vec![payload("C", 9)]));
        while core.ready.lock().waiting(false) > 0 {
            thread::yield_now();
        }
        core.advance(Phase::Stopped);
        for thread in threads {
            thread.join().unwrap();
        }
        let begun = begun.lock().unwrap();
        // At the most those that two threads had taken and not yet begun.
        assert!(begun[before..].iter().filter(|(epoch, _)| *epoch == 0).count() <= 2, "{before} {begun:?}");
        assert!(begun.contains(&(1, payload("C", 9))));
    });
}
