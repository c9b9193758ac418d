//! The one error of the core, and its way to Python.

use std::fmt;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;

use crate::url::RedisUrl;

/// What can go wrong. The messages name addresses and reasons, never a password.
#[derive(Debug)]
pub enum Error {
    /// Nothing was sent: what was asked for has definitely not happened.
    Unreachable(String),
    /// Something was sent, and no word came back that it is done: it may or may not have happened.
    Lost(String),
    /// Redis answered with an error; `code` is its first word.
    Reply { code: String, message: String },
    /// What came back is not Redis's protocol; the connection is closed.
    Protocol(String),
    /// A value that cannot be an argument: where it is, what it is, what to pass instead.
    Argument { path: String, found: String, hint: String },
    /// A setting or URL that makes no sense.
    Config(String),
    /// A running server was used in a forked child.
    Forked,
    /// An exception raised by Python code that was called from here.
    Python(PyErr),
}

pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// A value that cannot be what it is given for: where, what it is, what to pass instead.
    pub fn argument(path: impl Into<String>, found: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Argument { path: path.into(), found: found.into(), hint: hint.into() }
    }

    /// Whether the connection, not the command, failed.
    pub fn is_connection(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Lost(_) | Self::Protocol(_))
    }

    /// The server answers, but another connection may lead to one that takes writes. A primary without replicas is the only one there is,
    /// unless Sentinels may have named another since.
    pub fn wants_reconnect(&self, url: &RedisUrl) -> bool {
        match self.code() {
            Some("READONLY" | "MASTERDOWN" | "UNBLOCKED") => true,
            Some("NOREPLICAS") => url.is_sentinel(),
            _ => false,
        }
    }

    /// The first word of Redis's error reply.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Reply { code, .. } => Some(code),
            _ => None,
        }
    }

    /// The class of `fastkiq.errors` that stands for this error.
    fn class_name(&self) -> &'static str {
        match self {
            Self::Unreachable(_) | Self::Lost(_) | Self::Protocol(_) => "RedisConnectionError",
            Self::Reply { code, .. } => class_of_code(code),
            Self::Argument { .. } => "ArgumentError",
            Self::Config(_) => "ConfigError",
            Self::Forked => "ForkedError",
            Self::Python(_) => "FastkiqError",
        }
    }
}

fn class_of_code(code: &str) -> &'static str {
    match code {
        "WRONGPASS" | "NOAUTH" | "NOPERM" => "RedisAuthError",
        "READONLY" => "RedisReadOnlyError",
        "OOM" => "RedisOutOfMemoryError",
        "LOADING" | "BUSY" | "MASTERDOWN" => "RedisBusyError",
        "NOREPLICAS" => "RedisNoReplicasError",
        _ => "RedisReplyError",
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(text) | Self::Lost(text) | Self::Config(text) => f.write_str(text),
            Self::Protocol(text) => write!(f, "not a Redis server, or a broken one: {text}"),
            Self::Reply { code, message } if message.is_empty() => f.write_str(code),
            Self::Reply { code, message } => write!(f, "{code} {message}"),
            Self::Argument { path, found, hint } if hint.is_empty() => write!(f, "{path}: {found}"),
            Self::Argument { path, found, hint } => write!(f, "{path}: {found}; {hint}"),
            Self::Forked => f.write_str("this server was started before the fork; start a new one in the child"),
            Self::Python(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<PyErr> for Error {
    fn from(error: PyErr) -> Self {
        Self::Python(error)
    }
}

impl From<Error> for PyErr {
    fn from(error: Error) -> Self {
        let class = error.class_name();
        match error {
            Error::Python(error) => error,
            error => raise(class, error.to_string()),
        }
    }
}

/// An exception of the class `name` of `fastkiq.errors`.
pub fn raise(name: &'static str, message: String) -> PyErr {
    Python::attach(|py| match class(py, name) {
        Ok(class) => PyErr::from_type(class, message),
        Err(_) => PyRuntimeError::new_err(format!("fastkiq.errors.{name}: {message}")),
    })
}

/// The class `name` of `fastkiq.errors`. The module is imported once.
pub fn class<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyType>> {
    static MODULE: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    let module = MODULE.get_or_try_init(py, || Ok::<_, PyErr>(py.import("fastkiq.errors")?.unbind()))?;
    Ok(module.bind(py).getattr(name)?.cast_into::<PyType>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(code: &str) -> Error {
        Error::Reply { code: code.into(), message: "no".into() }
    }

    #[test]
    fn codes_choose_the_class() {
        let pairs = [
            ("WRONGPASS", "RedisAuthError"),
            ("NOPERM", "RedisAuthError"),
            ("READONLY", "RedisReadOnlyError"),
            ("OOM", "RedisOutOfMemoryError"),
            ("LOADING", "RedisBusyError"),
            ("NOREPLICAS", "RedisNoReplicasError"),
            ("WRONGTYPE", "RedisReplyError"),
        ];
        for (code, class) in pairs {
            assert_eq!(reply(code).class_name(), class, "{code}");
        }
        assert_eq!(reply("OOM").code(), Some("OOM"));
        assert!(!reply("OOM").is_connection());
        assert!(Error::Lost(String::new()).is_connection());
    }

    #[test]
    fn only_sentinels_may_lead_to_a_primary_with_replicas() {
        let [alone, watched] = ["redis://h", "redis+sentinel://h/main"].map(|url| RedisUrl::parse(url).unwrap());
        assert!(reply("READONLY").wants_reconnect(&alone));
        assert!(reply("NOREPLICAS").wants_reconnect(&watched));
        assert!(!reply("NOREPLICAS").wants_reconnect(&alone));
    }
}
