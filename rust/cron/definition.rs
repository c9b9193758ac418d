//! One recurring job as Redis keeps it, read once; and the payload of its jobs.

use std::ops::Range;

use crate::cron::expression::Expression;
use crate::encode::write_string;
use crate::jids::hex;
use crate::json::unescape;
use crate::payload::{Flaw, scan, splice, walk};
use crate::safe::{self, Place};
use crate::template::WRITTEN;
use crate::times::Compat;

/// No longer definition is read, as in `definition.py`.
pub const MAX_BYTES: usize = 65_536;
const MAX_NAME: usize = 800; // 200 characters
/// Ten years in milliseconds: no step and no delay is longer.
const MOST_MS: f64 = 315_360_000_000.0;
const LATEST_MS: f64 = 1e14;

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
        let broken = |field: &str| Unfit::Broken(format!("its {field} is missing or makes no sense"));
        let name = fields.text("name").filter(|name| !name.is_empty() && name.len() <= MAX_NAME);
        let class = fields.text("class").filter(|class| !class.is_empty()).ok_or_else(|| broken("class"))?;
        let queue = fields.text("queue").filter(|queue| !queue.is_empty() && queue.len() <= 1_024);
        let args = fields.raw("args").filter(|args| args.starts_with(b"[")).ok_or_else(|| broken("args"))?;
        let options = fields.raw("options").unwrap_or(b"{}");
        let queue = queue.ok_or_else(|| broken("queue"))?;
        let missed = match fields.text("missed").as_deref() {
            None | Some("once") => Missed::Once,
            Some("skip") => Missed::Skip,
            Some("all") => Missed::All,
            Some(_) => return Err(Unfit::Strange("its missed is of an unknown kind".into())),
        };
        let definition = Self {
            raw: raw.to_vec(),
            name: name.ok_or_else(|| broken("name"))?,
            when: when(&fields)?,
            missed,
            enabled: fields.raw("enabled") != Some(b"false"),
            is_api: fields.text("source").as_deref() == Some("api"),
            spec: spec(&fields),
            head: head(options, &queue, args, &class).map_err(|flaw| Unfit::Broken(flaw.to_string()))?,
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
        match changes.as_deref() {
            Ok([]) => Ok(()),
            _ => Err(Unfit::Broken("its options are none of a job".into())),
        }
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
    (!seconds.is_nan()).then(|| (seconds * 1_000.0).round().clamp(0.0, LATEST_MS) as i64)
}

struct Fields<'a> {
    raw: &'a [u8],
    found: Vec<(Vec<u8>, Range<usize>)>,
}

impl<'a> Fields<'a> {
    fn read(raw: &'a [u8]) -> Result<Self, Flaw> {
        let mut found = Vec::new();
        walk(raw, |member| found.push((member.key.to_vec(), member.value.clone())))?;
        Ok(Self { raw, found })
    }

    /// The value as it stands there; `null` counts as nothing.
    fn raw(&self, key: &str) -> Option<&'a [u8]> {
        let (_, span) = self.found.iter().find(|(name, _)| name == key.as_bytes())?;
        self.raw.get(span.clone()).filter(|value| *value != b"null")
    }

    fn text(&self, key: &str) -> Option<String> {
        self.raw(key).filter(|value| value.starts_with(b"\"")).map(|value| unescape(value).into_owned())
    }

    /// Seconds as milliseconds, within bounds.
    fn ms(&self, key: &str, least: f64, most: f64) -> Result<Option<i64>, Unfit> {
        let Some(value) = self.raw(key) else { return Ok(None) };
        let seconds = std::str::from_utf8(value).ok().and_then(|text| text.parse::<f64>().ok());
        let ms = seconds.map(|seconds| (seconds * 1_000.0).round()).filter(|ms| (least..=most).contains(ms));
        #[expect(clippy::cast_possible_truncation, reason = "within the bounds")]
        ms.map(|ms| Some(ms as i64)).ok_or_else(|| Unfit::Broken(format!("its {key} is no number of seconds in range")))
    }
}

fn when(fields: &Fields<'_>) -> Result<When, Unfit> {
    let every = fields.ms("every", 1_000.0, MOST_MS)?;
    let first_in = fields.ms("first_in", 0.0, MOST_MS)?;
    let interval = fields.ms("interval", 1_000.0, MOST_MS)?;
    let at = fields.ms("at", 0.0, LATEST_MS)?;
    let after = fields.ms("in", 0.0, MOST_MS)?;
    match (fields.text("cron"), every, interval, at, after) {
        (Some(text), None, None, None, None) => {
            let zone = fields.text("timezone").unwrap_or_else(|| "UTC".into());
            // A newer croner may read more, and another machine may know more zones.
            Expression::parse(&text, &zone)
                .map(|read| When::Cron(Box::new(read)))
                .map_err(|why| Unfit::Strange(format!("its cron {why}")))
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
    let at = if fields.raw("in").is_some() { "" } else { "at" }; // what an `in` has become is no change
    let said = ["cron", "timezone", "every", "first_in", "interval", "in", at];
    said.iter()
        .flat_map(|key| [key.as_bytes(), b"=", fields.raw(key).unwrap_or_default(), b"\n"])
        .flatten()
        .copied()
        .collect()
}

/// The payload up to the opening quote of its jid, in the order of `template.rs`: options, args, class.
fn head(options: &[u8], queue: &str, args: &[u8], class: &str) -> Result<Vec<u8>, Flaw> {
    let (mut out, mut has_retry) = (b"{".to_vec(), false);
    let write_queue = |out: &mut Vec<u8>| {
        out.extend_from_slice(b",\"queue\":");
        write_string(out, queue);
    };
    walk(options, |member| {
        let Ok(key) = std::str::from_utf8(&member.key) else { return };
        if WRITTEN.contains(&key) || matches!(key, "queue" | "cron") {
            return;
        }
        if out.len() > 1 {
            out.push(b',');
        }
        write_string(&mut out, key);
        out.push(b':');
        out.extend_from_slice(&options[member.value.clone()]);
        if key == "retry" {
            has_retry = true;
            write_queue(&mut out);
        }
    })?;
    if !has_retry {
        out.extend_from_slice(if out.len() > 1 { b",\"retry\":true" } else { b"\"retry\":true" });
        write_queue(&mut out);
    }
    out.extend_from_slice(b",\"args\":");
    out.extend_from_slice(args);
    out.extend_from_slice(b",\"class\":");
    write_string(&mut out, class);
    out.extend_from_slice(b",\"jid\":\"");
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RAW: &[u8] = br#"{"name":"n\u00e4","class":"Report","args":["x",1],"queue":"low","cron":"0 6 * * *","timezone":"Europe/Berlin","missed":"all","description":"","enabled":true,"source":"code","options":{"retry":5,"tags":["a"]}}"#;

    #[test]
    fn a_payload_has_the_form_of_every_other_push() {
        let definition = Definition::parse(RAW).unwrap();
        let payload = definition.payload(&[171; 12], 1_795_305_947_963, 1_795_305_900_000, None);
        assert_eq!(
            String::from_utf8(payload).unwrap(),
            r#"{"retry":5,"queue":"low","tags":["a"],"args":["x",1],"class":"Report","jid":"abababababababababababab","created_at":1795305947963,"enqueued_at":1795305947963,"cron":{"name":"nä","tick":1795305900000}}"#
        );
        assert!(definition.missed == Missed::All && definition.enabled && !definition.is_api);
    }

    #[test]
    fn fields_that_are_written_anyway_and_unknown_ones_do_no_harm() {
        let raw = br#"{"later":[1],"name":"n","class":"A","args":[],"queue":"q","every":60,"options":{"jid":"x","class":"B","backtrace":true}}"#;
        let definition = Definition::parse(raw).unwrap();
        let payload = String::from_utf8(definition.payload(&[0; 12], 1, 2, None)).unwrap();
        assert!(
            payload.starts_with(r#"{"backtrace":true,"retry":true,"queue":"q","args":[],"class":"A","jid":"0"#),
            "{payload}"
        );
    }

    #[test]
    fn an_in_is_still_the_same_when_it_has_become_an_at() {
        let raw = br#"{"name":"n","class":"A","args":[],"queue":"q","in":60}"#;
        let declared = Definition::parse(raw).unwrap();
        let kept = declared.kept(1_000_500);
        assert_eq!(kept, br#"{"name":"n","class":"A","args":[],"queue":"q","in":60,"at":1000.500}"#);
        let stored = Definition::parse(&kept).unwrap();
        assert!(declared.is_kept_as(&kept) && declared.spec == stored.spec);
        assert!(matches!(stored.when, When::At(1_000_500)));
    }

    #[test]
    fn what_is_no_definition_is_refused() {
        let made = |fields: &str| format!(r#"{{"name":"n","class":"A","args":[],"queue":"q"{fields}}}"#);
        for raw in [
            "",
            "[]",
            "nonsense",
            "{}",
            &made(",\"every\":0"),
            &made(",\"every\":1e999"),
            &made(",\"every\":60,\"at\":1"),
            &made(",\"every\":60,\"options\":[]"),
            &made(",\"every\":60,\"options\":{\"tags\":{}}"),
            &made(",\"at\":-5"),
            &made(",\"every\":\"60\""),
        ] {
            assert!(matches!(Definition::parse(raw.as_bytes()), Err(Unfit::Broken(_))), "{raw}");
        }
        for raw in
            [made(""), made(",\"moon\":\"full\""), made(",\"cron\":\"x\""), made(",\"every\":60,\"missed\":\"twice\"")]
        {
            assert!(matches!(Definition::parse(raw.as_bytes()), Err(Unfit::Strange(_))), "{raw}");
        }
        assert!(matches!(Definition::parse(&vec![b' '; MAX_BYTES + 1]), Err(Unfit::Broken(_))));
    }

    #[test]
    fn scores_are_read_whatever_they_are() {
        for (text, ms) in [("1795305947", 1_795_305_947_000), ("1.5", 1_500), ("-inf", 0), ("inf", 100_000_000_000_000)]
        {
            assert_eq!(milliseconds(text), Some(ms));
        }
        assert_eq!((milliseconds("nan"), milliseconds("x")), (None, None));
        assert_eq!((score(1_500), score(60_000), score(1_001)), ("1.500".into(), "60".into(), "1.001".into()));
    }
}
