//! Looks through our own lists in Redis for jobs that we claimed without hearing of it: the answer was lost with its connection.

use std::collections::HashMap;

use crate::clock::now_us;
use crate::connection::Connection;
use crate::error::Result;
use crate::intake::byte_strings;
use crate::keys;
use crate::shared::Core;
use crate::writer::Writer;

/// How often our lists are compared with what we know, when nothing went wrong.
const CHECK_US: u64 = 60_000_000;
/// And how soon again after something did: a command delayed on a dead connection may still land.
const RECHECK_US: u64 = 3_000_000;
const RECHECKS: u8 = 3;

pub struct Lists {
    pub due_us: u64,
    rechecks: u8,
    /// Jobs in lists of blocking moves that we do not know of, and when they were first seen.
    strangers: HashMap<Vec<u8>, u64>,
}

impl Lists {
    /// With basic fetch there are no lists, and a look is never due.
    pub fn new(reliable: bool) -> Self {
        let due_us = if reliable { now_us() + CHECK_US } else { u64::MAX };
        Self { due_us, rechecks: 0, strangers: HashMap::new() }
    }

    /// A connection broke: a look is due at once, and again.
    pub fn doubt(&mut self) {
        if self.due_us != u64::MAX {
            self.rechecks = RECHECKS;
            self.due_us = 0;
        }
    }

    /// Under a new identity our lists are others.
    pub fn forget(&mut self) {
        self.strangers.clear();
    }

    /// A claim that nobody heard of goes back at once; a job in a list of blocking moves only when two looks found it there, since
    /// its answer may be on the way.
    pub fn check(&mut self, core: &Core, connection: &mut Connection, writer: &mut Writer) -> Result<()> {
        let identity = core.identity();
        let members = connection.command(&[b"SMEMBERS", &keys::flights(&identity.name)])?.array().unwrap_or_default();
        for member in byte_strings(members) {
            let member = String::from_utf8_lossy(&member).into_owned();
            let Some((name, number)) = member.rsplit_once(':') else { continue };
            let (Some(queue), Ok(number)) = (core.options.queue_index(name), number.parse::<u64>()) else { continue };
            if !writer.open_claims.contains(&number) {
                let flight = keys::flight(&identity.name, name, number);
                let jobs = members_of(connection, &flight)?;
                writer.open_claims.insert(number);
                writer.give_back_unknown(core, flight, number, queue, &jobs);
            }
        }
        let now = now_us();
        let mut seen = HashMap::new();
        for (queue, name) in core.options.queues.iter().map(|queue| &queue.name).enumerate() {
            let flight = keys::flight(&identity.name, name, 0);
            for job in members_of(connection, &flight)? {
                if core.moved.knows(identity.epoch, &job) {
                    continue;
                }
                let first = self.strangers.get(&job).copied().unwrap_or(now);
                if now - first >= RECHECK_US / 2 {
                    writer.give_back_unknown(core, flight.clone(), 0, queue, std::slice::from_ref(&job));
                } else {
                    seen.insert(job, first);
                }
            }
        }
        self.strangers = seen;
        self.rechecks = self.rechecks.saturating_sub(1);
        self.due_us = now + if self.rechecks > 0 || !self.strangers.is_empty() { RECHECK_US } else { CHECK_US };
        Ok(())
    }
}

fn members_of(connection: &mut Connection, flight: &[u8]) -> Result<Vec<Vec<u8>>> {
    Ok(byte_strings(connection.command(&[b"LRANGE", flight, b"0", b"-1"])?.array().unwrap_or_default()))
}
