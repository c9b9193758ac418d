//! The threads of a capsule: each in its place, none of them attached to the interpreter.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::error::Result;
use crate::fetcher::Fetcher;
use crate::heartbeat::Heartbeat;
use crate::recovery::Recovery;
use crate::scheduler;
use crate::shared::Core;
use crate::sync::thread;
use crate::threads;
use crate::waiter::{Post, Waiter};
use crate::waker;

/// Each queue up to this many has a connection that waits for it; those beyond are looked at once a second.
const WAITERS: usize = 16;

/// Starts them, the fetcher last, and adds them to those `started`. Recovery and schedule are the default capsule's, for all.
pub fn start(core: &Arc<Core>, heartbeat: &Arc<Mutex<Heartbeat>>, started: &mut Vec<JoinHandle<()>>) -> Result<()> {
    let mark = if core.speaks() { String::new() } else { format!("-{}", core.number) };
    let waiters: Vec<Arc<Waiter>> = if core.options.reliable {
        (0..core.options.queues.len().min(WAITERS)).map(|queue| Arc::new(Waiter::new(Post::Move(queue)))).collect()
    } else {
        vec![Arc::new(Waiter::new(Post::Pop))]
    };
    for (number, waiter) in waiters.iter().cloned().enumerate() {
        started.push(threads::start(core, format!("fastkiq-wait{mark}-{number}"), move |core| waiter.run(core))?);
    }
    let beat = heartbeat.clone();
    started.push(threads::start(core, format!("fastkiq-beat{mark}"), move |core| {
        let _ = core.threads.heartbeat.set(thread::current());
        beat.lock().unwrap_or_else(PoisonError::into_inner).run(core);
    })?);
    if core.options.reliable && core.speaks() {
        let watch = |core: &Arc<Core>| Recovery::new().run(core);
        started.push(threads::start(core, "fastkiq-recover".into(), watch)?);
    }
    started.push(threads::start(core, format!("fastkiq-wake{mark}"), |core| {
        let _ = core.threads.waker.set(thread::current());
        waker::run(core);
    })?);
    if core.speaks() {
        started.push(threads::start(core, "fastkiq-sched".into(), scheduler::run)?);
    }
    started.push(threads::start(core, format!("fastkiq-fetch{mark}"), move |core| {
        let _ = core.threads.fetcher.set(thread::current());
        Fetcher::new(core, &waiters).run();
    })?);
    Ok(())
}

/// Waits until all threads have ended; false when `limit` came first.
pub fn ended(threads: &[JoinHandle<()>], limit: Duration) -> bool {
    let until = Instant::now() + limit;
    while !threads.iter().all(JoinHandle::is_finished) {
        if Instant::now() >= until {
            return false;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    true
}
