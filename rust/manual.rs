//! Recovery by hand: one process, judged by what a server would judge it by, and swept with the same scripts when it is asked for.

use std::cell::RefCell;

use crate::clock::RedisClock;
use crate::connection::Connection;
use crate::error::{Error, Result};
use crate::events::Event;
use crate::keys;
use crate::machine::{is_gone, machine};
use crate::recovery::record_of;
use crate::rescue::{Rescuer, fence, sweep_all};
use crate::resp::Reply;
use crate::schema::newer;
use crate::times::Compat;
use crate::url::RedisUrl;

/// What may be done to a process.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// Nothing: it is only judged.
    Look,
    /// What is dead is swept.
    Rescue,
    /// What lives too, after it has been fenced.
    Force,
}

impl How {
    pub fn parse(text: &str) -> Result<Self> {
        match text {
            "look" => Ok(Self::Look),
            "rescue" => Ok(Self::Rescue),
            "force" => Ok(Self::Force),
            _ => Err(Error::argument("how", format!("{text:?}"), "pass look, rescue or force")),
        }
    }
}

pub struct Order {
    pub id: String,
    pub how: How,
    /// The score with which it was seen to stand still for the whole of its lease.
    pub score: Option<String>,
    /// `<queue>:<number>` of flights that were found by their keys.
    pub members: Vec<String>,
    pub dead_max: u64,
    pub dead_timeout: f64,
    pub max_bytes: usize,
    pub compat: Option<Compat>,
}

pub struct Account {
    /// dead: not in the registry; gone: proved to have ended; stale: its score has not moved; forced; alive and newer (of a schema that is not known here): nothing was done.
    pub state: &'static str,
    pub moved: u64,
    /// (class, jid, bytes) of what went to the dead set.
    pub poison: Vec<(String, String, Vec<u8>)>,
    pub refusal: Option<Error>,
}

pub fn recover(connection: &mut Connection, url: &RedisUrl, order: &Order) -> Result<Account> {
    let id = &order.id;
    let score = connection.command(&[b"ZSCORE", keys::ALIVE, id.as_bytes()])?;
    let (place, _) = record_of(connection, id)?;
    let state = match score.as_str() {
        _ if newer(connection, id)?.is_some() => "newer",
        None => "dead",
        Some(_) if has_gone(connection, id)? => "gone",
        Some(_) if order.how == How::Force => "forced",
        Some(score) if order.score.as_deref() == Some(score) => "stale",
        Some(_) => "alive",
    };
    let mut account = Account { state, moved: 0, poison: Vec::new(), refusal: None };
    if order.how == How::Look || state == "alive" || state == "newer" {
        return Ok(account);
    }
    if state != "dead" {
        let seen = order.score.as_deref().filter(|_| state == "stale").unwrap_or_default();
        // A neighbour may have been faster: then it is dead all the same.
        if !fence(connection, id, seen, &place)? && lives(connection, id)? {
            account.state = "alive";
            return Ok(account);
        }
    }
    let clock = RedisClock::default();
    let (seconds, micros) = time(connection)?;
    clock.observe(seconds * 1_000_000 + micros);
    let poison = RefCell::new(Vec::new());
    let rescuer = Rescuer {
        url,
        clock: &clock,
        max_bytes: order.max_bytes,
        dead_max: order.dead_max,
        dead_timeout: order.dead_timeout,
        compat: order.compat,
        tell: Box::new(|event| {
            if let Event::Poison { class, jid, raw } = event {
                poison.borrow_mut().push((class, jid, raw));
            }
        }),
    };
    let swept = sweep_all(&rescuer, connection, id, &order.members)?;
    drop(rescuer);
    account.moved = swept.moved;
    account.refusal = swept.refusal;
    if state == "dead" && !order.members.is_empty() {
        // A full Redis refuses it, and the jobs are back all the same.
        match entomb(connection, order, seconds) {
            Err(error) if error.code().is_some() => account.refusal = account.refusal.or(Some(error)),
            done => done?,
        }
    }
    account.poison = poison.into_inner();
    Ok(account)
}

fn lives(connection: &mut Connection, id: &str) -> Result<bool> {
    Ok(connection.command(&[b"ZSCORE", keys::ALIVE, id.as_bytes()])?.as_str().is_some())
}

/// Whether it ran on this machine and has certainly ended.
fn has_gone(connection: &mut Connection, id: &str) -> Result<bool> {
    let Some(here) = machine() else {
        return Ok(false);
    };
    let proof = connection.command(&[b"HGET", &keys::machine(&here), id.as_bytes()])?;
    Ok(proof.as_str().is_some_and(is_gone))
}

fn time(connection: &mut Connection) -> Result<(i64, i64)> {
    let parts = connection.command(&[b"TIME"])?.array().unwrap_or_default();
    let number = |at: usize| parts.get(at).and_then(Reply::as_int).unwrap_or(0);
    Ok((number(0), number(1)))
}

/// One whose registries were lost gets what others need to look after it for a day: a command of its own that was delayed on the way
/// may still land in its lists. NX: what is known of it is better than what its keys tell.
fn entomb(connection: &mut Connection, order: &Order, now: i64) -> Result<()> {
    let names = order.members.iter().filter_map(|member| member.rsplit_once(':')).map(|(queue, _)| queue);
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    names.dedup();
    let record = keys::process(&order.id);
    connection.command(&[b"ZADD", keys::TOMBS, b"NX", now.to_string().as_bytes(), order.id.as_bytes()])?;
    connection.command(&[b"HSETNX", &record, b"queues", names.join(" ").as_bytes()])?;
    connection.command(&[b"HSETNX", &record, b"schema", keys::SCHEMA.as_bytes()])?;
    Ok(())
}
