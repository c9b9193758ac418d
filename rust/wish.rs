//! The fetcher's wish to be called when there is room: made before it looks for room once more and sleeps.

use super::sync::atomic::{AtomicBool, Ordering, fence};

#[derive(Default)]
pub struct Wish(AtomicBool);

impl Wish {
    /// Room made before the look that follows is found by it; who makes some later sees the wish.
    pub fn make(&self) {
        self.0.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst); // the other half is in `is_made`
    }

    pub fn end(&self) {
        self.0.store(false, Ordering::Release);
    }

    /// Asked after room was made.
    pub fn is_made(&self) -> bool {
        fence(Ordering::SeqCst);
        self.0.load(Ordering::SeqCst)
    }

    /// True for one of those who make room.
    pub fn grant(&self) -> bool {
        self.0.swap(false, Ordering::AcqRel)
    }
}
