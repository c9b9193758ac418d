//! How many jobs to claim, from which queues, in which order.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use crate::clock::now_us;
use crate::keys;
use crate::ready::State;
use crate::running::Slot;
use crate::shared::{Core, micros};

/// The most jobs of one claim: what the flight's cost per job levels off at. It holds Redis up for half a millisecond.
pub const MOST: usize = 500;
/// The most jobs that wait here, however short they are.
const MOST_WAITING: usize = 20_000;
/// A kind of job not seen in a queue for this long no longer decides whether the queue can be claimed from: so often a look past jobs
/// that have no place here finds those of the other kind behind them. What has no place goes back.
pub const KIND_MEMORY_US: u64 = 1_000_000;
/// Work is fetched ahead for so long, or for so many trips if those take longer; but for less than what is given back as hoarded.
const HORIZON_US: u64 = 5_000;
const HORIZON_TRIPS: u64 = 4;
const FARTHEST_US: u64 = 40_000;

/// Room for one queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    pub queue: usize,
    pub most: usize,
}

/// A small generator for the order of weighted queues (xorshift64*): nothing secret depends on it.
pub struct Dice(u64);

impl Dice {
    pub fn new() -> Self {
        let mut seed = [0u8; 8];
        // Without the system's random numbers the clock is as good here.
        let seed = if getrandom::fill(&mut seed).is_ok() { u64::from_ne_bytes(seed) } else { now_us() };
        Self(seed | 1)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % limit.max(1)
    }
}

/// Strict: as configured. Weighted: drawn without replacement, each queue by its weight, anew at each claim.
pub fn order(weights: &[u32], dice: &mut Dice) -> Vec<usize> {
    let mut left: Vec<usize> = (0..weights.len()).collect();
    if weights.iter().all(|weight| *weight == 0) {
        return left;
    }
    let weight = |queue: usize| u64::from(weights[queue].max(1));
    let mut order = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let mut ball = dice.below(left.iter().map(|queue| weight(*queue)).sum());
        let at = left.iter().position(|queue| {
            let hit = ball < weight(*queue);
            ball = ball.saturating_sub(weight(*queue));
            hit
        });
        order.push(left.remove(at.unwrap_or(0)));
    }
    order
}

/// When each kind of job, sync and async, was last claimed from each queue.
pub struct Kinds {
    seen_us: Vec<[u64; 2]>,
}

impl Kinds {
    pub fn new(queues: usize) -> Self {
        Self { seen_us: vec![[0; 2]; queues] }
    }

    pub fn saw(&mut self, queue: usize, is_async: bool, now: u64) {
        if let Some(seen) = self.seen_us.get_mut(queue) {
            seen[usize::from(is_async)] = now;
        }
    }

    /// Room for whatever the queue may hold: all kinds lately seen in it must have some.
    /// Of a queue of which nothing is known that is a guess, which may cost nothing only where what has no place can go back unharmed.
    fn room(&self, queue: usize, rooms: [usize; 2], now: u64, reliable: bool) -> usize {
        let lately = |kind: usize| {
            let seen = self.seen_us.get(queue).map_or(0, |seen| seen[kind]);
            seen > 0 && now.saturating_sub(seen) < KIND_MEMORY_US
        };
        match (lately(0), lately(1)) {
            (true, true) => rooms[0].min(rooms[1]),
            (true, false) => rooms[0],
            (false, true) => rooms[1],
            (false, false) if reliable => rooms[0].max(rooms[1]),
            (false, false) => rooms[0].max(rooms[1]).min(1),
        }
    }
}

/// What is known of the threads and of the jobs when a claim is weighed.
struct Busy {
    /// Since when each thread has been busy with its job, so that those in long ones are not counted on.
    since_us: Vec<u64>,
    now: u64,
}

impl Busy {
    fn look(core: &Core) -> Self {
        let slots = core.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let since = |slot: &Arc<Slot>| {
            slot.current.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|running| running.started_us)
        };
        Self { since_us: slots.iter().filter_map(since).collect(), now: now_us() }
    }

    /// Threads that will soon be back: the others have been away for longer than jobs take.
    fn brisk(&self, limit_us: u64) -> usize {
        self.since_us.iter().filter(|since| self.now.saturating_sub(**since) <= limit_us).count()
    }
}

/// What to expect of a queue's jobs, in sixteenths of a microsecond; 0 = unknown. Where it is about the usual it is the usual, so that queues of
/// like jobs have room at the same time: else a claim would take a few from each.
fn duration(core: &Core, queue: usize) -> u64 {
    let usual = core.measures.usual_duration();
    let known = core.measures.duration(queue);
    if known > usual.saturating_mul(4) || (known > 0 && known < usual / 4) { known } else { usual }
}

/// How many jobs of `queue` may wait here. Free threads are always filled; short jobs are prefetched for 5 ms or some trips.
fn target(core: &Core, state: &State, busy: &Busy, queue: usize, is_async: bool) -> usize {
    let (most, running) = if is_async {
        (core.options.async_concurrency, state.running_async)
    } else {
        (core.options.concurrency, state.running_sync)
    };
    let free = most.saturating_sub(running);
    let duration = duration(core, queue);
    let trips = HORIZON_TRIPS * core.measures.trip_us();
    let horizon = HORIZON_US.max(trips).min(FARTHEST_US).min(micros(core.options.lease) / 4);
    // Coroutines wait at the same time and not for each other: their cap alone decides. With basic fetch what waits here would be lost with
    // the process.
    let prefetch = if is_async || !core.options.reliable {
        0
    } else {
        // A free one will soon be back as well: it has only nothing to do.
        let brisk = busy.brisk(horizon.max(duration / 16 * 2)).max(free.min(1)) as u64;
        (horizon * 16 * brisk).checked_div(duration).unwrap_or(0)
    };
    free.max(usize::try_from(prefetch).unwrap_or(MOST_WAITING)).min(MOST_WAITING)
}

/// More is asked for only when a part of the target is used up. `coming` are those claimed, of whatever kind, that are not yet handed over.
fn want(core: &Core, state: &State, busy: &Busy, queue: usize, is_async: bool, coming: usize) -> usize {
    let target = target(core, state, busy, queue, is_async);
    let waiting = state.waiting(is_async) + coming;
    if waiting > refill_at(core, target) { 0 } else { target - waiting }
}

/// At how few waiting jobs more are fetched. With basic fetch so few may wait that half of them would be used up before the next ones come.
fn refill_at(core: &Core, target: usize) -> usize {
    if core.options.reliable { target / 2 } else { (target * 3 / 4).min(target.saturating_sub(1)) }
}

/// The most jobs of one claim from `queue`: of large ones fewer.
fn most(core: &Core, queue: usize) -> usize {
    let size = core.measures.size(queue);
    let light = usize::try_from(keys::MOST_BYTES.checked_div(size).unwrap_or(u64::MAX)).unwrap_or(MOST);
    light.clamp(1, MOST)
}

/// Tells those who take jobs at how few waiting ones to wake the fetcher, for the sake of the queues that lack room.
pub fn publish_low_water(core: &Core, shares: &[Share]) {
    let busy = Busy::look(core);
    let state = core.ready.lock();
    let lacking = |queue: &usize| !shares.iter().any(|share| share.queue == *queue);
    for (kind, low_water) in core.low_water.iter().enumerate() {
        let all = (0..core.options.queues.len()).filter(lacking);
        let most = all.map(|queue| refill_at(core, target(core, &state, &busy, queue, kind == 1))).max();
        low_water.store(most.unwrap_or(0), Ordering::Relaxed);
    }
}

/// The queues that have room, with how much, among those that are `asked` about.
///
/// Where one queue has room for prefetched jobs, every other one has room for at least one: while threads are busy with short jobs
/// none is ever free when a claim is made, and a queue of long jobs, were it before the others in order, would wait for ever.
pub fn shares(core: &Core, kinds: &Kinds, coming: usize, asked: impl Fn(usize) -> bool) -> Vec<Share> {
    let busy = Busy::look(core);
    let now = busy.now;
    let state = core.ready.lock();
    let queues = 0..core.options.queues.len();
    let wants = |is_async: bool| -> Vec<usize> {
        if is_async && !core.has_async {
            return vec![0; queues.len()];
        }
        let wants: Vec<usize> =
            queues.clone().map(|queue| want(core, &state, &busy, queue, is_async, coming)).collect();
        let least = usize::from(wants.iter().any(|want| *want > 0));
        wants.into_iter().map(|want| want.max(least)).collect()
    };
    let wants = wants(false).into_iter().zip(wants(true));
    wants
        .enumerate()
        .filter(|(queue, _)| asked(*queue))
        .map(|(queue, (sync, asynchronous))| {
            let room =
                if core.has_async { kinds.room(queue, [sync, asynchronous], now, core.options.reliable) } else { sync };
            Share { queue, most: room.min(most(core, queue)) }
        })
        .filter(|share| share.most > 0)
        .collect()
}

/// How many jobs of a claim each weighted queue may send, so that jobs, and not batches, come by weight: as many as all bounds allow,
/// each drawn by the weights.
pub fn apportion(bounds: &[usize], weights: &[u32], dice: &mut Dice) -> Vec<usize> {
    let weight = |queue: usize| u64::from(weights[queue].max(1));
    let total: u64 = (0..bounds.len()).map(weight).sum();
    let fitting = (0..bounds.len()).map(|queue| bounds[queue] as u64 * total / weight(queue)).min().unwrap_or(0);
    let most = bounds.iter().copied().max().unwrap_or(0) as u64;
    let mut parts = vec![0; bounds.len()];
    for _ in 0..fitting.clamp(1, most.max(1)) {
        let mut ball = dice.below(total);
        let drawn = (0..bounds.len()).find(|queue| {
            let hit = ball < weight(*queue);
            ball = ball.saturating_sub(weight(*queue));
            hit
        });
        if let Some(part) = drawn.and_then(|queue| parts.get_mut(queue)) {
            *part += 1;
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strict_order_is_the_configured_one() {
        assert_eq!(order(&[0, 0, 0], &mut Dice::new()), [0, 1, 2]);
    }

    #[test]
    fn weights_decide_who_comes_first() {
        let mut dice = Dice(42);
        let mut first = [0_u32; 3];
        for _ in 0..30_000 {
            let order = order(&[6, 3, 1], &mut dice);
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, [0, 1, 2]);
            first[order[0]] += 1;
        }
        for (hits, expected) in first.iter().zip([18_000_i64, 9_000, 3_000]) {
            assert!((i64::from(*hits) - expected).abs() < 600, "{first:?}");
        }
    }

    #[test]
    fn jobs_come_by_weight_whatever_the_bounds() {
        let mut dice = Dice(7);
        for bounds in [[100, 100], [1, 100], [4, 4], [1, 1]] {
            let mut sent = [0_usize; 2];
            for _ in 0..20_000 {
                let parts = apportion(&bounds, &[5, 1], &mut dice);
                let mut room = bounds.iter().copied().max().unwrap();
                for queue in order(&[5, 1], &mut dice) {
                    let taken = parts[queue].min(room);
                    sent[queue] += taken;
                    room -= taken;
                }
            }
            let ratio = sent[0] as f64 / sent[1] as f64;
            assert!((4.5..5.5).contains(&ratio), "{bounds:?}: {sent:?}");
        }
    }

    #[test]
    fn a_queue_has_room_only_for_all_kinds_lately_seen_in_it() {
        let mut kinds = Kinds::new(1);
        assert_eq!(kinds.room(0, [3, 7], 1_000, true), 7);
        kinds.saw(0, true, 1_000);
        assert_eq!(kinds.room(0, [3, 0], 2_000, true), 0);
        kinds.saw(0, false, 2_000);
        assert_eq!(kinds.room(0, [3, 7], 3_000, true), 3);
        assert_eq!(kinds.room(0, [3, 7], 3_000 + KIND_MEMORY_US, true), 7);
        assert_eq!(kinds.room(0, [3, 7], 3_000 + KIND_MEMORY_US, false), 1);
    }
}
