//! What Rust threads have to tell Python: a bounded queue with a bell, drained by the launcher's main loop.

use std::collections::VecDeque;
use std::io;
use std::os::fd::RawFd;
use std::sync::{Arc, PoisonError};

use crate::bell::Bell;
use crate::clock::now_us;
use crate::flight::Job;
use crate::histogram::Histogram;
use crate::printable::printable;
use crate::sync::Mutex;

/// Past this many, log lines are dropped and counted: a storm of bad payloads must not eat the memory.
const MOST: usize = 10_000;

pub const INFO: u8 = 20;
pub const WARNING: u8 = 30;
pub const ERROR: u8 = 40;

pub enum Event {
    /// A capsule, by number, wants another thread.
    Spawn(usize),
    Signal(String),
    Beat,
    Heartbeat,
    Log(u8, String),
    /// The job whose bytes are none.
    Bad {
        reason: String,
        queue: String,
        raw: Arc<Job>,
    },
    Poison {
        class: String,
        jid: String,
        raw: Vec<u8>,
    },
    Recovered {
        identity: String,
        jobs: u64,
    },
    Summary {
        processed: u64,
        failed: u64,
        seconds: f64,
    },
}

#[derive(Default)]
struct Pending {
    events: VecDeque<Event>,
    dropped: u64,
    /// Since when the bell has not been answered, in steady microseconds.
    rung_us: Option<u64>,
}

pub struct Events {
    pending: Mutex<Pending>,
    bell: Bell,
    /// How long the main loop took to answer the bell.
    pub answers: Histogram,
}

impl Events {
    pub fn new() -> io::Result<Self> {
        Ok(Self { pending: Mutex::default(), bell: Bell::new()?, answers: Histogram::default() })
    }

    pub fn fd(&self) -> RawFd {
        self.bell.fd()
    }

    #[cfg(all(test, feature = "races"))]
    pub fn bell(&self) -> &Bell {
        &self.bell
    }

    pub fn push(&self, event: Event) {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        // Spawns are as many as there may be threads, and none of them may be lost.
        if pending.events.len() >= MOST && !matches!(event, Event::Spawn(_)) {
            pending.dropped += 1;
            return;
        }
        pending.events.push_back(event);
        let first = pending.events.len() == 1;
        if first {
            pending.rung_us = Some(now_us());
        }
        drop(pending);
        if first {
            self.bell.ring();
        }
    }

    pub fn log(&self, level: u8, message: impl AsRef<str>) {
        self.push(Event::Log(level, printable(message.as_ref())));
    }

    /// Microseconds since the bell rang that nobody has answered yet; 0 when there is none.
    pub fn unanswered_us(&self, now: u64) -> u64 {
        let pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        pending.rung_us.map_or(0, |rung| now.saturating_sub(rung))
    }

    pub fn drain(&self) -> Vec<Event> {
        self.bell.clear();
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        let mut events: Vec<Event> = pending.events.drain(..).collect();
        let dropped = std::mem::take(&mut pending.dropped);
        if let Some(rung) = pending.rung_us.take() {
            self.answers.observe(now_us().saturating_sub(rung));
        }
        if dropped > 0 {
            events
                .push(Event::Log(WARNING, format!("{dropped} records were dropped: more came than could be handled")));
        }
        events
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_out_in_order() {
        let events = Events::new().unwrap();
        events.push(Event::Spawn(0));
        events.log(INFO, "a\x1b[31mb");
        let drained = events.drain();
        assert_eq!(drained.len(), 2);
        assert!(matches!(&drained[1], Event::Log(INFO, text) if text == "a\\u{1b}[31mb"));
        events.push(Event::Spawn(0));
        assert_eq!(events.drain().len(), 1);
    }

    #[test]
    fn a_flood_is_bounded_and_counted() {
        let events = Events::new().unwrap();
        for _ in 0..MOST + 5 {
            events.log(INFO, "x");
        }
        let drained = events.drain();
        assert!(matches!(drained.last(), Some(Event::Log(WARNING, text)) if text.starts_with("5 records")));
    }
}
