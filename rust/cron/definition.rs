//! One recurring job as Redis keeps it, read once, as strictly as `definition.py` does; and the payload of its jobs.

use crate::cron::expression::{Expression, zone_of};
use crate::cron::fields::{Fields, broken, is_name, is_queue, is_wire_name};
use crate::encode::write_string;
use crate::jids::hex;
use crate::json::plain;
use crate::payload::{scan, splice, walk};
use crate::safe::{self, Place};
use crate::template::WRITTEN;
use crate::times::Compat;

/// No longer definition is read, as in `definition.py`.
pub const MAX_BYTES: usize = 65_536;
/// Characters.
const MAX_DESCRIPTION: usize = 1_000;
/// Seconds between two ticks.
const LEAST: f64 = 1.0;
/// Ten years in seconds: no step and no delay is longer.
const MOST: f64 = 315_360_000.0;
/// The latest time, in epoch seconds.
const LATEST: f64 = 1e11;

/// When it comes; all in milliseconds.
pub enum When {
    Cron(Box<Expression>),
    Every {
        step: i64,
        first_in: i64,
    },
    Interval(i64),
    At(i64),
    /// So long after its first registration, which makes it an `At`.
    In(i64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missed {
    Skip,
    Once,
    All,
}

/// Why a definition cannot be used.
#[derive(Debug, PartialEq)]
pub enum Unfit {
    /// By nobody: it is no definition.
    Broken(String),
    /// By this version, since it says something that a newer one may understand.
    Strange(String),
}

pub struct Definition {
    pub raw: Vec<u8>,
    pub name: String,
    pub queue: String,
    pub when: When,
    pub missed: Missed,
    pub enabled: bool,
    /// Added at run time: no code holds it, and every process fires it.
    pub is_api: bool,
    /// What it says about time, to be compared.
    pub spec: Vec<u8>,
    /// Of its payload, up to the jid.
    head: Vec<u8>,
}

impl Definition {
    pub fn parse(raw: &[u8]) -> Result<Self, Unfit> {
        if raw.len() > MAX_BYTES {
            return Err(Unfit::Broken(format!("it is {} bytes long, more than {MAX_BYTES}", raw.len())));
        }
        let fields = Fields::read(raw).map_err(|flaw| Unfit::Broken(flaw.to_string()))?;
        let class = fields.needed("class", is_wire_name)?;
        let queue = fields.needed("queue", is_queue)?;
        if fields.text("description")?.is_some_and(|text| text.chars().count() > MAX_DESCRIPTION) {
            return Err(broken("description"));
        }
        let definition = Self {
            raw: raw.to_vec(),
            name: fields.needed("name", is_name)?,
            when: when(&fields)?,
            missed: fields.word("missed", &[("once", Missed::Once), ("skip", Missed::Skip), ("all", Missed::All)])?,
            enabled: fields.flag("enabled", true)?,
            is_api: fields.word("source", &[("code", false), ("file", false), ("api", true)])?,
            spec: spec(&fields),
            head: head(&fields, &queue, &class)?,
            queue,
        };
        definition.check()?;
        Ok(definition)
    }

    /// A payload of it would be one, and no page of Sidekiq's would trip over it.
    fn check(&self) -> Result<(), Unfit> {
        let sample = self.payload(&[0; 12], 0, 0, None);
        scan(&sample, usize::MAX).map_err(|flaw| Unfit::Broken(format!("no job can be made of it: {flaw}")))?;
        let changes = safe::changes(&sample, Place { queue: &self.queue, now_ms: 0, compat: None });
        if !matches!(changes.as_deref(), Ok([])) {
            return Err(Unfit::Broken("its options are none of a job".into()));
        }
        if plain(&sample).is_some() {
            return Err(Unfit::Broken("its jobs have a key twice, or half a character, which Ruby cannot read".into()));
        }
        Ok(())
    }

    /// The job of one tick, in the form of every other push.
    pub fn payload(&self, jid: &[u8; 12], now_ms: i64, tick_ms: i64, compat: Option<Compat>) -> Vec<u8> {
        let mut out = self.head.clone();
        out.extend_from_slice(&hex(jid));
        let now = Compat::time(compat, now_ms);
        for (key, value) in [(&b"\",\"created_at\":"[..], &now[..]), (b",\"enqueued_at\":", &now)] {
            out.extend_from_slice(key);
            out.extend_from_slice(value);
        }
        out.extend_from_slice(b",\"cron\":{\"name\":");
        write_string(&mut out, &self.name);
        out.extend_from_slice(format!(",\"tick\":{tick_ms}}}}}").as_bytes());
        out
    }

    /// Whether Redis has what was declared: byte for byte, but for the time that an `in` became.
    pub fn is_kept_as(&self, stored: &[u8]) -> bool {
        match self.when {
            When::In(_) => splice(stored, &[("at", None)]).is_ok_and(|without| without == self.raw),
            _ => self.raw == stored,
        }
    }

    /// As it is to be kept, an `in` with the time `at`, in milliseconds.
    pub fn kept(&self, at: i64) -> Vec<u8> {
        match self.when {
            When::In(_) => {
                splice(&self.raw, &[("at", Some(score(at).as_bytes()))]).unwrap_or_else(|_| self.raw.clone())
            }
            _ => self.raw.clone(),
        }
    }
}

/// Epoch milliseconds as a score: seconds, with a fraction where there is one.
pub fn score(ms: i64) -> String {
    let (seconds, rest) = (ms.div_euclid(1_000), ms.rem_euclid(1_000));
    if rest == 0 { seconds.to_string() } else { format!("{seconds}.{rest:03}") }
}

/// A score as epoch milliseconds, from 0 to the year 5138: whatever somebody has put there.
pub fn milliseconds(score: &str) -> Option<i64> {
    let seconds: f64 = score.parse().ok()?;
    #[expect(clippy::cast_possible_truncation, reason = "the bounds fit")]
    (!seconds.is_nan()).then(|| (seconds * 1_000.0).round().clamp(0.0, LATEST * 1_000.0) as i64)
}

fn when(fields: &Fields<'_>) -> Result<When, Unfit> {
    let every = fields.ms("every", LEAST, MOST)?;
    let first_in = fields.ms("first_in", 0.0, MOST)?;
    let interval = fields.ms("interval", LEAST, MOST)?;
    let at = fields.ms("at", 0.0, LATEST)?;
    let after = fields.ms("in", 0.0, MOST)?;
    let cron = if fields.said("cron").is_some() { fields.text("cron")? } else { None };
    let zone = fields.text("timezone")?.unwrap_or_else(|| "UTC".into());
    // Another machine may know more zones.
    zone_of(&zone).map_err(|why| Unfit::Strange(format!("its timezone: {why}")))?;
    if first_in.is_some() && every.is_none() {
        return Err(Unfit::Broken("its first_in belongs to every".into()));
    }
    match (cron, every, interval, at, after) {
        (Some(text), None, None, None, None) => {
            // A newer croner may read more.
            let read = Expression::parse(&text, &zone).map_err(|why| Unfit::Strange(format!("its cron {why}")))?;
            match read.next(0) {
                Some(_) => Ok(When::Cron(Box::new(read))),
                None => Err(Unfit::Broken("its cron never comes: no such day is in the calendar".into())),
            }
        }
        (None, Some(step), None, None, None) => Ok(When::Every { step, first_in: first_in.unwrap_or(step) }),
        (None, None, Some(step), None, None) => Ok(When::Interval(step)),
        (None, None, None, Some(at), _) => Ok(When::At(at)),
        (None, None, None, None, Some(after)) => Ok(When::In(after)),
        (None, None, None, None, None) => Err(Unfit::Strange("it says in no known way when it comes".into())),
        _ => Err(Unfit::Broken("it says in more than one way when it comes".into())),
    }
}

fn spec(fields: &Fields<'_>) -> Vec<u8> {
    let at = if fields.said("in").is_some() { "" } else { "at" }; // what an `in` has become is no change
    let said = ["cron", "timezone", "every", "first_in", "interval", "in", at];
    said.iter()
        .flat_map(|key| [key.as_bytes(), b"=", fields.said(key).unwrap_or_default(), b"\n"])
        .flatten()
        .copied()
        .collect()
}

/// The payload up to the opening quote of its jid, in the order of `template.rs`: options, args, class.
fn head(fields: &Fields<'_>, queue: &str, class: &str) -> Result<Vec<u8>, Unfit> {
    let options = fields.list_or_object("options", b'{')?.unwrap_or(br#"{"retry":true}"#);
    let args = fields.list_or_object("args", b'[')?.ok_or_else(|| broken("args"))?;
    let (mut out, mut has_retry, mut written) = (b"{".to_vec(), false, None);
    walk(options, |member| {
        let key = String::from_utf8_lossy(&member.key);
        if WRITTEN.contains(&&*key) || matches!(&*key, "queue" | "cron") {
            written = Some(key.into_owned());
            return;
        }
        if out.len() > 1 {
            out.push(b',');
        }
        write_string(&mut out, &key);
        out.push(b':');
        out.extend_from_slice(&options[member.value.clone()]);
        if key == "retry" {
            has_retry = true;
            out.extend_from_slice(b",\"queue\":");
            write_string(&mut out, queue);
        }
    })
    .map_err(|flaw| Unfit::Broken(format!("its options: {flaw}")))?;
    if let Some(key) = written {
        return Err(Unfit::Broken(format!("its options have {key}, which each tick writes")));
    }
    if !has_retry {
        return Err(Unfit::Broken("its options do not say retry".into()));
    }
    out.extend_from_slice(b",\"args\":");
    out.extend_from_slice(args);
    out.extend_from_slice(b",\"class\":");
    write_string(&mut out, class);
    out.extend_from_slice(b",\"jid\":\"");
    Ok(out)
}

#[cfg(test)]
#[path = "definition_tests.rs"]
mod tests;
