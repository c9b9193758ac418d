//! Claimed jobs that nobody has begun: none of them waits here for long, and none at all when nothing more is to begin.

use crate::phase::Phase;
use crate::shared::Core;
use crate::writer::Writer;

/// What has not begun so long after its claim goes back to the front of its queue: 50 ms, less what the way back takes.
const HOARD_US: u64 = 45_000;

#[derive(Default)]
pub struct Hoard {
    /// Order can be seen, and some jobs are to go back while others that came after them may still be on their way here: these have to be
    /// there first, and no more are asked for.
    pub recalls: bool,
}

impl Hoard {
    /// When the oldest of them goes back.
    pub fn due_us(&self, core: &Core) -> Option<u64> {
        oldest_due_us(core).filter(|_| !self.recalls)
    }

    /// Gives back what has waited for too long or would overtake, and all in another phase than `Running`. Where order can be seen none may stay
    /// that came after one that goes; `has_all`: nothing that has left its queue is on its way here. True when any of them go back.
    pub fn take_back(
        &mut self,
        core: &Core,
        writer: &mut Writer,
        phase: Phase,
        now: u64,
        has_all: impl FnOnce() -> bool,
    ) -> bool {
        let is_running = phase == Phase::Running;
        let most = [core.options.concurrency, core.options.async_concurrency];
        let is_strict = is_running && core.options.queues.len() > 1 && !core.options.weighted();
        let any_late = || oldest_due_us(core).is_some_and(|due| !is_running || due <= now);
        let goes = core.is_serial() && (any_late() || is_strict && core.ready.any_overtaking(most));
        // With basic fetch what waits here is nowhere else: at a stop it cannot wait for others.
        self.recalls = goes && (is_running || core.options.reliable) && !has_all();
        if self.recalls {
            return false;
        }
        let back = core.ready.withdraw((is_running && !goes).then(|| now.saturating_sub(HOARD_US)));
        if is_strict && !core.is_serial() {
            writer.give_back(core, core.ready.withdraw_overtaking(most));
        }
        // They waited for longer than a prefetch should take: the estimate was wrong.
        for job in back.iter().filter(|job| is_running && job.claimed_us + HOARD_US <= now) {
            core.measures.observe_duration(job.queue, HOARD_US);
        }
        let any = !back.is_empty();
        writer.give_back(core, back);
        any
    }
}

fn oldest_due_us(core: &Core) -> Option<u64> {
    core.ready.lock().oldest_us().map(|oldest| oldest + HOARD_US)
}
