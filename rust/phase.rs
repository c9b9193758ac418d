//! How far a server is in its life, and who is told when it goes on.

use crate::parked::unpark;
use crate::shared::Core;
use crate::sync::atomic::{AtomicU8, Ordering};

/// How far the server is in its life; it only goes forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    Running = 0,
    /// Nothing more is claimed.
    Quiet = 1,
    /// The threads end as soon as what is settled is written.
    Stopped = 2,
}

/// The phase of one capsule, as its threads see it.
pub struct Life(AtomicU8);

impl Default for Life {
    fn default() -> Self {
        Self(AtomicU8::new(Phase::Running as u8))
    }
}

impl Core {
    pub fn phase(&self) -> Phase {
        match self.life.0.load(Ordering::Acquire) {
            0 => Phase::Running,
            1 => Phase::Quiet,
            _ => Phase::Stopped,
        }
    }

    pub fn advance(&self, phase: Phase) {
        self.life.0.fetch_max(phase as u8, Ordering::AcqRel);
        if phase == Phase::Stopped {
            self.ready.close();
        }
        unpark(&self.threads.fetcher);
        unpark(&self.threads.waker);
        unpark(&self.threads.heartbeat);
        unpark(&self.threads.scheduler);
        unpark(&self.threads.recovery);
        if phase == Phase::Stopped {
            // The fetcher still writes, and the heartbeat too, whose metrics would be lost; what these wait for no longer matters.
            self.shut_down(|name| ["due", "channel", "recover"].contains(&name));
        }
    }
}
