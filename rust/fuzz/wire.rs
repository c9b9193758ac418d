//! What comes from Redis's socket.

use std::net::{IpAddr, Ipv4Addr};

use crate::error::Error;
use crate::http::{self, Asked, LONGEST_HEAD};
use crate::resp::{Reply, Scanner, decode};
use crate::safe::Place;
use crate::scheduler;
use crate::trip::caught;

/// Reads replies until the bytes end or make no sense, given to the scanner in pieces whose sizes `next` says.
fn replies(bytes: &[u8], mut next: impl FnMut() -> usize) -> (Vec<Reply>, bool) {
    let (mut start, mut end) = (0, 0);
    let mut scanner = Scanner::new();
    let mut found = Vec::new();
    loop {
        match scanner.advance(&bytes[start..end]) {
            Ok(Some(length)) => {
                assert!(length <= end - start);
                match decode(&bytes[start..start + length]) {
                    Ok(reply) => found.push(reply),
                    Err(error) => return (found, told(&error)),
                }
                start += length;
                scanner = Scanner::new();
            }
            Ok(None) if end == bytes.len() => return (found, false),
            Ok(None) => end = (end + next().max(1)).min(bytes.len()),
            Err(error) => return (found, told(&error)),
        }
    }
}

/// Which of its faults is told may depend on how much of it was there.
fn told(error: &Error) -> bool {
    assert!(matches!(error, Error::Protocol(_)));
    true
}

/// The same replies however the bytes are cut, up to the first that makes no sense.
pub fn resp(bytes: &[u8]) {
    let whole = replies(bytes, || usize::MAX / 2);
    let mut state =
        bytes.iter().fold(0x9e37_79b9_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    let chopped = replies(bytes, || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as usize % 9
    });
    assert_eq!(whole, chopped);
}

/// An answer of the claim script, whatever it is.
pub fn claims(bytes: &[u8]) {
    let (Some((&asked, bytes)), mut queues) = (bytes.split_first(), 0) else { return };
    let asked = usize::from(asked % 17);
    for reply in replies(bytes, || usize::MAX / 2).0 {
        for (index, payloads) in caught(reply, asked).1 {
            assert!(index < asked);
            queues += usize::from(!payloads.is_empty());
        }
    }
    assert!(queues <= bytes.len());
}

pub const PLACE: Place = Place { queue: "default", now_ms: 1_795_305_947_963, compat: None };

/// An answer of the script that looks for due jobs, whatever it is.
pub fn due(bytes: &[u8]) {
    for reply in replies(bytes, || usize::MAX / 2).0 {
        if let Some(due) = scheduler::due(reply) {
            assert!(due.wait.as_secs() <= 1);
            for job in due.jobs.iter().flatten() {
                if let Ok((payload, queue, _)) = scheduler::queued(job, 1 << 20, PLACE) {
                    assert!(!queue.is_empty());
                    assert!(scheduler::queued(&payload, 2 << 20, PLACE).is_ok_and(|again| again.0 == payload));
                }
            }
        }
    }
}

/// What is answered as a page was asked for by a name of loopback, and whatever follows the head changes nothing.
pub fn requests(bytes: &[u8]) {
    let bytes = &bytes[..bytes.len().min(LONGEST_HEAD)];
    let loopback = Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let asked = http::read(bytes, loopback);
    if let Asked::Page { path, .. } = http::read(&bytes[..bytes.len() / 2], loopback) {
        assert!(matches!(&asked, Asked::Page { path: whole, .. } if *whole == path), "more behind the head");
    }
    let Asked::Page { path, .. } = &asked else { return };
    assert!(path.starts_with('/') && !path.contains(['?', ' ', '\r', '\n', '\0']), "{path:?}");
    assert_eq!(http::read(&[bytes, b"\0"].concat(), loopback), asked, "one byte more behind the head");
    assert_eq!(http::read(bytes, None), asked, "to any host");
    let text = String::from_utf8_lossy(bytes).to_ascii_lowercase();
    let is_named = ["localhost", "127.0.0.1", "[::1]"].iter().any(|name| text.contains(name));
    assert!(is_named || text.contains("http/1.0"), "{text:?}");
}
