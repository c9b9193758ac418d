use std::collections::HashMap;

use super::*;
use crate::events::Event;
use crate::flight::Job;
use crate::options::Options;
use crate::payload::scan;
use crate::threads;
use crate::url::RedisUrl;

fn desk() -> Desk {
    let workers = HashMap::from([("C".to_owned(), (0, false))]);
    let url = RedisUrl::parse("redis://127.0.0.1:1").unwrap();
    let core = Arc::new(Core::new(url, Options::of_a_test(), workers).unwrap());
    Desk { core, bound: None, started: AtomicBool::new(true), open: Mutex::default(), seen: Mutex::default() }
}

fn is_told(name: &'static str, body: fn(&Arc<Core>)) {
    let desk = desk();
    assert_eq!(desk.trouble(now_us()), None);
    let thread = threads::start(&desk.core, name.into(), body).unwrap();
    let until = Instant::now() + Duration::from_secs(10);
    while desk.trouble(now_us()).is_none() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(desk.trouble(now_us()), Some(format!("the thread {name} has died")));
    desk.core.advance(Phase::Stopped);
    thread.join().unwrap();
}

#[test]
fn a_thread_that_ended_or_panicked_is_told() {
    is_told("ends", |_| ());
    is_told("panics", |_| panic!("as the test wants it"));
}

#[test]
fn a_main_loop_that_does_not_answer_is_told_unless_a_job_may_keep_it() {
    let desk = desk();
    desk.core.events.push(Event::Beat);
    let late = now_us() + SILENCE_US + 1_500_000;
    assert_eq!(desk.trouble(now_us()), None);
    assert!(desk.trouble(late).unwrap().starts_with("the main loop has not answered for 61 s"));
    let bytes = br#"{"class":"C","args":[]}"#.to_vec();
    let envelope = scan(&bytes, 1_000).unwrap();
    desk.core.deliver(vec![Arc::new(Job::new(bytes, envelope, 0, None, (Some(0), false), 0, 1, None))]);
    desk.core.extend_lease(now_us());
    assert!(desk.core.turn(None, now_us()).is_some());
    assert_eq!(desk.trouble(late), None);
    desk.core.events.drain();
    assert_eq!(desk.core.events.unanswered_us(late), 0);
}

#[test]
fn it_is_ready_while_jobs_are_taken() {
    let desk = desk();
    desk.started.store(false, Ordering::Release);
    assert_eq!(desk.unready().as_deref(), Some("starting"));
    desk.started.store(true, Ordering::Release);
    assert_eq!(desk.unready().as_deref(), Some("Redis has confirmed no heartbeat within the lease of 30 s"));
    desk.core.extend_lease(now_us());
    assert_eq!(desk.unready(), None);
    desk.core.advance(Phase::Quiet);
    assert_eq!(desk.unready().as_deref(), Some("quiet: no more jobs are taken"));
    desk.core.advance(Phase::Stopped);
    assert_eq!(desk.unready().as_deref(), Some("stopping"));
}
