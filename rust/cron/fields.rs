//! The fields of a definition in Redis, each read for what it is to be: whatever else stands there makes the definition unfit.

use std::ops::Range;

use crate::cron::definition::Unfit;
use crate::json::unescape;
use crate::payload::{Flaw, walk};
use crate::printable::is_unfit;

/// Characters of a name, as in `definition.py`.
const MAX_NAME: usize = 200;
const MAX_QUEUE: usize = 1_024;

pub struct Fields<'a> {
    raw: &'a [u8],
    found: Vec<(Vec<u8>, Range<usize>)>,
}

impl<'a> Fields<'a> {
    pub fn read(raw: &'a [u8]) -> Result<Self, Flaw> {
        let mut found = Vec::new();
        walk(raw, |member| found.push((member.key.to_vec(), member.value.clone())))?;
        Ok(Self { raw, found })
    }

    /// The value as it stands there.
    pub fn value(&self, key: &str) -> Option<&'a [u8]> {
        let (_, span) = self.found.iter().find(|(name, _)| name == key.as_bytes())?;
        self.raw.get(span.clone())
    }

    /// Of what says when it comes, where `null` counts as nothing.
    pub fn said(&self, key: &str) -> Option<&'a [u8]> {
        self.value(key).filter(|value| *value != b"null")
    }

    pub fn text(&self, key: &str) -> Result<Option<String>, Unfit> {
        match self.value(key) {
            None => Ok(None),
            Some(value) if value.starts_with(b"\"") => Ok(Some(unescape(value).into_owned())),
            Some(_) => Err(broken(key)),
        }
    }

    pub fn needed(&self, key: &str, is_fit: fn(&str) -> bool) -> Result<String, Unfit> {
        self.text(key)?.filter(|text| is_fit(text)).ok_or_else(|| broken(key))
    }

    /// One of the known words, the first one where none stands there.
    pub fn word<T: Copy>(&self, key: &str, known: &[(&str, T)]) -> Result<T, Unfit> {
        let text = self.text(key)?;
        let mut found = known.iter().filter(|(word, _)| text.as_deref().is_none_or(|text| text == *word));
        found
            .next()
            .map(|(_, meaning)| *meaning)
            .ok_or_else(|| Unfit::Strange(format!("its {key} is of an unknown kind")))
    }

    pub fn flag(&self, key: &str, usual: bool) -> Result<bool, Unfit> {
        match self.value(key) {
            None => Ok(usual),
            Some(b"true") => Ok(true),
            Some(b"false") => Ok(false),
            Some(_) => Err(broken(key)),
        }
    }

    /// The text of a value that begins so.
    pub fn list_or_object(&self, key: &str, first: u8) -> Result<Option<&'a [u8]>, Unfit> {
        match self.value(key) {
            Some(value) if value.first() != Some(&first) => Err(broken(key)),
            value => Ok(value),
        }
    }

    /// Seconds as milliseconds; the bounds are seconds.
    pub fn ms(&self, key: &str, least: f64, most: f64) -> Result<Option<i64>, Unfit> {
        let Some(value) = self.said(key) else { return Ok(None) };
        let seconds = std::str::from_utf8(value).ok().and_then(|text| text.parse::<f64>().ok());
        let seconds = seconds.filter(|seconds| (least..=most).contains(seconds));
        #[expect(clippy::cast_possible_truncation, reason = "within the bounds")]
        let ms = seconds.map(|seconds| Some((seconds * 1_000.0).round() as i64));
        ms.ok_or_else(|| Unfit::Broken(format!("its {key} is no number of seconds in range")))
    }
}

pub fn broken(field: &str) -> Unfit {
    Unfit::Broken(format!("its {field} is missing or makes no sense"))
}

/// What people may call a recurring job.
pub fn is_name(text: &str) -> bool {
    (1..=MAX_NAME).contains(&text.chars().count()) && !text.contains(is_unfit)
}

/// As `options.py` has it.
pub fn is_wire_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.:<>-".contains(&byte))
}

pub fn is_queue(text: &str) -> bool {
    let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || b"_:.-".contains(&byte);
    (1..=MAX_QUEUE).contains(&text.len()) && text.bytes().all(is_fit)
}
