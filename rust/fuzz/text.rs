//! JSON: scanning, splicing, and what is written.

use std::borrow::Cow;

use jiter::JsonValue;

use crate::decode::without_lone_surrogates;
use crate::encode::write_string;
use crate::floats::write_float;
use crate::fuzz::wire::PLACE;
use crate::json::{Walker, unescape};
use crate::payload::{Flaw, scan, splice};
use crate::printable::{is_unfit, printable};
use crate::safe::{UNREADABLE, changes, mended_retry, stored};

const LIMIT: usize = 8 << 20;
/// As a failure splices them, one of each kind: replaced or added, added with an escape in its name, removed.
const FIELDS: [(&str, Option<&[u8]>); 4] =
    [("error_message", Some(b"\"no\"")), ("retry_count", Some(b"0")), ("a\n", Some(b"[1]")), ("enqueued_at", None)];

/// An independent reader's opinion: the one that turns a job's arguments into Python objects.
fn read(bytes: &[u8]) -> Option<JsonValue<'_>> {
    JsonValue::parse(bytes, false).ok()
}

/// As `decode.rs` reads: a surrogate without its partner costs a letter and not the job.
fn readable(bytes: &[u8]) -> bool {
    read(bytes).is_some() || matches!(without_lone_surrogates(bytes), Cow::Owned(text) if read(&text).is_some())
}

fn told(flaw: &Flaw) {
    let text = flaw.to_string();
    assert!(text.len() < 1_000, "a flaw of {} bytes", text.len());
    assert!(!text.contains(is_unfit), "a flaw that is not fit for a log: {text:?}");
}

/// What the scanner takes, another reader takes; a splice changes the fields it is given and not one other byte.
pub fn payload(bytes: &[u8]) {
    let scanned = scan(bytes, LIMIT);
    match &scanned {
        Ok(envelope) => {
            assert!(readable(bytes), "scanned, and not readable");
            assert_eq!(bytes[envelope.args.start], b'[');
            assert_eq!(bytes[envelope.args.end - 1], b']');
            assert!(readable(&bytes[envelope.args.clone()]));
            assert!(!envelope.class(bytes).is_empty());
            let _ = (envelope.jid(bytes), envelope.queue(bytes));
        }
        Err(flaw) => told(flaw),
    }
    safe(bytes);
    let spliced = match splice(bytes, &FIELDS) {
        Ok(spliced) => spliced,
        Err(flaw) => {
            told(&flaw);
            assert!(!matches!(scanned, Ok(_) | Err(Flaw::NoClass | Flaw::BadArgs)), "scanned, and not spliced: {flaw}");
            return;
        }
    };
    assert!(readable(&spliced), "spliced into what is not JSON");
    assert_eq!(splice(bytes, &[]).as_deref(), Ok(bytes), "no fields, and not the same bytes");
    assert_eq!(splice(&spliced, &FIELDS).as_ref(), Ok(&spliced), "twice is not once");
    // Without these fields, nothing is left that differs.
    let none = FIELDS.map(|(name, _)| (name, None));
    let (taken_out, without) = (splice(&spliced, &none), splice(bytes, &none));
    // White space in an object without members goes to the first one that it gets, and leaves with it.
    let is_blank = |byte: &u8| byte.is_ascii_whitespace();
    let members = bytes.iter().filter(|byte| !is_blank(byte)).count() > 2;
    assert!(!members || taken_out == without, "another byte has changed");
    match (&scanned, scan(&spliced, LIMIT)) {
        (Ok(before), Ok(after)) => {
            assert_eq!(before.class(bytes), after.class(&spliced));
            assert_eq!(before.jid(bytes), after.jid(&spliced));
            assert_eq!(before.queue(bytes), after.queue(&spliced));
            assert_eq!(bytes[before.args.clone()], spliced[after.args.clone()]);
            assert_eq!(before.has_failed, after.has_failed);
            assert_eq!(before.is_wrapped, after.is_wrapped);
        }
        (Err(before), after) => assert!(after.as_ref() == Err(before) || matches!(before, Flaw::TooLarge(_))),
        (Ok(_), Err(flaw)) => panic!("spliced into what cannot be scanned: {flaw}"),
    }
}

/// What is put away is readable whatever it was, and once mended it stays.
fn safe(bytes: &[u8]) {
    let is_whole = |bytes: &[u8]| changes(bytes, PLACE).is_ok_and(|changes| changes.is_empty());
    let put_away = stored(bytes, "a flaw", PLACE);
    assert!(is_whole(&put_away) && read(&put_away).is_some());
    let class = scan(&put_away, usize::MAX).map(|envelope| envelope.class(&put_away).into_owned());
    assert!(class.is_ok_and(|class| matches!(put_away, Cow::Borrowed(_)) || class == UNREADABLE));
    assert_eq!(stored(&put_away, "again", PLACE), put_away, "nothing is put away twice");
    let mended = mended_retry(bytes, PLACE);
    assert!(is_whole(&mended) || changes(bytes, PLACE).is_err());
    assert_eq!(mended_retry(&mended, PLACE), mended, "mended twice");
}

/// The walker and the other reader agree on what JSON is, up to the limits that the walker alone has.
pub fn json(bytes: &[u8]) {
    let walked = Walker::new(bytes).and_then(|mut walker| {
        walker.value(0)?;
        walker.finish()
    });
    match walked {
        Ok(()) => assert!(readable(bytes), "walked, and not readable"),
        Err(Flaw::TooDeep) => {}
        Err(Flaw::NotJson(why)) if why.contains("4,300 digits") => {}
        Err(flaw) => {
            told(&flaw);
            assert!(read(bytes).is_none(), "readable, and not walked: {flaw}");
        }
    }
}

/// Any text survives being written, and is fit for a log afterwards.
pub fn strings(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut out = Vec::new();
    write_string(&mut out, &text);
    assert_eq!(unescape(&out), text);
    assert_eq!(read(&out), Some(JsonValue::Str(Cow::Borrowed(&text))));
    assert!(!printable(&text).contains(is_unfit));
    // And what others have written is read as the other reader reads it.
    let quoted = [b"\"", bytes, b"\""].concat();
    let is_string = Walker::new(&quoted).is_ok_and(|mut walker| walker.string().is_ok() && walker.finish().is_ok());
    if is_string && let Some(JsonValue::Str(value)) = read(&without_lone_surrogates(&quoted)) {
        assert_eq!(unescape(&quoted), value);
    }
}

/// Eight bytes are a float: what is written reads back as the same one.
pub fn floats(bytes: &[u8]) {
    for chunk in bytes.as_chunks::<8>().0 {
        let number = f64::from_le_bytes(*chunk);
        if number.is_finite() {
            let mut out = Vec::new();
            write_float(&mut out, number);
            assert!(matches!(read(&out), Some(JsonValue::Float(found)) if found.to_bits() == number.to_bits()));
            assert!(out.len() <= 32);
        }
    }
}
