use proptest::prelude::*;
use proptest::sample::select;

use super::*;

fn defined(when: &str) -> Definition {
    Definition::parse(format!(r#"{{"name":"n","class":"A","args":[],"queue":"q",{when}}}"#).as_bytes()).unwrap()
}

const HOUR: i64 = 3_600_000;
const GRACE: i64 = 45_000;

fn taken(definition: &Definition, due: i64, now: i64) -> (i64, &'static str, Next) {
    let step = step(definition, due, now, GRACE);
    (step.tick, step.how, step.next)
}

#[test]
fn the_grace_covers_the_death_of_the_only_ones_that_may_fire() {
    for (lease, ms) in [(1, 30_000), (15, 30_000), (30, 45_000), (300, 315_000)] {
        assert_eq!(grace(Duration::from_secs(lease)), ms);
    }
    assert_eq!(grace(Duration::from_millis(15_500)), 30_500);
}

#[test]
fn a_late_tick_within_the_grace_is_on_time() {
    for when in [r#""cron":"0 * * * *""#, r#""every":3600"#] {
        let found = taken(&defined(when), HOUR, HOUR + GRACE);
        assert_eq!(found, (HOUR, "tick", Next::At(2 * HOUR)), "{when}");
    }
}

#[test]
fn missed_ticks_are_one_job_or_none_or_each_its_own() {
    for when in [r#""cron":"0 * * * *""#, r#""every":3600"#] {
        let (due, now) = (HOUR, 5 * HOUR + HOUR / 2);
        let with = |missed: &str| defined(&format!("{when},\"missed\":\"{missed}\""));
        assert_eq!(taken(&with("once"), due, now), (5 * HOUR, "missed", Next::At(6 * HOUR)));
        assert_eq!(taken(&with("skip"), due, now), (5 * HOUR, "skipped", Next::At(6 * HOUR)));
        assert_eq!(taken(&with("all"), due, now), (HOUR, "missed", Next::At(2 * HOUR)));
    }
}

#[test]
fn short_spans_are_missed_as_soon_as_the_next_tick_is_due() {
    for when in [r#""cron":"* * * * * *""#, r#""every":1"#] {
        let with = |missed: &str| defined(&format!("{when},\"missed\":\"{missed}\""));
        for missed in ["once", "skip", "all"] {
            assert_eq!(taken(&with(missed), 5_000, 5_999), (5_000, "tick", Next::At(6_000)), "{missed}");
        }
        for missed in ["once", "skip"] {
            assert_eq!(taken(&with(missed), 5_000, 9_200), (9_000, "tick", Next::At(10_000)), "{missed}");
        }
        assert_eq!(taken(&with("all"), 5_000, 9_200), (5_000, "missed", Next::At(6_000)));
        assert_eq!(taken(&with("all"), 9_000, 9_200), (9_000, "tick", Next::At(10_000)));
    }
}

#[test]
fn all_missed_ticks_are_no_storm() {
    for when in [r#""cron":"* * * * * *""#, r#""every":1"#] {
        let definition = defined(&format!("{when},\"missed\":\"all\""));
        let now = 10_000 * HOUR;
        let found = step(&definition, HOUR, now, GRACE);
        assert_eq!((found.tick, found.dropped), (now - 99_000, true), "{when}");
    }
}

#[test]
fn an_interval_counts_from_the_job_and_a_time_comes_once() {
    assert_eq!(taken(&defined(r#""interval":60"#), HOUR, 2 * HOUR), (HOUR, "missed", Next::In(60_000)));
    assert_eq!(taken(&defined(r#""interval":1"#), HOUR, HOUR + GRACE), (HOUR, "tick", Next::In(1_000)));
    assert_eq!(taken(&defined(r#""at":3600"#), HOUR, HOUR), (HOUR, "tick", Next::None));
    assert_eq!(taken(&defined(r#""at":3600,"missed":"skip""#), HOUR, 2 * HOUR), (HOUR, "skipped", Next::None));
}

#[test]
fn a_new_entry_waits_for_its_first_tick() {
    assert_eq!(first(&defined(r#""every":60"#), 1_500), Next::At(62_000));
    assert_eq!(first(&defined(r#""every":60,"first_in":5"#), 1_500), Next::At(7_000));
    assert_eq!(first(&defined(r#""at":3600"#), HOUR), Next::None);
    assert_eq!(first(&defined(r#""cron":"0 * * * *""#), HOUR), Next::At(2 * HOUR));
}

/// Of any day, and of one whose clocks are set back.
const STARTS: [i64; 2] = [1_795_305_947_000, 1_792_889_000_000];
const WHENS: [&str; 8] = [
    r#""every":1"#,
    r#""every":1.5"#,
    r#""every":7"#,
    r#""every":3600"#,
    r#""cron":"* * * * * *""#,
    r#""cron":"*/7,3 * * * * *""#,
    r#""cron":"*/20 * * * *","timezone":"Europe/Berlin""#,
    r#""cron":"0,30 2,3 * * *","timezone":"Europe/Berlin""#,
];

/// What `defined` takes.
fn kinds() -> impl Strategy<Value = String> {
    (select(WHENS.to_vec()), select(vec!["once", "skip", "all"]))
        .prop_map(|(when, missed)| format!("{when},\"missed\":\"{missed}\""))
}

/// From the tick `due` on all that are due at `now`, one after the other.
fn all_due(definition: &Definition, due: i64, now: i64) -> Vec<i64> {
    std::iter::successors(Some(due), |tick| match following(definition, *tick, *tick) {
        Next::At(next) => Some(next),
        _ => None,
    })
    .take_while(|tick| *tick <= now)
    .collect()
}

/// A moment at which nothing, or much, is late: in milliseconds after a tick.
fn lateness() -> impl Strategy<Value = i64> {
    prop_oneof![
        0..3_000_i64,
        0..60_000_i64,
        0..300_000_i64,
        select(vec![0, 999, 1_000, 1_001, 1_200, GRACE, GRACE + 1])
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    /// By what the words say, counted tick by tick.
    #[test]
    fn a_step_is_about_the_tick_that_the_policy_says(
        kind in kinds(),
        start in select(STARTS.to_vec()),
        late in lateness(),
        grace in select(vec![30_000, GRACE, 315_000]),
    ) {
        let definition = defined(&kind);
        let Next::At(due) = first(&definition, start) else { panic!("it recurs") };
        let now = due + late;
        let ticks = all_due(&definition, due, now);
        let (latest, found) = (*ticks.last().unwrap(), step(&definition, due, now, grace));
        let is_on_time = now - latest <= grace;
        let wanted = match definition.missed {
            Missed::All if ticks.len() > 1 => (ticks[ticks.len().saturating_sub(MOST)], "missed"),
            Missed::Skip if !is_on_time => (latest, "skipped"),
            _ => (latest, if is_on_time { "tick" } else { "missed" }),
        };
        prop_assert_eq!((found.tick, found.how), wanted);
        prop_assert_eq!(found.next, following(&definition, found.tick, found.tick));
        prop_assert_eq!(found.dropped, definition.missed == Missed::All && ticks.len() > MOST);
    }

    /// Whatever stalls between the looks, and however long each takes: no tick twice, with "all" none lost while no more than a hundred are
    /// due, and otherwise the latest one comes at each look.
    #[test]
    fn stalls_lose_nothing(
        kind in kinds(),
        start in select(STARTS.to_vec()),
        gaps in proptest::collection::vec((lateness(), prop_oneof![Just(0_i64), Just(1_200), 0..2_500_i64]), 1..12),
    ) {
        let definition = defined(&kind);
        let Next::At(mut due) = first(&definition, start) else { panic!("it recurs") };
        let (mut now, mut last) = (start, i64::MIN);
        for (gap, takes) in gaps {
            now += gap;
            for _ in 0..300 {
                if due > now {
                    break;
                }
                let found = step(&definition, due, now, GRACE);
                prop_assert!(found.tick > last && found.tick <= now, "{} after {last} at {now}", found.tick);
                if definition.missed == Missed::All {
                    prop_assert!(found.tick == due || found.dropped);
                    prop_assert!(found.pushes());
                } else {
                    prop_assert_eq!(found.next, following(&definition, due, now));
                    prop_assert!(found.pushes() || now - found.tick > GRACE);
                }
                let Next::At(next) = found.next else { panic!("it recurs") };
                (last, due) = (found.tick, next);
                now += takes;
            }
        }
    }
}
