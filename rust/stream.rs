//! A socket to Redis, plain or TLS, whose every wait has a deadline.
//!
//! The socket is non-blocking and waits happen in `poll`: one system call more a reply than a blocking read, about
//! half a microsecond, for deadlines that hold and a cheap look at whether the other side has hung up.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustls::ClientConnection;

use crate::error::{Error, Result};
use crate::spin::Spin;

/// What a read came to.
pub enum Arrival {
    Bytes(usize),
    Closed,
    TimedOut,
}

/// A write that failed, and whether some of it had already gone out.
pub struct WriteError {
    pub sent: bool,
    pub error: io::Error,
}

/// Ends a read that blocks another thread, by shutting the socket down.
pub struct ShutdownHandle(OwnedFd);

impl ShutdownHandle {
    pub fn shutdown(&self) {
        // SAFETY: the descriptor is this handle's own.
        unsafe { libc::shutdown(self.0.as_raw_fd(), libc::SHUT_RDWR) };
    }
}

enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

pub struct Stream {
    socket: Socket,
    tls: Option<Box<ClientConnection>>,
    pub spin: Spin,
}

impl Socket {
    fn fd(&self) -> RawFd {
        match self {
            Self::Tcp(socket) => socket.as_raw_fd(),
            Self::Unix(socket) => socket.as_raw_fd(),
        }
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(socket) => socket.read(buffer),
            Self::Unix(socket) => socket.read(buffer),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(socket) => socket.write(bytes),
            Self::Unix(socket) => socket.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream {
    /// Connects to the first address of `host` that answers.
    pub fn tcp(host: &str, port: u16, deadline: Instant) -> io::Result<Self> {
        let mut last = io::Error::new(ErrorKind::NotFound, "the host name has no address");
        for address in addresses(host, port, deadline)? {
            match TcpStream::connect_timeout(&address, left(deadline).max(Duration::from_millis(1))) {
                Ok(socket) => return prepared(socket),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    pub fn unix(path: &Path, deadline: Instant) -> io::Result<Self> {
        let path = path.to_owned();
        // A server that is stopped leaves `connect` hanging once its backlog is full.
        let socket = bounded(deadline, move || UnixStream::connect(path))?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket: Socket::Unix(socket), tls: None, spin: Spin::default() })
    }

    /// Speaks TLS from here on.
    pub fn secure(mut self, session: ClientConnection, deadline: Instant) -> Result<Self> {
        let mut session = Box::new(session);
        while session.is_handshaking() {
            let step = self.handshake_step(&mut session, deadline);
            step.map_err(|error| Error::Unreachable(format!("TLS: {error}")))?;
        }
        self.tls = Some(session);
        Ok(self)
    }

    fn handshake_step(&mut self, session: &mut ClientConnection, deadline: Instant) -> io::Result<()> {
        flush(session, &mut self.socket, || deadline).map_err(|failed| failed.error)?;
        if !session.is_handshaking() {
            return Ok(());
        }
        if !wait(self.socket.fd(), libc::POLLIN, deadline)? {
            return Err(ErrorKind::TimedOut.into());
        }
        if session.read_tls(&mut self.socket)? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let outcome = session.process_new_packets();
        if outcome.is_err() {
            // The alert that tells the server why; whether it arrives changes nothing here.
            let _ = flush(session, &mut self.socket, || deadline);
        }
        outcome.map(drop).map_err(io::Error::other)
    }

    /// Waits for some bytes and puts them at the start of `buffer`.
    pub fn read(&mut self, buffer: &mut [u8], deadline: Instant) -> io::Result<Arrival> {
        loop {
            if let Some(arrival) = self.take(buffer)? {
                return Ok(arrival);
            }
            let mut spin = std::mem::take(&mut self.spin);
            let seen = spin.until(|| self.pull(buffer));
            self.spin = spin;
            if let Some(arrival) = seen? {
                return Ok(arrival);
            }
            if !wait(self.socket.fd(), libc::POLLIN, deadline)? {
                return Ok(Arrival::TimedOut);
            }
            if let Some(arrival) = self.pull(buffer)? {
                return Ok(arrival);
            }
        }
    }

    /// What TLS has decrypted already.
    fn take(&mut self, buffer: &mut [u8]) -> io::Result<Option<Arrival>> {
        let Some(session) = &mut self.tls else {
            return Ok(None);
        };
        match session.reader().read(buffer) {
            Ok(0) => Ok(Some(Arrival::Closed)),
            Ok(count) => Ok(Some(Arrival::Bytes(count))),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(Some(Arrival::Closed)),
            Err(error) => Err(error),
        }
    }

    /// What the socket has now, without waiting.
    fn pull(&mut self, buffer: &mut [u8]) -> io::Result<Option<Arrival>> {
        let result = match &mut self.tls {
            None => self.socket.read(buffer),
            Some(session) => session.read_tls(&mut self.socket),
        };
        match result {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(None),
            Err(error) if is_reset(&error) => Ok(Some(Arrival::Closed)),
            Err(error) => Err(error),
            Ok(0) if self.tls.is_none() => Ok(Some(Arrival::Closed)),
            Ok(count) => match &mut self.tls {
                None => Ok(Some(Arrival::Bytes(count))),
                Some(session) => {
                    session.process_new_packets().map_err(io::Error::other)?;
                    self.take(buffer)
                }
            },
        }
    }

    /// Writes all of `bytes`; `patience` is how long one step may take.
    pub fn write(&mut self, bytes: &[u8], patience: Duration) -> std::result::Result<(), WriteError> {
        let deadline = || Instant::now() + patience;
        let Some(session) = &mut self.tls else {
            return write_plain(&mut self.socket, bytes, deadline);
        };
        let mut sent = false;
        for chunk in bytes.chunks(16 << 10) {
            let buffered = session.writer().write_all(chunk);
            buffered.map_err(|error| WriteError { sent, error })?;
            match flush(session, &mut self.socket, deadline) {
                Ok(()) => sent = true,
                Err(failed) => {
                    return Err(WriteError { sent: sent || failed.sent, error: failed.error });
                }
            }
        }
        Ok(())
    }

    /// Whether the other side has hung up, or sent what nobody asked for. Never waits.
    pub fn is_closed(&mut self) -> bool {
        let mut byte = [0_u8];
        if self.tls.is_some() {
            // A TLS server may send session tickets at any time; they are consumed here.
            return !matches!(self.take(&mut byte), Ok(None)) || !matches!(self.pull(&mut byte), Ok(None));
        }
        let flags = libc::MSG_PEEK | libc::MSG_DONTWAIT;
        // SAFETY: the descriptor is open while `self` lives, and the buffer holds the one byte asked for.
        let count = unsafe { libc::recv(self.socket.fd(), byte.as_mut_ptr().cast(), 1, flags) };
        count >= 0 || !matches!(io::Error::last_os_error().kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
    }

    pub fn shutdown_handle(&self) -> io::Result<ShutdownHandle> {
        match &self.socket {
            Socket::Tcp(socket) => socket.as_fd().try_clone_to_owned(),
            Socket::Unix(socket) => socket.as_fd().try_clone_to_owned(),
        }
        .map(ShutdownHandle)
    }
}

fn prepared(socket: TcpStream) -> io::Result<Stream> {
    socket.set_nodelay(true)?;
    keep_alive(socket.as_raw_fd());
    socket.set_nonblocking(true)?;
    Ok(Stream { socket: Socket::Tcp(socket), tls: None, spin: Spin::default() })
}

/// Asks the kernel to notice a vanished peer after some two minutes. Best effort.
fn keep_alive(fd: RawFd) {
    #[cfg(target_os = "macos")]
    const IDLE: libc::c_int = libc::TCP_KEEPALIVE;
    #[cfg(not(target_os = "macos"))]
    const IDLE: libc::c_int = libc::TCP_KEEPIDLE;
    let options = [
        (libc::SOL_SOCKET, libc::SO_KEEPALIVE, 1),
        (libc::IPPROTO_TCP, IDLE, 60),
        (libc::IPPROTO_TCP, libc::TCP_KEEPINTVL, 20),
        (libc::IPPROTO_TCP, libc::TCP_KEEPCNT, 3),
    ];
    for (level, name, value) in options {
        let value: libc::c_int = value;
        let length = libc::socklen_t::try_from(size_of_val(&value)).unwrap_or(4);
        // SAFETY: `value` outlives the call, and its true length is given.
        unsafe { libc::setsockopt(fd, level, name, (&raw const value).cast(), length) };
    }
}

fn addresses(host: &str, port: u16, deadline: Instant) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = host.parse() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let host = host.to_owned();
    bounded(deadline, move || (host.as_str(), port).to_socket_addrs().map(Iterator::collect))
}

/// Runs a call that knows no timeout on a thread of its own. One that hangs is left behind.
fn bounded<T: Send + 'static>(
    deadline: Instant,
    call: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let (sender, receiver) = mpsc::sync_channel(1);
    std::thread::Builder::new().name("fastkiq-connect".into()).stack_size(512 << 10).spawn(move || {
        // Nobody listens any more once the deadline has passed.
        let _ = sender.send(call());
    })?;
    receiver.recv_timeout(left(deadline)).unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()))
}

fn write_plain(
    socket: &mut Socket,
    bytes: &[u8],
    deadline: impl Fn() -> Instant,
) -> std::result::Result<(), WriteError> {
    let mut done = 0;
    while done < bytes.len() {
        let failed = match socket.write(&bytes[done..]) {
            Ok(count) => {
                done += count;
                continue;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) if error.kind() == ErrorKind::WouldBlock => match wait(socket.fd(), libc::POLLOUT, deadline()) {
                Ok(true) => continue,
                Ok(false) => ErrorKind::TimedOut.into(),
                Err(error) => error,
            },
            Err(error) => error,
        };
        return Err(WriteError { sent: done > 0, error: failed });
    }
    Ok(())
}

/// Sends what TLS has ready.
fn flush(
    session: &mut ClientConnection,
    socket: &mut Socket,
    deadline: impl Fn() -> Instant,
) -> std::result::Result<(), WriteError> {
    let mut sent = false;
    while session.wants_write() {
        let failed = match session.write_tls(socket) {
            Ok(count) => {
                sent |= count > 0;
                continue;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) if error.kind() == ErrorKind::WouldBlock => match wait(socket.fd(), libc::POLLOUT, deadline()) {
                Ok(true) => continue,
                Ok(false) => ErrorKind::TimedOut.into(),
                Err(error) => error,
            },
            Err(error) => error,
        };
        return Err(WriteError { sent, error: failed });
    }
    Ok(())
}

/// Waits for the descriptor; false at the deadline.
fn wait(fd: RawFd, events: libc::c_short, deadline: Instant) -> io::Result<bool> {
    loop {
        let mut entry = libc::pollfd { fd, events, revents: 0 };
        // Rounded up, so that the last fraction of a millisecond is not spun through.
        let milliseconds = left(deadline).as_micros().div_ceil(1000);
        let milliseconds = libc::c_int::try_from(milliseconds).unwrap_or(libc::c_int::MAX);
        // SAFETY: one entry is passed and `entry` outlives the call.
        match unsafe { libc::poll(&raw mut entry, 1, milliseconds) } {
            0 if left(deadline).is_zero() => return Ok(false),
            0 => {}
            count if count > 0 => return Ok(true),
            _ => {
                let error = io::Error::last_os_error();
                if error.kind() != ErrorKind::Interrupted {
                    return Err(error);
                }
            }
        }
    }
}

fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

fn is_reset(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted)
}
