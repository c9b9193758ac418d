//! What an entry must be so that no reader of Sidekiq's keys trips over it. One bad member of a set takes a whole page of Sidekiq's Web UI
//! down, and "Retry All" takes what Ruby cannot read, or its client refuses, out of the set for ever.
//!
//! The rules were measured with Sidekiq 8.1.7; `tests/sidekiq/test_crashes.py` measures them again.

use std::borrow::Cow;

use crate::encode::write_string;
use crate::jids;
use crate::json::plain;
use crate::payload::{Flaw, WRAPPERS, scan, splice, walk};
use crate::times::Compat;

/// The class of what could not be read, put into a payload that can.
pub const UNREADABLE: &str = "fastkiq.Unreadable";
/// The longest that is wrapped: what takes six bytes for one would still fit into the 512 MB that Redis takes, or it were sent for ever.
const MOST_WRAPPED: usize = 64 << 20;
const TIMES: [&str; 5] = ["created_at", "enqueued_at", "failed_at", "retried_at", "discarded_at"];

/// A field and its value in JSON; None = to be removed.
pub type Change = (Cow<'static, str>, Option<Vec<u8>>);

/// The circumstances of an entry that is about to be written.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// Where the job was found: what names no queue belongs there.
    pub queue: &'a str,
    pub now_ms: i64,
    pub compat: Option<Compat>,
}

/// Whether a top-level field is of a kind that `changes` may have to change: a glance, for payloads on their way.
pub fn is_odd(key: &[u8], value: &[u8]) -> bool {
    let first = value.first().copied().unwrap_or_default();
    match key {
        b"tags" => !tags_are_fine(first),
        b"cattr" => !is_container(first),
        b"created_at" | b"enqueued_at" | b"failed_at" | b"retried_at" | b"discarded_at" | b"retry_count" => {
            // Behind the digits of ASCII comes the `e` of an exponent: 1e999 is no time.
            !(first == b'-' || first.is_ascii_digit()) || value.len() > 20 || value.iter().any(|byte| *byte > b'9')
        }
        b"error_backtrace" => !is_compressed(value),
        b"at" => number(value).is_none(),
        b"retry_for" => !is_span(value),
        b"encrypt" | b"wrapped" => true,
        _ => is_infinite(value),
    }
}

/// The fields of a JSON object that must change. None in a payload as Sidekiq and fastkiq write it.
pub fn changes(bytes: &[u8], place: Place) -> Result<Vec<Change>, Flaw> {
    let mut changes: Vec<Change> = Vec::new();
    let (mut has_queue, mut is_wrapper, mut is_put_away, mut has_backtrace) = (false, false, false, false);
    let (mut args, mut has_inner, mut is_encrypted): (&[u8], bool, bool) = (b"", false, false);
    walk(bytes, |member| {
        let value = &bytes[member.value.clone()];
        let first = value[0];
        let truthy = !is_nothing(first);
        match member.key.as_ref() {
            b"class" => {
                is_wrapper = WRAPPERS.contains(&value);
                is_put_away = value == quoted(UNREADABLE);
            }
            b"args" => args = value,
            b"queue" => has_queue = first == b'"' && value != b"\"\"",
            b"tags" if first == b'"' => changes.push(("tags".into(), Some([b"[", value, b"]"].concat()))),
            b"tags" if !tags_are_fine(first) => changes.push(("tags".into(), None)),
            b"cattr" if !is_container(first) && first != b'n' => changes.push(("cattr".into(), None)),
            b"retry_count" if truthy && number(value).is_none() => changes.push(("retry_count".into(), None)),
            b"at" if number(value).is_none() => changes.push(("at".into(), None)),
            b"retry_for" if !is_span(value) => changes.push(("retry_for".into(), None)),
            b"error_backtrace" if truthy && !is_compressed(value) => changes.push(("error_backtrace".into(), None)),
            b"error_backtrace" => has_backtrace = truthy,
            b"encrypt" => is_encrypted = truthy,
            b"wrapped" => has_inner = truthy,
            key => {
                let time = TIMES.iter().find(|time| time.as_bytes() == key);
                if let Some(time) = time.filter(|_| truthy && number(value).is_none()) {
                    changes.push(((*time).into(), None));
                } else if is_infinite(value) {
                    changes.push((String::from_utf8_lossy(key).into_owned().into(), None));
                }
            }
        }
    })?;
    let first_argument = args.strip_prefix(b"[").map_or(&b""[..], <[u8]>::trim_ascii_start).first().copied();
    if is_wrapper && has_inner && !matches!(first_argument, Some(b'{' | b'"')) {
        changes.push(("wrapped".into(), None));
    }
    if is_encrypted && matches!(first_argument, None | Some(b']')) {
        changes.push(("encrypt".into(), None));
    }
    // It has none of its own, and one that was added may not unpack.
    if is_put_away && has_backtrace {
        changes.push(("error_backtrace".into(), None));
    }
    if !has_queue {
        changes.push(("queue".into(), Some(quoted(place.queue))));
    }
    Ok(changes)
}

/// The entry with what must change; as it is where nothing must. What is no object stays: see `stored`.
pub fn mended(bytes: &[u8], place: Place) -> Vec<u8> {
    let bytes = plain(bytes).unwrap_or_else(|| bytes.to_vec());
    match changes(&bytes, place) {
        Ok(changes) if !changes.is_empty() => spliced(&bytes, &changes).unwrap_or(bytes),
        _ => bytes,
    }
}

/// As `mended`, for the retry set, whose pages also show when the job failed: for the first time, or last.
pub fn mended_retry(bytes: &[u8], place: Place) -> Vec<u8> {
    let bytes = mended(bytes, place);
    let (mut count, mut failed, mut retried) = (0.0, false, false);
    let seen = walk(&bytes, |member| {
        let value = number(&bytes[member.value.clone()]);
        match member.key.as_ref() {
            b"retry_count" => count = value.unwrap_or_default(),
            b"failed_at" => failed = value.is_some(),
            b"retried_at" => retried = value.is_some(),
            _ => {}
        }
    });
    let missing = match count > 0.0 {
        true if !retried => "retried_at",
        false if !failed => "failed_at",
        _ => return bytes,
    };
    let now = Compat::time(place.compat, place.now_ms);
    seen.ok().and_then(|_| spliced(&bytes, &[(missing.into(), Some(now))]).ok()).unwrap_or(bytes)
}

/// What becomes of bytes that are no job here, for `flaw`: themselves where every reader can show them and push them again, else a payload
/// that holds them whole, unless they are too long for one. It is never put into another one.
pub fn stored<'a>(bytes: &'a [u8], flaw: &str, place: Place) -> Cow<'a, [u8]> {
    if bytes.len() > MOST_WRAPPED {
        return bytes.into();
    }
    if let Ok(envelope) = scan(bytes, usize::MAX) {
        let is_whole = plain(bytes).is_none() && changes(bytes, place).is_ok_and(|changes| changes.is_empty());
        if is_whole {
            return bytes.into();
        }
        if envelope.class(bytes) == UNREADABLE {
            return mended(bytes, place).into();
        }
    }
    wrapped(bytes, flaw, place).into()
}

fn wrapped(bytes: &[u8], flaw: &str, place: Place) -> Vec<u8> {
    let now = Compat::time(place.compat, place.now_ms);
    let mut out = Vec::with_capacity(bytes.len() + 400);
    out.extend_from_slice(b"{\"class\":");
    write_string(&mut out, UNREADABLE);
    if let Ok(text) = std::str::from_utf8(bytes) {
        out.extend_from_slice(b",\"args\":[\"utf-8\",");
        write_string(&mut out, text);
    } else {
        out.extend_from_slice(b",\"args\":[\"base64\",\"");
        base64(&mut out, bytes);
        out.push(b'"');
    }
    out.extend_from_slice(b"],\"jid\":\"");
    // Without random bytes the jids are those of nobody's job all the same: none begins with so many zeroes.
    let jid = jids::random(1).ok().and_then(|jids| jids.first().copied()).unwrap_or_default();
    out.extend_from_slice(&jids::hex(&jid));
    out.extend_from_slice(b"\",\"queue\":");
    write_string(&mut out, place.queue);
    out.extend_from_slice(b",\"retry\":false,\"created_at\":");
    out.extend_from_slice(&now);
    out.extend_from_slice(b",\"failed_at\":");
    out.extend_from_slice(&now);
    out.extend_from_slice(b",\"error_class\":");
    write_string(&mut out, UNREADABLE);
    out.extend_from_slice(b",\"error_message\":");
    write_string(&mut out, flaw);
    out.push(b'}');
    out
}

/// Standard base64 with padding (RFC 4648).
fn base64(out: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            let index = (bits >> (18 - 6 * digit)) as usize & 63;
            out.push(if digit <= chunk.len() { DIGITS[index] } else { b'=' });
        }
    }
}

fn spliced(bytes: &[u8], changes: &[Change]) -> Result<Vec<u8>, Flaw> {
    let changes: Vec<(&str, Option<&[u8]>)> =
        changes.iter().map(|(key, value)| (key.as_ref(), value.as_deref())).collect();
    splice(bytes, &changes)
}

fn quoted(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    write_string(&mut out, text);
    out
}

/// A number of JSON that is finite: Ruby cannot make a time of 1e999.
fn number(value: &[u8]) -> Option<f64> {
    let is_number = matches!(value.first(), Some(b'-' | b'0'..=b'9'));
    let number: f64 = std::str::from_utf8(value).ok().filter(|_| is_number)?.parse().ok()?;
    number.is_finite().then_some(number)
}

/// Ruby reads 1e999, and cannot write it. An integer of any length it can.
fn is_infinite(value: &[u8]) -> bool {
    matches!(value.first(), Some(b'-' | b'0'..=b'9'))
        && value.iter().any(|byte| matches!(byte, b'.' | b'e' | b'E'))
        && number(value).is_none()
}

/// What Sidekiq's client takes as `retry_for`: nothing, or up to a billion seconds.
fn is_span(value: &[u8]) -> bool {
    value.first().copied().is_some_and(is_nothing) || number(value).is_some_and(|seconds| seconds <= 1e9)
}

fn is_nothing(first: u8) -> bool {
    matches!(first, b'n' | b'f')
}

fn is_container(first: u8) -> bool {
    matches!(first, b'[' | b'{')
}

fn tags_are_fine(first: u8) -> bool {
    first == b'[' || is_nothing(first)
}

/// By its beginning: base64 of a zlib header. Whether the rest unpacks is looked at in Python before a failure is written (`retry.py`); an entry
/// that is moved as it is has been read by whoever wrote it.
fn is_compressed(value: &[u8]) -> bool {
    value.starts_with(b"\"eJ")
}

#[cfg(test)]
#[path = "safe_tests.rs"]
mod tests;
