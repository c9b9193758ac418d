//! Many jobs from any iterable: lazily, a batch a round trip, and with an account of every row when something fails.

use pyo3::prelude::*;
use pyo3::types::{PyIterator, PyList};

use crate::batch::Batch;
use crate::client::{Client, Trouble, buffered_error, or_signal, warn_of_size};
use crate::error::{self, Error, Result};
use crate::fate::Fate;
use crate::item;
use crate::jids::{self, Jids};

/// The most bytes of one round trip; a batch ends with the job that reaches it.
const MAX_BATCH_BYTES: usize = 4 << 20;

/// When the rows are due: all at one time, or each at its own.
enum Times<'py> {
    None,
    One(Bound<'py, PyAny>),
    Each(Bound<'py, PyIterator>),
}

impl<'py> Times<'py> {
    fn new(at: &Bound<'py, PyAny>) -> Result<Self> {
        if let Ok(times) = at.try_iter() {
            return Ok(Self::Each(times));
        }
        let hint = "pass epoch seconds, or as many of them as there are rows";
        item::time(at).map_err(|found| Error::argument("at", found, hint))?;
        Ok(Self::One(at.clone()))
    }
}

/// The caller's rows, and those of them that are not yet in Redis.
pub struct Rows<'py> {
    source: Bound<'py, PyIterator>,
    times: Times<'py>,
    size: usize,
    index: usize,
    /// Taken from the caller and written to the batch under way or to the one after it, or refused.
    unsent: Vec<Bound<'py, PyAny>>,
    unsent_times: Vec<Bound<'py, PyAny>>,
}

type Row<'py> = (Bound<'py, PyAny>, Option<Bound<'py, PyAny>>);

impl<'py> Rows<'py> {
    /// `size` jobs a round trip; `at` is a number or an iterable of as many as there are rows.
    pub fn new(rows: &Bound<'py, PyAny>, at: Option<&Bound<'py, PyAny>>, size: usize) -> Result<Self> {
        if size == 0 {
            return Err(Error::argument("batch", "0", "at least 1"));
        }
        Ok(Self {
            times: at.map_or(Ok(Times::None), Times::new)?,
            source: rows.try_iter()?,
            size,
            index: 0,
            unsent: Vec::new(),
            unsent_times: Vec::new(),
        })
    }

    fn next(&mut self) -> PyResult<Option<Row<'py>>> {
        let Some(row) = self.source.next() else {
            return Ok(None);
        };
        let row = row?;
        self.unsent.push(row.clone());
        let time = match &mut self.times {
            Times::None => None,
            Times::One(time) => Some(time.clone()),
            Times::Each(times) => {
                let found = format!("only {} of them", self.index);
                let short = || Error::argument("at", found, "pass one for each row");
                let time = times.next().ok_or_else(short)??;
                self.unsent_times.push(time.clone());
                Some(time)
            }
        };
        self.index += 1;
        Ok(Some((row, time)))
    }

    fn sent(&mut self, count: usize) {
        self.unsent.drain(..count);
        self.unsent_times.drain(..count.min(self.unsent_times.len()));
    }

    /// Of the batch under way keeps the refused rows alone.
    fn keep(&mut self, fates: &[Fate]) {
        for list in [&mut self.unsent, &mut self.unsent_times] {
            let mut fates = fates.iter();
            list.retain(|_| fates.next().is_none_or(|fate| *fate == Fate::Refused));
        }
    }

    /// Says on `error` what became of everything: `pushed`, `uncertain`, `rest`, and `rest_at` where each row had its time.
    fn account(self, py: Python<'py>, error: PyErr, pushed: Jids, uncertain: Option<Jids>) -> PyErr {
        let waiting = self.unsent.len();
        let count = pushed.count();
        let set = || -> PyResult<()> {
            let value = error.value(py);
            let chain = py.import("itertools")?.getattr("chain")?;
            value.setattr("pushed", pushed)?;
            if let Some(uncertain) = uncertain {
                value.setattr("uncertain", uncertain)?;
            }
            value.setattr("rest", chain.call1((PyList::new(py, self.unsent)?, self.source))?)?;
            if let Times::Each(times) = self.times {
                value.setattr("rest_at", chain.call1((PyList::new(py, self.unsent_times)?, times))?)?;
            }
            if count > 0 || waiting > 1 {
                let note =
                    format!("{count} jobs had already been enqueued (.pushed); the other rows have not been (.rest)");
                value.call_method1("add_note", (note,))?;
            }
            Ok(())
        };
        // An exception class of the caller's may refuse attributes; it matters more than the account.
        let _ = set();
        error
    }
}

/// Pushes all rows; `write` adds one to the batch (its row, its time, a fresh jid, its index).
///
/// While Redis takes one batch the next one is written: a thread ships it, and not this one later, since the caller's iterable may take its
/// time, or enqueue jobs of its own, and no reply and no connection shall wait for that.
pub fn push<'py>(
    py: Python<'py>,
    client: &Client,
    mut rows: Rows<'py>,
    mut write: impl FnMut(&mut Batch, &Bound<'py, PyAny>, Option<&Bound<'py, PyAny>>, [u8; 12], usize) -> Result<()>,
) -> PyResult<Jids> {
    let mut pushed = Jids::default();
    let mut filled = fill(py, &mut rows, &mut write);
    loop {
        let (batch, is_last) = match filled {
            Ok(batch) if batch.is_empty() => return Ok(pushed),
            Ok(batch) => {
                let is_last = batch.len() < rows.size && batch.bytes.len() < MAX_BATCH_BYTES;
                (batch, is_last)
            }
            Err(error) => return Err(rows.account(py, error, pushed, None)),
        };
        let shipped;
        (shipped, filled) = if is_last {
            (py.detach(|| client.ship(&batch)), Ok(Batch::default()))
        } else {
            meanwhile(py, || client.ship(&batch), || fill(py, &mut rows, &mut write))
        };
        match shipped {
            Ok(()) => {
                batch.parcels.iter().for_each(|parcel| pushed.add(&parcel.jid));
                rows.sent(batch.len());
            }
            Err(trouble) => return Err(or_signal(py, failed(py, client, rows, &batch, pushed, trouble))),
        }
    }
}

/// Runs `ship` on a thread of its own while `fill` runs here, and waits for both; where no thread can be had, first the one and then the other.
fn meanwhile<A: Send, B>(py: Python<'_>, ship: impl Fn() -> A + Sync, fill: impl FnOnce() -> B) -> (A, B) {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("fastkiq-bulk".into()).stack_size(256 << 10);
        let Ok(shipping) = thread.spawn_scoped(scope, &ship) else {
            return (py.detach(&ship), fill());
        };
        let filled = fill();
        let shipped = py.detach(|| shipping.join());
        (shipped.unwrap_or_else(|panic| std::panic::resume_unwind(panic)), filled)
    })
}

fn fill<'py>(
    py: Python<'py>,
    rows: &mut Rows<'py>,
    write: &mut impl FnMut(&mut Batch, &Bound<'py, PyAny>, Option<&Bound<'py, PyAny>>, [u8; 12], usize) -> Result<()>,
) -> PyResult<Batch> {
    py.check_signals()?;
    let mut batch = Batch::default();
    let mut fresh = Vec::new();
    let mut largest = 0;
    while batch.len() < rows.size && batch.bytes.len() < MAX_BATCH_BYTES {
        let index = rows.index;
        let Some((row, time)) = rows.next()? else {
            break;
        };
        if fresh.is_empty() {
            fresh = jids::random(rows.size.min(1000))?;
        }
        let start = batch.bytes.len();
        let jid = fresh.pop().unwrap_or_default();
        write(&mut batch, &row, time.as_ref(), jid, index)?;
        largest = largest.max(batch.bytes.len() - start);
    }
    warn_of_size(py, largest)?;
    Ok(batch)
}

fn failed<'py>(
    py: Python<'py>,
    client: &Client,
    mut rows: Rows<'py>,
    batch: &Batch,
    mut pushed: Jids,
    trouble: Trouble,
) -> PyErr {
    let mut uncertain = Jids::default();
    let error = match trouble {
        Trouble::Failed(failure) => {
            batch.collect(&mut pushed, &failure, Fate::Pushed);
            batch.collect(&mut uncertain, &failure, Fate::Uncertain);
            rows.keep(&failure.fates);
            match (uncertain.count(), failure.error) {
                (0, error) => error.into(),
                (count, error) => {
                    let message = format!("{error}; {count} jobs may be enqueued or not (.uncertain)");
                    error::raise("PushUncertain", message)
                }
            }
        }
        Trouble::BufferFull(failure) => client.full(&failure),
        Trouble::Buffered(trouble) => {
            let (held, failure) = &*trouble;
            held.collect(&mut pushed, failure, Fate::Pushed);
            held.collect(&mut uncertain, failure, Fate::Uncertain);
            buffered_error(py, *trouble)
        }
    };
    rows.account(py, error, pushed, Some(uncertain))
}
