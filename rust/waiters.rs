//! The waiters of a fetcher: sent out where there is room and nothing to claim, called back everywhere else.

use std::sync::Arc;

use crate::claims::Share;
use crate::phase::Phase;
use crate::prospects::Prospects;
use crate::shared::Core;
use crate::waiter::{Post, Waiter};
use crate::way::Way;

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
    pub fn place(
        &mut self,
        core: &Core,
        phase: Phase,
        prospects: &Prospects,
        way: &Way,
        room: &[Share],
        now: u64,
    ) -> Vec<i64> {
        let mut unblock = Vec::new();
        let mut stubborn = false;
        for waiter in self.all {
            if phase == Phase::Running && is_wanted(core, waiter, prospects, way, room) {
                waiter.arm();
            } else if waiter.is_armed() || waiter.is_blocked() {
                stubborn = true;
                let client = waiter.disarm();
                if now >= self.again_us {
                    unblock.extend(client);
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

    /// No job of `queue` comes by a waiter, nor will one before that is sent out again: asked after it was called back.
    pub fn is_away(&self, queue: usize) -> bool {
        let waiter = match self.all {
            [one] if matches!(one.post, Post::Pop) => Some(one),
            all => all.get(queue),
        };
        waiter.is_none_or(|waiter| !waiter.is_armed() && waiter.is_away())
    }

    /// As `is_away`, of all queues.
    pub fn are_back(&self) -> bool {
        self.all.iter().all(|waiter| !waiter.is_armed() && waiter.is_away())
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

/// Jobs that follow each other must not come by two ways, or the later ones may be here first: nobody is sent out while others are coming.
fn is_wanted(core: &Core, waiter: &Waiter, prospects: &Prospects, way: &Way, room: &[Share]) -> bool {
    match waiter.post {
        Post::Move(queue) => {
            let name = core.options.queues.get(queue).map_or("", |queue| &queue.name);
            let has_room = room.iter().any(|share| share.queue == queue);
            let is_wanted = has_room && !prospects.is_hot(queue) && !prospects.is_paused(name);
            is_wanted && (waiter.is_armed() || !way.brings(queue))
        }
        Post::Pop => !room.is_empty() && !prospects.any_hot() && (waiter.is_armed() || !way.brings_any()),
    }
}
