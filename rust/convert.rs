//! Python objects to words of a command, replies and URLs to Python objects.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyFloat, PyInt, PyList, PyString};

use crate::error::{Error, Result};
use crate::resp::Reply;
use crate::url::{Endpoint, RedisUrl};

/// One word of a command; `index` names it in errors.
pub fn word(value: &Bound<'_, PyAny>, index: usize) -> Result<Vec<u8>> {
    if let Ok(bytes) = value.cast::<PyBytes>() {
        Ok(bytes.as_bytes().to_vec())
    } else if let Ok(text) = value.cast::<PyString>() {
        Ok(text.to_str()?.as_bytes().to_vec())
    } else if value.is_exact_instance_of::<PyInt>() || value.is_exact_instance_of::<PyFloat>() {
        Ok(value.str()?.to_str()?.as_bytes().to_vec())
    } else {
        let found = crate::hints::type_name(value);
        Err(Error::argument(format!("words[{index}]"), found, "pass str, bytes, int or float"))
    }
}

/// A reply as Python sees it; an error inside a list is an exception there, not raised.
pub fn reply(py: Python<'_>, answer: Reply) -> PyResult<Bound<'_, PyAny>> {
    Ok(match answer {
        Reply::Nil => py.None().into_bound(py),
        Reply::Status(text) => PyString::new(py, &text).into_any(),
        Reply::Int(number) => number.into_pyobject(py)?.into_any(),
        Reply::Bulk(bytes) => PyBytes::new(py, &bytes).into_any(),
        Reply::Array(items) => {
            let items = items.into_iter().map(|item| reply(py, item)).collect::<PyResult<Vec<_>>>()?;
            PyList::new(py, items)?.into_any()
        }
        Reply::Error { code, message } => {
            PyErr::from(Error::Reply { code, message }).into_value(py).into_bound(py).into_any()
        }
    })
}

/// The parts of a URL for redis-py; see the stub.
pub fn url_parts<'py>(py: Python<'py>, url: &RedisUrl) -> PyResult<Bound<'py, PyDict>> {
    let parts = PyDict::new(py);
    let (host, port, path, service, nodes) = match &url.endpoint {
        Endpoint::Tcp { host, port } => (Some(host), Some(*port), None, None, None),
        Endpoint::Unix(path) => (None, None, Some(path.display().to_string()), None, None),
        Endpoint::Sentinel { service, nodes } => (None, None, None, Some(service), Some(nodes.clone())),
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
    parts.set_item("cert_reqs", tls.map(|tls| if tls.verify { "required" } else { "none" }))?;
    parts.set_item("check_hostname", tls.map(|tls| tls.verify && tls.check_hostname))?;
    parts.set_item("safe", url.safe())?;
    Ok(parts)
}
