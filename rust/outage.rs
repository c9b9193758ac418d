//! What the threads make of an error from Redis: one log line an outage, one a minute for each kind of refusal.

use std::collections::HashMap;
use std::sync::PoisonError;
use std::time::Duration;

use crate::clock::now_us;
use crate::error::Error;
use crate::events::{INFO, WARNING};
use crate::phase::Phase;
use crate::shared::Core;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// A failed attempt to connect is no outage yet: the next one, after a pause, may succeed.
const BLIP_US: u64 = 250_000;
/// A line that comes and goes is not said more often than this.
const FLAP_US: u64 = 10_000_000;
/// Kinds of refusal that are remembered: they are words that the server sends.
const KINDS: usize = 100;

/// Since when Redis cannot be reached, and whether that has been said.
#[derive(Default)]
pub struct Outage {
    since_us: AtomicU64,
    said: AtomicBool,
    said_us: AtomicU64,
    /// When each kind of refusal was last told of.
    complaints: Mutex<HashMap<String, u64>>,
}

impl Outage {
    /// A connection could not be made; true when it is time to say so.
    fn failed(&self, now: u64) -> bool {
        let since =
            self.since_us.compare_exchange(0, now, Ordering::AcqRel, Ordering::Acquire).map_or_else(|at| at, |_| now);
        let last = self.said_us.load(Ordering::Acquire);
        let due = now.saturating_sub(since) > BLIP_US && (last == 0 || now.saturating_sub(last) > FLAP_US);
        let says = due && !self.said.swap(true, Ordering::AcqRel);
        if says {
            self.said_us.store(now, Ordering::Release);
        }
        says
    }

    /// A connection was made. What was only a moment is forgotten.
    pub fn connected(&self) {
        if !self.said.load(Ordering::Acquire) {
            self.since_us.store(0, Ordering::Release);
        }
    }

    /// How long it lasted, when it was said to have begun. None, too, when a connection was made just while it was being said: nobody
    /// knows then since when.
    fn over(&self, now: u64) -> Option<u64> {
        let since = self.since_us.swap(0, Ordering::AcqRel);
        (self.said.swap(false, Ordering::AcqRel) && since > 0).then(|| now.saturating_sub(since))
    }
}

impl Core {
    /// Says what there is to say about an error that a thread met. True: its connection is of no more use.
    pub fn met(&self, error: &Error) -> bool {
        match error {
            Error::Reply { code, .. } => {
                self.complain(code, &format!("Redis refuses: {error}. Nothing is lost; trying again."));
                return error.wants_reconnect(&self.url);
            }
            Error::Protocol(_) => {
                self.complain("", &format!("{error}. Nothing is lost; trying again on a new connection."));
            }
            // One broken connection is no outage: that shows when the next one cannot be made.
            Error::Lost(_) => {}
            _ => self.lost(error),
        }
        true
    }

    /// One log line an outage, by whichever thread finds that it is one.
    fn lost(&self, error: &Error) {
        if self.phase() != Phase::Stopped && self.outage.failed(now_us()) {
            self.events.log(
                WARNING,
                format!("Redis is out of reach: {error}. Jobs that run go on; trying again until it is back."),
            );
        }
    }

    /// Said once a minute for each kind: what Redis refuses is tried again, each time with the same answer.
    fn complain(&self, kind: &str, text: &str) {
        let now = now_us();
        let mut complaints = self.outage.complaints.lock().unwrap_or_else(PoisonError::into_inner);
        if complaints.len() >= KINDS {
            complaints.clear();
        }
        let last = complaints.entry(kind.to_owned()).or_default();
        if *last == 0 || now.saturating_sub(*last) > 60_000_000 {
            *last = now;
            drop(complaints);
            self.events.log(WARNING, text);
        }
    }

    /// A beat went through: Redis is there again for all.
    pub fn found(&self) {
        if let Some(lasted_us) = self.outage.over(now_us()) {
            let seconds = Duration::from_micros(lasted_us).as_secs_f64();
            self.events.log(INFO, format!("Redis is back after {seconds:.1} s"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000;

    #[test]
    fn an_outage_is_said_once_and_its_end_once() {
        let outage = Outage::default();
        assert!(!outage.failed(1));
        assert!(!outage.failed(100 * MS));
        assert!(outage.failed(300 * MS));
        assert!(!outage.failed(5_000 * MS));
        assert_eq!(outage.over(6_000 * MS + 1), Some(6_000 * MS));
        assert_eq!(outage.over(7_000 * MS), None);
    }

    #[test]
    fn a_moment_is_no_outage() {
        let outage = Outage::default();
        assert!(!outage.failed(1));
        outage.connected();
        assert!(!outage.failed(9_000 * MS));
        assert_eq!(outage.over(9_100 * MS), None);
    }

    #[test]
    fn an_outage_whose_beginning_is_forgotten_has_no_length() {
        let outage = Outage::default();
        outage.failed(1);
        assert!(outage.failed(300 * MS));
        outage.since_us.store(0, Ordering::Release); // `connected` on another thread, which had not seen it said
        assert_eq!(outage.over(9_000 * MS), None);
        assert!(!outage.failed(9_100 * MS));
    }

    #[test]
    fn a_line_that_flaps_is_said_once_in_ten_seconds() {
        let outage = Outage::default();
        let said = (1..200_u64).filter(|turn| {
            let said = outage.failed(turn * 300 * MS);
            if turn % 3 == 0 {
                outage.over(turn * 300 * MS + 1);
            }
            said
        });
        assert_eq!(said.count(), 6);
    }
}
