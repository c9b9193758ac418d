//! What the Python side decided about a server process, checked once at the border.

use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::{PyAny, PyDict, PyMapping};

use crate::error::{Error, Result};
use crate::times::Compat;

#[derive(Debug, Clone)]
pub struct Queue {
    pub name: String,
    pub weight: u32,
}

/// The settings of one capsule, and those that all capsules of a process share.
#[derive(Debug, Clone)]
pub struct Options {
    pub capsule: String,
    pub queues: Vec<Queue>,
    pub concurrency: usize,
    pub async_concurrency: usize,
    pub reliable: bool,
    pub lease: Duration,
    pub beat: Duration,
    pub tag: String,
    pub labels: Vec<String>,
    pub hostname: String,
    pub version: String,
    /// None: moved when due. Some: Sidekiq's random poll with this average.
    pub poll_interval: Option<Duration>,
    pub dead_max: u64,
    pub dead_timeout: f64,
    pub max_bytes: usize,
    pub compat: Option<Compat>,
    pub connect_timeout: Duration,
    pub timeout: Duration,
    /// Definitions of the recurring jobs that this process holds, as `fastkiq:cron` has them.
    pub cron: Vec<Vec<u8>>,
}

/// Of a capsule: its name, its queues with their weights, the most jobs at once on threads and on the event loop.
type Given = (String, Vec<(String, u32)>, usize, usize);

impl Options {
    pub fn extract(mapping: &Bound<'_, PyMapping>) -> Result<Self> {
        let options = PyDict::new(mapping.py());
        options.update(mapping)?;
        let queues = queues(get(&options, "queues")?)?;
        let lease: f64 = get(&options, "lease")?.unwrap_or(30.0);
        let beat: f64 = get(&options, "beat")?.unwrap_or(lease / 6.0);
        if beat * 2.0 > lease {
            return Err(Error::Config(format!("beat ({beat} s) must be at most half of the lease ({lease} s)")));
        }
        let fetch: String = get(&options, "fetch")?.unwrap_or_else(|| "reliable".into());
        if fetch != "reliable" && fetch != "basic" {
            return Err(Error::Config(format!("fetch must be \"reliable\" or \"basic\", not {fetch:?}")));
        }
        Ok(Self {
            capsule: "default".into(),
            queues,
            concurrency: get(&options, "concurrency")?.unwrap_or(25),
            async_concurrency: get(&options, "async_concurrency")?.unwrap_or(100),
            reliable: fetch == "reliable",
            lease: seconds("lease", lease)?,
            beat: seconds("beat", beat)?,
            tag: get(&options, "tag")?.unwrap_or_default(),
            labels: get(&options, "labels")?.unwrap_or_default(),
            hostname: get(&options, "hostname")?.unwrap_or_else(|| "localhost".into()),
            version: get(&options, "version")?.unwrap_or_else(|| env!("CARGO_PKG_VERSION").into()),
            poll_interval: get::<f64>(&options, "poll_interval")?
                .map(|value| seconds("poll_interval", value))
                .transpose()?,
            dead_max: get(&options, "dead_max")?.unwrap_or(10_000),
            dead_timeout: get(&options, "dead_timeout")?.unwrap_or(15_552_000.0),
            max_bytes: get(&options, "max_bytes")?.unwrap_or(8 * 1024 * 1024),
            compat: Compat::parse(get::<String>(&options, "compat")?.as_deref())?,
            connect_timeout: seconds("connect_timeout", get(&options, "connect_timeout")?.unwrap_or(3.0))?,
            timeout: seconds("timeout", get(&options, "timeout")?.unwrap_or(5.0))?,
            cron: get(&options, "cron")?.unwrap_or_default(),
        })
    }

    /// One queue `q`, for a Redis that need not be there.
    #[cfg(test)]
    pub fn of_a_test() -> Self {
        Self {
            capsule: "default".into(),
            queues: vec![Queue { name: "q".into(), weight: 0 }],
            concurrency: 1,
            async_concurrency: 1,
            reliable: true,
            lease: Duration::from_secs(30),
            beat: Duration::from_secs(5),
            tag: String::new(),
            labels: Vec::new(),
            hostname: "model".into(),
            version: String::new(),
            poll_interval: None,
            dead_max: 10,
            dead_timeout: 1e6,
            max_bytes: 1 << 20,
            compat: None,
            connect_timeout: Duration::from_secs(1),
            timeout: Duration::from_secs(1),
            cron: Vec::new(),
        }
    }

    /// Of the capsules beside the default one.
    pub fn extract_others(&self, mapping: &Bound<'_, PyMapping>) -> Result<Vec<Self>> {
        let options = PyDict::new(mapping.py());
        options.update(mapping)?;
        let capsules: Vec<Given> = get(&options, "capsules")?.unwrap_or_default();
        let own = |(capsule, names, concurrency, async_concurrency)| {
            Ok(Self { capsule, queues: queues(Some(names))?, concurrency, async_concurrency, ..self.clone() })
        };
        capsules.into_iter().map(own).collect()
    }

    pub fn weighted(&self) -> bool {
        self.queues.iter().any(|queue| queue.weight > 0)
    }

    /// How a claim orders the queues, in Sidekiq's words.
    pub fn mode(&self) -> &'static str {
        if self.queues.iter().all(|queue| queue.weight == 0) {
            "strict"
        } else if self.queues.iter().all(|queue| queue.weight == 1) {
            "random"
        } else {
            "weighted"
        }
    }

    pub fn queue_index(&self, name: &str) -> Option<usize> {
        self.queues.iter().position(|queue| queue.name == name)
    }
}

fn get<'py, T: for<'a> FromPyObject<'a, 'py, Error: Into<PyErr>>>(
    options: &Bound<'py, PyDict>,
    name: &str,
) -> Result<Option<T>> {
    let Some(value) = options.get_item(name)? else {
        return Ok(None);
    };
    if value.is_none() {
        return Ok(None);
    }
    extract(&value).map(Some).map_err(|error: PyErr| Error::Config(format!("server option {name}: {error}")))
}

fn extract<'py, T: for<'a> FromPyObject<'a, 'py, Error: Into<PyErr>>>(value: &Bound<'py, PyAny>) -> PyResult<T> {
    value.extract().map_err(Into::into)
}

fn queues(given: Option<Vec<(String, u32)>>) -> Result<Vec<Queue>> {
    let queues = given.filter(|queues| !queues.is_empty()).ok_or_else(|| missing("queues"))?;
    Ok(queues.into_iter().map(|(name, weight)| Queue { name, weight }).collect())
}

fn missing(name: &str) -> Error {
    Error::Config(format!("server option {name} must not be empty"))
}

fn seconds(name: &str, value: f64) -> Result<Duration> {
    if value > 0.0 && value <= 1e7 {
        return Ok(Duration::from_secs_f64(value));
    }
    Err(Error::Config(format!("server option {name} must be between 0 and 10,000,000 seconds, not {value}")))
}
