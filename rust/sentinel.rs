//! Asks sentinels who the master is.

use std::cmp::Reverse;
use std::sync::mpsc;
use std::thread::Builder;
use std::time::{Duration, Instant};

use crate::clock::now_us;
use crate::connection::Connection;
use crate::error::{Error, Result};
use crate::resp::{Pipeline, Reply};
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::url::{Endpoint, RedisUrl};

/// A primary that is cut off from its replicas and sentinels goes on answering whoever is connected: what it takes is lost once it is a
/// replica of the one that was promoted meanwhile. So the sentinels are asked now and then though all seems well.
const ASK_EVERY_US: u64 = 5_000_000;
/// A sentinel that is away must not hold up a push or a beat for long.
const ASK_PATIENCE: Duration = Duration::from_millis(100);
/// How long the rest is waited for when more than half of the sentinels have answered.
const REST_PATIENCE: Duration = Duration::from_millis(10);
const STACK: usize = 512 << 10;

/// What a sentinel says.
struct Word {
    master: Endpoint,
    /// Of the election that made it the master (`config-epoch`): the highest is the latest. 0 where the sentinel does not tell.
    epoch: u64,
}

/// What the sentinels say that answered in time.
struct Survey {
    /// Of the latest election first; of the same one in the order of the URL.
    words: Vec<Word>,
    /// Why others said nothing.
    failures: Vec<Error>,
    /// Whether more than half of all said something.
    by_most: bool,
}

/// When the sentinels were asked last, and the latest election they told of.
pub struct Watch {
    asked_us: AtomicU64,
    epoch: AtomicU64,
}

impl Default for Watch {
    fn default() -> Self {
        Self { asked_us: AtomicU64::new(now_us()), epoch: AtomicU64::new(0) }
    }
}

impl Watch {
    /// A connection to the master, with `timeout`, when it is another one than `current` (a connection's name) leads to. Asks every 5 s at
    /// most, and then takes some tenths of a second at most, whoever is frozen.
    pub fn elsewhere(&self, url: &RedisUrl, current: &str, timeout: Duration) -> Option<Connection> {
        let Endpoint::Sentinel { service, .. } = &url.endpoint else {
            return None;
        };
        let (now, asked) = (now_us(), self.asked_us.load(Ordering::Relaxed));
        let mine = now.saturating_sub(asked) >= ASK_EVERY_US
            && self.asked_us.compare_exchange(asked, now, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if !mine {
            return None;
        }
        let survey = survey(url, ASK_PATIENCE, ASK_PATIENCE, ASK_PATIENCE);
        let latest = survey.words.first()?;
        // A sentinel that is cut off with the old master must not lead back there while the others are slow. What most say holds even so:
        // they may have been set up anew.
        if latest.epoch < self.epoch.load(Ordering::Relaxed) && !survey.by_most {
            return None;
        }
        self.epoch.store(latest.epoch, Ordering::Relaxed);
        if latest.master.name(service) == current {
            return None;
        }
        let opened = Connection::open_at(&latest.master, url, ASK_PATIENCE, ASK_PATIENCE).and_then(check);
        let mut connection = opened.ok()?;
        connection.set_timeout(timeout);
        Some(connection)
    }
}

/// A connection to the master of the latest election whose word proves true.
pub fn open_master(url: &RedisUrl, connect_timeout: Duration, timeout: Duration) -> Result<Connection> {
    // Each sentinel has said something by then, if only that it is out of reach: what is waited for is a connection and two replies.
    let longest = connect_timeout + timeout * 3;
    let survey = survey(url, connect_timeout, timeout, longest);
    let mut reasons = Vec::new();
    let mut tried = Vec::new();
    for Word { master, .. } in survey.words {
        // A frozen master takes the whole timeout: once, not once for each sentinel that still names it.
        if tried.contains(&master) {
            continue;
        }
        match Connection::open_at(&master, url, connect_timeout, timeout).and_then(check) {
            Ok(connection) => return Ok(connection),
            // A wrong password will be wrong at the next one too, and says more than "unreachable".
            Err(error @ (Error::Reply { .. } | Error::Config(_))) => return Err(error),
            Err(error) => reasons.push(error.to_string()),
        }
        tried.push(master);
    }
    for error in survey.failures {
        match error {
            Error::Reply { .. } | Error::Config(_) => return Err(error),
            error => reasons.push(error.to_string()),
        }
    }
    Err(Error::Unreachable(format!("no sentinel of {} leads to a master: {}", url.safe(), reasons.join("; "))))
}

/// Asks all at once: one alone may be cut off together with the old master, and goes on naming it. Waits for `longest` at most, and not for
/// the last one once there is something to go by.
fn survey(url: &RedisUrl, connect_timeout: Duration, timeout: Duration, longest: Duration) -> Survey {
    let nodes: &[(String, u16)] = if let Endpoint::Sentinel { nodes, .. } = &url.endpoint { nodes } else { &[] };
    let (sender, answers) = mpsc::channel();
    for (index, (host, port)) in nodes.iter().enumerate() {
        let node = Endpoint::Tcp { host: host.clone(), port: *port };
        let (url, sender) = (url.clone(), sender.clone());
        let work = move || {
            // Who asked may have gone on already.
            let _ = sender.send((index, ask(&url, &node, connect_timeout, timeout)));
        };
        if Builder::new().name("fastkiq-ask".into()).stack_size(STACK).spawn(work.clone()).is_err() {
            work();
        }
    }
    drop(sender);
    let mut deadline = Instant::now() + longest;
    let (mut words, mut failures) = (Vec::new(), Vec::new());
    while let Ok((index, said)) = answers.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        match said {
            Ok(word) => words.push((index, word)),
            Err(error) => failures.push((index, error)),
        }
        if !words.is_empty() {
            let left = if words.len() * 2 > nodes.len() { REST_PATIENCE } else { ASK_PATIENCE };
            deadline = deadline.min(Instant::now() + left);
        }
    }
    let by_most = words.len() * 2 > nodes.len();
    words.sort_by_key(|(index, word)| (Reverse(word.epoch), *index));
    failures.sort_by_key(|(index, _)| *index);
    Survey {
        words: words.into_iter().map(|(_, word)| word).collect(),
        failures: failures.into_iter().map(|(_, error)| error).collect(),
        by_most,
    }
}

fn ask(url: &RedisUrl, node: &Endpoint, connect_timeout: Duration, timeout: Duration) -> Result<Word> {
    let service = url.endpoint.address();
    let name = format!("sentinel {}", node.address());
    let mut sentinel = Connection::connect(node, url.tls.as_ref(), name.clone(), connect_timeout, timeout)?;
    sentinel.login(&url.sentinel_login)?;
    // The address is asked for by itself: during a failover it is the new one some seconds before `MASTER` tells that.
    let mut questions = Pipeline::new();
    questions.command(&[b"SENTINEL", b"GET-MASTER-ADDR-BY-NAME", service.as_bytes()]);
    questions.command(&[b"SENTINEL", b"MASTER", service.as_bytes()]);
    let mut replies = sentinel.run(&questions)?.into_iter();
    let Reply::Array(parts) = replies.next().unwrap_or(Reply::Nil).into_result()? else {
        return Err(Error::Unreachable(format!("{name} knows no master named {service}")));
    };
    let host = parts.first().and_then(Reply::as_str);
    let port = parts.get(1).and_then(Reply::as_int).and_then(|port| u16::try_from(port).ok());
    let epoch = replies.next().map_or(0, |state| config_epoch(&state));
    match (host, port) {
        (Some(host), Some(port)) => Ok(Word { master: Endpoint::Tcp { host: host.to_owned(), port }, epoch }),
        _ => Err(Error::Protocol("the sentinel's answer is no address".into())),
    }
}

/// Of the reply to `SENTINEL MASTER`, names and values in turn; 0 where it is an error, or anything else.
fn config_epoch(state: &Reply) -> u64 {
    let Reply::Array(parts) = state else { return 0 };
    let value = parts.chunks_exact(2).find(|pair| pair[0].as_str() == Some("config-epoch"));
    value.and_then(|pair| u64::try_from(pair[1].as_int()?).ok()).unwrap_or(0)
}

/// A sentinel may not have heard of a failover yet: only the server itself knows what it is.
fn check(mut connection: Connection) -> Result<Connection> {
    let role = match connection.command(&[b"ROLE"]) {
        Ok(reply) => reply,
        // An ACL may forbid the question; the first write will tell.
        Err(Error::Reply { .. }) => return Ok(connection),
        Err(error) => return Err(error),
    };
    match role.array().and_then(|parts| parts.first()?.as_str().map(str::to_owned)).as_deref() {
        Some("master") => Ok(connection),
        _ => Err(Error::Unreachable(format!("{} is no master (yet)", connection.name()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_epoch_is_found_among_the_fields_and_never_required() {
        let texts =
            |words: &[&str]| Reply::Array(words.iter().map(|word| Reply::Bulk(word.as_bytes().into())).collect());
        assert_eq!(config_epoch(&texts(&["name", "config-epoch", "config-epoch", "7", "quorum", "2"])), 7);
        assert_eq!(config_epoch(&texts(&["name", "own", "config-epoch"])), 0);
        assert_eq!(config_epoch(&texts(&["config-epoch", "-1"])), 0);
        assert_eq!(config_epoch(&Reply::Error { code: "ERR".into(), message: "no such command".into() }), 0);
    }
}
