//! Wakes a second thread only when the first does not come back: a thread woken for nothing costs a fight for the interpreter.

use std::sync::Arc;
use std::time::Duration;

use crate::events::Event;
use crate::phase::Phase;
use crate::ready::Call;
use crate::shared::Core;
use crate::sync::atomic::Ordering;
use crate::sync::thread;

/// So long a job may run before another thread is woken for those behind it.
const PATIENCE: Duration = Duration::from_micros(200);
/// While jobs are taken at a good pace it looks less often.
const CALM: Duration = Duration::from_millis(1);

pub fn run(core: &Arc<Core>) {
    while core.phase() != Phase::Stopped {
        if !core.waker_armed.load(Ordering::Acquire) {
            thread::park();
            continue;
        }
        let mut takes = core.ready.takes();
        let mut pause = PATIENCE;
        loop {
            thread::park_timeout(pause);
            // Disarmed before the look: a push in between arms it again.
            core.waker_armed.store(false, Ordering::Release);
            let Some((now, call)) = core.ready.nudge(takes, core.options.concurrency) else {
                break;
            };
            if call == Call::Spawn {
                core.events.push(Event::Spawn(core.number));
            }
            pause = if now == takes { PATIENCE } else { (pause * 2).min(CALM) };
            takes = now;
            core.waker_armed.store(true, Ordering::Release);
            if core.phase() == Phase::Stopped {
                return;
            }
        }
    }
}
