//! Where a waiter stands: whether the fetcher wants it to wait, and whether it is inside a blocking command.

use super::sync::atomic::{AtomicBool, Ordering, fence};

#[derive(Default)]
pub struct Watch {
    wanted: AtomicBool,
    inside: AtomicBool,
}

impl Watch {
    /// True when it was not wanted before.
    pub fn want(&self) -> bool {
        !self.wanted.swap(true, Ordering::AcqRel)
    }

    pub fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::Acquire)
    }

    pub fn dismiss(&self) {
        self.wanted.store(false, Ordering::Release);
    }

    /// It is about to block, if what it looks at from here on, the fetcher's wish and the phase, still allows it.
    pub fn enter(&self) {
        self.inside.store(true, Ordering::Release);
        fence(Ordering::SeqCst); // the other half is in `is_away`
    }

    pub fn leave(&self) {
        self.inside.store(false, Ordering::Release);
    }

    pub fn is_inside(&self) -> bool {
        self.inside.load(Ordering::Acquire)
    }

    /// Asked after it was dismissed or the phase has changed: then it is seen inside, or it sees that and does not block.
    pub fn is_away(&self) -> bool {
        fence(Ordering::SeqCst);
        !self.is_inside()
    }
}
