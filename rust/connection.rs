//! One connection to Redis: opened, authenticated, and used by one thread at a time.

use std::io;
use std::time::{Duration, Instant, SystemTime};

use crate::error::{Error, Result};
use crate::resp::{Pipeline, Reply, Scanner, decode};
use crate::sentinel;
use crate::stream::{Arrival, ShutdownHandle, Stream};
use crate::tls;
use crate::url::{Endpoint, Login, RedisUrl, Tls};

const BUFFER: usize = 16 << 10;
/// A buffer that a huge reply has blown up goes back to its first size.
const KEPT_BUFFER: usize = 1 << 20;
/// A more precise reading of a clock outdoes later ones for so long: clocks drift by a millisecond or two meanwhile.
const READING_LASTS: Duration = Duration::from_secs(5);

/// Redis's clock at one instant of this machine's clocks.
#[derive(Clone, Copy)]
pub struct ClockReading {
    redis: f64,
    /// By so many seconds it may be off either way: half of the trip that read it.
    doubt: f64,
    steady: Instant,
    wall: SystemTime,
}

impl ClockReading {
    /// Redis time now, in epoch seconds.
    pub fn now(&self) -> f64 {
        self.redis + self.steady.elapsed().as_secs_f64()
    }

    pub fn age(&self) -> Duration {
        self.steady.elapsed()
    }

    /// Whether a later reading shows that Redis's clock still goes as this one says, and says so less precisely: its reply was late.
    fn outdoes(&self, later: &Self) -> bool {
        self.is_sound() && self.doubt < later.doubt && (self.now() - later.now()).abs() <= self.doubt + later.doubt
    }

    /// False once this machine has slept or its wall clock was set: the two clocks here then disagree.
    pub fn is_sound(&self) -> bool {
        let wall = self.wall.elapsed().map_or(-1.0, |elapsed| elapsed.as_secs_f64());
        (wall - self.steady.elapsed().as_secs_f64()).abs() < 0.25
    }
}

pub struct Connection {
    stream: Stream,
    data: Vec<u8>,
    start: usize,
    end: usize,
    scanner: Scanner,
    timeout: Duration,
    broken: bool,
    clock: Option<ClockReading>,
    client_id: Option<i64>,
    name: String,
}

impl Connection {
    /// Connects, proves who we are, selects the database. A Sentinel URL leads to the master of the moment.
    /// `connect_timeout` bounds name lookup, connect and TLS together, `timeout` each wait for a reply.
    pub fn open(url: &RedisUrl, connect_timeout: Duration, timeout: Duration) -> Result<Self> {
        let opened = match &url.endpoint {
            Endpoint::Sentinel { .. } => sentinel::open_master(url, connect_timeout, timeout),
            endpoint => Self::open_at(endpoint, url, connect_timeout, timeout),
        };
        opened.map_err(|error| match error {
            // Nothing of the caller's has been sent yet.
            Error::Lost(text) => Error::Unreachable(text),
            other => other,
        })
    }

    /// As `open`, at one server of several.
    pub fn open_at(endpoint: &Endpoint, url: &RedisUrl, connect_timeout: Duration, timeout: Duration) -> Result<Self> {
        let name = match &url.endpoint {
            Endpoint::Sentinel { service, .. } => endpoint.name(service),
            _ => url.safe().to_owned(),
        };
        let mut connection = Self::connect(endpoint, url.tls.as_ref(), name, connect_timeout, timeout)?;
        connection.login(&url.login)?;
        connection.introduce(url.db)?;
        Ok(connection)
    }

    /// A bare connection: nothing has been said yet.
    pub fn connect(
        endpoint: &Endpoint,
        tls: Option<&Tls>,
        name: String,
        connect_timeout: Duration,
        timeout: Duration,
    ) -> Result<Self> {
        let deadline = Instant::now() + connect_timeout;
        let refused = |error: io::Error| Error::Unreachable(format!("cannot connect to {name}: {}", reason(&error)));
        let stream = match endpoint {
            Endpoint::Unix(path) => Stream::unix(path, deadline).map_err(refused)?,
            Endpoint::Tcp { host, port } => {
                let stream = Stream::tcp(host, *port, deadline).map_err(refused)?;
                match tls {
                    Some(tls) => secured(stream, tls, host, &name, deadline)?,
                    None => stream,
                }
            }
            Endpoint::Sentinel { .. } | Endpoint::Embedded => {
                return Err(Error::Config(format!("{name} has to be resolved before it can be connected to")));
            }
        };
        Ok(Self {
            stream,
            data: vec![0; BUFFER],
            start: 0,
            end: 0,
            scanner: Scanner::new(),
            timeout,
            broken: false,
            clock: None,
            client_id: None,
            name,
        })
    }

    /// Authenticates, when there is a password.
    pub fn login(&mut self, login: &Login) -> Result<()> {
        let Some(password) = &login.password else {
            return Ok(());
        };
        let answer = match &login.username {
            Some(username) => self.command(&[b"AUTH", username.as_bytes(), password.as_bytes()]),
            None => self.command(&[b"AUTH", password.as_bytes()]),
        };
        match answer {
            // "ERR ... without any password configured": as much a matter of the password as a wrong one.
            Err(Error::Reply { code, message }) if code == "ERR" => {
                Err(Error::Reply { code: "WRONGPASS".into(), message })
            }
            other => other.map(drop),
        }
    }

    /// Selects the database, reads the clock, and gives a name that `CLIENT LIST` shows.
    fn introduce(&mut self, db: u32) -> Result<()> {
        let mut pipeline = Pipeline::new();
        pipeline
            .command(&[b"SELECT", db.to_string().as_bytes()])
            .command(&[b"TIME"])
            .command(&[b"CLIENT", b"SETNAME", b"fastkiq"])
            .command(&[b"CLIENT", b"SETINFO", b"LIB-NAME", b"fastkiq"])
            .command(&[b"CLIENT", b"SETINFO", b"LIB-VER", env!("CARGO_PKG_VERSION").as_bytes()]);
        let sent = Instant::now();
        let mut replies = self.run(&pipeline)?.into_iter();
        // Names are a courtesy, and the clock may be forbidden by an ACL; only SELECT has to work. A user who may
        // not select gets by in database 0, where every connection begins.
        let selected = replies.next().unwrap_or(Reply::Nil).into_result();
        match selected {
            Err(Error::Reply { code, .. }) if code == "NOPERM" && db == 0 => {}
            other => drop(other?),
        }
        if let Some(time) = replies.next() {
            self.read_clock(&time, sent);
        }
        Ok(())
    }

    /// Takes the reply to a `TIME` that was sent at `sent`. What is not a time is ignored.
    pub fn read_clock(&mut self, reply: &Reply, sent: Instant) {
        let Reply::Array(parts) = reply else { return };
        let number = |index: usize| parts.get(index).and_then(Reply::as_int);
        let (Some(seconds), Some(micros)) = (number(0), number(1)) else {
            return;
        };
        // Redis read its clock halfway between question and answer, as far as one can tell.
        let doubt = sent.elapsed().as_secs_f64() / 2.0;
        let redis = seconds as f64 + micros as f64 / 1e6 + doubt;
        let read = ClockReading { redis, doubt, steady: Instant::now(), wall: SystemTime::now() };
        let known = self.clock.filter(|clock| clock.age() < READING_LASTS && clock.outdoes(&read));
        self.clock = Some(known.unwrap_or(read));
    }

    /// Redis's clock as last read on this connection.
    pub fn clock(&self) -> Option<ClockReading> {
        self.clock
    }

    /// `Unreachable` if not one byte was written, else `Lost`; the connection is broken after either.
    pub fn send(&mut self, bytes: &[u8]) -> Result<()> {
        if self.broken {
            return Err(Error::Unreachable(format!("the connection to {} is closed", self.name)));
        }
        self.stream.write(bytes, self.timeout).map_err(|failed| {
            self.broken = true;
            let text = format!("cannot write to {}: {}", self.name, reason(&failed.error));
            if failed.sent { Error::Lost(text) } else { Error::Unreachable(text) }
        })
    }

    /// The next reply. After an error the connection is broken for good.
    pub fn receive(&mut self) -> Result<Reply> {
        loop {
            if let Some(reply) = self.parse()? {
                return Ok(reply);
            }
            match self.fill(self.timeout)? {
                Arrival::Bytes(_) => {}
                Arrival::Closed => return Err(self.lost("it closed the connection")),
                Arrival::TimedOut => {
                    return Err(self.lost(&format!("no reply within {:?}", self.timeout)));
                }
            }
        }
    }

    /// As `receive`; `None` when nothing at all arrives within `wait`, and the connection is still good.
    /// A reply that has begun is awaited as patiently as any.
    pub fn receive_within(&mut self, wait: Duration) -> Result<Option<Reply>> {
        if self.start == self.end {
            match self.fill(wait)? {
                Arrival::Bytes(_) => {}
                Arrival::TimedOut => return Ok(None),
                Arrival::Closed => return Err(self.lost("it closed the connection")),
            }
        }
        self.receive().map(Some)
    }

    /// Sends all commands in one write and reads all replies; error replies stay among them.
    pub fn run(&mut self, pipeline: &Pipeline) -> Result<Vec<Reply>> {
        self.send(pipeline.bytes())?;
        self.receive_all(pipeline.len())
    }

    /// The next replies; error replies stay among them.
    pub fn receive_all(&mut self, count: usize) -> Result<Vec<Reply>> {
        (0..count).map(|_| self.receive()).collect()
    }

    /// One command; an error reply becomes `Err`.
    pub fn command(&mut self, words: &[&[u8]]) -> Result<Reply> {
        let mut pipeline = Pipeline::new();
        pipeline.command(words);
        self.send(pipeline.bytes())?;
        self.receive()?.into_result()
    }

    /// Whether the other side has hung up, or sent what nobody asked for. Never waits.
    pub fn peek_closed(&mut self) -> bool {
        self.broken = self.broken || self.start < self.end || self.stream.is_closed();
        self.broken
    }

    /// How long each reply is waited for from now on.
    pub fn set_timeout(&mut self, timeout: Duration) {
        self.timeout = timeout;
    }

    /// Whether the coming replies are looked for awake for a moment: see `spin`.
    pub fn hurry(&mut self, alone: bool) {
        self.stream.spin.want(alone);
    }

    /// What `CLIENT KILL ID` and `CLIENT UNBLOCK` call this connection.
    pub fn client_id(&mut self) -> Result<i64> {
        if let Some(id) = self.client_id {
            return Ok(id);
        }
        let reply = self.command(&[b"CLIENT", b"ID"])?;
        let id = reply.as_int().ok_or_else(|| Error::Protocol("CLIENT ID answered no number".into()))?;
        self.client_id = Some(id);
        Ok(id)
    }

    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// Where it leads to, without secrets.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Lets another thread end a read that blocks on this connection.
    pub fn shutdown_handle(&self) -> Result<ShutdownHandle> {
        let handle = self.stream.shutdown_handle();
        handle.map_err(|error| Error::Unreachable(format!("{}: {}", self.name, reason(&error))))
    }

    fn parse(&mut self) -> Result<Option<Reply>> {
        if self.broken {
            return Err(self.lost("the connection is closed"));
        }
        let bytes = &self.data[self.start..self.end];
        let found = match self.scanner.advance(bytes) {
            Ok(None) => return Ok(None),
            Ok(Some(length)) => decode(&bytes[..length]).map(|reply| (reply, length)),
            Err(error) => Err(error),
        };
        let (reply, length) = found.inspect_err(|_| self.broken = true)?;
        self.scanner = Scanner::new();
        self.start += length;
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            if self.data.len() > KEPT_BUFFER {
                self.data = vec![0; BUFFER];
            }
        }
        Ok(Some(reply))
    }

    fn fill(&mut self, wait: Duration) -> Result<Arrival> {
        self.make_room();
        let deadline = Instant::now() + wait;
        let arrival = match self.stream.read(&mut self.data[self.end..], deadline) {
            Ok(arrival) => arrival,
            Err(error) => return Err(self.lost(&reason(&error))),
        };
        if let Arrival::Bytes(count) = arrival {
            self.end += count;
        }
        Ok(arrival)
    }

    /// Room for a read of some size: by moving what is left to the front, else by doubling.
    fn make_room(&mut self) {
        if self.data.len() - self.end >= BUFFER / 4 {
            return;
        }
        self.data.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        if self.data.len() - self.end < self.data.len() / 2 {
            self.data.resize(self.data.len() * 2, 0);
        }
    }

    fn lost(&mut self, why: &str) -> Error {
        self.broken = true;
        Error::Lost(format!("no reply from {}: {why}", self.name))
    }
}

fn secured(stream: Stream, tls: &Tls, host: &str, name: &str, deadline: Instant) -> Result<Stream> {
    let secured = stream.secure(tls::session(tls, host)?, deadline);
    secured.map_err(|error| match error {
        Error::Unreachable(text) => Error::Unreachable(format!("cannot connect to {name}: {text}")),
        other => other,
    })
}

/// The operating system's words without Rust's "(os error 111)".
fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::TimedOut => "timed out".to_owned(),
        io::ErrorKind::UnexpectedEof => "it closed the connection".to_owned(),
        _ => {
            let text = error.to_string();
            text.split(" (os error").next().unwrap_or_default().to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(redis: f64, doubt: f64) -> ClockReading {
        ClockReading { redis, doubt, steady: Instant::now(), wall: SystemTime::now() }
    }

    #[test]
    fn a_late_reply_does_not_replace_a_better_reading() {
        let good = reading(1000.0, 0.001);
        assert!(good.outdoes(&reading(1000.04, 0.05)));
        assert!(!good.outdoes(&reading(1000.0, 0.000_5)));
    }

    #[test]
    fn a_reading_that_cannot_be_true_any_more_goes() {
        assert!(!reading(1000.0, 0.001).outdoes(&reading(1000.4, 0.05)));
        assert!(!reading(1000.0, 0.001).outdoes(&reading(4600.0, 0.05)));
    }
}
