//! Models of what the threads do to each other: the real code, run by shuttle under thousands of schedules, and its few questions of memory
//! order by loom. `CONTRIBUTING.md` says how to run and repeat them.
//!
//! What lies outside is replaced: locks, atomics and parks (`sync.rs`), the clock, the bell's socket pair (`bell.rs`), and the socket to Redis
//! (`stream.rs`) with a Redis behind it (`redis.rs`). A wait of a second or more never ends by itself, so that a wake-up that is lost shows as a
//! deadlock; a shorter one may end at any time.

pub mod clock;
mod events;
mod lapse;
mod moves;
mod order;
mod ready;
pub mod redis;
mod settle;
mod stop;
mod weak;

use std::sync::Arc;
use std::time::{Duration, Instant};

use shuttle::rand::{Rng, thread_rng};
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::{Config, FailurePersistence, MaxSteps, Runner};

use crate::events::Event;
use crate::flight::{Claim, Job};
use crate::intake;
use crate::options::Options;
use crate::phase::Phase;
use crate::seat::Seat;
use crate::shared::Core;
use crate::sync::thread::{self, JoinHandle};
use crate::url::RedisUrl;

/// Schedules that follow from one seed: so many are run again to repeat a failure.
const SERIES: usize = 25;
/// A preemption or so more than the bugs of this kind need.
const DEPTH: usize = 4;

/// Runs a model for `FASTKIQ_RACES_SECONDS` under random schedules and such of few preemptions by turns, or once with `FASTKIQ_RACES_SEED`.
fn check(name: &'static str, model: impl Fn() + Clone + Send + Sync + 'static) {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let seconds = number("FASTKIQ_RACES_SECONDS").map_or(Duration::from_millis(200), Duration::from_secs);
    let (start, mut schedules) = (Instant::now(), 0_usize);
    if let Some(seed) = number("FASTKIQ_RACES_SEED") {
        return series(name, seed, &model);
    }
    while schedules < 2 * SERIES || start.elapsed() < seconds {
        // Half of them even, and those are the random ones.
        let (random, turn) = (any_seed(), u64::from(schedules.is_multiple_of(2 * SERIES)));
        series(name, random << 1 | turn, &model);
        schedules += SERIES;
    }
    println!("{name}: {schedules} schedules");
}

/// Short enough to be typed.
fn any_seed() -> u64 {
    let mut seed = [0; 4];
    getrandom::fill(&mut seed).unwrap();
    u32::from_ne_bytes(seed).into()
}

fn series(name: &'static str, seed: u64, model: &(impl Fn() + Clone + Send + Sync + 'static)) {
    let mut config = Config::new();
    config.stack_size = 1 << 18;
    config.max_steps = MaxSteps::FailAfter(200_000);
    config.silence_warnings = true; // of orders weaker than SeqCst: they are loom's matter
    config.failure_persistence = FailurePersistence::None;
    let (model, told) = (model.clone(), Told(name, seed));
    let fresh = move || {
        clock::reset();
        redis::reset();
        model();
    };
    if seed.is_multiple_of(2) {
        Runner::new(RandomScheduler::new_from_seed(seed, SERIES), config).run(fresh);
    } else {
        Runner::new(PctScheduler::new_from_seed(seed, DEPTH, SERIES), config).run(fresh);
    }
    drop(told);
}

/// Says how to repeat the failure that unwinds past it.
struct Told(&'static str, u64);

impl Drop for Told {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "model {} failed; to repeat it: make races RACES={} FASTKIQ_RACES_SEED={}",
                self.0, self.0, self.1
            );
        }
    }
}

/// A server with one queue `q`, a worker class `C` on threads and `A` on the event loop, whose lease holds.
fn core(concurrency: usize, reliable: bool) -> Arc<Core> {
    core_of(&["C", "A"], concurrency, reliable)
}

/// The same with these classes, of which the second is the one for the event loop.
fn core_of(classes: &[&str], concurrency: usize, reliable: bool) -> Arc<Core> {
    let options = Options {
        concurrency,
        reliable,
        lease: Duration::from_secs(1 << 20),
        beat: Duration::from_secs(1 << 10),
        ..Options::of_a_test()
    };
    let workers = classes.iter().enumerate().map(|(index, class)| ((*class).to_owned(), (index, index == 1))).collect();
    let core = Arc::new(Core::new(RedisUrl::parse("redis://127.0.0.1:1").unwrap(), options, workers).unwrap());
    core.extend_lease(clock::now_us());
    core
}

fn payload(class: &str, number: usize) -> Vec<u8> {
    format!(r#"{{"class":"{class}","jid":"{number}","args":[],"queue":"q"}}"#).into_bytes()
}

/// Jobs as a claim of the present identity would bring them.
fn claimed(core: &Core, number: u64, payloads: Vec<Vec<u8>>) -> Vec<Arc<Job>> {
    let claim = Arc::new(Claim::new(&core.identity(), 0, "q", number, 0, payloads.len()));
    intake::jobs(core, payloads, 0, Some(&claim), Vec::new())
}

/// A thread as `Processor.next` in `unit.rs` has it: takes and runs jobs until the server stops.
fn work(core: &Arc<Core>, run: impl Fn(&Arc<Job>) + Send + 'static) -> JoinHandle<()> {
    let core = core.clone();
    thread::spawn(move || {
        let seat = Seat::new(&core, "worker");
        loop {
            if let Some(job) = seat.turn() {
                run(&job);
            } else if core.phase() == Phase::Stopped {
                return seat.leave();
            } else {
                seat.wait();
            }
        }
    })
}

/// Lets nothing else happen, or much.
fn dawdle(most: u32) {
    for _ in 0..thread_rng().gen_range(0..most) {
        thread::yield_now();
    }
}

/// The launcher's main loop: starts the threads that the core asks for, until it hears `Beat`. Answers their handles.
fn launch(core: &Arc<Core>, run: impl Fn(&Arc<Job>) + Clone + Send + 'static) -> JoinHandle<Vec<JoinHandle<()>>> {
    let core = core.clone();
    thread::spawn(move || {
        let mut threads = Vec::new();
        loop {
            core.events.bell().wait();
            for event in core.events.drain() {
                match event {
                    Event::Spawn(_) => threads.push(work(&core, run.clone())),
                    Event::Beat => return threads,
                    Event::Log(_, text) => println!("{text}"),
                    _ => {}
                }
            }
        }
    })
}
