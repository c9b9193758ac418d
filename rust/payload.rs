//! Stored payloads: looked at and changed as bytes. Whatever is not asked for stays byte for byte as it was.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::ops::Range;

use crate::json::{Walker, unescape};
use crate::safe;

/// Where the fields that the fetcher needs lie in a payload: most are never read, and then cost nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Envelope {
    class: Range<usize>,
    jid: Range<usize>,
    queue: Option<Range<usize>>,
    wrapped: Option<Range<usize>>,
    /// The array.
    pub args: Range<usize>,
    /// It has failed before: `failed_at` is a number.
    pub has_failed: bool,
    /// Active Job's: `class` is then that of the job, which the payload has as `wrapped`, and the arguments lie deeper.
    pub is_wrapped: bool,
    /// A field may have to change before the payload is put where readers of Sidekiq's look (`safe.rs`).
    pub is_odd: bool,
}

/// As which class Active Job's adapter for Sidekiq enqueues: since Sidekiq 8, and before. Its readers look into the first argument.
pub const WRAPPERS: [&[u8]; 2] =
    [b"\"Sidekiq::ActiveJob::Wrapper\"", b"\"ActiveJob::QueueAdapters::SidekiqAdapter::JobWrapper\""];

impl Envelope {
    pub fn class<'a>(&self, bytes: &'a [u8]) -> Cow<'a, str> {
        text(bytes, &self.class)
    }

    /// Empty when absent or not a string.
    pub fn jid<'a>(&self, bytes: &'a [u8]) -> Cow<'a, str> {
        text(bytes, &self.jid)
    }

    pub fn queue<'a>(&self, bytes: &'a [u8]) -> Option<Cow<'a, str>> {
        self.queue.as_ref().map(|queue| text(bytes, queue))
    }

    /// The class that runs inside a wrapper such as Active Job's.
    pub fn wrapped<'a>(&self, bytes: &'a [u8]) -> Option<Cow<'a, str>> {
        self.wrapped.as_ref().map(|wrapped| text(bytes, wrapped))
    }
}

/// How much of a repeated key is told: it may be megabytes long, and goes into log lines.
const SHOWN_KEY: usize = 60;

/// Why no job can be made of a payload.
#[derive(Debug, Clone, PartialEq)]
pub enum Flaw {
    NotJson(String),
    NotObject,
    NoClass,
    BadArgs,
    /// The key, or the start of it.
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
    let (mut class, mut wrapped, mut args) = (None, None, None);
    let mut envelope = Envelope::default();
    walk(bytes, |member| {
        let value = member.value.clone();
        let first = bytes[value.start];
        match member.key.as_ref() {
            b"class" => class = (first == b'"' && value.len() > 2).then_some(value),
            b"jid" if first == b'"' => envelope.jid = value,
            b"queue" if first == b'"' => envelope.queue = Some(value),
            b"args" => args = (first == b'[').then_some(value),
            key => {
                envelope.is_odd |= safe::is_odd(key, &bytes[value.clone()]);
                match key {
                    b"wrapped" => wrapped = (first == b'"' && value.len() > 2).then_some(value),
                    b"failed_at" => envelope.has_failed = matches!(first, b'-' | b'0'..=b'9'),
                    _ => {}
                }
            }
        }
    })?;
    let class = class.ok_or(Flaw::NoClass)?;
    envelope.wrapped.clone_from(&wrapped);
    let wrapped = wrapped.filter(|_| WRAPPERS.contains(&&bytes[class.clone()]));
    envelope.is_wrapped = wrapped.is_some();
    envelope.class = wrapped.unwrap_or(class);
    envelope.args = args.ok_or(Flaw::BadArgs)?;
    Ok(envelope)
}

/// Sets top-level fields to values that are JSON already, or removes those given as `None`. A value is replaced where
/// it stands; what is absent is added before the closing brace, in the order given.
pub fn splice(bytes: &[u8], fields: &[(&str, Option<&[u8]>)]) -> Result<Vec<u8>, Flaw> {
    let wanted = |key: &[u8]| fields.iter().rposition(|(name, _)| name.as_bytes() == key);
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
        if let Some(value) = value.filter(|_| !done[index] && wanted(name.as_bytes()) == Some(index)) {
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
pub struct Member<'a> {
    /// Without quotes and escapes.
    pub key: Cow<'a, [u8]>,
    pub value: Range<usize>,
    whole: Range<usize>,
}

/// Visits the members in their order; answers where the first one begins and where the closing brace is.
pub fn walk<'a>(bytes: &'a [u8], mut visit: impl FnMut(&Member<'a>)) -> Result<(usize, usize), Flaw> {
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
    many: Option<HashSet<Cow<'a, [u8]>>>,
}

impl<'a> Keys<'a> {
    fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Answers the key without quotes and escapes.
    fn add(&mut self, quoted: &'a [u8]) -> Result<Cow<'a, [u8]>, Flaw> {
        let plain = &quoted[1..quoted.len() - 1];
        let key = match memchr::memchr(b'\\', plain) {
            None => Cow::Borrowed(plain),
            Some(_) => Cow::Owned(unescape(quoted).into_owned().into_bytes()),
        };
        let repeated = match &mut self.many {
            Some(many) => !many.insert(key.clone()),
            None if self.count == self.few.len() || matches!(key, Cow::Owned(_)) => {
                let mut many: HashSet<_> = self.few[..self.count].iter().map(|key| Cow::Borrowed(*key)).collect();
                let repeated = !many.insert(key.clone());
                self.many = Some(many);
                repeated
            }
            None => {
                let repeated = self.few[..self.count].contains(&plain);
                self.few[self.count] = plain;
                repeated
            }
        };
        self.count += 1;
        if repeated {
            let start = String::from_utf8_lossy(&key[..key.len().min(4 * SHOWN_KEY)]);
            return Err(Flaw::Repeated(start.chars().take(SHOWN_KEY).collect()));
        }
        Ok(key)
    }
}

/// The string that lies there; empty where none does.
fn text<'a>(bytes: &'a [u8], span: &Range<usize>) -> Cow<'a, str> {
    bytes.get(span.clone()).filter(|quoted| quoted.len() > 2).map(unescape).unwrap_or_default()
}

#[cfg(test)]
#[path = "payload_tests.rs"]
mod tests;
