//! A pool of connections for any number of threads, which survives a fork.

use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::buffer::Buffer;
use crate::connection::Connection;
use crate::error::{Error, Result};
use crate::sentinel::Watch;
use crate::url::RedisUrl;

/// Who has waited longer than this for a connection is no longer overtaken by those who have just come. Up to then they
/// may take one that is free: to wake who waits first costs more than a push to a Redis nearby. Without such a bound, of
/// 200 threads on 16 connections to a Redis 20 ms away some waited until others had pushed all they had.
const PATIENCE: Duration = Duration::from_millis(5);

pub struct Pool {
    pub url: RedisUrl,
    size: usize,
    connect_timeout: Duration,
    timeout: Duration,
    /// How many replicas must confirm a push; 0 = none is asked.
    pub replicas: usize,
    watch: Watch,
    slot: AtomicPtr<Slot>,
}

/// What belongs to one process. In a forked child a new one is made: the inherited sockets are the parent's, and the
/// inherited lock may have been held by a thread that does not exist in the child.
pub struct Slot {
    pid: u32,
    connections: Mutex<Connections>,
    pub buffer: Buffer,
}

#[derive(Default)]
struct Connections {
    idle: Vec<Connection>,
    /// Idle ones, lent ones, and those being opened.
    open: usize,
    /// Where the one opened last leads to. Through Sentinels that is the master of the moment: what leads elsewhere is closed, at
    /// once or when it comes back.
    master: String,
    /// Who waits for one, in the order of their coming; only the first is ever woken.
    queue: VecDeque<Arc<Turn>>,
}

struct Turn {
    since: Instant,
    come: Condvar,
}

impl Connections {
    fn has_room(&self, size: usize) -> bool {
        !self.idle.is_empty() || self.open < size
    }

    fn is_first(&self, turn: &Arc<Turn>) -> bool {
        self.queue.front().is_some_and(|first| Arc::ptr_eq(first, turn))
    }

    fn call_first(&self) {
        if let Some(first) = self.queue.front() {
            first.come.notify_one();
        }
    }

    fn leave_queue(&mut self, turn: &Arc<Turn>, size: usize) {
        self.queue.retain(|other| !Arc::ptr_eq(other, turn));
        // Two connections may have been freed before the one who was first for both has woken up.
        if self.has_room(size) {
            self.call_first();
        }
    }
}

impl Pool {
    pub fn new(url: RedisUrl, size: usize, connect_timeout: Duration, timeout: Duration, replicas: usize) -> Self {
        Self {
            url,
            size,
            connect_timeout,
            timeout,
            replicas,
            watch: Watch::default(),
            slot: AtomicPtr::new(Slot::allocate()),
        }
    }

    /// How long replicas get to confirm a push: Redis must have answered before we give the connection up. `WAIT` takes whole
    /// milliseconds, and 0 of them as for ever.
    pub fn patience(&self) -> Duration {
        (self.timeout / 2).max(Duration::from_millis(1))
    }

    /// This process's part of the pool.
    pub fn slot(&self) -> &Slot {
        let current = self.slot.load(Ordering::Acquire);
        // SAFETY: the pointer comes from `Slot::allocate`, and no slot is freed before the pool itself.
        let slot = unsafe { &*current };
        if slot.pid == std::process::id() {
            return slot;
        }
        let fresh = Slot::allocate();
        match self.slot.compare_exchange(current, fresh, Ordering::AcqRel, Ordering::Acquire) {
            // The parent's slot is left as it is, never freed: to close its sockets or touch its lock is not for us.
            // SAFETY: `fresh` has just been allocated and published.
            Ok(_) => unsafe { &*fresh },
            Err(winner) => {
                // SAFETY: nobody else has seen `fresh`; the winner's slot is as good as ours would have been.
                unsafe {
                    drop(Box::from_raw(fresh));
                    &*winner
                }
            }
        }
    }

    /// Lends a connection that looks alive: an idle one, or a new one. When all are lent, waits for one.
    pub fn lend(&self) -> Result<Lease<'_>> {
        let slot = self.slot();
        let mut connections = self.reserve(slot)?;
        let idle = connections.idle.pop();
        let alone = connections.open == connections.idle.len() + 1;
        drop(connections);
        // From here on a place is taken; the lease gives it back, whatever happens.
        let mut lease = Lease { slot, connection: idle };
        // The design asks for this look after a second's rest. It costs 0.3 us, and so each use can afford it: a
        // server that went away a moment ago is noticed before anything is sent.
        let usable = lease.connection.as_mut().is_some_and(|idle| !idle.peek_closed());
        if !usable {
            lease.connection = None;
            lease.adopt(Connection::open(&self.url, self.connect_timeout, self.timeout)?);
        }
        if let Some(elsewhere) = self.watch.elsewhere(&self.url, lease.name(), self.timeout) {
            lease.adopt(elsewhere);
        }
        lease.hurry(alone);
        Ok(lease)
    }

    /// Takes a place in the pool.
    fn reserve<'a>(&self, slot: &'a Slot) -> Result<MutexGuard<'a, Connections>> {
        let mut connections = slot.lock();
        let overdue = connections.queue.front().is_some_and(|first| first.since.elapsed() > PATIENCE);
        if overdue || !connections.has_room(self.size) {
            connections = self.wait(connections)?;
        }
        if connections.idle.is_empty() {
            connections.open += 1;
        }
        Ok(connections)
    }

    /// Waits until it is our turn and there is a place.
    fn wait<'a>(&self, mut connections: MutexGuard<'a, Connections>) -> Result<MutexGuard<'a, Connections>> {
        let turn = Arc::new(Turn { since: Instant::now(), come: Condvar::new() });
        let deadline = turn.since + self.connect_timeout + self.timeout;
        connections.queue.push_back(turn.clone());
        while !(connections.is_first(&turn) && connections.has_room(self.size)) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                connections.leave_queue(&turn, self.size);
                let (size, name) = (self.size, self.url.safe());
                return Err(Error::Unreachable(format!("all {size} connections to {name} are in use (pool_size)")));
            }
            connections = turn.come.wait_timeout(connections, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        // The place is still there: for who is next it may not be, once we have taken it.
        let spare = connections.idle.len() + self.size.saturating_sub(connections.open) > 1;
        connections.queue.pop_front();
        if spare {
            connections.call_first();
        }
        Ok(connections)
    }

    /// Closes the connections that nobody uses.
    pub fn close_idle(&self) {
        let mut connections = self.slot().lock();
        let idle = std::mem::take(&mut connections.idle);
        connections.open -= idle.len();
        drop(connections);
        drop(idle);
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let slot = self.slot.swap(ptr::null_mut(), Ordering::AcqRel);
        // SAFETY: the pointer comes from `Slot::allocate`, and the pool is the last to hold it. A parent's slot is left alone.
        unsafe {
            if (*slot).pid == std::process::id() {
                drop(Box::from_raw(slot));
            }
        }
    }
}

impl Slot {
    fn allocate() -> *mut Self {
        Box::into_raw(Box::new(Self {
            pid: std::process::id(),
            connections: Mutex::default(),
            buffer: Buffer::default(),
        }))
    }

    fn lock(&self) -> MutexGuard<'_, Connections> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection, lent. It goes back to the pool at the end, unless it broke.
pub struct Lease<'a> {
    slot: &'a Slot,
    connection: Option<Connection>,
}

impl Lease<'_> {
    /// Takes a connection that was just opened.
    fn adopt(&mut self, connection: Connection) {
        let mut connections = self.slot.lock();
        if connections.master != connection.name() {
            connection.name().clone_into(&mut connections.master);
            let before = connections.idle.len();
            connections.idle.retain(|idle| idle.name() == connection.name());
            connections.open -= before - connections.idle.len();
        }
        drop(connections);
        self.connection = Some(connection);
    }

    /// Closes the connection instead of giving it back.
    pub fn discard(mut self) {
        self.connection = None;
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        let connection = self.connection.take().filter(|connection| !connection.is_broken());
        let mut connections = self.slot.lock();
        match connection.filter(|connection| connection.name() == connections.master) {
            Some(connection) => connections.idle.push(connection),
            None => connections.open -= 1,
        }
        let first = connections.queue.front().cloned();
        drop(connections);
        if let Some(first) = first {
            first.come.notify_one();
        }
    }
}

impl Deref for Lease<'_> {
    type Target = Connection;

    #[allow(clippy::expect_used, reason = "`lend` fills it, and only `drop` and `discard` empty it")]
    fn deref(&self) -> &Connection {
        self.connection.as_ref().expect("a lease holds a connection")
    }
}

impl DerefMut for Lease<'_> {
    #[allow(clippy::expect_used, reason = "`lend` fills it, and only `drop` and `discard` empty it")]
    fn deref_mut(&mut self) -> &mut Connection {
        self.connection.as_mut().expect("a lease holds a connection")
    }
}
