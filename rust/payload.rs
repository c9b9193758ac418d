//! Stored payloads: looked at and changed as bytes. Whatever is not asked for stays byte for byte as it was.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::ops::Range;

use crate::json::{Walker, unescape};

/// What the fetcher needs to know of a payload.
#[derive(Debug, Clone, PartialEq)]
pub struct Envelope {
    pub class: String,
    /// Empty when absent or not a string.
    pub jid: String,
    pub queue: Option<String>,
    /// Where the array lies in the payload.
    pub args: Range<usize>,
    /// As stored: seconds when 7.x wrote it, milliseconds since 8.0. So are the other times.
    pub enqueued_at: Option<f64>,
    pub created_at: Option<f64>,
    pub failed_at: Option<f64>,
}

/// Why no job can be made of a payload.
#[derive(Debug, Clone, PartialEq)]
pub enum Flaw {
    NotJson(String),
    NotObject,
    NoClass,
    BadArgs,
    Repeated(String),
    TooLarge(usize),
    TooDeep,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotJson(why) => write!(f, "it is not JSON: {why}"),
            Self::NotObject => f.write_str("it is not a JSON object"),
            Self::NoClass => f.write_str("it has no class"),
            Self::BadArgs => f.write_str("its args are not a list"),
            Self::Repeated(key) => write!(f, "it has the key \"{}\" twice", key.escape_debug()),
            Self::TooLarge(size) => write!(f, "it is {size} bytes long, more than the limit"),
            Self::TooDeep => f.write_str("it is nested more than 100 deep"),
        }
    }
}

/// Checks the whole text as strict JSON and finds what the fetcher needs.
pub fn scan(bytes: &[u8], max_bytes: usize) -> Result<Envelope, Flaw> {
    if bytes.len() > max_bytes {
        return Err(Flaw::TooLarge(bytes.len()));
    }
    let (mut class, mut jid, mut queue, mut args) = (None, None, None, None);
    let (mut enqueued_at, mut created_at, mut failed_at) = (None, None, None);
    walk(bytes, |member| {
        let value = member.value.clone();
        match member.key.as_ref() {
            "class" => class = text(bytes, value),
            "jid" => jid = text(bytes, value),
            "queue" => queue = text(bytes, value),
            "args" => args = Some(value),
            "enqueued_at" => enqueued_at = number(bytes, value),
            "created_at" => created_at = number(bytes, value),
            "failed_at" => failed_at = number(bytes, value),
            _ => {}
        }
    })?;
    let class = class.filter(|class| !class.is_empty()).ok_or(Flaw::NoClass)?;
    let args = args.filter(|span| bytes[span.start] == b'[').ok_or(Flaw::BadArgs)?;
    Ok(Envelope { class, jid: jid.unwrap_or_default(), queue, args, enqueued_at, created_at, failed_at })
}

/// Sets top-level fields to values that are JSON already, or removes those given as `None`. A value is replaced where
/// it stands; what is absent is added before the closing brace, in the order given.
pub fn splice(bytes: &[u8], fields: &[(&str, Option<&[u8]>)]) -> Result<Vec<u8>, Flaw> {
    let wanted = |key: &str| fields.iter().rposition(|(name, _)| *name == key);
    let extra: usize = fields.iter().map(|(name, value)| name.len() + value.map_or(0, <[u8]>::len) + 8).sum();
    let mut out = Vec::with_capacity(bytes.len() + extra);
    let mut done = vec![false; fields.len()];
    let mut first = true;
    let (open, close) = walk(bytes, |member| {
        let found = wanted(&member.key);
        let value = match found {
            Some(index) => {
                done[index] = true;
                match fields[index].1 {
                    Some(value) => value,
                    None => return,
                }
            }
            None => &bytes[member.value.clone()],
        };
        separate(&mut out, &mut first);
        out.extend_from_slice(&bytes[member.whole.start..member.value.start]);
        out.extend_from_slice(value);
        out.extend_from_slice(&bytes[member.value.end..member.whole.end]);
    })?;
    for (index, (name, value)) in fields.iter().enumerate() {
        if let Some(value) = value.filter(|_| !done[index] && wanted(name) == Some(index)) {
            separate(&mut out, &mut first);
            write_key(&mut out, name);
            out.extend_from_slice(value);
        }
    }
    out.splice(..0, bytes[..open].iter().copied());
    out.extend_from_slice(&bytes[close..]);
    Ok(out)
}

fn separate(out: &mut Vec<u8>, first: &mut bool) {
    if !*first {
        out.push(b',');
    }
    *first = false;
}

fn write_key(out: &mut Vec<u8>, name: &str) {
    crate::encode::write_string(out, name);
    out.push(b':');
}

/// One member of the top-level object. `whole` reaches from comma to comma, white space included.
struct Member<'a> {
    key: Cow<'a, str>,
    value: Range<usize>,
    whole: Range<usize>,
}

/// Visits the members in their order; answers where the first one begins and where the closing brace is.
fn walk<'a>(bytes: &'a [u8], mut visit: impl FnMut(&Member<'a>)) -> Result<(usize, usize), Flaw> {
    let mut walker = Walker::new(bytes)?;
    if walker.peek() != Some(b'{') {
        walker.value(0)?;
        walker.finish()?;
        return Err(Flaw::NotObject);
    }
    walker.expect(b'{')?;
    let open = walker.position;
    let mut keys = Keys::default();
    let mut goes_on = !walker.closes(b'}');
    while goes_on {
        let start = if keys.is_empty() { open } else { walker.position };
        walker.peek();
        let key = walker.string()?;
        let key = keys.add(&bytes[key])?;
        walker.expect(b':')?;
        let value = walker.value(1)?;
        goes_on = walker.goes_on(b'}')?;
        visit(&Member { key, value, whole: start..walker.position - 1 });
    }
    let close = walker.position - 1;
    walker.finish()?;
    Ok((if keys.is_empty() { close } else { open }, close))
}

/// The keys seen so far. A usual payload has a dozen, which are compared one by one without an allocation.
#[derive(Default)]
struct Keys<'a> {
    few: [&'a [u8]; 24],
    count: usize,
    many: Option<HashSet<Cow<'a, str>>>,
}

impl<'a> Keys<'a> {
    fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Answers the key without quotes and escapes.
    fn add(&mut self, quoted: &'a [u8]) -> Result<Cow<'a, str>, Flaw> {
        let key = unescape(quoted);
        let repeated = match &mut self.many {
            Some(many) => !many.insert(key.clone()),
            None if self.count == self.few.len() || matches!(key, Cow::Owned(_)) => {
                let few = self.few[..self.count].iter().map(|key| String::from_utf8_lossy(key));
                let mut many: HashSet<_> = few.collect();
                let repeated = !many.insert(key.clone());
                self.many = Some(many);
                repeated
            }
            None => {
                let plain = &quoted[1..quoted.len() - 1];
                let repeated = self.few[..self.count].contains(&plain);
                self.few[self.count] = plain;
                repeated
            }
        };
        self.count += 1;
        if repeated { Err(Flaw::Repeated(key.into_owned())) } else { Ok(key) }
    }
}

fn text(bytes: &[u8], value: Range<usize>) -> Option<String> {
    (bytes[value.start] == b'"').then(|| unescape(&bytes[value]).into_owned())
}

fn number(bytes: &[u8], value: Range<usize>) -> Option<f64> {
    let digits = std::str::from_utf8(&bytes[value]).ok()?;
    digits.parse().ok().filter(|number: &f64| number.is_finite())
}

#[cfg(test)]
#[path = "payload_tests.rs"]
mod tests;
