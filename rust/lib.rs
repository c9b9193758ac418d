//! The Rust core of fastkiq: see `python/fastkiq/_core.pyi` for what it shows to Python.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod batch;
#[cfg_attr(all(test, feature = "races"), path = "races/bell.rs")]
mod bell;
mod buffer;
mod bulk;
mod calls;
mod calm;
mod claims;
mod client;
mod clock;
mod connection;
mod convert;
mod counters;
mod crew;
mod cron;
mod decode;
mod encode;
mod error;
mod events;
mod exposition;
mod fate;
mod fetcher;
mod flight;
mod floats;
mod fork;
mod functions;
#[cfg(any(test, feature = "fuzz"))]
#[doc(hidden)]
pub mod fuzz;
mod handover;
mod health;
mod heartbeat;
mod hints;
mod histogram;
mod hoard;
mod http;
mod inspect;
mod intake;
mod item;
mod jids;
mod json;
mod keys;
mod lease;
mod lists;
mod lua;
mod machine;
mod manual;
mod measures;
mod metrics;
mod minute;
mod moved;
mod options;
mod outage;
mod outbox;
mod parked;
mod payload;
mod phase;
mod poison;
mod pool;
mod predecessor;
mod printable;
mod process_hash;
mod prospects;
#[cfg(all(test, feature = "races"))]
mod races;
mod ready;
mod recovery;
mod rescue;
mod resp;
mod run;
mod running;
mod safe;
mod scheduler;
mod schema;
mod scripts;
mod seat;
mod sentinel;
mod server;
mod settling;
mod shared;
mod sizes;
mod sockets;
mod spin;
#[cfg_attr(all(test, feature = "races"), path = "races/stream.rs")]
mod stream;
#[cfg_attr(all(test, feature = "races"), path = "races/sync.rs")]
mod sync;
mod template;
mod threads;
mod times;
mod title;
mod tls;
mod trip;
mod unit;
mod url;
mod vitals;
mod waiter;
mod waiters;
mod waker;
mod watch;
mod way;
mod wish;
mod writer;

use pyo3::prelude::*;

/// What `benches/rust` counts.
#[cfg(feature = "bench")]
#[doc(hidden)]
pub mod bench {
    pub use crate::encode::write_string;
    pub use crate::floats::write_float;
    pub use crate::jids::hex;
    pub use crate::payload::{scan, splice};
    pub use crate::resp::{Pipeline, Scanner, decode as reply};
    pub use crate::url::RedisUrl;
}

/// The Rust core of fastkiq. Private: the public names live in `fastkiq`.
#[pymodule(name = "_core", gil_used = false)]
mod core {
    use super::{Bound, PyAnyMethods, PyModule, PyModuleMethods, PyResult};

    #[pymodule_export]
    use super::client::Client;
    #[pymodule_export]
    use super::functions::{
        blank_title, cron_describe, cron_flaw, cron_ticks, decode, encode, mended, parse_url, raise_in_thread, splice,
    };
    #[pymodule_export]
    use super::jids::Jids;
    #[pymodule_export]
    use super::server::Server;
    #[pymodule_export]
    use super::template::Template;
    #[pymodule_export]
    use super::unit::{Processor, Unit};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        module.add("debug_build", cfg!(debug_assertions))?;
        module.add("schema", crate::keys::SCHEMA)?;
        let sequence = module.py().import("collections.abc")?.getattr("Sequence")?;
        sequence.call_method1("register", (module.getattr("Jids")?,))?;
        Ok(())
    }
}
