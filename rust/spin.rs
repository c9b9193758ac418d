//! Looking for a reply for a moment before sleeping until it comes.
//!
//! A thread that sleeps lets its core fall idle, and on a virtual machine it takes some 30 us to wake it; the same again for the
//! server's core, which falls idle meanwhile. Measured on two virtual cores, client and server apart: 82 us a push asleep, 26 us awake
//! (`benches/goals --rows push` has the row). Both on one core it is the same, since each look gives way to whoever else wants to run.

use std::io;
use std::time::{Duration, Instant};

/// Longer than a reply takes on one machine; a network's round trip is not worth staying awake for.
const PATIENCE: Duration = Duration::from_micros(50);
/// After so many vain looks in a row only every 64th wait is tried: the server is elsewhere.
const MISSES: u32 = 3;
const PAUSE: u32 = 63;

#[derive(Default)]
pub struct Spin {
    wanted: bool,
    misses: u32,
    skipped: u32,
}

impl Spin {
    /// Whether the coming waits may stay awake: not when others of this process wait too, who would take the server's core.
    pub fn want(&mut self, wanted: bool) {
        self.wanted = wanted;
    }

    /// Calls `look` until it finds something or the patience is at its end.
    pub fn until<T>(&mut self, mut look: impl FnMut() -> io::Result<Option<T>>) -> io::Result<Option<T>> {
        if !self.wanted {
            return Ok(None);
        }
        if self.misses >= MISSES && self.skipped < PAUSE {
            self.skipped += 1;
            return Ok(None);
        }
        self.skipped = 0;
        let end = Instant::now() + PATIENCE;
        loop {
            // The server may need this very core.
            std::thread::yield_now();
            if let Some(found) = look()? {
                self.misses = 0;
                return Ok(Some(found));
            }
            if Instant::now() >= end {
                self.misses += 1;
                return Ok(None);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_elsewhere_is_not_waited_for_awake() {
        let mut spin = Spin::default();
        spin.want(true);
        for _ in 0..MISSES {
            assert!(spin.until(|| Ok(None::<()>)).unwrap().is_none());
        }
        let mut looks = 0;
        for _ in 0..PAUSE {
            spin.until(|| {
                looks += 1;
                Ok(None::<()>)
            })
            .unwrap();
        }
        assert_eq!(looks, 0);
        assert_eq!(spin.until(|| Ok(Some(7))).unwrap(), Some(7));
        assert_eq!(spin.until(|| Ok(Some(8))).unwrap(), Some(8), "a hit makes the next wait a try again");
    }

    #[test]
    fn nobody_stays_awake_unasked() {
        let mut spin = Spin::default();
        assert!(spin.until(|| Ok(Some(1))).unwrap().is_none());
    }
}
