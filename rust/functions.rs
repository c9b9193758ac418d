//! The functions of `fastkiq._core`.

use std::os::raw::c_long;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyMapping, PyString, PyType};

use crate::clock::wall_us;
use crate::cron::definition::{Definition, Unfit};
use crate::cron::expression::Expression;
use crate::safe::Place;
use crate::times::Compat;
use crate::url::RedisUrl;
use crate::{convert, payload, safe, title};

/// Parses a Redis URL; the keys are said in the stub.
#[pyfunction]
#[pyo3(signature = (url, /))]
pub fn parse_url<'py>(py: Python<'py>, url: &str) -> PyResult<Bound<'py, PyDict>> {
    convert::url_parts(py, &RedisUrl::parse(url)?)
}

/// Plain JSON in the bytes of Ruby's `JSON.generate`.
#[pyfunction]
#[pyo3(signature = (value, /))]
pub fn encode<'py>(py: Python<'py>, value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    let mut out = Vec::new();
    crate::encode::write(&mut out, value, 0, "value")?;
    Ok(PyBytes::new(py, &out))
}

/// Strict JSON to Python objects. Raises `ValueError`.
#[pyfunction]
#[pyo3(signature = (data, /))]
pub fn decode<'py>(py: Python<'py>, data: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    if let Ok(bytes) = data.cast::<PyBytes>() {
        crate::decode::value(py, bytes.as_bytes())
    } else if let Ok(text) = data.cast::<PyString>() {
        crate::decode::value(py, text.to_str()?.as_bytes())
    } else {
        Err(PyTypeError::new_err("decode() takes bytes or str"))
    }
}

/// Sets (or with `None` removes) top-level fields of a stored JSON object. Raises `ValueError` when it is none.
#[pyfunction]
#[pyo3(signature = (payload, fields, /))]
pub fn splice<'py>(
    py: Python<'py>,
    payload: &Bound<'py, PyBytes>,
    fields: &Bound<'py, PyMapping>,
) -> PyResult<Bound<'py, PyBytes>> {
    let fields = crate::encode::fields(fields)?;
    let borrowed: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
    let spliced = payload::splice(payload.as_bytes(), &borrowed);
    spliced.map(|bytes| PyBytes::new(py, &bytes)).map_err(|flaw| PyValueError::new_err(flaw.to_string()))
}

/// A stored entry as it is written to another place, by the rules of `safe.rs`.
#[pyfunction]
#[pyo3(signature = (raw, queue, to, compat = None, /))]
pub fn mended<'py>(
    py: Python<'py>,
    raw: &Bound<'py, PyBytes>,
    queue: &str,
    to: &str,
    compat: Option<&str>,
) -> PyResult<Bound<'py, PyBytes>> {
    let place = Place { queue, now_ms: wall_us() / 1_000, compat: Compat::parse(compat)? };
    let bytes = raw.as_bytes();
    let mended = match (to, payload::scan(bytes, usize::MAX)) {
        ("retry", Ok(_)) => safe::mended_retry(bytes, place),
        ("schedule" | "dead", Ok(_)) | ("queue", _) => safe::mended(bytes, place),
        ("retry" | "schedule" | "dead", Err(flaw)) => safe::stored(bytes, &flaw.to_string(), place).into_owned(),
        _ => return Err(PyValueError::new_err(format!("an entry goes to queue, retry, schedule or dead, not {to:?}"))),
    };
    Ok(if mended == bytes { raw.clone() } else { PyBytes::new(py, &mended) })
}

/// Raises `exception` in another thread when it next runs Python code; `False` when there is no such thread.
#[pyfunction]
#[pyo3(signature = (thread_id, exception, /))]
pub fn raise_in_thread(thread_id: c_long, exception: &Bound<'_, PyType>) -> bool {
    title::raise_in_thread(thread_id, exception)
}

/// Overwrites `secret` in this process's command line as `ps` shows it. Linux only; `False` elsewhere.
#[pyfunction]
#[pyo3(signature = (secret, /))]
pub fn blank_title(secret: &str) -> bool {
    title::blank_title(secret)
}

/// The next ticks of a cron expression after `after`, in epoch seconds.
#[pyfunction]
#[pyo3(signature = (expression, timezone, after, count = 1, /))]
pub fn cron_ticks(py: Python<'_>, expression: &str, timezone: &str, after: f64, count: usize) -> PyResult<Vec<i64>> {
    let parsed = Expression::parse(expression, timezone).map_err(PyValueError::new_err)?;
    #[expect(clippy::cast_possible_truncation, reason = "what is out of range ends up there, where nothing comes next")]
    let mut at = after.floor() as i64;
    let ticks = std::iter::from_fn(|| {
        at = parsed.next(at)?;
        Some(at)
    });
    Ok(py.detach(|| ticks.take(count).collect()))
}

/// What a cron expression means, in English.
#[pyfunction]
#[pyo3(signature = (expression, /))]
pub fn cron_describe(expression: &str) -> PyResult<String> {
    Expression::parse(expression, "UTC").map(|parsed| parsed.describe()).map_err(PyValueError::new_err)
}

/// Why no process would fire a recurring job that Redis holds so; `None` when one would.
#[pyfunction]
#[pyo3(signature = (definition, /))]
pub fn cron_flaw(py: Python<'_>, definition: &[u8]) -> Option<String> {
    match py.detach(|| Definition::parse(definition)) {
        Ok(_) => None,
        Err(Unfit::Broken(why) | Unfit::Strange(why)) => Some(why),
    }
}
