//! A whole payload as a dict, after client middleware has had its way with it.

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyString};

use crate::batch::Place;
use crate::encode;
use crate::error::{Error, Result};
use crate::jids::{Jid, hex};
use crate::safe;
use crate::times::Compat;

/// The latest time that can be asked for: some 3,000 years from the epoch.
const LATEST: f64 = 1e11;

/// Writes the payload `item` with what it lacks. `fresh` becomes its jid when it has none; `now` is epoch seconds. Refuses what readers of
/// Sidekiq's keys would trip over.
pub fn write(
    out: &mut Vec<u8>,
    item: &Bound<'_, PyAny>,
    fresh: [u8; 12],
    (now, compat): (f64, Option<Compat>),
    root: &dyn Fn() -> String,
) -> Result<(Jid, Place)> {
    let wrong = |field: &str, found: &str, hint: &str| {
        let path = if field.is_empty() { root() } else { format!("{}[\"{field}\"]", root()) };
        Error::Argument { path, found: found.to_owned(), hint: hint.to_owned() }
    };
    let dict = item.cast::<PyDict>().map_err(|_| wrong("", "not a dict", "pass a whole payload"))?;
    let text = |field: &str| -> Result<String> {
        let value = dict.get_item(field)?;
        let text = value.and_then(|value| value.cast_exact::<PyString>().ok()?.to_str().ok().map(str::to_owned));
        text.filter(|text| !text.is_empty()).ok_or_else(|| wrong(field, "not a str with something in it", ""))
    };
    let (queue, _) = (text("queue")?, text("class")?);
    for field in ["args", "retry"] {
        if !dict.contains(field)? {
            return Err(wrong(field, "missing", "a payload holds queue, class, args and retry"));
        }
    }
    let at = match dict.get_item("at")?.filter(|at| !at.is_none()) {
        Some(at) => Some(time(&at).map_err(|found| wrong("at", &found, "pass epoch seconds"))?).filter(|at| *at > now),
        None => None,
    };
    let given = dict.get_item("jid")?.filter(|jid| !jid.is_none());
    let jid = if given.is_some() { Jid::parse(&text("jid")?) } else { Jid::Usual(fresh) };

    let start = out.len();
    out.push(b'{');
    for (key, value) in dict.iter() {
        let name = key.cast_exact::<PyString>().map_err(|_| wrong("", "a key that is no str", "keys are str"))?;
        let name = name.to_str().map_err(|_| wrong("", "a key with a lone surrogate", ""))?;
        match name {
            "at" | "enqueued_at" => continue,
            "jid" | "created_at" if value.is_none() => continue,
            _ => {}
        }
        write_name(out, name);
        if name == "args" {
            encode::write_args(out, &value, || format!("{}[\"args\"]", root()))?;
        } else {
            encode::write(out, &value, 1, &format!("{}[\"{}\"]", root(), name.escape_debug()))?;
        }
    }
    if let (None, Jid::Usual(bytes)) = (given, &jid) {
        write_name(out, "jid");
        out.push(b'"');
        out.extend_from_slice(&hex(bytes));
        out.push(b'"');
    }
    let created = dict.get_item("created_at")?.filter(|created| !created.is_none());
    if created.is_none() {
        write_time(out, "created_at", now, compat);
    }
    if at.is_none() {
        write_time(out, "enqueued_at", now, compat);
    }
    out.push(b'}');
    let here = safe::Place { queue: &queue, now_ms: milliseconds(now), compat };
    if let Ok(changes) = safe::changes(&out[start..], here)
        && let Some((field, _)) = changes.first()
    {
        let found = "a value that Sidekiq's Web UI cannot show";
        return Err(wrong(field, found, "tags are a list, times are numbers, cattr is a dict; or leave it out"));
    }
    Ok((jid, at.map_or_else(|| Place::Queue(queue.into()), Place::At)))
}

/// Epoch seconds or a number of seconds; says what it found instead.
pub fn time(value: &Bound<'_, PyAny>) -> std::result::Result<f64, String> {
    let is_number =
        !value.is_instance_of::<PyBool>() && (value.is_instance_of::<PyInt>() || value.is_instance_of::<PyFloat>());
    let number = if is_number { value.extract::<f64>().ok() } else { None };
    match number {
        Some(number) if number.abs() <= LATEST => Ok(number),
        Some(number) => Err(format!("{number}, out of range")),
        None => Err(crate::hints::type_name(value)),
    }
}

fn write_name(out: &mut Vec<u8>, name: &str) {
    if out.last() != Some(&b'{') {
        out.push(b',');
    }
    encode::write_string(out, name);
    out.push(b':');
}

fn write_time(out: &mut Vec<u8>, name: &str, now: f64, compat: Option<Compat>) {
    write_name(out, name);
    Compat::write_time(out, compat, milliseconds(now));
}

/// As payloads keep times since Sidekiq 8.
#[allow(clippy::cast_possible_truncation, reason = "a clock's time fits, whatever it says")]
pub fn milliseconds(seconds: f64) -> i64 {
    (seconds * 1000.0) as i64
}
