//! Where two threads each write a flag and then look at the other's, on processors that may delay a write past a look: all outcomes, by loom.
//! The files are those of the core, compiled once more with loom's atomics.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use loom::thread;

mod sync {
    pub use loom::sync::atomic;
}

#[allow(clippy::duplicate_mod, dead_code)]
#[path = "../watch.rs"]
mod watch;
#[allow(clippy::duplicate_mod, dead_code)]
#[path = "../wish.rs"]
mod wish;

/// A stop, as `Core::advance` begins it, meets a waiter that is about to block: never is it taken to be away and blocks.
#[test]
fn a_waiter_is_seen_or_sees_the_stop() {
    loom::model(|| {
        let (watch, stopped) = (Arc::new(watch::Watch::default()), Arc::new(AtomicUsize::new(0)));
        let (watch_, stopped_) = (watch.clone(), stopped.clone());
        let waiter = thread::spawn(move || {
            watch_.enter();
            stopped_.load(Ordering::Acquire) == 0
        });
        stopped.fetch_max(1, Ordering::AcqRel);
        let away = watch.is_away();
        assert!(!(waiter.join().unwrap() && away));
    });
}

/// The same of a waiter that is called back.
#[test]
fn a_waiter_is_seen_or_sees_its_dismissal() {
    loom::model(|| {
        let watch = Arc::new(watch::Watch::default());
        watch.want();
        let watch_ = watch.clone();
        let waiter = thread::spawn(move || {
            watch_.enter();
            watch_.is_wanted()
        });
        watch.dismiss();
        let away = watch.is_away();
        assert!(!(waiter.join().unwrap() && away));
    });
}

/// Room is made while the fetcher is about to sleep: it finds the room, or it is called, by one of those who made some.
#[test]
fn room_is_found_or_called_out() {
    loom::model(|| {
        let (wish, room) = (Arc::new(wish::Wish::default()), Arc::new(AtomicBool::new(false)));
        let makers: Vec<_> = (0..2)
            .map(|_| {
                let (wish, room) = (wish.clone(), room.clone());
                thread::spawn(move || {
                    room.store(true, Ordering::Relaxed);
                    wish.is_made() && wish.grant()
                })
            })
            .collect();
        wish.make();
        let found = room.load(Ordering::Relaxed);
        let calls = makers.into_iter().map(|maker| usize::from(maker.join().unwrap())).sum::<usize>();
        assert!(calls == 1 || (calls == 0 && found));
    });
}
