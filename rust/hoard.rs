//! Claimed jobs that nobody has begun: none of them waits here for long, and none at all when nothing more is to begin.

use crate::phase::Phase;
use crate::shared::Core;
use crate::writer::Writer;

/// What has not begun so long after its claim goes back to the front of its queue: 50 ms, less what the way back takes.
const HOARD_US: u64 = 45_000;

/// When the oldest of them goes back.
pub fn due_us(core: &Core) -> Option<u64> {
    core.ready.lock().oldest_us().map(|oldest| oldest + HOARD_US)
}

/// Gives back what has waited for too long; in another phase than `Running`, all.
pub fn take_back(core: &Core, writer: &mut Writer, phase: Phase, now: u64) {
    if phase != Phase::Running {
        return writer.give_back(core, core.ready.withdraw(None));
    }
    let late = core.ready.withdraw(Some(now.saturating_sub(HOARD_US)));
    if core.options.queues.len() > 1 && !core.options.weighted() {
        let most = [core.options.concurrency, core.options.async_concurrency];
        writer.give_back(core, core.ready.withdraw_overtaking(most));
    }
    // They waited for longer than a prefetch should take: the estimate was wrong.
    for job in &late {
        core.measures.observe_duration(job.queue, HOARD_US);
    }
    writer.give_back(core, late);
}
