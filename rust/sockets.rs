//! The connections of a server's threads, by purpose: so that a wait for Redis can be ended from outside.

use std::collections::HashMap;
use std::sync::PoisonError;

use crate::connection::Connection;
use crate::error::Result;
use crate::shared::Core;
use crate::stream::ShutdownHandle;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU64, Ordering};

#[derive(Default)]
pub struct Sockets {
    open: Mutex<HashMap<String, ShutdownHandle>>,
    /// How often all threads had to leave for another master.
    moves: AtomicU64,
}

impl Core {
    /// A new connection, which replaces the one of the same name in the list of those that `shut_down` ends.
    pub fn connect(&self, name: &str) -> Result<Connection> {
        loop {
            let moves = self.sockets.moves.load(Ordering::Acquire);
            let connection = Connection::open(&self.url, self.options.connect_timeout, self.options.timeout)?;
            let mut open = self.sockets.open.lock().unwrap_or_else(PoisonError::into_inner);
            open.insert(name.to_owned(), connection.shutdown_handle()?);
            drop(open);
            // One that was still being opened when the others were shut down may lead to the master that they had to leave.
            if self.sockets.moves.load(Ordering::Acquire) == moves {
                self.outage.connected();
                return Ok(connection);
            }
        }
    }

    /// Makes all threads open new connections: the old ones lead to a server that is the master no more.
    pub fn move_on(&self) {
        self.sockets.moves.fetch_add(1, Ordering::AcqRel);
        self.shut_down(|_| true);
    }

    /// Ends the waits for Redis of the connections that `which` names.
    pub fn shut_down(&self, which: impl Fn(&str) -> bool) {
        let open = self.sockets.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.iter().filter(|(name, _)| which(name)).for_each(|(_, socket)| socket.shutdown());
    }
}
