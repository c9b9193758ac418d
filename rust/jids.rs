//! Job ids: 12 random bytes, shown as 24 hex digits.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use pyo3::exceptions::{PyIndexError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyList, PySlice, PyString};

use crate::error::{Error, Result};

const BYTES: usize = 12;

/// The id of one job. Callers may bring their own, of any form.
#[derive(Clone, Debug, PartialEq)]
pub enum Jid {
    Usual([u8; BYTES]),
    Other(String),
}

impl Jid {
    /// From the text of a payload.
    pub fn parse(text: &str) -> Self {
        unhex(text).map_or_else(|| Self::Other(text.to_owned()), Self::Usual)
    }

    pub fn text(&self) -> String {
        match self {
            Self::Usual(bytes) => hex(bytes).iter().copied().map(char::from).collect(),
            Self::Other(text) => text.clone(),
        }
    }
}

/// Random ids for `count` jobs, of one call to the kernel: a generator of our own would repeat itself after a fork.
pub fn random(count: usize) -> Result<Vec<[u8; BYTES]>> {
    let mut bytes = vec![[0; BYTES]; count];
    let filled = getrandom::fill(bytes.as_flattened_mut());
    filled.map_err(|error| Error::Config(format!("the system gives no random bytes: {error}")))?;
    Ok(bytes)
}

pub fn hex(bytes: &[u8; BYTES]) -> [u8; BYTES * 2] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    std::array::from_fn(|index| {
        let byte = bytes[index / 2];
        DIGITS[usize::from(if index % 2 == 0 { byte >> 4 } else { byte & 15 })]
    })
}

fn unhex(text: &str) -> Option<[u8; BYTES]> {
    let digits = text.as_bytes();
    let is_hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if digits.len() != BYTES * 2 || !digits.iter().all(is_hex) {
        return None;
    }
    let digit = |byte: u8| {
        if byte <= b'9' { byte - b'0' } else { byte - b'a' + 10 }
    };
    Some(std::array::from_fn(|index| digit(digits[index * 2]) << 4 | digit(digits[index * 2 + 1])))
}

/// The job ids of a bulk push: 12 bytes each in memory, 24 hex digits each to the reader.
#[pyclass(frozen, sequence, module = "fastkiq._core")]
#[derive(Default)]
pub struct Jids {
    usual: Vec<[u8; BYTES]>,
    /// Ids of another form, by position.
    others: BTreeMap<usize, String>,
}

impl Jids {
    pub fn add(&mut self, jid: &Jid) {
        match jid {
            Jid::Usual(bytes) => self.usual.push(*bytes),
            Jid::Other(text) => {
                self.others.insert(self.usual.len(), text.clone());
                self.usual.push([0; BYTES]);
            }
        }
    }

    pub fn count(&self) -> usize {
        self.usual.len()
    }

    fn at<'py>(&self, py: Python<'py>, index: usize) -> Bound<'py, PyString> {
        match self.others.get(&index) {
            Some(text) => PyString::new(py, text),
            None => PyString::new(py, std::str::from_utf8(&hex(&self.usual[index])).unwrap_or_default()),
        }
    }

    fn position(&self, jid: &str) -> Option<usize> {
        match unhex(jid) {
            Some(bytes) => (0..self.usual.len()).find(|at| self.usual[*at] == bytes && !self.others.contains_key(at)),
            None => self.others.iter().find(|(_, text)| *text == jid).map(|(index, _)| *index),
        }
    }
}

#[pymethods]
impl Jids {
    fn __len__(&self) -> usize {
        self.usual.len()
    }

    fn __getitem__<'py>(&self, py: Python<'py>, index: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let length = self.usual.len().cast_signed();
        if let Ok(slice) = index.cast::<PySlice>() {
            let range = slice.indices(length)?;
            let positions = (0..range.slicelength).map(|step| range.start + step.cast_signed() * range.step);
            let jids = positions.map(|position| self.at(py, position.unsigned_abs()));
            return Ok(PyList::new(py, jids.collect::<Vec<_>>())?.into_any());
        }
        let wrong = |_| PyTypeError::new_err("indices are integers or slices");
        let index: isize = index.extract().map_err(wrong)?;
        match if index < 0 { index + length } else { index } {
            position if (0..length).contains(&position) => Ok(self.at(py, position.unsigned_abs()).into_any()),
            _ => Err(PyIndexError::new_err("no such job id")),
        }
    }

    fn __iter__(slf: Py<Self>) -> JidsIterator {
        JidsIterator { jids: slf, next: AtomicUsize::new(0) }
    }

    fn __contains__(&self, value: &Bound<'_, PyAny>) -> bool {
        value.extract::<&str>().is_ok_and(|jid| self.position(jid).is_some())
    }

    fn __repr__(&self) -> String {
        format!("<Jids of {} jobs>", self.usual.len())
    }
}

#[pyclass(frozen, module = "fastkiq._core")]
struct JidsIterator {
    jids: Py<Jids>,
    next: AtomicUsize,
}

#[pymethods]
impl JidsIterator {
    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyString>> {
        let jids = self.jids.get();
        let index = self.next.fetch_add(1, Ordering::Relaxed);
        (index < jids.usual.len()).then(|| jids.at(py, index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jids_read_back() {
        let bytes = random(2).unwrap();
        assert_ne!(bytes[0], bytes[1]);
        let jid = Jid::Usual(bytes[0]);
        assert_eq!(Jid::parse(&jid.text()), jid);
        for odd in ["", "639F82c6e8c70f9509bc0b7d", "639f82c6e8c70f9509bc0b7", "my-own-id"] {
            assert_eq!(Jid::parse(odd), Jid::Other(odd.into()));
        }
    }
}
