//! What Rust tells Python is heard: the bell is rung for it, or the listener is already on its way to look.

use std::sync::Arc;

use crate::events::{Event, Events};
use crate::sync::thread;

#[test]
fn every_event_is_heard() {
    super::check("every_event_is_heard", || {
        let events = Arc::new(Events::new().unwrap());
        let tell = |_| {
            let events = events.clone();
            thread::spawn(move || (0..2).for_each(|_| events.push(Event::Spawn(0))))
        };
        let tellers: Vec<_> = (0..2).map(tell).collect();
        let mut heard = 0;
        while heard < 4 {
            events.bell().wait();
            heard += events.drain().len();
        }
        for teller in tellers {
            teller.join().unwrap();
        }
        assert!(events.drain().is_empty());
    });
}
