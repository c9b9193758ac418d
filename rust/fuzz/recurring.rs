//! Recurring jobs, whoever has put them into Redis.

use crate::cron::definition::{Definition, Unfit, When};
use crate::cron::plan::{Next, first, step};
use crate::fuzz::wire::PLACE;
use crate::payload::scan;
use crate::safe::changes;

const GRACE: i64 = 45_000;

/// What passes for a definition makes jobs that every reader can show, and its ticks only go forward.
pub fn definitions(bytes: &[u8]) {
    let definition = match Definition::parse(bytes) {
        Ok(definition) => definition,
        Err(Unfit::Broken(why) | Unfit::Strange(why)) => {
            assert!(why.len() < 2_000, "a reason of {} bytes", why.len());
            return;
        }
    };
    let payload = definition.payload(&[7; 12], PLACE.now_ms, PLACE.now_ms, None);
    let envelope = scan(&payload, usize::MAX).unwrap_or_else(|flaw| panic!("its job is none: {flaw}"));
    assert_eq!(envelope.queue(&payload).as_deref(), Some(definition.queue.as_str()));
    assert!(!envelope.class(&payload).is_empty());
    assert!(changes(&payload, PLACE).is_ok_and(|changes| changes.is_empty()));
    let kept = Definition::parse(&definition.kept(PLACE.now_ms)).unwrap_or_else(|flaw| panic!("kept as {flaw:?}"));
    assert!(kept.spec == definition.spec && !matches!(kept.when, When::In(_)));
    let Next::At(due) = first(&definition, PLACE.now_ms) else { return };
    assert!(due > PLACE.now_ms);
    for late in [0, 1_200, 100_000, 10_000_000] {
        let found = step(&definition, due, due + late, GRACE);
        assert!((due..=due + late).contains(&found.tick), "{} of {due} at {late}", found.tick);
        assert!(!matches!(found.next, Next::At(next) if next <= found.tick), "{:?}", found.next);
    }
}
