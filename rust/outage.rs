//! What the threads make of an error from Redis: one log line an outage, one a minute for each kind of refusal.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::clock::now_us;
use crate::error::Error;
use crate::events::{INFO, WARNING};
use crate::shared::{Core, Phase};

/// Kinds of refusal that are remembered: they are words that the server sends.
const KINDS: usize = 100;

impl Core {
    /// Says what there is to say about an error that a thread met. True: its connection is of no more use.
    pub fn met(&self, error: &Error) -> bool {
        match error {
            Error::Reply { code, .. } => {
                self.complain(code, &format!("Redis refuses: {error}. Nothing is lost; trying again."));
                return error.wants_reconnect();
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

    /// One log line an outage, whichever thread meets it first.
    fn lost(&self, error: &Error) {
        if self.phase() == Phase::Stopped {
            return;
        }
        if self.outage_since_us.compare_exchange(0, now_us(), Ordering::AcqRel, Ordering::Acquire).is_ok() {
            self.events.log(
                WARNING,
                format!("Redis is out of reach: {error}. Jobs that run go on; trying again until it is back."),
            );
        }
    }

    /// Said once a minute for each kind: what Redis refuses is tried again, each time with the same answer.
    fn complain(&self, kind: &str, text: &str) {
        let now = now_us();
        let mut complaints = self.complaints.lock().unwrap_or_else(PoisonError::into_inner);
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
        let since = self.outage_since_us.swap(0, Ordering::AcqRel);
        if since > 0 {
            let seconds = Duration::from_micros(now_us().saturating_sub(since)).as_secs_f64();
            self.events.log(INFO, format!("Redis is back after {seconds:.1} s"));
        }
    }
}
