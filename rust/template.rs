//! The fixed part of a worker's payloads.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyMapping};

use crate::encode;
use crate::error::{Error, Result};
use crate::jids::hex;
use crate::times::Compat;

/// Fields that each push writes itself.
pub const WRITTEN: [&str; 6] = ["args", "class", "jid", "created_at", "enqueued_at", "at"];

/// When a payload is written.
#[derive(Clone, Copy)]
pub struct Stamp {
    /// Epoch milliseconds.
    pub ms: i64,
    pub compat: Option<Compat>,
    /// It goes to its queue and not to `schedule`.
    pub at_once: bool,
}

/// The fixed part of a payload: made once a worker class (and option set), used by each push.
#[pyclass(frozen, module = "fastkiq._core")]
pub struct Template {
    /// From the opening brace to the colon of `args`.
    head: Vec<u8>,
    /// From the comma after `args` to the opening quote of the jid.
    middle: Vec<u8>,
    pub queue_name: Arc<str>,
    class: String,
    pub max_bytes: usize,
}

#[pymethods]
impl Template {
    #[new]
    #[pyo3(signature = (class_name, options, max_bytes = 8_388_608))]
    fn new(class_name: &str, options: &Bound<'_, PyMapping>, max_bytes: usize) -> Result<Self> {
        let copy = PyDict::new(options.py());
        copy.update(options)?;
        let mut head = Vec::new();
        encode::write(&mut head, &copy, 0, "options")?;
        for name in WRITTEN {
            if copy.contains(name)? {
                return Err(option(name, "a field that each push writes itself", ""));
            }
        }
        if !copy.contains("retry")? {
            return Err(option("retry", "missing", "every payload says it: True, False or a number"));
        }
        let queue = copy.get_item("queue")?.and_then(|queue| queue.extract::<String>().ok());
        let queue = queue.filter(|queue| !queue.is_empty());
        let queue = queue.ok_or_else(|| option("queue", "not the name of a queue", "pass a str"))?;
        if class_name.is_empty() {
            return Err(option("class", "empty", "pass the worker's wire name"));
        }
        head.pop();
        head.extend_from_slice(b",\"args\":");
        let mut middle = b",\"class\":".to_vec();
        encode::write_string(&mut middle, class_name);
        middle.extend_from_slice(b",\"jid\":\"");
        Ok(Self { head, middle, queue_name: queue.into(), class: class_name.to_owned(), max_bytes })
    }

    #[getter]
    fn queue(&self) -> &str {
        &self.queue_name
    }

    #[getter]
    fn class_name(&self) -> &str {
        &self.class
    }

    fn __repr__(&self) -> String {
        format!("<Template of {} in {}>", self.class, self.queue_name)
    }
}

impl Template {
    /// Writes one payload.
    pub fn write(
        &self,
        out: &mut Vec<u8>,
        args: &Bound<'_, PyAny>,
        jid: &[u8; 12],
        stamp: Stamp,
        root: impl Fn() -> String,
    ) -> Result<()> {
        let start = out.len();
        out.extend_from_slice(&self.head);
        encode::write_args(out, args, &root)?;
        out.extend_from_slice(&self.middle);
        out.extend_from_slice(&hex(jid));
        out.extend_from_slice(b"\",\"created_at\":");
        let time = out.len();
        Compat::write_time(out, stamp.compat, stamp.ms);
        if stamp.at_once {
            let time = time..out.len();
            out.extend_from_slice(b",\"enqueued_at\":");
            out.extend_from_within(time);
        }
        out.push(b'}');
        check_size(out.len() - start, self.max_bytes, root)
    }
}

pub fn check_size(size: usize, max_bytes: usize, root: impl Fn() -> String) -> Result<()> {
    if size <= max_bytes {
        return Ok(());
    }
    let found = format!("a payload of {size} bytes");
    let hint = format!("the limit is {max_bytes}: pass an id or a path, and load the data in the job");
    Err(Error::Argument { path: root(), found, hint })
}

fn option(name: &str, found: &str, hint: &str) -> Error {
    Error::Argument { path: format!("options[\"{name}\"]"), found: found.to_owned(), hint: hint.to_owned() }
}
