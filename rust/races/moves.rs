//! All threads leave for another master: none keeps a connection that was opened before, not even one that was not in the list yet.

use crate::races::redis::redis;
use crate::sync::thread;

#[test]
fn no_connection_outlives_a_move() {
    super::check("no_connection_outlives_a_move", || {
        let core = super::core(1, true);
        let connects = {
            let core = core.clone();
            thread::spawn(move || core.connect("side").unwrap())
        };
        let before = redis().connect();
        core.move_on();
        let mut connection = connects.join().unwrap();
        // One that was shut down does not answer.
        if let Ok(client) = connection.client_id() {
            assert!(usize::try_from(client).unwrap() > before, "{client} {before}");
        }
    });
}
