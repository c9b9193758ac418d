//! Jobs that were in flight when a process died, and when one of them is stopped.
//!
//! A first death marks what was in flight. A marked job's start is recorded before it runs; a death after a recorded start is
//! counted, any other is not. At the second counted death the job runs with no other such job beside it, at the third it is dead.

/// Deaths that stop a job, as with Sidekiq's poison pills: three within 72 hours.
pub const DEATHS: u32 = 3;
pub const WINDOW_SECONDS: i64 = 72 * 3600;

/// A value of the hash `fastkiq:suspects`: `<deaths>:<1 when its start was recorded since>:<epoch seconds of the first death>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    pub deaths: u32,
    pub started: bool,
    pub since: i64,
}

impl Mark {
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, ':');
        Some(Self {
            deaths: parts.next()?.parse().ok()?,
            started: parts.next()? == "1",
            since: parts.next()?.parse().ok()?,
        })
    }

    pub fn text(&self) -> String {
        format!("{}:{}:{}", self.deaths, u8::from(self.started), self.since)
    }

    pub fn expired(&self, now: i64) -> bool {
        now.saturating_sub(self.since) > WINDOW_SECONDS
    }
}

/// What the death of its process makes of a job's mark.
pub fn after_death(before: Option<&Mark>, now: i64) -> Mark {
    match before {
        Some(mark) if !mark.expired(now) => {
            Mark { deaths: mark.deaths.saturating_add(u32::from(mark.started)), started: false, since: mark.since }
        }
        _ => Mark { deaths: 1, started: false, since: now },
    }
}

/// The job's field in the hash: its jid, or a digest of its bytes where the jid is missing or strange.
pub fn field(jid: &str, bytes: &[u8]) -> String {
    let plain = !jid.is_empty()
        && jid.len() <= 64
        && jid.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    if plain {
        return jid.to_owned();
    }
    // FNV-1a in 128 bits: the same in each process and version; a collision would at worst share a count.
    let digest = bytes.iter().fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128, |hash, byte| {
        (hash ^ u128::from(*byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
    });
    format!("#{digest:032x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_survives_its_text() {
        let mark = Mark { deaths: 2, started: true, since: 1_795_305_969 };
        assert_eq!(Mark::parse(&mark.text()), Some(mark));
        for bad in ["", "1", "1:1", "x:1:2", "1:1:y"] {
            assert_eq!(Mark::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn only_deaths_after_a_recorded_start_count() {
        let now = 1_000_000;
        let first = after_death(None, now);
        assert_eq!(first.deaths, 1);
        let prefetched = after_death(Some(&first), now + 10);
        assert_eq!(prefetched.deaths, 1);
        let second = after_death(Some(&Mark { started: true, ..prefetched }), now + 20);
        assert_eq!((second.deaths, second.started), (2, false));
        let third = after_death(Some(&Mark { started: true, ..second.clone() }), now + 30);
        assert!(third.deaths >= DEATHS);
        let late = after_death(Some(&Mark { started: true, ..second }), now + WINDOW_SECONDS + 1);
        assert_eq!(late.deaths, 1);
    }

    #[test]
    fn strange_jids_are_not_field_names() {
        assert_eq!(field("639f82c6e8c70f9509bc0b7d", b"x"), "639f82c6e8c70f9509bc0b7d");
        assert_eq!(field("a\r\nb", b"x"), field("", b"x"));
        assert_ne!(field("", b"x"), field("", b"y"));
    }
}
