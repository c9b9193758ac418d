//! How the server's threads are started, watched and paced.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::events::ERROR;
use crate::phase::Phase;
use crate::shared::Core;

/// TLS handshakes and JSON scans stay far below this.
const STACK: usize = 512 * 1024;

/// Starts a named thread that runs `body` until it returns; a panic is reported and the body started anew.
pub fn start<F>(core: &Arc<Core>, name: String, body: F) -> Result<JoinHandle<()>>
where
    F: Fn(&Arc<Core>) + Send + 'static,
{
    let core = core.clone();
    let vital = core.vitals.add(&name);
    let run = move || {
        while catch_unwind(AssertUnwindSafe(|| body(&core))).is_err() {
            vital.fell();
            let name = std::thread::current().name().unwrap_or("thread").to_owned();
            core.events
                .log(ERROR, format!("{name} panicked and is started again: please report this as a bug of fastkiq"));
            if core.phase() == Phase::Stopped {
                return;
            }
            std::thread::sleep(Duration::from_secs(1));
        }
        if core.phase() == Phase::Running {
            vital.ended();
        }
    };
    Builder::new()
        .name(name)
        .stack_size(STACK)
        .spawn(run)
        .map_err(|error| Error::Config(format!("no thread could be started: {error}")))
}

/// Pauses between attempts to reconnect: 50 ms at first, doubled up to a second, so that work resumes within two of Redis's return.
pub struct Backoff {
    next: Duration,
}

impl Backoff {
    pub fn new() -> Self {
        Self { next: Duration::from_millis(50) }
    }

    pub fn reset(&mut self) {
        *self = Self::new();
    }

    /// Up to a quarter less, differing between threads and processes, so that they do not all knock at once.
    pub fn pause(&mut self) -> Duration {
        let jitter = u32::try_from(crate::clock::now_us() % 250).unwrap_or(0);
        let pause = self.next * (1000 - jitter) / 1000;
        self.next = (self.next * 2).min(Duration::from_secs(1));
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_second() {
        let mut backoff = Backoff::new();
        let pauses: Vec<Duration> = (0..8).map(|_| backoff.pause()).collect();
        assert!(pauses[0] <= Duration::from_millis(50));
        assert!(pauses[7] > Duration::from_millis(700) && pauses[7] <= Duration::from_secs(1));
    }
}
