//! What enqueues jobs: payloads are written while attached to the interpreter, sent while detached.

use std::time::{Duration, Instant};

use pyo3::exceptions::PyUserWarning;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};

use crate::batch::{Batch, Failure, Fate, Place, local_time};
use crate::bulk::{self, Rows};
use crate::error::{self, Error, Result};
use crate::item;
use crate::jids::{self, Jid, Jids};
use crate::pool::Pool;
use crate::resp::{Pipeline, Reply};
use crate::template::{Template, check_size};
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
}

/// Why a batch did not go through.
pub enum Trouble {
    Failed(Failure),
    BufferFull(Failure),
    /// Older jobs, which had waited in the buffer, went wrong; the batch itself was not tried.
    Buffered(Batch, Failure),
}

#[pymethods]
impl Client {
    #[new]
    #[pyo3(signature = (url, *, pool_size = 16, connect_timeout = 3.0, timeout = 5.0, buffer = 0, max_bytes = 8_388_608))]
    fn new(
        url: &str,
        pool_size: usize,
        connect_timeout: f64,
        timeout: f64,
        buffer: usize,
        max_bytes: usize,
    ) -> Result<Self> {
        if pool_size == 0 {
            return Err(Error::Config("pool_size: must be at least 1".into()));
        }
        let (connect_timeout, timeout) = (
            seconds("connect_timeout", connect_timeout)?,
            seconds("timeout", timeout)?,
        );
        let pool = Pool::new(RedisUrl::parse(url)?, pool_size, connect_timeout, timeout);
        Ok(Self {
            pool,
            buffer,
            max_bytes,
        })
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
        template.write(
            &mut batch.bytes,
            args,
            &jid,
            (item::milliseconds(now), at_once),
            || "args".into(),
        )?;
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
            template.write(
                &mut batch.bytes,
                row,
                &fresh,
                (item::milliseconds(now), at_once),
                root,
            )?;
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
        self.add_payload(&mut batch, payload, jids::random(1)?[0], &|| {
            "payload".into()
        })?;
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
    fn command<'py>(
        &self,
        py: Python<'py>,
        words: &Bound<'py, PyTuple>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let mut pipeline = Pipeline::new();
        pipeline.begin(words.len());
        for (index, value) in words.iter().enumerate() {
            pipeline.word(&word(&value, index)?);
        }
        if words.is_empty() {
            return Err(Error::Argument {
                path: "words".into(),
                found: "empty".into(),
                hint: "name a command".into(),
            }
            .into());
        }
        let reply = py.detach(|| {
            let mut lease = self.pool.lend()?;
            lease
                .run(&pipeline)
                .map(|mut replies| replies.pop().unwrap_or(Reply::Nil))
        })?;
        python_reply(py, reply.into_result()?)
    }

    #[getter]
    fn buffered(&self) -> usize {
        self.pool.slot().buffer.len()
    }

    fn flush_buffer(&self, py: Python<'_>) -> PyResult<usize> {
        let flushed = py.detach(|| self.pool.slot().buffer.empty(&self.pool));
        flushed.map_err(|(batch, failure)| buffered_error(py, &batch, failure))
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
        let (jid, place) = item::write(&mut batch.bytes, payload, fresh, local_time(), root)?;
        check_size(batch.bytes.len() - start, self.max_bytes, root)?;
        batch.add(start, jid, place);
        Ok(())
    }

    fn ship_one<'py>(&self, py: Python<'py>, batch: &Batch) -> PyResult<Bound<'py, PyString>> {
        let jid = batch.parcels[0].jid.text();
        warn_of_size(py, batch.bytes.len())?;
        match py.detach(|| self.ship(batch)) {
            Ok(()) => Ok(PyString::new(py, &jid)),
            Err(Trouble::Failed(failure)) if failure.fates[0] == Fate::Uncertain => {
                let message = format!("{}; job {jid} may be enqueued or not", failure.error);
                let error = error::raise("PushUncertain", message);
                error.value(py).setattr("jid", &jid)?;
                error.value(py).setattr("uncertain", (&jid,))?;
                Err(error)
            }
            Err(Trouble::Failed(failure)) => Err(failure.error.into()),
            Err(Trouble::BufferFull(failure)) => Err(self.full(&failure)),
            Err(Trouble::Buffered(held, failure)) => Err(buffered_error(py, &held, failure)),
        }
    }

    /// Sends a batch, after what waits in the buffer; or puts it there when Redis is away and there is room.
    pub fn ship(&self, batch: &Batch) -> std::result::Result<(), Trouble> {
        if self.buffer == 0 {
            return batch.ship(&self.pool).map_err(Trouble::Failed);
        }
        let buffer = &self.pool.slot().buffer;
        if buffer.len() > 0 {
            if buffer.is_pausing() {
                let error = Error::Unreachable(format!(
                    "{} was not to be reached a moment ago",
                    self.pool.url.safe()
                ));
                return self.hold(
                    batch,
                    Failure {
                        error,
                        fates: vec![Fate::Refused; batch.len()],
                    },
                );
            }
            match buffer.empty(&self.pool) {
                Ok(_) => {}
                Err((_, failure)) if failure.is_outage() => {
                    let fates = vec![Fate::Refused; batch.len()];
                    return self.hold(
                        batch,
                        Failure {
                            error: failure.error,
                            fates,
                        },
                    );
                }
                Err((held, failure)) => return Err(Trouble::Buffered(held, failure)),
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
        if self.pool.slot().buffer.hold(batch, self.buffer) {
            Ok(())
        } else {
            Err(Trouble::BufferFull(failure))
        }
    }

    pub fn full(&self, failure: &Failure) -> PyErr {
        let message = format!(
            "{}; the outage buffer ({} jobs) has no room",
            failure.error, self.buffer
        );
        error::raise("BufferFull", message)
    }
}

/// The jobs of `batch` with this fate.
pub fn jids_of(batch: &Batch, failure: &Failure, fate: Fate) -> Jids {
    let mut jids = Jids::default();
    let pairs = batch.parcels.iter().zip(&failure.fates);
    pairs
        .filter(|(_, own)| **own == fate)
        .for_each(|(parcel, _)| jids.add(&parcel.jid));
    jids
}

/// Older jobs of the buffer failed. What was pushed now has not been tried.
pub fn buffered_error(py: Python<'_>, held: &Batch, failure: Failure) -> PyErr {
    let (pushed, uncertain) = (
        jids_of(held, &failure, Fate::Pushed),
        jids_of(held, &failure, Fate::Uncertain),
    );
    if !failure.fates.contains(&Fate::Uncertain) {
        return failure.error.into();
    }
    let message = format!(
        "{}; jobs of the outage buffer may be enqueued or not (.uncertain); nothing else was sent",
        failure.error
    );
    let error = error::raise("PushUncertain", message);
    let value = error.value(py);
    match value
        .setattr("pushed", pushed)
        .and_then(|()| value.setattr("uncertain", uncertain))
    {
        Ok(()) => error,
        Err(other) => other,
    }
}

/// Warns of a payload that is large, though allowed.
pub fn warn_of_size(py: Python<'_>, size: usize) -> PyResult<()> {
    if size <= LARGE {
        return Ok(());
    }
    let text = format!(
        "a job's payload of {size} bytes: pass an id or a path, and load the data in the job"
    );
    let text = std::ffi::CString::new(text)?;
    PyErr::warn(py, &py.get_type::<PyUserWarning>(), &text, 2)
}

fn place(
    template: &Template,
    delay: Option<&Bound<'_, PyAny>>,
    at: Option<&Bound<'_, PyAny>>,
    now: f64,
) -> Result<Place> {
    let number = |name: &str, value: &Bound<'_, PyAny>| {
        let hint = if name == "at" {
            "pass epoch seconds"
        } else {
            "pass seconds"
        };
        item::time(value).map_err(|found| Error::Argument {
            path: name.to_owned(),
            found,
            hint: hint.to_owned(),
        })
    };
    match (delay, at) {
        (Some(_), Some(_)) => {
            let (found, hint) = (
                "given beside delay".to_owned(),
                "pass one of them".to_owned(),
            );
            Err(Error::Argument {
                path: "at".to_owned(),
                found,
                hint,
            })
        }
        (Some(delay), None) => match number("delay", delay)? {
            seconds if seconds > 0.0 => Ok(Place::In {
                seconds,
                asked: Instant::now(),
            }),
            _ => Ok(Place::Queue(template.queue_name.clone())),
        },
        (None, Some(at)) => match number("at", at)? {
            at if at > now => Ok(Place::At(at)),
            _ => Ok(Place::Queue(template.queue_name.clone())),
        },
        (None, None) => Ok(Place::Queue(template.queue_name.clone())),
    }
}

fn seconds(name: &str, value: f64) -> Result<Duration> {
    if value > 0.0 && value <= 86_400.0 {
        return Ok(Duration::from_secs_f64(value));
    }
    Err(Error::Config(format!(
        "{name}: must be more than 0 and at most 86,400 seconds, not {value}"
    )))
}

fn word(value: &Bound<'_, PyAny>, index: usize) -> Result<Vec<u8>> {
    if let Ok(bytes) = value.cast::<PyBytes>() {
        Ok(bytes.as_bytes().to_vec())
    } else if let Ok(text) = value.cast::<PyString>() {
        Ok(text.to_str()?.as_bytes().to_vec())
    } else if value.is_exact_instance_of::<PyInt>() || value.is_exact_instance_of::<PyFloat>() {
        Ok(value.str()?.to_str()?.as_bytes().to_vec())
    } else {
        let found = crate::hints::type_name(value);
        Err(Error::Argument {
            path: format!("words[{index}]"),
            found,
            hint: "pass str, bytes, int or float".to_owned(),
        })
    }
}

/// A reply as Python sees it; an error inside a list is an exception there, not raised.
fn python_reply(py: Python<'_>, reply: Reply) -> PyResult<Bound<'_, PyAny>> {
    Ok(match reply {
        Reply::Nil => py.None().into_bound(py),
        Reply::Status(text) => PyString::new(py, &text).into_any(),
        Reply::Int(number) => number.into_pyobject(py)?.into_any(),
        Reply::Bulk(bytes) => PyBytes::new(py, &bytes).into_any(),
        Reply::Array(items) => {
            let items = items
                .into_iter()
                .map(|item| python_reply(py, item))
                .collect::<PyResult<Vec<_>>>()?;
            PyList::new(py, items)?.into_any()
        }
        Reply::Error { code, message } => PyErr::from(Error::Reply { code, message })
            .into_value(py)
            .into_bound(py)
            .into_any(),
    })
}

/// The parts of a URL for redis-py; see the stub.
pub fn url_parts<'py>(py: Python<'py>, url: &RedisUrl) -> PyResult<Bound<'py, PyDict>> {
    use crate::url::Endpoint;
    let parts = PyDict::new(py);
    let (host, port, path, service, nodes) = match &url.endpoint {
        Endpoint::Tcp { host, port } => (Some(host), Some(*port), None, None, None),
        Endpoint::Unix(path) => (None, None, Some(path.display().to_string()), None, None),
        Endpoint::Sentinel { service, nodes } => {
            (None, None, None, Some(service), Some(nodes.clone()))
        }
        Endpoint::Embedded => (None, None, None, None, None),
    };
    let tls = url.tls.as_ref();
    let file = |path: Option<&std::path::PathBuf>| path.map(|path| path.display().to_string());
    parts.set_item("scheme", url.scheme)?;
    parts.set_item("host", host)?;
    parts.set_item("port", port)?;
    parts.set_item("path", path)?;
    parts.set_item("username", &url.login.username)?;
    parts.set_item("password", &url.login.password)?;
    parts.set_item("db", url.db)?;
    parts.set_item("service", service)?;
    parts.set_item("sentinels", nodes)?;
    parts.set_item("sentinel_username", &url.sentinel_login.username)?;
    parts.set_item("sentinel_password", &url.sentinel_login.password)?;
    parts.set_item("tls", tls.is_some())?;
    parts.set_item("ca_certs", file(tls.and_then(|tls| tls.ca_certs.as_ref())))?;
    parts.set_item("certfile", file(tls.and_then(|tls| tls.certfile.as_ref())))?;
    parts.set_item("keyfile", file(tls.and_then(|tls| tls.keyfile.as_ref())))?;
    parts.set_item(
        "cert_reqs",
        tls.map(|tls| if tls.verify { "required" } else { "none" }),
    )?;
    parts.set_item(
        "check_hostname",
        tls.map(|tls| tls.verify && tls.check_hostname),
    )?;
    parts.set_item("safe", url.safe())?;
    Ok(parts)
}
