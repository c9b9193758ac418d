//! URLs, and the short records that processes keep of each other.

use crate::error::Error;
use crate::machine::is_gone;
use crate::poison::{Mark, after_death, field};
use crate::printable::is_unfit;
use crate::url::RedisUrl;

const SECRET: &str = "hunter2";

/// No text makes the parser fail otherwise than with an error, and a password is never shown, wherever it stands.
pub fn url(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    look(&text, "\0");
    let middle = text.char_indices().nth(text.chars().count() / 2).map_or(0, |(at, _)| at);
    let (before, after) = text.split_at(middle);
    // Where the rest is itself a password or its option, nobody could tell which of the two ours is.
    let plain = !["@", "password=", "username="].iter().any(|word| text.contains(word));
    for scheme in ["redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel"] {
        // As somebody writes a password who does not know that it has to be escaped.
        if plain {
            look(&format!("{scheme}://:{before}{SECRET}{after}@h/0"), SECRET);
            look(&format!("{scheme}://u:{before}{SECRET}@{after}"), SECRET);
            if !before.starts_with('/') {
                look(&format!("{scheme}://:x@{before}{SECRET}@{after}"), SECRET);
            }
        }
        if !before.contains('?') {
            look(&format!("{scheme}://h/{before}?password={SECRET}{after}"), SECRET);
        }
    }
}

fn look(text: &str, secret: &str) {
    match RedisUrl::parse(text) {
        Ok(url) => {
            let shown = format!("{} {url:?}", url.safe());
            assert!(!shown.contains(secret), "{text:?} shows its secret: {shown}");
            assert!(!shown.contains(is_unfit), "{text:?} is shown with control characters");
        }
        Err(Error::Config(message)) => assert!(!message.contains(secret), "{text:?}: {message}"),
        Err(other) => panic!("{other:?}"),
    }
}

/// Marks of suspects, descriptions of processes, jids that become fields.
pub fn records(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for now in [0, i64::MIN, i64::MAX, 1_795_305_969] {
        let before = Mark::parse(&text);
        if let Some(mark) = &before {
            assert_eq!(Mark::parse(&mark.text()).as_ref(), Some(mark));
        }
        let after = after_death(before.as_ref(), now);
        assert!(!after.started && (after.deaths > 0 || before.is_some()));
    }
    // Process 1 is there; nobody else's word may declare us dead.
    assert!(!is_gone(&format!("{} ", std::process::id())));
    let _ = is_gone(&text);
    let name = field(&text, bytes);
    assert!(name.len() <= 64 && name.bytes().all(|byte| byte.is_ascii_graphic()));
}
