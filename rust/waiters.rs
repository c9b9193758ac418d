//! The waiters of a fetcher: sent out where there is room and nothing to claim, called back everywhere else.

use std::sync::Arc;

use crate::claims::Share;
use crate::phase::Phase;
use crate::prospects::Prospects;
use crate::shared::Core;
use crate::waiter::{Post, Waiter};

/// One that was about to block when it was called is called again so soon.
const AGAIN_US: u64 = 20_000;

pub struct Waiters<'a> {
    all: &'a [Arc<Waiter>],
    again_us: u64,
}

impl<'a> Waiters<'a> {
    pub fn new(all: &'a [Arc<Waiter>]) -> Self {
        Self { all, again_us: 0 }
    }

    /// One is sent out where there is `room` and nothing to claim. Answers whom to unblock of the others.
    pub fn place(&mut self, core: &Core, phase: Phase, prospects: &Prospects, room: &[Share], now: u64) -> Vec<i64> {
        let mut unblock = Vec::new();
        let mut stubborn = false;
        for waiter in self.all {
            if phase == Phase::Running && is_wanted(core, waiter, prospects, room) {
                waiter.arm();
            } else if waiter.is_armed() || waiter.is_blocked() {
                stubborn = true;
                if now >= self.again_us {
                    unblock.extend(waiter.disarm());
                    waiter.wake();
                }
            }
        }
        if stubborn && now >= self.again_us {
            self.again_us = now + AGAIN_US;
        }
        unblock
    }

    /// When those that were called back are called again.
    pub fn due_us(&self, now: u64) -> Option<u64> {
        Some(self.again_us).filter(|due| *due > now)
    }

    /// None is inside a blocking command, or about to be: asked after all were called back, or the phase has changed.
    pub fn are_away(&self) -> bool {
        self.all.iter().all(|waiter| waiter.is_away())
    }

    /// Ends their threads.
    pub fn end(&self, core: &Core) {
        self.all.iter().for_each(|waiter| waiter.end(core));
    }
}

fn is_wanted(core: &Core, waiter: &Waiter, prospects: &Prospects, room: &[Share]) -> bool {
    match waiter.post {
        Post::Move(queue) => {
            let name = core.options.queues.get(queue).map_or("", |queue| &queue.name);
            let has_room = room.iter().any(|share| share.queue == queue);
            has_room && !prospects.is_hot(queue) && !prospects.is_paused(name)
        }
        Post::Pop => !room.is_empty() && !prospects.any_hot(),
    }
}
