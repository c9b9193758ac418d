//! The server as Python sees it: starts the threads, passes on their events, stops them.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyMapping, PyTuple};

use crate::clock::now_us;
use crate::crew;
use crate::error::{Error, Result};
use crate::events::{Event, WARNING};
use crate::fork;
use crate::health::Health;
use crate::heartbeat::{Heartbeat, leave};
use crate::inspect;
use crate::keys;
use crate::options::Options;
use crate::phase::Phase;
use crate::running::Running;
use crate::shared::{Core, micros};
use crate::unit::{Face, Processor, Unit, next_async};
use crate::url::RedisUrl;

/// How long `quiet` waits for Redis to take back what has not begun; it goes on without being waited for.
const QUIET: Duration = Duration::from_secs(1);
/// How long `stop` goes on trying to write acks when Redis does not answer. All waits of a stop together must stay below 3.5 s.
const FLUSH: Duration = Duration::from_secs(1);
/// And then, with their connections shut down, how long it waits for the threads. One that hangs in a connect is left behind.
const LAST: Duration = Duration::from_millis(300);

/// Fetcher, scheduler, heartbeat and recovery: Rust threads that never attach to the interpreter.
///
/// Each capsule has a fetcher, waiters and a heartbeat of its own; scheduler and recovery serve all.
#[pyclass(frozen, module = "fastkiq._core")]
pub struct Server {
    /// Of the default capsule.
    face: Arc<Face>,
    others: Vec<Arc<Face>>,
    heartbeats: Vec<Arc<Mutex<Heartbeat>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    health: Mutex<Option<Health>>,
}

impl Server {
    /// The default capsule's.
    fn core(&self) -> &Arc<Core> {
        &self.face.core
    }

    fn faces(&self) -> impl Iterator<Item = &Arc<Face>> {
        std::iter::once(&self.face).chain(&self.others)
    }

    fn cores(&self) -> impl Iterator<Item = &Arc<Core>> {
        self.faces().map(|face| &face.core)
    }

    fn sum<T: std::iter::Sum>(&self, of: impl Fn(&Core) -> T) -> T {
        self.core().capsules().map(of).sum()
    }

    fn begin(&self) -> Result<()> {
        // The default capsule is announced last, when the others are there.
        for (core, heartbeat) in self.cores().zip(&self.heartbeats).collect::<Vec<_>>().into_iter().rev() {
            heartbeat.lock().unwrap_or_else(PoisonError::into_inner).begin(core).inspect_err(|_| self.leave())?;
        }
        let mut started = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        for (core, heartbeat) in self.cores().zip(&self.heartbeats) {
            crew::start(core, heartbeat, &mut started)?;
        }
        Ok(())
    }
}

#[pymethods]
impl Server {
    #[new]
    #[pyo3(signature = (url, workers, options, /))]
    fn new(url: &str, workers: &Bound<'_, PyMapping>, options: &Bound<'_, PyMapping>) -> Result<Self> {
        let url = RedisUrl::parse(url)?;
        let (given, options) = (options, Options::extract(options)?);
        let mut objects: Vec<Py<PyAny>> = Vec::new();
        let mut table = HashMap::new();
        for item in workers.items()?.iter() {
            let (name, (object, is_async)): (String, (Py<PyAny>, bool)) = item.extract()?;
            table.insert(name, (objects.len(), is_async));
            objects.push(object);
        }
        let others = options.extract_others(given)?;
        let core = Arc::new(Core::new(url, options, table)?);
        let beside = |(number, options)| Ok(Arc::new(core.beside(number + 1, options)?));
        let others: Vec<Arc<Core>> = others.into_iter().enumerate().map(beside).collect::<Result<_>>()?;
        let _ = core.others.set(others.clone());
        let heartbeat = || Arc::new(Mutex::new(Heartbeat::new()));
        let heartbeats = std::iter::repeat_with(heartbeat).take(1 + others.len()).collect();
        let face = |core| {
            let workers = objects.iter().map(|object| object.clone_ref(workers.py())).collect();
            Arc::new(Face { core, workers, generation: fork::generation(), side: Mutex::new(None) })
        };
        let others = others.into_iter().map(face).collect();
        Ok(Self { face: face(core), others, heartbeats, threads: Mutex::default(), health: Mutex::default() })
    }

    #[getter]
    fn identity(&self) -> String {
        self.core().identity().name.clone()
    }

    #[getter]
    fn url(&self) -> &str {
        self.core().url.safe()
    }

    #[getter]
    fn event_fd(&self) -> i32 {
        self.core().events.fd()
    }

    #[getter]
    fn async_fd(&self) -> i32 {
        self.core().async_bell.fd()
    }

    fn start(&self, py: Python<'_>) -> Result<()> {
        self.face.same_process()?;
        if !self.threads.lock().unwrap_or_else(PoisonError::into_inner).is_empty() {
            return Err(Error::Config("this server has been started before: make a new one".into()));
        }
        if self.core().phase() != Phase::Running {
            return Err(Error::Config("this server has been stopped: make a new one".into()));
        }
        py.detach(|| self.begin())?;
        if let Some(health) = &*self.health.lock().unwrap_or_else(PoisonError::into_inner) {
            health.started();
        }
        Ok(())
    }

    #[pyo3(signature = (address, /))]
    fn serve_health(&self, address: &str) -> Result<String> {
        self.face.same_process()?;
        let served = Health::serve(self.core(), address).map_err(|error| Error::Python(error.into()))?;
        let address = served.address.to_string();
        let before = self.health.lock().unwrap_or_else(PoisonError::into_inner).replace(served);
        before.into_iter().for_each(Health::end);
        Ok(address)
    }

    fn end_health(&self) -> Result<()> {
        self.face.same_process()?;
        let health = self.health.lock().unwrap_or_else(PoisonError::into_inner).take();
        health.into_iter().for_each(Health::end);
        Ok(())
    }

    #[pyo3(signature = (name, capsule = 0, /))]
    fn processor(&self, name: &str, capsule: usize) -> Result<Processor> {
        self.face.same_process()?;
        let face = self.faces().nth(capsule).ok_or_else(|| Error::Config(format!("there is no capsule {capsule}")))?;
        Ok(Processor::new(face, name))
    }

    fn next_async(&self, py: Python<'_>) -> Result<Option<Unit>> {
        // Cleared before the look: a push in between rings again.
        let unit = self.look_async(py)?;
        if unit.is_some() {
            return Ok(unit);
        }
        self.core().async_bell.clear();
        self.look_async(py)
    }

    fn events<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let events = PyList::empty(py);
        for event in self.core().events.drain() {
            events.append(tuple(py, event)?)?;
        }
        Ok(events)
    }

    fn quiet(&self, py: Python<'_>) -> Result<()> {
        self.face.same_process()?;
        self.cores().for_each(|core| core.advance(Phase::Quiet));
        if self.threads.lock().unwrap_or_else(PoisonError::into_inner).is_empty() {
            return Ok(());
        }
        py.detach(|| {
            if !self.wait_calm(QUIET) {
                self.core().events.log(
                    WARNING,
                    "Redis does not take back what has not begun: it will be recovered after this process ends",
                );
            }
        });
        Ok(())
    }

    #[pyo3(signature = (seconds, /))]
    fn wait_idle(&self, py: Python<'_>, seconds: f64) -> bool {
        let limit = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::ZERO);
        // Of a process that claims nothing more: who was idle once stays so.
        py.detach(|| {
            let until = Instant::now() + limit;
            let idle = |core: &Core| core.ready.wait_idle(until.saturating_duration_since(Instant::now()));
            self.core().capsules().all(idle) && self.sum(|core| core.ready.lock().busy()) == 0
        })
    }

    fn give_back_running(&self, py: Python<'_>) -> Result<usize> {
        self.face.same_process()?;
        let given = self.sum(Core::give_back_running);
        // Redis has them before anybody is told to stop: it is worse to lose a job than to run it twice.
        py.detach(|| self.wait_calm(Duration::from_secs(1)));
        Ok(given)
    }

    fn running(&self) -> Vec<(String, String, String, f64, String)> {
        let now = now_us();
        let line = |running: Running| {
            let seconds = Duration::from_micros(now.saturating_sub(running.started_us)).as_secs_f64();
            let job = &running.job;
            let (class, jid) = (job.class().into_owned(), job.jid().into_owned());
            (running.thread.to_string(), class, jid, seconds, job.thread_id())
        };
        self.core().capsules().flat_map(Core::running).map(line).collect()
    }

    #[getter]
    fn busy(&self) -> usize {
        self.sum(|core| core.ready.lock().busy())
    }

    #[getter]
    fn processed(&self) -> u64 {
        self.sum(|core| core.processed.load(Ordering::Relaxed))
    }

    #[getter]
    fn failed(&self) -> u64 {
        self.sum(|core| core.failed.load(Ordering::Relaxed))
    }

    #[getter]
    fn rtt(&self) -> f64 {
        Duration::from_micros(self.core().measures.rtt_us.load(Ordering::Relaxed)).as_secs_f64()
    }

    fn info<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyDict>> {
        self.face.same_process()?;
        let facts = py.detach(|| self.face.aside(|connection| Ok(inspect::info(connection))))?;
        let answer = PyDict::new(py);
        for (name, value) in facts {
            answer.set_item(name, value)?;
        }
        Ok(answer)
    }

    #[pyo3(signature = (horizon, /))]
    fn pending(&self, py: Python<'_>, horizon: f64) -> Result<(u64, u64, u64)> {
        self.face.same_process()?;
        py.detach(|| self.face.aside(|connection| inspect::pending(self.core(), connection, horizon)))
    }

    #[pyo3(signature = (fields, /))]
    fn show_stacks(&self, py: Python<'_>, fields: &Bound<'_, PyDict>) -> Result<()> {
        self.face.same_process()?;
        let fields: HashMap<String, String> = fields.extract()?;
        let key = keys::stacks(&self.core().identity().name);
        py.detach(|| self.face.aside(|connection| inspect::show(connection, &key, &fields)))
    }

    fn stop(&self, py: Python<'_>) -> Result<()> {
        self.face.same_process()?;
        for core in self.cores() {
            core.stop_by_us.fetch_min(now_us() + micros(FLUSH), Ordering::AcqRel);
            core.advance(Phase::Stopped);
        }
        let started = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        if started.is_empty() {
            return Ok(());
        }
        py.detach(|| {
            if !crew::ended(&started, FLUSH) {
                self.cores().for_each(|core| core.shut_down(|_| true));
                crew::ended(&started, LAST);
            }
            self.leave();
        });
        Ok(())
    }

    fn __repr__(&self) -> String {
        format!("<fastkiq server {} on {}>", self.core().identity().name, self.core().url.safe())
    }
}

impl Server {
    /// All capsules at once: the waits of a stop together are limited.
    fn leave(&self) {
        std::thread::scope(|scope| {
            for core in self.cores().filter(|core| core.beats() > 0) {
                let beside = std::thread::Builder::new();
                if beside.spawn_scoped(scope, || take_leave(core)).is_err() {
                    take_leave(core); // the system gives us no more threads
                }
            }
        });
    }

    fn look_async(&self, py: Python<'_>) -> Result<Option<Unit>> {
        for face in self.faces() {
            let unit = next_async(face, py)?;
            if unit.is_some() {
                return Ok(unit);
            }
        }
        Ok(None)
    }

    fn wait_calm(&self, limit: Duration) -> bool {
        let until = Instant::now() + limit;
        let calm = |core: &Core| core.wait_calm(until.saturating_duration_since(Instant::now()));
        self.core().capsules().all(calm)
    }
}

fn take_leave(core: &Core) {
    if let Err(error) = leave(core) {
        let what = "Its lease will run out, and then others take over what is left of it.";
        core.events.log(WARNING, format!("this process could not take its leave: {error}. {what}"));
    }
}

fn tuple(py: Python<'_>, event: Event) -> PyResult<Bound<'_, PyTuple>> {
    match event {
        Event::Spawn(capsule) => ("spawn", capsule).into_pyobject(py),
        Event::Signal(name) => ("signal", name).into_pyobject(py),
        Event::Beat => ("beat",).into_pyobject(py),
        Event::Heartbeat => ("heartbeat",).into_pyobject(py),
        Event::Log(level, message) => ("log", level, message).into_pyobject(py),
        Event::Bad { reason, queue, raw } => ("bad", reason, queue, PyBytes::new(py, &raw.bytes)).into_pyobject(py),
        Event::Poison { class, jid, raw } => ("poison", class, jid, PyBytes::new(py, &raw)).into_pyobject(py),
        Event::Recovered { identity, jobs } => ("recovered", identity, jobs).into_pyobject(py),
        Event::Summary { processed, failed, seconds } => ("summary", processed, failed, seconds).into_pyobject(py),
    }
}
