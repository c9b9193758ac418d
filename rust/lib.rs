//! The Rust core of fastkiq: see `python/fastkiq/_core.pyi` for what it shows to Python.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod connection;
mod encode;
mod error;
mod json;
mod payload;
mod resp;
mod scripts;
mod sentinel;
mod stream;
mod tls;
mod url;

use pyo3::prelude::*;

#[pymodule(name = "_core", gil_used = false)]
mod core {}
