//! What supervisors ask over HTTP: `/live`, `/ready`, `/metrics`. Answered by threads that never attach to the
//! interpreter, so that no job can keep them from it.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use crate::clock::now_us;
use crate::connection::Connection;
use crate::exposition;
use crate::fork;
use crate::http::{self, Asked, LONGEST_HEAD, Status};
use crate::phase::Phase;
use crate::shared::Core;
use crate::sizes::{self, Sizes};

/// How long a client has for its request, and again for its response.
const PATIENCE: Duration = Duration::from_secs(2);
/// Connections at a time; for what comes beyond, the oldest that has not asked yet is closed.
const MOST: usize = 16;
const STACK: usize = 256 * 1024;
/// How long Redis has for each step of its answer to a scrape.
const REDIS: Duration = Duration::from_secs(1);
/// What Redis has told stands for so long: many who ask at once wait for one answer.
const FRESH: Duration = Duration::from_millis(500);
/// From this on a main loop that does not answer is no longer taken for a busy one, unless a job runs that may hold
/// the interpreter.
const SILENCE_US: u64 = 60_000_000;

/// A listening socket and the thread that serves it.
pub struct Health {
    desk: Arc<Desk>,
    pub address: SocketAddr,
    end: UnixStream,
    thread: JoinHandle<()>,
}

impl Health {
    /// `address` is `HOST:PORT`; port 0 = any.
    pub fn serve(core: &Arc<Core>, address: &str) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (end, ended) = UnixStream::pair()?;
        let bound = Some(address.ip().to_canonical()).filter(IpAddr::is_loopback);
        let desk = Arc::new(Desk {
            core: core.clone(),
            bound,
            started: AtomicBool::new(false),
            open: Mutex::default(),
            seen: Mutex::default(),
        });
        fork::close_in_children(listener.as_raw_fd());
        let body = {
            let desk = desk.clone();
            // The socket is this thread's alone: in a child, which does not have the thread, nothing closes it twice.
            move || serve(&desk, &listener, &ended)
        };
        let thread = Builder::new().name("fastkiq-health".into()).stack_size(STACK).spawn(body)?;
        Ok(Self { desk, address, end, thread })
    }

    /// Jobs are taken from now on.
    pub fn started(&self) {
        self.desk.started.store(true, Ordering::Release);
    }

    /// Nothing listens any more when it returns.
    pub fn end(self) {
        // And not only closed: a child may hold the other copy of it.
        let _ = self.end.shutdown(Shutdown::Both);
        let _ = self.thread.join();
    }
}

fn serve(desk: &Arc<Desk>, listener: &TcpListener, ended: &UnixStream) {
    while wait(listener, ended) {
        match listener.accept() {
            Ok((stream, _)) => open(desk, stream),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            // The client has left, or there are no more descriptors for now.
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
    // A child that was forked just now may hold it still: nobody listens there, and the port is free for whoever comes next.
    // SAFETY: a descriptor that outlives the call; where a listener cannot be shut down, the call does nothing.
    unsafe { libc::shutdown(listener.as_raw_fd(), libc::SHUT_RDWR) };
    fork::close_in_children(-1);
}

/// Until somebody connects; false at the end.
fn wait(listener: &TcpListener, ended: &UnixStream) -> bool {
    let watch = |fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    let mut watched = [watch(listener.as_raw_fd()), watch(ended.as_raw_fd())];
    // SAFETY: an array of as many entries as is said, of descriptors that outlive the call.
    unsafe { libc::poll(watched.as_mut_ptr(), 2, -1) };
    watched[1].revents == 0
}

fn open(desk: &Arc<Desk>, stream: TcpStream) {
    let place = Arc::new(Place { stream, has_asked: AtomicBool::new(false) });
    {
        let mut open = desk.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.len() >= MOST {
            // Whoever holds connections without a word keeps no probe out.
            let Some(silent) = open.iter().position(|each| !each.has_asked.load(Ordering::Acquire)) else {
                return;
            };
            let _ = open.remove(silent).stream.shutdown(Shutdown::Both);
        }
        open.push(place.clone());
    }
    let seat = Seat { desk: desk.clone(), place };
    let body = move || {
        // An error means that the client has left.
        let _ = seat.desk.attend(&seat.place);
        let _ = seat.place.stream.shutdown(Shutdown::Both);
    };
    // Without a thread the connection is closed.
    let _ = Builder::new().name("fastkiq-probe".into()).stack_size(STACK).spawn(body);
}

/// One connection.
struct Place {
    stream: TcpStream,
    /// Its request is there, whole or wrong.
    has_asked: AtomicBool,
}

/// Holds a place until it is dropped.
struct Seat {
    desk: Arc<Desk>,
    place: Arc<Place>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut open = self.desk.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|each| !Arc::ptr_eq(each, &self.place));
    }
}

/// What the answers are made of.
struct Desk {
    core: Arc<Core>,
    /// The address, when it is one of loopback.
    bound: Option<IpAddr>,
    started: AtomicBool,
    /// The oldest first.
    open: Mutex<Vec<Arc<Place>>>,
    seen: Mutex<Seen>,
}

/// What Redis told last, and when.
#[derive(Default)]
struct Seen {
    connection: Option<Connection>,
    last: Option<(Instant, Option<Arc<Sizes>>)>,
}

impl Desk {
    fn attend(&self, place: &Place) -> io::Result<()> {
        let stream = &place.stream;
        stream.set_nonblocking(false)?;
        let deadline = Instant::now() + PATIENCE;
        let mut head = [0; LONGEST_HEAD];
        let mut length = 0;
        let asked = loop {
            match http::read(&head[..length], self.bound) {
                Asked::Partly => {}
                asked => break asked,
            }
            match read(stream, &mut head[length..], deadline)? {
                Some(0) => return Ok(()),
                Some(more) => length += more,
                None => break Asked::Refused(Status::Timeout),
            }
        };
        place.has_asked.store(true, Ordering::Release);
        let response = match asked {
            Asked::Page { path, is_head } => {
                let (status, content_type, body) = self.page(&path);
                http::response(status, content_type, &body, is_head)
            }
            Asked::Refused(status) => http::response(status, TEXT, "", false),
            Asked::Partly => return Ok(()),
        };
        write(stream, &response, Instant::now() + PATIENCE)?;
        stream.shutdown(Shutdown::Write)?;
        // What is still unread would make the system reset the connection, and the client lose the response.
        while length > 0 && read(stream, &mut head, deadline)?.is_some_and(|more| more > 0) {}
        Ok(())
    }

    fn page(&self, path: &str) -> (Status, &'static str, String) {
        let told = |trouble: Option<String>| match trouble {
            None => (Status::Ok, TEXT, "ok\n".to_owned()),
            Some(reason) => (Status::Unavailable, TEXT, format!("{reason}\n")),
        };
        match path {
            "/live" => told(self.trouble(now_us())),
            "/ready" => told(self.unready()),
            "/metrics" => {
                let sizes = self.sizes();
                let page = exposition::page(&self.core, sizes.as_deref(), self.unready().is_none());
                (Status::Ok, exposition::CONTENT_TYPE, page)
            }
            _ => (Status::NotFound, TEXT, "there are /live, /ready and /metrics\n".to_owned()),
        }
    }

    /// What a restart would help against. Neither an outage of Redis, nor a job that holds the interpreter.
    fn trouble(&self, now: u64) -> Option<String> {
        if let Some(name) = self.core.capsules().find_map(|capsule| capsule.vitals.dead(now)) {
            return Some(format!("the thread {name} has died"));
        }
        let silence = self.core.events.unanswered_us(now);
        let busy = self.core.capsules().any(|capsule| capsule.ready.lock().busy() > 0);
        if silence > SILENCE_US && !busy {
            let seconds = silence / 1_000_000;
            return Some(format!("the main loop has not answered for {seconds} s, and no job runs that could keep it"));
        }
        None
    }

    /// Why no jobs are taken.
    fn unready(&self) -> Option<String> {
        let core = &self.core;
        match core.phase() {
            Phase::Stopped => return Some("stopping".into()),
            Phase::Quiet => return Some("quiet: no more jobs are taken".into()),
            Phase::Running if !self.started.load(Ordering::Acquire) => return Some("starting".into()),
            Phase::Running => {}
        }
        let lapsed = core.capsules().find(|capsule| !capsule.lease_holds())?;
        let lease = lapsed.options.lease.as_secs_f64();
        Some(format!("Redis has confirmed no heartbeat within the lease of {lease} s"))
    }

    fn sizes(&self) -> Option<Arc<Sizes>> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, sizes)) = seen.last.as_ref().filter(|(at, _)| at.elapsed() < FRESH) {
            return sizes.clone();
        }
        let sizes = seen.read(&self.core).map(Arc::new);
        seen.last = Some((Instant::now(), sizes.clone()));
        sizes
    }
}

impl Seen {
    /// Tried again once, when the connection of the last time is of no more use.
    fn read(&mut self, core: &Core) -> Option<Sizes> {
        let kept = self.connection.take();
        let was_kept = kept.is_some();
        let connect = || Connection::open(&core.url, REDIS.min(core.options.connect_timeout), REDIS);
        let mut connection = kept.map_or_else(connect, Ok).ok()?;
        let sizes = sizes::read(core, &mut connection).or_else(|error| {
            if !was_kept || !error.is_connection() {
                return Err(error);
            }
            connection = connect()?;
            sizes::read(core, &mut connection)
        });
        let sizes = sizes.ok()?;
        self.connection = Some(connection);
        Some(sizes)
    }
}

const TEXT: &str = "text/plain; charset=utf-8";

/// What has come; None when nothing came until the deadline.
fn read(mut stream: &TcpStream, into: &mut [u8], deadline: Instant) -> io::Result<Option<usize>> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Ok(None);
    }
    stream.set_read_timeout(Some(left))?;
    match stream.read(into) {
        Ok(length) => Ok(Some(length)),
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => read(stream, into, deadline),
        Err(error) => Err(error),
    }
}

/// A client that reads slowly has as long as one that writes slowly.
fn write(mut stream: &TcpStream, mut bytes: &[u8], deadline: Instant) -> io::Result<()> {
    while !bytes.is_empty() {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_write_timeout(Some(left))?;
        match stream.write(bytes) {
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "health_tests.rs"]
mod tests;
