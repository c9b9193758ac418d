//! How much waits in Redis, for the metrics: sizes and latencies of the served queues, sizes of the sets.

use crate::connection::Connection;
use crate::error::Result;
use crate::keys;
use crate::lua::command;
use crate::payload::walk;
use crate::resp::Reply;
use crate::scripts::{Call, run_pipeline};
use crate::shared::Core;

/// So many queues are asked in one trip: the answer has a job of each, which may be large.
const AT_ONCE: usize = 16;
/// Milliseconds; what lies beyond, in the year 5138, is no time.
const LATEST_MS: f64 = 1e14;

pub struct Queue {
    pub name: String,
    pub size: i64,
    /// Seconds for which its next job has waited; 0 when there is none, None when the job does not tell.
    pub latency: Option<f64>,
}

pub struct Sizes {
    pub queues: Vec<Queue>,
    pub sets: Vec<(&'static str, i64)>,
}

/// Asks for all of it. What is of another type than it should be is left out.
pub fn read(core: &Core, connection: &mut Connection) -> Result<Sizes> {
    let mut queues = Vec::new();
    for some in names(core).chunks(AT_ONCE) {
        let calls: Vec<Call> = some
            .iter()
            .flat_map(|name| {
                let key = keys::queue(name);
                [command(&[b"LLEN", &key]), command(&[b"LINDEX", &key, b"-1"])]
            })
            .collect();
        let replies = ask(connection, &calls)?;
        let now_ms = core.clock.now_ms();
        for (name, pair) in some.iter().zip(replies.chunks(2)) {
            if let [size, next] = pair
                && let Some(size) = size.as_int()
            {
                queues.push(Queue { name: name.clone(), size, latency: latency(next, now_ms) });
            }
        }
    }
    let sets = [("retry", keys::RETRY), ("schedule", keys::SCHEDULE), ("dead", keys::DEAD)];
    let replies = ask(connection, &sets.map(|(_, key)| command(&[b"ZCARD", key])))?;
    let sets = sets.iter().zip(&replies).filter_map(|((name, _), size)| Some((*name, size.as_int()?))).collect();
    Ok(Sizes { queues, sets })
}

/// A Redis that answers but tells nothing, as while it loads, is as good as away.
fn ask(connection: &mut Connection, calls: &[Call]) -> Result<Vec<Reply>> {
    let mut replies = Vec::with_capacity(calls.len());
    for reply in run_pipeline(connection, calls)? {
        let is_refusal = matches!(&reply, Reply::Error { code, .. } if code != "WRONGTYPE");
        replies.push(if is_refusal { reply.into_result()? } else { reply });
    }
    Ok(replies)
}

/// Of all capsules; a queue of two of them counts once.
fn names(core: &Core) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for queue in core.capsules().flat_map(|capsule| &capsule.options.queues) {
        if !names.contains(&queue.name) {
            names.push(queue.name.clone());
        }
    }
    names
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit into 53 bits")]
fn latency(next: &Reply, now_ms: i64) -> Option<f64> {
    match next {
        Reply::Bulk(bytes) => Some((now_ms as f64 - enqueued_ms(bytes)?).max(0.0) / 1_000.0),
        Reply::Error { .. } => None,
        _ => Some(0.0),
    }
}

/// Whole milliseconds since Sidekiq 8, float seconds before.
fn enqueued_ms(bytes: &[u8]) -> Option<f64> {
    let mut found = None;
    walk(bytes, |member| {
        if member.key.as_ref() == b"enqueued_at" {
            found = std::str::from_utf8(&bytes[member.value.clone()]).ok();
        }
    })
    .ok()?;
    let text = found?;
    let number: f64 = text.parse().ok()?;
    let ms = if text.contains(['.', 'e', 'E']) { number * 1_000.0 } else { number };
    (0.0..LATEST_MS).contains(&ms).then_some(ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latency_goes_by_the_time_of_the_next_job() {
        let of = |text: &str| latency(&Reply::Bulk(text.into()), 1_700_000_002_500);
        assert_eq!(of(r#"{"enqueued_at":1700000000000}"#), Some(2.5));
        assert_eq!(of(r#"{"enqueued_at":1700000000.5}"#), Some(2.0));
        assert_eq!(of(r#"{"enqueued_at":1700000009000}"#), Some(0.0));
        for odd in ["{}", "no", r#"{"enqueued_at":"1"}"#, r#"{"enqueued_at":1e999}"#, r#"{"enqueued_at":-1}"#] {
            assert_eq!(of(odd), None, "{odd}");
        }
        assert_eq!(latency(&Reply::Nil, 1), Some(0.0));
    }
}
