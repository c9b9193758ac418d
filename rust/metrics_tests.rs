use std::sync::Arc;

use super::*;
use crate::payload::scan;
use crate::run::Run;

fn metrics() -> Metrics {
    Metrics::new(&HashMap::from([("Ok".to_owned(), (0, false)), ("Wrapper".to_owned(), (1, false))]))
}

fn job(worker: Option<usize>, wrapped: &str) -> Arc<Job> {
    let bytes = format!(r#"{{"class":"Any","args":[],"wrapped":"{wrapped}"}}"#).into_bytes();
    let envelope = scan(&bytes, 10_000).unwrap();
    Arc::new(Job::new(bytes, envelope, 0, None, (worker, false), 0, 0, None))
}

fn ran(metrics: &Metrics, job: &Job, micros: u64) {
    job.settle_as(Run::Timed);
    metrics.ended(job, micros);
}

fn names(taken: &[(String, Counts)]) -> Vec<&str> {
    taken.iter().map(|(name, _)| name.as_str()).collect()
}

#[test]
fn parts_of_milliseconds_add_up_over_flushes() {
    let metrics = metrics();
    let mut millis = 0;
    for _ in 0..4 {
        (0..3).for_each(|_| ran(&metrics, &job(Some(0), ""), 700));
        let taken = metrics.take();
        assert_eq!((names(&taken), taken[0].1.timed()), (vec!["Ok"], 3));
        millis += taken[0].1.millis;
    }
    assert_eq!(millis, 8);
    assert!(metrics.take().is_empty(), "nothing new");
}

#[test]
fn what_was_refused_comes_with_the_next() {
    let metrics = metrics();
    ran(&metrics, &job(Some(0), ""), 25_500);
    metrics.failed(&job(Some(1), "Inner"));
    let taken = metrics.take();
    assert_eq!(names(&taken), ["Ok", "Inner"]);
    for (name, counts) in &taken {
        metrics.put_back(name, counts);
    }
    ran(&metrics, &job(Some(0), ""), 600);
    let again = metrics.take();
    assert_eq!(names(&again), ["Ok", "Inner"]);
    assert_eq!((again[0].1.millis, again[0].1.buckets[0], again[0].1.buckets[1]), (26, 1, 1));
    assert_eq!(again[1].1, taken[1].1);
}

#[test]
fn the_wrapped_class_counts_unless_its_name_breaks_the_page() {
    let metrics = metrics();
    let long = "x".repeat(LONGEST_NAME + 1);
    for name in ["Größe::Inner", "a|b", "", "a<script>", "Größe::Inner", "Ok", "a\\nb", &long] {
        ran(&metrics, &job(Some(1), name), 0);
    }
    ran(&metrics, &job(None, "Nobody"), 0);
    let mut taken: Vec<(String, u64)> =
        metrics.take().into_iter().map(|(name, counts)| (name, counts.timed())).collect();
    taken.sort();
    // An empty name is none: then it is the class.
    assert_eq!(taken, [("Größe::Inner".to_owned(), 2), ("Ok".to_owned(), 1), ("Wrapper".to_owned(), 1)]);
}

#[test]
fn names_from_outside_are_bounded() {
    let metrics = metrics();
    (0..MOST_NAMES + 5).for_each(|number| ran(&metrics, &job(Some(1), &format!("Inner{number}")), 0));
    assert_eq!(metrics.take().len(), MOST_NAMES);
    ran(&metrics, &job(Some(1), "Later"), 0);
    assert_eq!(names(&metrics.take()), ["Later"], "there is room again");
}

#[test]
fn a_job_acked_before_it_ran_counts_by_its_run() {
    let begun = job(Some(0), "");
    assert!(begun.settle_as(Run::Begun) && !begun.is_timed());
    assert!(!begun.settle_as(Run::Timed) && !begun.is_timed(), "it was decided before");
    assert!(begun.end_as(Run::Timed) && begun.is_timed());
    assert!(!begun.end_as(Run::Failed), "once");
    let settled = job(Some(0), "");
    assert!(settled.settle_as(Run::Failed) && !settled.end_as(Run::Timed));
}

#[test]
fn totals_stay_while_counts_are_taken_and_put_back() {
    let metrics = metrics();
    ran(&metrics, &job(Some(0), ""), 25_500);
    ran(&metrics, &job(Some(1), "Ok"), 700);
    metrics.failed(&job(Some(1), "Inner"));
    let seen = |metrics: &Metrics| {
        let totals = metrics.totals().into_iter();
        let runs = |total: &Total| total.buckets.iter().map(|(_, count)| count).sum::<u64>();
        totals.map(|(name, total)| (name, runs(&total), total.failed, total.micros)).collect::<Vec<_>>()
    };
    let all = [("Inner".to_owned(), 0, 1, 0), ("Ok".to_owned(), 2, 0, 26_200)];
    assert_eq!(seen(&metrics), all);
    let taken = metrics.take();
    assert_eq!(seen(&metrics), all);
    for (name, counts) in &taken {
        metrics.put_back(name, counts);
    }
    assert_eq!(seen(&metrics), all);
    metrics.take();
    assert_eq!(seen(&metrics), all);
}

#[test]
fn totals_are_of_a_thousand_classes() {
    let metrics = metrics();
    for _ in 0..2 {
        (0..600).for_each(|number| ran(&metrics, &job(Some(1), &format!("Early{number}")), 0));
        metrics.take();
        (0..600).for_each(|number| ran(&metrics, &job(Some(1), &format!("Late{number}")), 0));
        assert_eq!(metrics.totals().len(), MOST_NAMES);
    }
    assert!((0..600).all(|number| metrics.totals().contains_key(&format!("Early{number}"))));
}
