//! From the bytes that Redis handed over to jobs that a thread can take.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::clock::now_us;
use crate::connection::Connection;
use crate::error::Result;
use crate::flight::{Claim, Job};
use crate::keys;
use crate::outbox::Outcome;
use crate::parked::unpark;
use crate::payload::{Envelope, scan};
use crate::poison::{Mark, field};
use crate::resp::Reply;
use crate::safe::UNREADABLE;
use crate::shared::Core;

/// Bytes of JSON that a busy machine turns into Python objects in a microsecond.
const DECODED_PER_US: u64 = 20;

/// Why what has been put aside once is put aside again, whoever has put it into a queue.
const AGAIN: &str = "it holds what could not be read before";

/// Makes jobs of payloads. What no job can be made of goes to the dead set, and the rest goes on.
pub fn jobs(
    core: &Core,
    payloads: Vec<Vec<u8>>,
    queue: usize,
    claim: Option<&Arc<Claim>>,
    marks: Vec<Option<Mark>>,
) -> Vec<Arc<Job>> {
    let now = now_us();
    let mut bytes_before = 0;
    let mut marks = marks.into_iter();
    let mut good = Vec::with_capacity(payloads.len());
    for bytes in payloads {
        let order = core.order.fetch_add(1, Ordering::Relaxed);
        let mark = marks.next().flatten();
        // Large ones take their time to be decoded one after the other: it does not count as waiting.
        bytes_before += bytes.len() as u64;
        core.measures.observe_size(queue, bytes.len());
        let now = now + bytes_before / DECODED_PER_US;
        match scan(&bytes, core.options.max_bytes).map_err(|flaw| flaw.to_string()).and_then(|envelope| {
            if envelope.class(&bytes) == UNREADABLE { Err(AGAIN.to_owned()) } else { Ok(envelope) }
        }) {
            Ok(envelope) => {
                let worker = core.workers.get(envelope.class(&bytes).as_ref()).copied();
                let is_async = worker.is_some_and(|(_, is_async)| is_async);
                let worker = (worker.map(|(index, _)| index), is_async);
                good.push(Arc::new(Job::new(bytes, envelope, queue, claim.cloned(), worker, now, order, mark)));
            }
            Err(flaw) => {
                let nothing = Envelope::default();
                let job = Arc::new(Job::new(bytes, nothing, queue, claim.cloned(), (None, false), now, order, mark));
                job.settle();
                core.outbox.put(job, Outcome::Bad { flaw });
                unpark(&core.threads.fetcher);
            }
        }
    }
    good
}

/// Reads the marks of claimed jobs; asked only while some job is suspect.
pub fn marks(core: &Core, connection: &mut Connection, payloads: &[Vec<u8>]) -> Result<Vec<Option<Mark>>> {
    let fields: Vec<String> = payloads
        .iter()
        .map(|bytes| field(&scan(bytes, core.options.max_bytes).unwrap_or_default().jid(bytes), bytes))
        .collect();
    let mut words: Vec<&[u8]> = vec![b"HMGET", keys::SUSPECTS];
    words.extend(fields.iter().map(String::as_bytes));
    let now = core.clock.now_s();
    let marks = connection.command(&words)?.array().unwrap_or_default();
    Ok(marks.iter().map(|reply| reply.as_str().and_then(Mark::parse).filter(|mark| !mark.expired(now))).collect())
}

/// The items of a reply that are strings.
pub fn byte_strings(replies: impl IntoIterator<Item = Reply>) -> Vec<Vec<u8>> {
    replies.into_iter().filter_map(Reply::bytes).collect()
}
