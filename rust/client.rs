//! What enqueues jobs: payloads are written while attached to the interpreter, sent while detached.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use pyo3::exceptions::PyUserWarning;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};

use crate::batch::{Batch, Place, local_time};
use crate::bulk::{self, Rows};
use crate::convert;
use crate::error::{self, Error, Result};
use crate::fate::{Failure, Fate};
use crate::item;
use crate::jids::{self, Jid, Jids};
use crate::manual::{self, How, Order};
use crate::pool::Pool;
use crate::resp::{Pipeline, Reply};
use crate::template::{Stamp, Template, check_size};
use crate::times::Compat;
use crate::url::RedisUrl;

/// Larger payloads are a burden on Redis's memory and on every hop; the design says to warn.
const LARGE: usize = 128 << 10;

/// A pool of connections to one Redis, safe for threads, reopened in a forked child, lazily connected.
#[pyclass(frozen, module = "fastkiq._core")]
pub struct Client {
    pool: Pool,
    /// The most jobs that wait in memory while Redis is away.
    buffer: usize,
    max_bytes: usize,
    compat: Option<Compat>,
}

/// Class, jid and bytes of a job that went to the dead set.
type Corpse = (String, String, Cow<'static, [u8]>);

/// Why a batch did not go through.
pub enum Trouble {
    Failed(Failure),
    BufferFull(Failure),
    /// Older jobs, which had waited in the buffer, went wrong; the batch itself was not tried.
    Buffered(Box<(Batch, Failure)>),
}

#[pymethods]
impl Client {
    #[new]
    #[pyo3(signature = (
        url, *, pool_size = 16, connect_timeout = 3.0, timeout = 5.0, buffer = 0, max_bytes = 8_388_608, wait_replicas = 0,
        compat = None
    ))]
    #[allow(clippy::too_many_arguments, reason = "each is a keyword to its callers")]
    fn new(
        url: &str,
        pool_size: usize,
        connect_timeout: f64,
        timeout: f64,
        buffer: usize,
        max_bytes: usize,
        wait_replicas: usize,
        compat: Option<&str>,
    ) -> Result<Self> {
        if pool_size == 0 {
            return Err(Error::Config("pool_size: must be at least 1".into()));
        }
        let (connect_timeout, timeout) = (seconds("connect_timeout", connect_timeout)?, seconds("timeout", timeout)?);
        let pool = Pool::new(RedisUrl::parse(url)?, pool_size, connect_timeout, timeout, wait_replicas);
        Ok(Self { pool, buffer, max_bytes, compat: Compat::parse(compat)? })
    }

    #[getter]
    fn url(&self) -> &str {
        self.pool.url.safe()
    }

    #[pyo3(signature = (template, args, delay = None, at = None, /))]
    fn push<'py>(
        &self,
        py: Python<'py>,
        template: &Template,
        args: &Bound<'py, PyAny>,
        delay: Option<&Bound<'py, PyAny>>,
        at: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyString>> {
        let now = local_time();
        let place = place(template, delay, at, now)?;
        let jid = jids::random(1)?[0];
        let mut batch = Batch::default();
        let at_once = matches!(place, Place::Queue(_));
        let stamp = Stamp { ms: item::milliseconds(now), compat: self.compat, at_once };
        template.write(&mut batch.bytes, args, &jid, stamp, || "args".into())?;
        batch.add(0, Jid::Usual(jid), place);
        self.ship_one(py, &batch)
    }

    #[pyo3(signature = (template, rows, at = None, batch = 1000, /))]
    fn push_bulk(
        &self,
        py: Python<'_>,
        template: &Template,
        rows: &Bound<'_, PyAny>,
        at: Option<&Bound<'_, PyAny>>,
        batch: usize,
    ) -> PyResult<Jids> {
        let rows = Rows::new(rows, at, batch)?;
        bulk::push(py, self, rows, |batch, row, time, fresh, index| {
            let now = local_time();
            let root = || format!("rows[{index}]");
            let place = place(template, None, time, now)?;
            let start = batch.bytes.len();
            let at_once = matches!(place, Place::Queue(_));
            let stamp = Stamp { ms: item::milliseconds(now), compat: self.compat, at_once };
            template.write(&mut batch.bytes, row, &fresh, stamp, root)?;
            batch.add(start, Jid::Usual(fresh), place);
            Ok(())
        })
    }

    #[pyo3(signature = (payload, delay = None, /))]
    fn push_payload<'py>(
        &self,
        py: Python<'py>,
        payload: &Bound<'py, PyAny>,
        delay: Option<f64>,
    ) -> PyResult<Bound<'py, PyString>> {
        let asked = Instant::now();
        let mut batch = Batch::default();
        self.add_payload(&mut batch, payload, jids::random(1)?[0], &|| "payload".into())?;
        let place = &mut batch.parcels[0].place;
        if let (Place::At(_), Some(seconds)) = (&place, delay)
            && seconds > 0.0
        {
            *place = Place::In { seconds, asked };
        }
        self.ship_one(py, &batch)
    }

    #[pyo3(signature = (payloads, /))]
    fn push_payloads(&self, py: Python<'_>, payloads: &Bound<'_, PyAny>) -> PyResult<Jids> {
        let rows = Rows::new(payloads, None, 1000)?;
        bulk::push(py, self, rows, |batch, payload, _, fresh, index| {
            self.add_payload(batch, payload, fresh, &|| format!("payloads[{index}]"))
        })
    }

    #[pyo3(signature = (*words))]
    fn command<'py>(&self, py: Python<'py>, words: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyAny>> {
        let mut pipeline = Pipeline::new();
        pipeline.begin(words.len());
        for (index, value) in words.iter().enumerate() {
            pipeline.word(&convert::word(&value, index)?);
        }
        if words.is_empty() {
            return Err(Error::argument("words", "empty", "name a command").into());
        }
        let reply = py.detach(|| {
            let mut lease = self.pool.lend()?;
            lease.run(&pipeline).map(|mut replies| replies.pop().unwrap_or(Reply::Nil))
        })?;
        convert::reply(py, reply.into_result()?)
    }

    #[pyo3(signature = (identity, how, score, members, bounds, /))]
    fn recover(
        &self,
        py: Python<'_>,
        identity: String,
        how: &str,
        score: Option<String>,
        members: Vec<String>,
        bounds: (u64, f64),
    ) -> PyResult<(&'static str, u64, Vec<Corpse>, Option<String>)> {
        let (dead_max, dead_timeout) = bounds;
        let how = How::parse(how)?;
        let order = Order {
            id: identity,
            how,
            score,
            members,
            dead_max,
            dead_timeout,
            max_bytes: self.max_bytes,
            compat: self.compat,
        };
        let account = py.detach(|| manual::recover(&mut *self.pool.lend()?, &self.pool.url, &order))?;
        let poison = account.poison.into_iter().map(|(class, jid, raw)| (class, jid, Cow::Owned(raw)));
        Ok((account.state, account.moved, poison.collect(), account.refusal.map(|error| error.to_string())))
    }

    #[getter]
    fn buffered(&self) -> usize {
        self.pool.slot().buffer.len()
    }

    fn flush_buffer(&self, py: Python<'_>) -> PyResult<usize> {
        let flushed = py.detach(|| self.pool.slot().buffer.empty(&self.pool));
        flushed.map_err(|trouble| buffered_error(py, *trouble))
    }

    fn close(&self, py: Python<'_>) {
        py.detach(|| self.pool.close_idle());
    }

    fn __repr__(&self) -> String {
        format!("<Client of {}>", self.pool.url.safe())
    }
}

impl Client {
    fn add_payload(
        &self,
        batch: &mut Batch,
        payload: &Bound<'_, PyAny>,
        fresh: [u8; 12],
        root: &dyn Fn() -> String,
    ) -> Result<()> {
        let start = batch.bytes.len();
        let (jid, place) = item::write(&mut batch.bytes, payload, fresh, (local_time(), self.compat), root)?;
        check_size(batch.bytes.len() - start, self.max_bytes, root)?;
        batch.add(start, jid, place);
        Ok(())
    }

    fn ship_one<'py>(&self, py: Python<'py>, batch: &Batch) -> PyResult<Bound<'py, PyString>> {
        let jid = batch.parcels[0].jid.text();
        warn_of_size(py, batch.bytes.len())?;
        let Err(trouble) = py.detach(|| self.ship(batch)) else {
            return Ok(PyString::new(py, &jid));
        };
        let error = match trouble {
            Trouble::Failed(failure) if failure.fates[0] == Fate::Uncertain => {
                let message = format!("{}; job {jid} may be enqueued or not", failure.error);
                let error = error::raise("PushUncertain", message);
                error.value(py).setattr("jid", &jid)?;
                error.value(py).setattr("uncertain", (&jid,))?;
                error
            }
            Trouble::Failed(failure) => failure.error.into(),
            Trouble::BufferFull(failure) => self.full(&failure),
            Trouble::Buffered(trouble) => buffered_error(py, *trouble),
        };
        Err(or_signal(py, error))
    }

    /// Sends a batch, after what waits in the buffer; or puts it there when Redis is away and there is room.
    pub fn ship(&self, batch: &Batch) -> std::result::Result<(), Trouble> {
        if self.buffer == 0 {
            return batch.ship(&self.pool).map_err(Trouble::Failed);
        }
        let buffer = &self.pool.slot().buffer;
        if buffer.len() > 0 {
            if buffer.is_pausing() {
                let name = self.pool.url.safe();
                let error = format!("{name} was not to be reached a moment ago");
                return self.hold(batch, batch.unsent(Error::Unreachable(error)));
            }
            match buffer.empty(&self.pool) {
                Ok(_) => {}
                Err(trouble) if trouble.1.is_outage() => {
                    return self.hold(batch, batch.unsent(trouble.1.error));
                }
                Err(trouble) => return Err(Trouble::Buffered(trouble)),
            }
        }
        match batch.ship(&self.pool) {
            Err(failure) if failure.is_outage() => {
                buffer.pause();
                self.hold(batch, failure)
            }
            other => other.map_err(Trouble::Failed),
        }
    }

    fn hold(&self, batch: &Batch, failure: Failure) -> std::result::Result<(), Trouble> {
        if self.pool.slot().buffer.hold(batch, self.buffer) { Ok(()) } else { Err(Trouble::BufferFull(failure)) }
    }

    pub fn full(&self, failure: &Failure) -> PyErr {
        let message = format!("{}; the outage buffer ({} jobs) has no room", failure.error, self.buffer);
        error::raise("BufferFull", message)
    }
}

/// Older jobs of the buffer failed. What was pushed now has not been tried.
pub fn buffered_error(py: Python<'_>, (held, failure): (Batch, Failure)) -> PyErr {
    if !failure.fates.contains(&Fate::Uncertain) {
        return failure.error.into();
    }
    let (mut pushed, mut uncertain) = (Jids::default(), Jids::default());
    held.collect(&mut pushed, &failure, Fate::Pushed);
    held.collect(&mut uncertain, &failure, Fate::Uncertain);
    let (cause, what) = (failure.error, "jobs of the outage buffer");
    let message = format!("{cause}; {what} may be enqueued or not (.uncertain); nothing else was sent");
    let error = error::raise("PushUncertain", message);
    let value = error.value(py);
    let said = value.setattr("pushed", pushed).and_then(|()| value.setattr("uncertain", uncertain));
    said.err().unwrap_or(error)
}

/// What a signal handler raises, when one was waiting for the push to end: a Ctrl-C, say. It keeps `error` as its context.
/// Left pending, it would go off while the interpreter prints `error`, and neither of the two would be seen.
pub fn or_signal(py: Python<'_>, error: PyErr) -> PyErr {
    let Err(raised) = py.check_signals() else {
        return error;
    };
    // An exception class of the caller's may refuse attributes.
    let _ = raised.value(py).setattr("__context__", error.value(py));
    raised
}

/// Warns of a payload that is large, though allowed.
pub fn warn_of_size(py: Python<'_>, size: usize) -> PyResult<()> {
    if size <= LARGE {
        return Ok(());
    }
    let text = format!("a job's payload of {size} bytes: pass an id or a path, and load the data in the job");
    let text = std::ffi::CString::new(text)?;
    PyErr::warn(py, &py.get_type::<PyUserWarning>(), &text, 2)
}

fn place(
    template: &Template,
    delay: Option<&Bound<'_, PyAny>>,
    at: Option<&Bound<'_, PyAny>>,
    now: f64,
) -> Result<Place> {
    let number = |name: &str, value: &Bound<'_, PyAny>, hint: &str| {
        item::time(value).map_err(|found| Error::argument(name, found, hint))
    };
    match (delay, at) {
        (Some(_), Some(_)) => {
            return Err(Error::argument("at", "given beside delay", "pass one of them"));
        }
        (Some(delay), None) => {
            let seconds = number("delay", delay, "pass seconds")?;
            if seconds > 0.0 {
                let asked = Instant::now();
                return Ok(Place::In { seconds, asked });
            }
        }
        (None, Some(at)) => {
            let at = number("at", at, "pass epoch seconds")?;
            if at > now {
                return Ok(Place::At(at));
            }
        }
        (None, None) => {}
    }
    Ok(Place::Queue(template.queue_name.clone()))
}

fn seconds(name: &str, value: f64) -> Result<Duration> {
    if value > 0.0 && value <= 86_400.0 {
        return Ok(Duration::from_secs_f64(value));
    }
    Err(Error::Config(format!("{name}: must be more than 0 and at most 86,400 seconds, not {value}")))
}
