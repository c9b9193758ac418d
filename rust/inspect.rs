//! Questions that the launcher asks now and then, on a connection aside.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use crate::connection::Connection;
use crate::error::Result;
use crate::intake::byte_strings;
use crate::keys;
use crate::lua::command;
use crate::payload::scan;
use crate::resp::Reply;
use crate::scripts::run_pipeline;
use crate::shared::Core;

/// Members that one step of a walk through a sorted set reads.
const PAGE: usize = 100;
/// Members that are counted at most: whether there are any decides, and the number is only printed.
const MOST: u64 = 10_000;

/// Jobs in the served queues and claims of ours that are not acked; due within `horizon` seconds in retry and schedule for them; later ones.
pub fn pending(core: &Core, connection: &mut Connection, horizon: f64) -> Result<(u64, u64, u64)> {
    let mut queued = core.capsules().map(held).sum::<u64>();
    #[expect(clippy::cast_precision_loss, reason = "microseconds since 1970 fit into 53 bits until 2255")]
    let limit = format!("{:.6}", core.clock.now_us() as f64 / 1e6 + horizon);
    let (mut soon, mut later) = (0, 0);
    // Sets first: a job that is moved meanwhile is then seen in its queue.
    for set in [keys::SCHEDULE, keys::RETRY] {
        soon += count(core, connection, set, b"-inf", limit.as_bytes(), MOST)?;
        later += count(core, connection, set, format!("({limit}").as_bytes(), b"+inf", MOST)?;
    }
    let mut lengths = Vec::new();
    for capsule in core.capsules() {
        let me = capsule.identity();
        lengths.push(connection.command(&[b"SCARD", &keys::flights(&me.name)])?);
        for queue in &capsule.options.queues {
            lengths.push(connection.command(&[b"LLEN", &keys::flight(&me.name, &queue.name, 0)])?);
            lengths.push(connection.command(&[b"LLEN", &keys::queue(&queue.name)])?);
        }
    }
    queued += lengths.iter().filter_map(|length| u64::try_from(length.as_int()?).ok()).sum::<u64>();
    Ok((queued, soon, later))
}

/// Jobs that a capsule holds and has not begun; what is settled but not written may still become a retry.
fn held(capsule: &Core) -> u64 {
    let state = capsule.ready.lock();
    let waiting = (state.waiting(false) + state.waiting(true)) as u64;
    drop(state);
    waiting + u64::from(!capsule.outbox.is_empty() || !capsule.written.load(Ordering::Acquire))
}

fn count(core: &Core, connection: &mut Connection, set: &[u8], from: &[u8], to: &[u8], most: u64) -> Result<u64> {
    let mut found = 0;
    let mut offset = 0;
    loop {
        let start = offset.to_string();
        let words: [&[u8]; 7] = [b"ZRANGEBYSCORE", set, from, to, b"LIMIT", start.as_bytes(), b"100"];
        let page = byte_strings(connection.command(&words)?.array().unwrap_or_default());
        let served = |job: &&Vec<u8>| {
            let envelope = scan(job, core.options.max_bytes).unwrap_or_default();
            let served = |queue: &str| core.capsules().any(|capsule| capsule.options.queue_index(queue).is_some());
            envelope.queue(job).is_some_and(|queue| served(&queue))
        };
        found += page.iter().filter(served).count() as u64;
        if page.len() < PAGE || found >= most || offset as u64 >= most {
            return Ok(found);
        }
        offset += PAGE;
    }
}

/// Makes `key` a hash of `fields`, and nothing else, for a minute.
pub fn show(connection: &mut Connection, key: &[u8], fields: &HashMap<String, String>) -> Result<()> {
    let mut words: Vec<&[u8]> = vec![b"HSET", key];
    words.extend(fields.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]));
    let calls = [
        command(&[b"MULTI"]),
        command(&[b"UNLINK", key]),
        command(&words),
        command(&[b"EXPIRE", key, b"60"]),
        command(&[b"EXEC"]),
    ];
    run_pipeline(connection, &calls)?.into_iter().try_for_each(|reply| reply.into_result().map(drop))
}

/// Facts for the checks at boot; what the server hides is absent.
pub fn info(connection: &mut Connection) -> Vec<(String, String)> {
    let mut facts = Vec::new();
    if let Ok(reply) = connection.command(&[b"INFO"]) {
        let text = reply.bytes().map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
        for (name, value) in text.lines().filter_map(|line| line.split_once(':')) {
            let name = match name {
                "redis_version" | "valkey_version" | "server_name" | "maxmemory_policy" | "aof_enabled" | "os" => name,
                "redis_mode" => "mode",
                _ => continue,
            };
            facts.push((name.to_owned(), value.trim().to_owned()));
        }
    }
    if let Ok(Reply::Array(parts)) = connection.command(&[b"CONFIG", b"GET", b"save"])
        && let Some(saves) = parts.get(1).and_then(Reply::as_str)
    {
        facts.push(("rdb_saves".to_owned(), saves.to_owned()));
    }
    facts
}
