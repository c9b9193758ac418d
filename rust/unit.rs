//! What a worker thread and the event loop hold in Python: a job to run, and the thread's place at the server.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyMapping};

use crate::clock::now_us;
use crate::connection::Connection;
use crate::decode;
use crate::encode;
use crate::error::{Error, Result};
use crate::events::WARNING;
use crate::flight::{CONFIRMED, Job, UNCONFIRMED};
use crate::fork;
use crate::keys;
use crate::lua::START;
use crate::outbox::{Outcome, When};
use crate::payload::splice;
use crate::phase::Phase;
use crate::poison::Mark;
use crate::running::Running;
use crate::seat::Seat;
use crate::shared::Core;

/// The Python objects that belong to the workers stay on this side; the Rust threads only have the `Core`.
pub struct Face {
    pub core: Arc<Core>,
    pub workers: Vec<Py<PyAny>>,
    pub generation: u64,
    /// For rare commands on a worker's thread.
    pub side: Mutex<Option<Connection>>,
}

impl Face {
    pub fn same_process(&self) -> Result<()> {
        if fork::generation() == self.generation { Ok(()) } else { Err(Error::Forked) }
    }

    /// Runs on a connection of its own that is opened when first needed; tried again once when it was broken.
    pub fn aside<T>(&self, work: impl Fn(&mut Connection) -> Result<T>) -> Result<T> {
        let mut side = self.side.lock().unwrap_or_else(PoisonError::into_inner);
        for last in [false, true] {
            if side.is_none() {
                *side = Some(self.core.connect("side")?);
            }
            let Some(connection) = side.as_mut() else {
                break;
            };
            match work(connection) {
                Err(error) if error.is_connection() || error.wants_reconnect(&self.core.url) => {
                    *side = None;
                    if last {
                        return Err(error);
                    }
                }
                done => return done,
            }
        }
        Err(Error::Unreachable("no connection".into()))
    }

    /// A suspect's start is written down before it runs, so that a death from here on counts. False: it does not run here.
    fn record_start(&self, job: &Job) -> bool {
        let Some(mark) = &job.mark else { return true };
        let started = Mark { started: true, ..mark.clone() }.text();
        let field = job.suspect_field();
        let record = |connection: &mut Connection| {
            START.run(connection, &[keys::SUSPECTS], &[field.as_bytes(), started.as_bytes()]).map(|_| ())
        };
        let written = self.aside(record);
        if let Err(error) = &written {
            self.core.events.log(
                WARNING,
                format!("job {} waits: it is suspect and its start could not be recorded: {error}", job.jid()),
            );
        }
        written.is_ok() && self.core.lease_holds()
    }

    /// Whether a job that was taken begins: of a suspect the start is recorded first. One that cannot begin goes back.
    fn begins(&self, py: Python<'_>, job: &Arc<Job>) -> bool {
        if job.mark.is_none() || (py.detach(|| self.record_start(job)) && !job.is_settled()) {
            return true;
        }
        self.core.settle(job, Outcome::GiveBack { counted: false });
        self.core.ready.finish(job);
        // It comes back as fast as it went: not faster than what refused it may change.
        py.detach(|| std::thread::sleep(Duration::from_millis(200)));
        false
    }
}

/// One claimed job. Exactly one of the settling calls counts; later ones do nothing and answer False.
#[pyclass(frozen, module = "fastkiq._core")]
pub struct Unit {
    face: Arc<Face>,
    job: Arc<Job>,
}

impl Unit {
    fn settle(&self, outcome: Outcome) -> bool {
        if self.face.same_process().is_err() {
            return false;
        }
        let settled = self.face.core.settle(&self.job, outcome);
        self.end_coroutine();
        settled
    }

    /// A thread's job ends when the thread takes the next one; a coroutine's when it is settled or dropped.
    fn end_coroutine(&self) {
        if self.job.is_async {
            let ended =
                self.face.core.coroutines.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.job.order);
            if let Some(running) = ended {
                self.face.core.finish(&running);
            }
        }
    }

    fn spliced(&self, fields: &Bound<'_, PyMapping>) -> Result<Vec<u8>> {
        let fields = encode::fields(fields)?;
        let fields: Vec<(&str, Option<&[u8]>)> =
            fields.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
        splice(&self.job.bytes, &fields).map_err(|flaw| Error::Config(format!("the payload cannot be changed: {flaw}")))
    }
}

#[pymethods]
impl Unit {
    #[getter]
    fn worker(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        Some(self.face.workers.get(self.job.worker?)?.clone_ref(py))
    }

    #[getter]
    fn class_name(&self) -> Cow<'_, str> {
        self.job.class()
    }

    #[getter]
    fn jid(&self) -> Cow<'_, str> {
        self.job.jid()
    }

    #[getter]
    fn tid(&self) -> String {
        self.job.thread_id()
    }

    #[getter]
    fn queue(&self) -> &str {
        self.face.core.options.queues.get(self.job.queue).map_or("", |queue| &queue.name)
    }

    #[getter]
    fn args<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let args = decode::value(py, self.job.bytes.get(self.job.envelope.args.clone()).unwrap_or_default())?;
        if !self.job.envelope.is_wrapped {
            return Ok(args);
        }
        py.import("fastkiq.active_job")?.call_method1("arguments", (self.worker(py), args))
    }

    #[getter]
    fn raw<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.job.bytes)
    }

    #[getter]
    fn recovered(&self) -> u32 {
        self.job.mark.as_ref().map_or(0, |mark| mark.deaths)
    }

    fn payload<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        decode::value(py, &self.job.bytes)
    }

    fn done(&self) -> bool {
        // In a child that the job forked the outbox belongs to nobody, and its lock may be held for ever.
        if self.face.same_process().is_err() {
            return false;
        }
        let acked = self.face.core.ack(&self.job);
        self.end_coroutine();
        acked
    }

    fn begin(&self, py: Python<'_>) -> bool {
        let core = &self.face.core;
        if self.face.same_process().is_err() || !core.settle(&self.job, Outcome::Drop { failed: false }) {
            return false;
        }
        py.detach(|| {
            let mut guard = core.confirming.lock().unwrap_or_else(PoisonError::into_inner);
            while self.job.confirmation() == UNCONFIRMED && core.phase() != Phase::Stopped {
                guard = core
                    .confirmed
                    .wait_timeout(guard, Duration::from_millis(50))
                    .unwrap_or_else(PoisonError::into_inner)
                    .0;
            }
        });
        self.job.confirmation() == CONFIRMED
    }

    fn fail(&self) -> bool {
        self.settle(Outcome::Drop { failed: true })
    }

    #[pyo3(signature = (delay, fields, /, *, failed = true, absolute = false))]
    fn retry(&self, delay: f64, fields: &Bound<'_, PyMapping>, failed: bool, absolute: bool) -> Result<bool> {
        let when = if absolute { When::At(finite(delay)?) } else { When::In(finite(delay)?) };
        Ok(self.settle(Outcome::Retry { payload: self.spliced(fields)?, when, failed }))
    }

    #[pyo3(signature = (delay, fields, /))]
    fn schedule(&self, delay: f64, fields: &Bound<'_, PyMapping>) -> Result<bool> {
        Ok(self.settle(Outcome::Schedule { payload: self.spliced(fields)?, when: When::In(finite(delay)?) }))
    }

    #[pyo3(signature = (fields, /))]
    fn kill(&self, fields: &Bound<'_, PyMapping>) -> Result<bool> {
        Ok(self.settle(Outcome::Dead { payload: self.spliced(fields)? }))
    }

    fn give_back(&self) -> bool {
        self.settle(Outcome::GiveBack { counted: false })
    }

    fn __repr__(&self) -> String {
        format!("<fastkiq job {} {}>", self.job.class().escape_debug(), self.job.jid().escape_debug())
    }
}

impl Drop for Unit {
    /// A job that was taken and forgotten would stay in flight for as long as this process lives.
    fn drop(&mut self) {
        if self.face.same_process().is_err() {
            return;
        }
        if !self.job.is_settled() && self.face.core.phase() != Phase::Stopped {
            self.face
                .core
                .events
                .log(WARNING, format!("job {} was dropped unfinished: it goes back to its queue", self.job.jid()));
            self.face.core.settle(&self.job, Outcome::GiveBack { counted: false });
        }
        self.end_coroutine();
    }
}

fn finite(seconds: f64) -> Result<f64> {
    if seconds.is_finite() {
        Ok(seconds)
    } else {
        Err(Error::Config(format!("a delay must be a finite number of seconds, not {seconds}")))
    }
}

/// Takes a coroutine's job, if there is one.
pub fn next_async(face: &Arc<Face>, py: Python<'_>) -> Result<Option<Unit>> {
    face.same_process()?;
    if face.core.phase() != Phase::Running {
        return Ok(None);
    }
    let Some(job) = face.core.take_async().filter(|job| face.begins(py, job)) else {
        return Ok(None);
    };
    let running = Running { job: job.clone(), thread: Arc::from("async"), started_us: now_us() };
    face.core.coroutines.lock().unwrap_or_else(PoisonError::into_inner).insert(job.order, running);
    Ok(Some(Unit { face: face.clone(), job }))
}

/// One worker thread's hold on the server.
#[pyclass(frozen, module = "fastkiq._core")]
pub struct Processor {
    face: Arc<Face>,
    seat: Seat,
}

impl Processor {
    pub fn new(face: &Arc<Face>, name: &str) -> Self {
        Self { face: face.clone(), seat: Seat::new(&face.core, name) }
    }
}

#[pymethods]
impl Processor {
    fn next(&self, py: Python<'_>) -> Result<Option<Unit>> {
        self.face.same_process()?;
        let core = &self.face.core;
        loop {
            // Attached as long as there is something to take: no fight for the interpreter between two jobs.
            if let Some(job) = self.seat.turn() {
                if self.face.begins(py, &job) {
                    return Ok(Some(Unit { face: self.face.clone(), job }));
                }
                self.seat.refuse();
                continue;
            }
            if core.phase() == Phase::Stopped {
                return Ok(None);
            }
            py.detach(|| self.seat.wait());
        }
    }
}

impl Drop for Processor {
    fn drop(&mut self) {
        if self.face.same_process().is_ok() {
            self.seat.leave();
        }
    }
}
