//! In place of `stream.rs`: a connection to the Redis of the model.
#![expect(clippy::unnecessary_wraps, clippy::unused_self, reason = "as the real one")]

use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::ClientConnection;

use crate::error::Result;
use crate::races::redis::{Redis, redis};
use crate::spin::Spin;

pub enum Arrival {
    Bytes(usize),
    Closed,
    #[expect(dead_code, reason = "a model's Redis always answers, or the connection breaks")]
    TimedOut,
}

pub struct WriteError {
    pub sent: bool,
    pub error: io::Error,
}

pub struct ShutdownHandle(Arc<Redis>, usize);

impl ShutdownHandle {
    pub fn shutdown(&self) {
        self.0.close(self.1);
    }
}

pub struct Stream {
    redis: Arc<Redis>,
    client: usize,
    pub spin: Spin,
}

impl Stream {
    pub fn tcp(_host: &str, _port: u16, _deadline: Instant) -> io::Result<Self> {
        let redis = redis();
        let client = redis.connect();
        Ok(Self { redis, client, spin: Spin::default() })
    }

    pub fn unix(_path: &Path, _deadline: Instant) -> io::Result<Self> {
        Err(ErrorKind::Unsupported.into())
    }

    pub fn secure(self, _session: ClientConnection, _deadline: Instant) -> Result<Self> {
        Ok(self)
    }

    pub fn read(&mut self, buffer: &mut [u8], _deadline: Instant) -> io::Result<Arrival> {
        Ok(match self.redis.read(self.client, buffer) {
            0 => Arrival::Closed,
            count => Arrival::Bytes(count),
        })
    }

    pub fn write(&mut self, bytes: &[u8], _patience: Duration) -> std::result::Result<(), WriteError> {
        if self.redis.write(self.client, bytes) {
            return Ok(());
        }
        Err(WriteError { sent: true, error: ErrorKind::BrokenPipe.into() })
    }

    pub fn is_closed(&mut self) -> bool {
        false
    }

    pub fn shutdown_handle(&self) -> io::Result<ShutdownHandle> {
        Ok(ShutdownHandle(self.redis.clone(), self.client))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.redis.close(self.client);
    }
}
